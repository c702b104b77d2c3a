"""What `lanewise audit` prints of prompt caches, and what of it programs get."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from click.testing import CliRunner

from lanewise.cli.main import cli

MAP: Final = "model=model,workflow=workflow,input_tokens=input_tokens,prompt=prompt"
LONG: Final = "Sort this complaint into one of the classes that follow. " * 150
Told: TypeAlias = Callable[..., str]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """What an audit of some rows prints."""

    def run(rows: list[dict[str, Any]], *args: str) -> str:
        log = tmp_path / "log.jsonl"
        log.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        home = ["--home", str(tmp_path / "home")]
        done = CliRunner().invoke(cli, ["audit", *home, str(log), *args])
        assert done.exit_code == 0, done.exception
        return done.stdout

    return run


def rows(prompt: str = LONG, input_tokens: int = 1_700) -> list[dict[str, Any]]:
    return [
        {"at": 1_790_000_000 + n * 20, "model": "gpt-4o", "workflow": "sorting"}
        | {"input_tokens": input_tokens, "prompt": f"{prompt} case {n}"}
        for n in range(20)
    ]


def test_shares_and_money_are_told_with_what_they_rest_on(told: Told) -> None:
    said = told(rows(), "--map", f"at=at,{MAP}")
    assert "prompt caches, replayed over all 20 requests in real time" in said
    assert "within 5 minutes and" in said
    assert "the log does not say what was read" in said
    assert "gpt-4o: one prompt_cache_key for each shared prefix" in said


def test_what_is_too_short_is_named_and_has_no_money(told: Told) -> None:
    said = told(rows(LONG[:2_000], 400), "--map", f"at=at,{MAP}")
    assert "sorting: repeats 9" in said
    assert "but below the 1,024 that a cache of gpt-4o takes: nothing to save" in said
    assert "prompt_cache_key" not in said


def test_a_log_without_times_is_told_to_be_one(told: Told) -> None:
    said = told(rows(), "--map", MAP)
    assert (
        "as if all were sent at once, since the log has no times (--pace gives it some): at the most"
        in said
    )
    assert "as if 0.5 a second were sent in the order of the log" in told(
        rows(), "--map", MAP, "--pace", "0.5"
    )


def test_what_sorting_by_prefix_would_add_is_told_of_the_whole_log_too(told: Told) -> None:
    """Ten documents asked for in turn, a minute apart: each is cold again when its turn comes."""
    turns = [row | {"at": 1_790_000_000 + n * 60} for n, row in enumerate(rows())]
    turns = [row | {"prompt": f"{n % 10} {row['prompt']}"} for n, row in enumerate(turns)]
    found = json.loads(told(turns, "--map", f"at=at,{MAP}", "--json"))["caches"]
    assert (found["usable_share"], found["sorted_usable_share"]) == (
        0,
        pytest.approx(0.49, abs=0.05),
    )
    share = f"{found['sorted_usable_share']:.1%}"
    said = told(turns, "--map", f"at=at,{MAP}")
    assert f"0.0% can be read under the providers' rules, {share} if sorted by prefix" in said


def test_times_since_a_trace_began_are_no_dates(told: Told) -> None:
    trace = [
        {"timestamp": n * 1_000, "input_length": 2_048, "hash_ids": [1, 2, 3, n + 9]}
        for n in range(61)
    ]
    said = told(trace, "--model", "gpt-4o")
    assert "over 0:01:00 h; times are not dates" in said
    assert "1970" not in said


def test_programs_get_every_figure(told: Told) -> None:
    found = json.loads(told(rows(), "--map", f"at=at,{MAP}", "--json"))["caches"]
    (line,) = found["lines"]
    assert (found["requests_replayed"], found["of_requests"], found["stretches"]) == (20, 20, None)
    assert line["repeated_share"]["300"] == found["repeated_share"]["300"] > 0.9
    assert line["usable_share"] == found["usable_share"] > 0.8
    assert (line["best_life"], line["cached_share"]) == ("in memory", None)
    assert line["saves_more_usd"]["low"] == 0 < line["saves_more_usd"]["high"]
    assert LONG[:30] not in json.dumps(found)


def test_what_has_no_prompts_says_what_to_log(told: Told) -> None:
    said = told(rows(), "--map", "at=at,model=model,input_tokens=input_tokens")
    assert "prompt caches: nothing can be said without prompts" in said
