"""Nothing is spent before it is shown, and nothing that a cap, a budget or a limit has no room for."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from typing import Any

import pytest

from lanewise.errors import OverBudget
from lanewise.sdk import SyncClient


def nothing_accepted(shell: Any) -> bool:
    """No run in the home, no body on its disk, no call at the provider."""
    runs = json.loads(shell("status", "--json").stdout)["runs"]
    segments = shell.folder / "home" / "segments"
    return runs == [] and list(segments.iterdir()) == [] and shell.sandbox.books()["batches"] == 0


def test_the_estimate_is_shown_before_anything_is_sent(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", chats(3))
    done = shell("run", name, "-o", "out.jsonl")
    lines = done.stderr.splitlines()
    shown = next(
        place for place, line in enumerate(lines) if line.startswith("3 requests in 1 batch")
    )
    assert "likely $" in lines[shown]
    assert shown < lines.index(next(line for line in lines if line.startswith("accepted 3")))


@pytest.mark.parametrize("command", ["run", "submit"])
def test_what_may_cost_more_than_max_usd_is_refused_with_exit_code_four(
    shell: Any, chats: Any, command: str
) -> None:
    name = shell.write("in.jsonl", chats(3))
    done = shell(command, name, "--max-usd", "0.00001")
    assert done.returncode == 4
    assert "it may cost $" in done.stderr
    assert "more than --max-usd $0.00001" in done.stderr
    assert nothing_accepted(shell)
    assert shell(command, name, "--max-usd", "1").returncode == 0


def test_above_a_small_amount_a_run_without_a_terminal_needs_yes_or_max_usd(
    shell: Any, chats: Any
) -> None:
    name = shell.write("in.jsonl", chats(3))
    small = {"LANEWISE_CONFIRM_ABOVE_USD": "0.00001"}
    done = shell("run", name, "-o", "out.jsonl", **small)
    assert done.returncode == 4
    assert "give --yes, or the most it may cost with --max-usd. Nothing was accepted" in done.stderr
    assert nothing_accepted(shell)
    assert shell("run", name, "-o", "out.jsonl", "--max-usd", "1", **small).returncode == 0
    assert shell("run", name, "-o", "again.jsonl", "--again", "--yes", **small).returncode == 0


@pytest.mark.parametrize(("typed", "code", "runs"), [(b"n\n", 4, 0), (b"\n", 4, 0), (b"y\n", 0, 1)])
def test_a_terminal_is_asked_and_only_yes_is_yes(
    shell: Any, chats: Any, typed: bytes, code: int, runs: int
) -> None:
    name = shell.write("in.jsonl", chats(3))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lanewise", "run", name, "-o", "out.jsonl"],
        cwd=shell.folder,
        env=shell.env | {"LANEWISE_CONFIRM_ABOVE_USD": "0.00001"},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while b"[y/N]" not in seen:
        ready, _, _ = select.select([ours], [], [], 20.0)
        assert ready, seen
        seen += os.read(ours, 1024)
    assert b"Send 3 requests for at most $" in seen
    os.write(ours, typed)
    process.communicate(timeout=30)
    os.close(ours)
    assert process.returncode == code, seen
    assert shell.sandbox.books()["batches"] == runs


def test_a_run_of_unknown_price_is_not_sent_unasked(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", chats(2, model="our-own-model"))
    done = shell("run", name)
    assert done.returncode == 4
    assert "what 2 requests cost is not known" in done.stderr
    limited = shell("run", name, "--max-usd", "5")
    assert limited.returncode == 4
    assert "no price in the batch lane is known for openai our-own-model" in limited.stderr
    budget = shell("run", name, "--yes", "--workflow", "tests", LANEWISE_BUDGETS="tests=50")
    assert budget.returncode == 4
    assert "the monthly budget of $50.00 cannot be held" in budget.stderr
    assert nothing_accepted(shell)


def test_the_daily_cap_is_on_by_default_and_says_how_to_raise_it(shell: Any, chats: Any) -> None:
    big = chats(2)
    for request in big:
        request["body"] |= {"model": "gpt-4o", "max_tokens": 16_000, "n": 128}
    name = shell.write("in.jsonl", big * 1)
    shell.write("many.jsonl", [item | {"custom_id": f"{n}"} for n in range(10) for item in big[:1]])
    done = shell("run", "many.jsonl", "--yes")
    assert done.returncode == 4
    assert "the daily cap of $100.00 has $100.00 left" in done.stderr
    assert "LANEWISE_DAILY_CAP_USD" in done.stderr
    assert nothing_accepted(shell)
    assert shell("submit", name, "--yes", LANEWISE_DAILY_CAP_USD="1000").returncode == 0


def test_open_runs_are_counted_against_a_budget_and_it_warns_before_it_refuses(
    shell: Any, chats: Any
) -> None:
    """Three requests may cost about $0.0009 at most; what is accepted and not settled counts in full."""
    name = shell.write("in.jsonl", chats(3))
    budget = {"LANEWISE_BUDGETS": "tests=0.0011:50"}
    first = shell("submit", name, "--workflow", "tests", **budget)
    assert first.returncode == 0
    assert "warning: workflow 'tests' has used" in first.stderr
    second = shell("submit", name, "--workflow", "tests", "--again", **budget)
    assert second.returncode == 4
    assert "the monthly budget of workflow 'tests'" in second.stderr
    assert shell("submit", name, "--workflow", "others", **budget).returncode == 0


def test_of_runs_submitted_at_once_no_two_take_the_last_dollar(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", chats(3))
    budget = {"LANEWISE_BUDGETS": "tests=0.0011"}
    started = [
        shell.start("submit", name, "--workflow", "tests", "--run", f"r{n}", **budget)
        for n in range(3)
    ]
    codes = []
    for process in started:
        process.communicate(timeout=60)
        codes.append(process.returncode)
    assert sorted(codes) == [0, 4, 4]


def test_a_run_that_is_known_is_neither_asked_about_nor_counted_again(
    shell: Any, chats: Any
) -> None:
    name = shell.write("in.jsonl", chats(3))
    assert shell("run", name, "-o", "out.jsonl").returncode == 0
    none = {"LANEWISE_DAILY_CAP_USD": "0", "LANEWISE_CONFIRM_ABOVE_USD": "0"}
    again = shell("run", name, "-o", "again.jsonl", "--max-usd", "0", **none)
    assert again.returncode == 0, again.stderr
    assert shell.read("again.jsonl") == shell.read("out.jsonl")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LANEWISE_DAILY_CAP_USD", "much"),
        ("LANEWISE_CONFIRM_ABOVE_USD", "-1"),
        ("LANEWISE_BUDGETS", "tests"),
        ("LANEWISE_BUDGETS", "tests=5:200"),
    ],
)
def test_a_cap_that_cannot_be_meant_is_refused(
    shell: Any, chats: Any, variable: str, text: str
) -> None:
    done = shell("run", shell.write("in.jsonl", chats(1)), **{variable: text})
    assert done.returncode == 2
    assert f"{variable} is {text!r}; it takes" in done.stderr


def test_a_max_usd_that_cannot_be_meant_is_refused(shell: Any, chats: Any) -> None:
    done = shell("run", shell.write("in.jsonl", chats(1)), "--max-usd", "lots")
    assert done.returncode == 2
    assert "--max-usd is 'lots'; it takes dollars such as 50 or 0.25" in done.stderr


def test_the_python_face_holds_limits_and_caps_as_well(
    shell: Any, chats: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in shell.env.items():
        monkeypatch.setenv(name, value)
    with SyncClient(workflow="tests", daily_cap_usd=1) as client:
        with pytest.raises(OverBudget, match="more than --max-usd"):
            client.submit(chats(3), max_usd="0.00001")
        assert client.submit(chats(3), max_usd=1).requests == 3
    with SyncClient(workflow="tests", daily_cap_usd=0) as client, pytest.raises(OverBudget):
        client.submit(chats(4))


def test_answers_teach_the_next_estimate(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", chats(40))
    assert shell("run", name, "-o", "out.jsonl", "--workflow", "tests").returncode == 0
    other = shell.write("other.jsonl", chats(7))
    done = shell("run", other, "-o", "o.jsonl", "--workflow", "tests", "--again")
    assert "tokens by 40 answers" in done.stderr


# -- the books, from the command line ------------------------------------------------------------------
def test_savings_ledger_export_and_reconcile_agree_with_the_invoice(shell: Any, chats: Any) -> None:
    import csv
    from decimal import Decimal

    import httpx2

    name = shell.write("in.jsonl", chats(30))
    shell("run", name, "-o", "out.jsonl", "--workflow", "tickets", "--tag", "team=red")
    charged = Decimal(shell.sandbox.books()["nano_usd"]).scaleb(-9)
    report = json.loads(shell("savings", "--json").stdout)
    assert Decimal(str(report["total"]["spent_usd"])) == charged
    rows = json.loads(shell("ledger", "show", "--json").stdout)
    assert sum(Decimal(row["cost_usd"]) for row in rows) == charged
    assert rows[0]["tags"] == {"team": "red"}
    verified = shell("ledger", "verify", "--json")
    assert (verified.returncode, json.loads(verified.stdout)["differences"]) == (0, [])
    month = rows[0]["charged_at"][:7]
    assert shell("export", "focus", "--month", month, "-o", "focus.csv").returncode == 0
    with (shell.folder / "focus.csv").open(newline="") as file:
        assert sum(Decimal(row["BilledCost"]) for row in csv.DictReader(file)) == charged
    totals = [
        json.loads(shell("audit", path, "--json").stdout)["total"]
        for path in ("focus.csv", shell.write("ledger.json", rows))
    ]
    for name in ("input_tokens", "cached_tokens", "output_tokens", "logged_usd"):
        assert totals[0][name] == totals[1][name], name
    costs = httpx2.get(
        f"{shell.sandbox.url}/v1/organization/costs?start_time=0",
        headers={"authorization": "Bearer admin"},
    )
    (shell.folder / "costs.json").write_bytes(costs.content)
    even = shell("reconcile", "--provider", "openai", "costs.json")
    assert even.returncode == 0, even.stdout
    assert "every day agrees" in even.stdout
    (shell.folder / "costs.csv").write_text(f"date,amount\n{rows[0]['charged_at'][:10]},5\n")
    drift = shell("reconcile", "--provider", "openai", "costs.csv")
    assert drift.returncode == 1
    assert "unexplained: charged, and not in the ledger" in drift.stdout


def test_the_page_of_savings_is_written_whole(shell: Any, chats: Any) -> None:
    shell("run", shell.write("in.jsonl", chats(2)), "-o", "out.jsonl", "--workflow", "<b>x</b>")
    assert shell("savings", "--html", "page.html").returncode == 0
    page = (shell.folder / "page.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "<b>x" not in page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("savings", "--by", "mood"), "--by is 'mood'; accepted are workflow"),
        (("savings", "--since", "yesterday"), "--since is 'yesterday'; it takes 30d"),
        (("ledger", "show", "--since", "5y"), "--since is '5y'"),
        (("export", "focus", "--month", "11", "-o", "f.csv"), "--month is '11'; it takes a month"),
        (
            ("export", "focus", "--month", "2026-11", "-o", "f.xls"),
            "-o is 'f.xls'; it takes a file",
        ),
        (("reconcile", "--provider", "openai", "none.json"), "none.json: cannot be read"),
        (("run", "in.jsonl", "--tag", "team"), "--tag is 'team'; it takes KEY=VALUE"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_two(
    shell: Any, chats: Any, arguments: tuple[str, ...], says: str
) -> None:
    shell.write("in.jsonl", chats(1))
    done = shell(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert list(shell.folder.glob("f.*")) == []
