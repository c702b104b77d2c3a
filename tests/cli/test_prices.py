"""`lanewise prices` as a stranger runs it: what it prints, what it refuses, and what it leaves alone."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from lanewise.pricing.compiling import PROVIDERS
from lanewise.pricing.table import shipped


def data(price: float) -> str:
    """Price data with one model in it."""
    one = {
        "id": "gpt-4o",
        "match": {"starts_with": "gpt-4o"},
        "prices": {"input_mtok": price, "output_mtok": 10},
    }
    return json.dumps([{"id": name, "models": [one]} for name in PROVIDERS])


def cells(line: str) -> list[str]:
    """The cells of a line of a table."""
    return [cell.strip() for cell in line.split("│")]


def test_show_gives_every_lane_with_what_it_rests_on(shell: Any) -> None:
    done = shell("prices", "show", "gpt-4o", "--at", "2026-11-24")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if "│" in line}
    assert cells(rows["batch"]) == ["batch", "1.25", "1.25", "1.25", "1.25", "5", "listed"]
    assert rows["background_8h"].endswith("rule   ")
    assert rows["flex"].rstrip().endswith("unknown")
    assert "basis: genai-prices " in done.stdout
    assert "sources disagree on cached tokens in batches" in done.stdout


def test_show_announces_prices_of_later_days(shell: Any) -> None:
    done = shell("prices", "show", "gemini-3.8-flash", "--at", "2026-11-24", "--lane", "batch")
    assert "from 2027-01-01, batch: input 0.375 -> 0.75" in done.stdout


def test_show_for_programs_has_exact_texts(shell: Any) -> None:
    done = shell("prices", "show", "gemini-2.5-pro", "--at", "2026-11-24", "--json")
    [found] = json.loads(done.stdout)
    batch = found["lanes"]["batch"]
    assert (batch["status"], batch["rates"]["input"], batch["rates"]["cache_read"]) == (
        "listed", "0.625", "0.125",
    )  # fmt: skip
    assert batch["tiers"][0]["above"] == 200_000
    assert found["lanes"]["background_2h"]["rates"] is None


def test_looking_at_prices_makes_no_home(shell: Any) -> None:
    shell("prices", "show", "gpt-4o")
    shell("prices", "diff")
    assert not (shell.folder / "home").exists()


WRONG = [
    (("show", "gpt-4p"), "no price of 'gpt-4p' is known; near it: "),
    (("show", "gpt-4o", "--at", "soon"), "--at is 'soon'; it takes a day such as 2026-12-01"),
    (("show", "gpt-4o", "--provider", "opneai"), "those known are: "),
    (("show", "gpt-4o", "--lane", "bacth"), "'realtime', 'flex'"),
    (("diff", "--from", "a", "--against", "b"), "one file is compared with yours"),
    (("diff", "--from", "nothing.json"), "nothing.json: cannot be read"),
    (("update",), "--from FILE"),
    (("update", "--from", "x", "--reset"), "--from FILE"),
    (("update", "--from", "nothing.json"), "nothing.json: cannot be read"),
    (("update", "--from", "http://example.org/x"), "an https address"),
    (("update", "--from", "broken.json"), "broken.json: not genai-prices data"),
    (("update", "--from", "good.json", "--as-of", "2026-13-01"), "--as-of is '2026-13-01'"),
    (("update", "--from", "good.json", "--as-of", "2020-01-01"), "older than the prices in use"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(item[0]) for item in WRONG])
def test_bad_input_is_named_and_changes_nothing(
    shell: Any, arguments: tuple[str, ...], said: str
) -> None:
    (shell.folder / "broken.json").write_text('[{"id": "openai"')
    (shell.folder / "good.json").write_text(data(2))
    done = shell("prices", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert not (shell.folder / "home").exists()


def test_an_update_is_shown_first_then_written_used_and_taken_back(shell: Any) -> None:
    (shell.folder / "data.json").write_text(data(2.25))
    table: Path = shell.folder / "home/prices.table.json"

    tried = shell("prices", "update", "--from", "data.json", "--dry-run")
    assert "nothing was written" in tried.stdout
    assert not table.exists()

    done = shell("prices", "update", "--from", "data.json", "--json")
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(table.stat().st_mode) == 0o600
    version = json.loads(done.stdout)["version"]
    shown = shell("prices", "show", "gpt-4o", "--lane", "realtime")
    assert "2.25 " in shown.stdout
    assert f"basis: genai-prices {version} |" in shown.stdout
    differs = json.loads(shell("prices", "diff", "--json").stdout)["differences"]
    line = next(
        item for item in differs if (item["provider"], item["model"]) == ("openai", "gpt-4o")
    )
    assert (line["rate"], line["old"], line["new"]) == ("input", "2.5", "2.25")

    back = shell("prices", "update", "--reset")
    assert f"genai-prices {shipped().version} |" in back.stdout
    assert not table.exists()


def test_what_was_booked_keeps_its_price_and_basis_after_an_update(shell: Any, chats: Any) -> None:
    shell("run", shell.write("in.jsonl", chats(2)), "-o", "out.jsonl")
    (shell.folder / "data.json").write_text(data(2.25).replace("gpt-4o", "gpt-4o-mini"))
    before = shell("ledger", "show", "--json").stdout
    assert shell("prices", "update", "--from", "data.json").returncode == 0
    assert shell("ledger", "show", "--json").stdout == before
    shell("run", shell.write("in.jsonl", chats(3)), "-o", "more.jsonl")
    first, second = json.loads(shell("ledger", "show", "--json").stdout)
    assert first["price_basis"].startswith(f"genai-prices {shipped().version} |")
    assert second["price_basis"].startswith("genai-prices data 20")
    assert shell("ledger", "verify").returncode == 0


def test_diff_tries_negotiated_prices_before_they_are_used(shell: Any) -> None:
    (shell.folder / "new.toml").write_text(
        '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = 2\noutput = 8\n'
    )
    done = shell("prices", "diff", "--against", "new.toml", "--at", "2026-11-24")
    assert done.returncode == 0, done.stderr
    lines = [cells(line) for line in done.stdout.splitlines()]
    assert ["openai", "gpt-4o", "batch", "input", "1.25", "1"] in lines


def test_doctor_gives_an_entry_for_what_is_not_listed_and_then_has_nothing_to_say(
    shell: Any,
) -> None:
    body = {"model": "text-embedding-3-small", "input": "a ticket"}
    name = shell.write("in.jsonl", [body])
    shell("run", name, "-o", "out.jsonl", "--endpoint", "/v1/embeddings")
    [found] = json.loads(shell("prices", "doctor", "--json").stdout)["models"]
    assert (found["model"], found["lane"], found["status"], found["requests"]) == (
        "text-embedding-3-small", "batch", "rule", 1,
    )  # fmt: skip
    done = shell("prices", "doctor")
    assert done.returncode == 0
    assert "      [[price]]\n" in done.stdout
    (shell.folder / "home/prices.toml").write_text(found["snippet"])
    [found] = json.loads(shell("prices", "doctor", "--json").stdout)["models"]
    assert (found["snippet"], found["status_today"]) == ("", "override")


def test_doctor_of_a_new_home_has_nothing_to_complain_of(shell: Any) -> None:
    done = shell("prices", "doctor")
    assert done.returncode == 0
    assert "nothing is in the ledger yet" in done.stdout
