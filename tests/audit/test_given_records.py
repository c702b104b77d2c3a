"""The records that are given for each format become the rows that are given with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from .conftest import SHARED, rows_of, shared, write

GIVEN: Final = "logformats/constructed_samples.jsonl"


def given() -> list[Any]:
    path = SHARED / GIVEN
    if not path.exists():
        return [pytest.param(None, id="absent")]
    lines = path.read_text(encoding="utf-8").split("\n")
    return [pytest.param(one, id=one["format"]) for one in map(json.loads, filter(None, lines))]


def instant(text: str) -> Any:
    return pytest.approx(datetime.fromisoformat(text).timestamp(), abs=1e-5)


def seconds(milliseconds: float) -> Any:
    return pytest.approx(milliseconds / 1e3)


MEANS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "ts": ("at", instant),
    "provider": ("provider", lambda value: value.split("/")[0]),
    "model": ("model", str),
    "in_total": ("input", lambda value: value),
    "in_cached": ("cached", lambda value: value),
    "in_cache_write": ("cache_write", lambda value: value),
    "out": ("output", lambda value: value),
    "latency_ms": ("seconds", seconds),
    "ttft_ms": ("first_token_seconds", seconds),
    "stream": ("stream", bool),
    "workflow": ("workflow", str),
    "user": ("user_name", str),
    "session": ("session", str),
    "cost_usd": ("cost_nano", lambda value: round(value * 1e9)),
    "aggregate": ("aggregate", bool),
    "requests": ("n", int),
}


@pytest.mark.parametrize("sample", given())
def test_a_given_record_becomes_the_given_row(
    sample: dict[str, Any] | None, tmp_path: Path
) -> None:
    shared(GIVEN)
    assert sample is not None
    suffix = "csv" if sample["format"].endswith("_csv") else "jsonl"
    _, rows = rows_of(write(tmp_path / f"log.{suffix}", [sample["record"]]))
    assert len(rows) == 1
    expect = dict(sample["expect"])
    if "has_text" in expect:
        has = rows[0]["prompt"] is not None or rows[0]["answer"] is not None
        assert has is expect.pop("has_text"), sample["trap"]
    if "already_batch" in expect:
        assert (rows[0]["lane"] == "batch") is expect.pop("already_batch")
    wanted = {
        MEANS[name][0]: MEANS[name][1](value) if value is not None else None
        for name, value in expect.items()
    }
    assert {name: rows[0][name] for name in wanted} == wanted, sample["trap"]


def test_of_real_langfuse_traces_only_the_innermost_generations_count() -> None:
    imported, rows = rows_of(shared("logformats/langfuse_traces_real.jsonl.zst"))
    assert [one.format for one in imported.read] == ["langfuse"]
    assert len(rows) == 22
    tokens = {(row["model"], row["input"], row["output"]) for row in rows}
    assert ("gpt-4o-mini", 663, 225) in tokens  # within a parent that says 1568 and 423
    assert ("gpt-5", 62, 85) in tokens  # within ai.generateText
    assert ("gpt-5-mini", 44, 180) not in tokens  # an agent
    assert sum(row["input"] or 0 for row in rows) == 8709
    assert {row["session"] for row in rows if row["user_name"] == "demo-user"} == {"demo-session"}


def test_of_real_langsmith_payloads_both_halves_of_a_run_are_joined() -> None:
    _, rows = rows_of(shared("logformats/langsmith_ingest_real.jsonl"))
    assert len(rows) == 8
    assert sum(row["input"] or 0 for row in rows) == 122
    assert all(
        row["seconds"] > 0 and row["model"].startswith(("gpt-4o-mini-2", "o1-mini-2"))
        for row in rows
    )
    assert sum(row["stream"] is True for row in rows) == 4


def test_a_real_bedrock_record_is_read() -> None:
    _, (row,) = rows_of(shared("logformats/bedrock_converse_real.jsonl"))
    assert (row["provider"], row["model"], row["input"], row["output"]) == (
        "bedrock",
        "nova-lite",
        4,
        38,
    )
    assert (row["stream"], row["seconds"], row["workflow"]) == (
        True,
        pytest.approx(0.302),
        "dheeraj",
    )


def test_of_real_aider_events_only_107_of_1000_are_requests() -> None:
    imported, rows = rows_of(shared("aider_sample_analytics.jsonl.gz"))
    assert (len(rows), imported.broken) == (107, 0)
    assert sum(row["cost_nano"] for row in rows) == pytest.approx(5.305e9, rel=1e-3)


def test_lines_of_dashboard_logs_may_be_out_of_order_and_have_texts_alone() -> None:
    _, rows = rows_of(shared("lmcache_miniswe.jsonl.zst"))
    assert len(rows) == 402
    assert all(row["input"] is None and row["prompt"] and row["session"] for row in rows)
