"""`lanewise estimate`: figures before spending, without a credential, without a home."""

from __future__ import annotations

import json
from typing import Any

import pytest


def chat(number: int, model: str = "gpt-4o-mini", **body: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"{number} is late"}]
    return {
        "custom_id": f"r{number}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": model, "messages": messages} | body,
    }


NO_CREDENTIAL = {
    "OPENAI_API_KEY": "",
    "OPENAI_BASE_URL": "",
    "ANTHROPIC_API_KEY": "",
    "ANTHROPIC_BASE_URL": "",
}


def test_it_needs_neither_credential_nor_home_and_leaves_nothing_behind(shell: Any) -> None:
    name = shell.write("in.jsonl", [chat(n, max_tokens=10) for n in range(3)])
    done = shell("estimate", name, **NO_CREDENTIAL)
    assert done.returncode == 0, done.stderr
    for shown in (
        "gpt-4o-mini",
        "exact",
        "realtime",
        "batch",
        "listed, cheapest",
        "3 requests in 1 batch",
    ):
        assert shown in done.stdout
    assert not (shell.folder / "home").exists()


def test_json_has_what_programs_rely_on(shell: Any) -> None:
    name = shell.write("in.jsonl", [chat(n, max_tokens=10) for n in range(3)])
    figures = json.loads(shell("estimate", name, "--json", "--at", "2026-11-24").stdout)
    assert figures["at"] == "2026-11-24"
    cost = figures["batch_cost_nano_usd"]
    assert 0 < cost["low"] < cost["likely"] <= cost["high"]
    assert (figures["requests"], figures["batches"], figures["unpriced_requests"]) == (3, 1, 0)
    [group] = figures["groups"]
    assert (group["method"], group["counting"], group["cheapest"]) == (
        "exact",
        "o200k_base",
        "batch",
    )
    assert group["lanes"]["batch"]["status"] == "listed"
    assert group["output_tokens"] == {"low": 3, "likely": 30, "high": 30}


@pytest.mark.parametrize(
    "small", [{"LANEWISE_BATCH_REQUESTS": "3"}, {"LANEWISE_BATCH_BYTES": "660"}], ids=str
)
def test_what_a_run_costs_is_within_the_range_and_its_batches_are_as_many_as_was_said(
    shell: Any, chats: Any, small: dict[str, str]
) -> None:
    name = shell.write("in.jsonl", chats(10, max_tokens=40))
    figures = json.loads(shell("estimate", name, "--json", **small).stdout)
    spent = json.loads(shell("run", name, "--json", **small).stdout)
    assert figures["batches"] == spent["batches"] == 4
    assert 0 < spent["cost_usd"] <= figures["batch_cost_nano_usd"]["high"] / 1e9


def test_above_the_cap_it_exits_with_four_and_names_both_figures(shell: Any) -> None:
    name = shell.write("in.jsonl", [chat(1, max_tokens=1_000_000)])
    done = shell("estimate", name, "--max-usd", "0.25")
    assert done.returncode == 4
    assert "it may cost $0.30" in done.stderr
    assert "likely $0.0000" in done.stderr
    assert "--max-usd $0.25" in done.stderr
    assert "gpt-4o-mini" in done.stdout
    assert shell("estimate", name, "--max-usd", "0.31").returncode == 0


def test_a_cap_cannot_be_held_where_a_price_is_unknown_until_it_is_written_down(shell: Any) -> None:
    name = shell.write("in.jsonl", [chat(1, "our-own-model"), chat(2)])
    assert shell("estimate", name).returncode == 0
    done = shell("estimate", name, "--max-usd", "50")
    assert done.returncode == 4
    assert "openai our-own-model" in done.stderr
    assert "prices.toml" in done.stderr
    (shell.folder / "home").mkdir()
    (shell.folder / "home/prices.toml").write_text(
        '[[price]]\nprovider = "openai"\nmodel = "our-own-model"\nlanes = ["realtime", "batch"]\n'
        "input = 1\noutput = 2\n"
    )
    done = shell("estimate", name, "--max-usd", "50")
    assert (done.returncode, done.stderr) == (0, "")
    assert "override" in done.stdout


def test_standard_input_and_bare_bodies_are_read_as_run_reads_them(shell: Any) -> None:
    body = b'{"input": "hello"}\n{"input": ["two", "texts"]}\n'
    done = shell("estimate", "-", "--endpoint", "/v1/embeddings",
                 "--model", "text-embedding-3-small", "--json", stdin=body)  # fmt: skip
    [group] = json.loads(done.stdout)["groups"]
    assert (group["requests"], group["output_tokens"]["high"]) == (2, 0)


def test_broken_lines_are_counted_and_named(shell: Any) -> None:
    name = shell.write("in.jsonl", [json.dumps(chat(1)), "{", *["[]"] * 20], raw=True)
    done = shell("estimate", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "21 lines are no requests" in done.stderr
    assert "in.jsonl:2:" in done.stderr
    assert "and 11 more" in done.stderr
    skipping = shell("estimate", name, "--skip-bad", "--json")
    assert skipping.returncode == 0
    assert json.loads(skipping.stdout)["requests"] == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--max-usd", "lots"], "--max-usd is 'lots'; it takes dollars"),
        (["--at", "soon"], "--at is 'soon'; it takes a day such as 2026-12-01"),
        (["--provider", "anthropic"], "the input holds requests in openai's form"),
        (["--endpoint", "/v1/videos"], "no batch lane has the endpoint"),
    ],
)
def test_bad_options_get_one_line_that_says_what_would_do(
    shell: Any, arguments: list[str], told: str
) -> None:
    name = shell.write("in.jsonl", [chat(1)])
    done = shell("estimate", name, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_a_provider_would_refuse_is_said_with_its_place(shell: Any) -> None:
    name = shell.write("in.jsonl", [chat(1), chat(2, "o3", max_tokens=5)])
    done = shell("estimate", name)
    assert "warning: 1 request, first in.jsonl:2: o3 refuses `max_tokens`" in done.stdout


def test_the_prices_of_another_day_are_those_of_that_day(shell: Any) -> None:
    name = shell.write("in.jsonl", [chat(1, "o3", max_completion_tokens=100)])
    then, now = (
        json.loads(shell("estimate", name, "--json", "--at", day).stdout)
        for day in ("2025-06-01", "2026-11-24")
    )
    assert then["realtime_cost_nano_usd"]["high"] > 4 * now["realtime_cost_nano_usd"]["high"]


def test_what_a_workflow_answered_makes_its_next_estimate_closer(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", chats(40))
    before = json.loads(shell("estimate", name, "--json", "--workflow", "tickets").stdout)[
        "groups"
    ][0]
    spent = json.loads(shell("run", name, "--json", "--workflow", "tickets").stdout)
    after = json.loads(shell("estimate", name, "--json", "--workflow", "tickets").stdout)
    [group] = after["groups"]
    assert (group["method"], group["counting"]) == ("calibrated", "40 answers")
    assert group["output_from"] == {"history": 40}
    assert group["output_tokens"]["high"] < before["output_tokens"]["high"] / 4
    actual = round(spent["cost_usd"] * 1e9)
    assert after["batch_cost_nano_usd"]["low"] <= actual <= after["batch_cost_nano_usd"]["high"]
    elsewhere = json.loads(shell("estimate", name, "--json", "--workflow", "other").stdout)
    assert elsewhere["groups"][0]["method"] == "exact"
