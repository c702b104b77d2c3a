"""Traces whose answers are known, through the command, from ../shared/data where it is there.

Small ones of their forms are in test_cache_lever.py and test_cutting.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from lanewise.cli.main import cli

from .conftest import shared

MODEL: Final = "gpt-4o"
Audited = Callable[..., dict[str, Any]]


@pytest.fixture
def audited(tmp_path: Path) -> Audited:
    """What `lanewise audit --json` says of a file of real data; skips where there is none."""

    def run(name: str, *args: str) -> dict[str, Any]:
        home = ["--home", str(tmp_path / "home")]
        done = CliRunner().invoke(cli, ["audit", *home, str(shared(name)), "--json", *args])
        assert done.exit_code == 0, done.exception
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


def percent(caches: dict[str, Any], what: str, of: str) -> float:
    """A share over the lines of some workflows."""
    chosen = [line for line in caches["lines"] if of in line["workflow"]]
    whole_ = sum(line["input_tokens"] for line in chosen)
    return 100 * float(sum(line[what] * line["input_tokens"] for line in chosen)) / whole_


def test_mooncake_repeats_29_percent_in_five_minutes_and_37_in_an_hour(audited: Audited) -> None:
    found = audited("mooncake_conversation.jsonl.zst")
    caches = found["caches"]
    assert (caches["block_tokens"], caches["requests_replayed"], found["rows"]) == (
        512,
        12_031,
        12_031,
    )
    assert {name: round(100 * share, 1) for name, share in caches["repeated_share"].items()} == {
        "300": 29.3, "3600": 37.4,
    }  # fmt: skip
    assert found["total"]["last"] < 3_600  # seconds since the trace began, and no date


def test_claude_code_repeats_what_its_own_columns_say_and_has_money(audited: Audited) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(shared("claude_code_requests_dev.parquet"))
    columns = table.select(["in", "prefix_5m", "prefix_1h"]).to_pydict()
    input_, short, long = (sum(columns[name]) for name in ("in", "prefix_5m", "prefix_1h"))
    found = audited("claude_code_traces_dev.jsonl.zst")
    caches = found["caches"]
    assert (caches["block_tokens"], caches["input_tokens"]) == (64, input_)
    assert caches["repeated_share"] == {
        "300": round(short / input_, 4), "3600": round(long / input_, 4),
    } == {"300": 0.9162, "3600": 0.9587}  # fmt: skip
    assert found["total"]["reckoned_usd"] > 16_000
    assert caches["lines"][0]["model"] == "claude-sonnet-4-5-20250929"
    assert caches["lines"][0]["saves_more_usd"]["high"] > 5_000


TEMPLATES: Final = ("--map", "prompt=prompt,answer=completion,workflow=template", "--model", MODEL)


def test_wiki_hop_hits_nothing_by_template_and_67_6_percent_sorted(audited: Audited) -> None:
    found = audited("t0_templates_dev.jsonl.zst", *TEMPLATES, "--pace", "0.5")
    caches = found["caches"]
    assert found["rows"] == 36_385  # U+2028 ends no line
    assert percent(caches, "usable_share", "wiki_hop") == 0
    assert round(percent(caches, "sorted_usable_share", "wiki_hop"), 1) == 67.6


def test_of_what_bbh_repeats_only_long_beginnings_can_be_read(audited: Audited) -> None:
    mapped = "prompt=prompt,answer=output,workflow=workflow"
    found = audited("bbh_fewshot_dev.jsonl.zst", "--map", mapped, "--model", MODEL, "--pace", "1")
    caches = found["caches"]
    shares = {line["workflow"]: line["repeated_share"]["300"] for line in caches["lines"]}
    steps = [share for name, share in shares.items() if ".cot." in name]
    assert 0.85 <= sum(steps) / len(steps) <= 0.92
    assert {line["workflow"] for line in caches["lines"] if line["usable_share"]} == {
        "bbh.cot.geometric_shapes",
        "bbh.cot.salient_translation_error_detection",
    }
    assert round(percent(caches, "usable_share", ".cot."), 1) == 26.4
    assert {lever["workflow"] for lever in found["levers"] if lever["lever"] == "cache"} == {
        "bbh.cot.geometric_shapes",
        "bbh.cot.salient_translation_error_detection",
    }
    assert any("below the 1,024" in said for said in caches["findings"])


def test_lines_out_of_the_order_of_time_are_sorted_first(audited: Audited) -> None:
    found = audited("lmcache_miniswe.jsonl.zst", "--model", MODEL)
    assert found["rows"] == 402
    assert [one["requests"] for one in found["tokens_estimated"]] == [402]
    shares = found["caches"]["repeated_share"]
    assert 0.93 < shares["300"] <= shares["3600"] < 0.94
    assert found["caches"]["usable_share"] == pytest.approx(0.925, abs=0.003)
