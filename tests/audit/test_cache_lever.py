"""Prompt caches as a lever: from a log to shares, money and what that rests on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from lanewise.app.auditing import Audit, auditing
from lanewise.audit.database import database
from lanewise.audit.estimating import estimate
from lanewise.audit.levers import Cached, Lever, Prices, Replayed, find, replayed, sample
from lanewise.audit.levers.caches import finding, order
from lanewise.audit.logs.importing import Wishes, load
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.money import Money
from lanewise.audit.sums import sums
from lanewise.audit.waiting import Waiting
from lanewise.pricing import PriceBook

from .conftest import write
from .workloads import START

BOOK: Final = PriceBook.load()
FIELDS: Final = ("at", "model", "workflow", "input_tokens", "cached_tokens", "prompt")
STATIC: Final = (
    "Answer in one word, and only from the text that follows here. " * 120
)  # 1,560 tokens


def wishes(*without: str) -> Wishes:
    names = [name for name in FIELDS if name not in without]
    return Wishes(mapped(",".join(f"{name}={name}" for name in names)), "gpt-4.1")


def row(at: float, prompt: str, **more: Any) -> dict[str, Any]:
    told = {"at": START + at, "model": "gpt-4.1", "workflow": "w", "input_tokens": 1_600}
    return told | {"cached_tokens": 0, "prompt": prompt} | more


def rows(count: int = 30, static: str = STATIC, **more: Any) -> list[dict[str, Any]]:
    return [row(n * 10.0, f"{static} question {n}", **more) for n in range(count)]


@contextmanager
def audited(
    path: Path, log: list[dict[str, Any]], *without: str, pace: float | None = None
) -> Iterator[Audit]:
    files = (str(write(path / "log.jsonl", log)),)
    with auditing(files, wishes(*without), BOOK, START, pace=pace) as found:
        yield found


def only(audit: Audit) -> Cached:
    assert audit.replayed is not None
    assert audit.replayed.caches is not None
    (line,) = audit.replayed.caches.lines
    return line


def lever(audit: Audit) -> Lever | None:
    return next((one for one in audit.found.levers if one.kind == "cache"), None)


def test_what_can_be_read_is_a_lever_with_money_and_evidence(tmp_path: Path) -> None:
    with audited(tmp_path, rows()) as audit:
        found, line = lever(audit), only(audit).line
        assert found is not None
        assert line.best is not None
        assert found.money == Money(*[line.best.read * 1_500] * 2)
        assert (found.sure, found.group, found.requests, found.now) == (
            "high",
            "w",
            30,
            30 * 1_600 * 2_000,
        )
        assert "0% was read from a cache, by the log" in found.evidence
        assert (
            not found.counts
        )  # what a lane would save of the same requests does not add up with it


def test_what_was_cached_already_is_not_saved_again(tmp_path: Path) -> None:
    with audited(tmp_path, rows(cached_tokens=1_536)) as audit:
        assert lever(audit) is None
        assert only(audit).line.cached == 30 * 1_536


def test_where_the_log_does_not_say_what_was_cached_the_least_is_nothing(tmp_path: Path) -> None:
    with audited(tmp_path, rows(), "cached_tokens") as audit:
        found = lever(audit)
        assert found is not None
        assert (found.money.low, found.sure) == (0, "none")
        assert "the log does not say what was read from a cache already" in found.evidence


def test_a_prefix_below_the_least_is_a_finding_without_money(tmp_path: Path) -> None:
    with audited(tmp_path, rows(static=STATIC[:3_000], input_tokens=600)) as audit:
        assert lever(audit) is None
        said = finding(only(audit))
        assert said is not None
        assert "below the 1,024 that a cache of gpt-4.1 takes: nothing to save" in said


def test_what_may_wait_can_be_sorted_and_what_it_adds_is_told(tmp_path: Path) -> None:
    """Two documents in turn, every 200 s: each is gone when it is asked for again, unless they are sorted."""
    log = [
        row(n * 200.0, f"document {n % 2} {STATIC} question {n}", model="gpt-4o") for n in range(40)
    ]
    with audited(tmp_path, log) as audit:
        line = only(audit)
        assert line.line.usable == 0
        assert line.sorted is not None
        assert line.sorted.share(line.sorted.usable) > 0.8
        assert line.adds.high > 0
        said = order(line, Waiting.UNKNOWN)
        assert said is not None
        assert said.startswith("w: if nobody waits, sorted by prefix within each day")
        assert lever(audit) is None  # as they were sent there is nothing to save


def test_tokens_that_the_log_lacks_are_counted_and_never_mixed_with_its_own(tmp_path: Path) -> None:
    log = [*rows(20), *(one | {"input_tokens": None, "workflow": "untold"} for one in rows(20))]
    with audited(tmp_path, log) as audit:
        (told,) = audit.estimated
        assert (told.requests, told.counted, told.method) == (20, 20, "exact")
        assert audit.sums.coverage["input"] == 0.5
        assert audit.connection.execute(
            "SELECT workflow, count(*), min(input) > 1000 FROM requests WHERE estimated GROUP BY ALL"
        ).fetchall() == [("untold", 20, True)]
        found = {one.group: one for one in audit.found.levers if one.kind == "cache"}
        assert (found["untold"].sure, found["w"].sure) == ("medium", "high")
        assert str(told) in found["untold"].rests_on
        assert str(told) not in found["w"].rests_on


def test_without_texts_nothing_is_estimated(tmp_path: Path) -> None:
    with database() as connection:
        log = str(write(tmp_path / "log.jsonl", rows(3)))
        assert estimate(connection, load(connection, (log,), wishes("prompt"))) == ()


def test_a_log_without_times_says_what_repeats_at_the_most(tmp_path: Path) -> None:
    with audited(tmp_path, rows(), "at") as audit:
        assert audit.replayed is not None
        assert audit.replayed.sample.timeless
        assert audit.replayed.together.cache == Money()
        assert only(audit).line.usable == 29 * 1_536
        found = lever(audit)
        assert found is not None
        assert (found.money.low, found.sure) == (0, "none")


@pytest.mark.parametrize(("pace", "reads"), [(0.5, True), (0.001, False)])
def test_a_pace_takes_the_order_of_the_log(tmp_path: Path, pace: float, reads: bool) -> None:
    log = rows()
    with audited(tmp_path, [one | {"model": "gpt-4o"} for one in log], "at", pace=pace) as audit:
        assert (only(audit).line.usable > 0) == reads
        assert audit.sums.total.first is None  # nobody is told that these were the times


def traced(count: int, block: int = 512, **more: Any) -> list[dict[str, Any]]:
    return [
        {"timestamp": n * 1_000, "input_length": 4 * block - n % 7, "hash_ids": [1, 2, 3, 100 + n]}
        | more
        for n in range(count)
    ]


def read(path: Path, log: list[dict[str, Any]], name: str = "trace.jsonl") -> Cached:
    files = (str(write(path / name, log)),)
    with auditing(files, Wishes(None, "gpt-4o"), BOOK, START) as audit:
        return only(audit)


@pytest.mark.parametrize("block", [16, 64, 512])
def test_a_trace_of_block_ids_is_read_by_its_fields(tmp_path: Path, block: int) -> None:
    found = read(tmp_path, traced(10, block))
    assert found.line.repeated == {300.0: 9 * 3 * block, 3_600.0: 9 * 3 * block}


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [(61_114, 61.114), (61.114, 61.114), (1_760_428_436_442_742, 1_760_428_436.442742)],
)
def test_times_of_traces_are_what_they_are(tmp_path: Path, timestamp: float, at: float) -> None:
    files = (str(write(tmp_path / "t.jsonl", [traced(1)[0] | {"timestamp": timestamp}])),)
    with auditing(files, Wishes(None, "gpt-4o"), BOOK, START) as audit:
        assert audit.sums.total.first == pytest.approx(at, abs=1e-3)
        assert audit.sums.total.reckoned_nano  # at today's prices where there is no date


def test_ids_belong_to_their_trace_where_lines_name_one(tmp_path: Path) -> None:
    log = [*traced(5, trace="a"), *traced(5, trace="b")]
    assert read(tmp_path, log).line.repeated[300.0] == 2 * 4 * 3 * 512


@pytest.mark.parametrize("name", ["trace.jsonl", "trace.csv"])
def test_runs_of_ids_are_the_same_as_ids(tmp_path: Path, name: str) -> None:
    runs = [
        {"t": n * 1.0, "in": 2_048, "hash_runs": [[1, 3], [100 + n, 1]], "model": "gpt-4o"}
        for n in range(10)
    ]
    assert read(tmp_path, runs, name).line.repeated[300.0] == 9 * 3 * 512


def test_ids_that_fit_no_size_are_told_and_compared_with_nothing(tmp_path: Path) -> None:
    files = (str(write(tmp_path / "t.jsonl", [one | {"input_length": 9} for one in traced(9)])),)
    with auditing(files, Wishes(None, "gpt-4o"), BOOK, START) as audit:
        assert audit.replayed is not None
        assert audit.replayed.caches is None
        assert audit.replayed.sample.prompts.unsized


def test_files_that_cannot_be_read_again_are_named(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", rows(3))
    with database() as connection:
        imported = load(connection, (str(log),), wishes())
        sums(connection, BOOK, START)
        find(connection, BOOK, START)
        log.unlink()
        again = sample(connection, imported)
        assert again.prompts.missing == (str(log),)
        assert not again.texts


def busy(model: str, pause: float, count: int = 2_400) -> list[dict[str, Any]]:
    """Some days in which a few of twenty documents are asked about for a while, and then others."""
    dice = random.Random(5)
    log, at = [], 0.0
    for _ in range(count):
        at += dice.expovariate(1 / pause)
        number = int(20 * dice.random() ** 2 + at / pause / 300)
        prompt = f"document {number} {STATIC[:5_000]} {dice.random()}"
        log.append(row(at, prompt, input_tokens=1_100, model=model))
    return log


def over(log: str, whole: int) -> Replayed:
    with database() as connection:
        imported = load(connection, (log,), wishes())
        sums(connection, BOOK, START)
        found = find(connection, BOOK, START)
        again = sample(connection, imported, whole=whole)
        result = replayed(connection, again, found, Prices.of(BOOK, START))
    assert result is not None
    return result


@pytest.mark.parametrize(("model", "pause"), [("claude-sonnet-4-5", 420), ("gpt-4.1", 10_000)])
def test_the_intervals_of_a_sample_hold_what_is_true_of_the_whole_log(
    tmp_path: Path, model: str, pause: float
) -> None:
    log = busy(model, pause)
    path = str(write(tmp_path / "log.jsonl", log))
    whole, part = over(path, len(log)), over(path, len(log) // 2)
    assert whole.sample.stretches is None
    assert part.sample.stretches == 30
    assert part.sample.requests <= len(log) // 4 < whole.sample.requests == part.sample.of
    assert whole.caches is not None
    assert part.caches is not None
    truth, (found,) = whole.caches.whole, part.caches.lines
    for window, tokens in truth.repeated.items():
        interval = part.caches.intervals[window]
        assert interval.low <= tokens / truth.input <= interval.high
    assert found.usable is not None
    assert found.usable.low <= truth.usable / truth.input <= found.usable.high
    (lever_,) = part.levers
    assert (lever_.requests, lever_.now) == (len(log), whole.together.now)
    assert found.money.low <= truth.gain.low <= truth.gain.high <= found.money.high
    assert part.joint is not None
    assert part.joint.low <= whole.together.joint.high <= part.joint.high
    assert part.now == whole.together.now


def test_what_one_stretch_alone_saw_saves_nothing_at_the_least(tmp_path: Path) -> None:
    """Runs of forty, each of a workflow of its own, in a log of which a quarter is counted."""
    log = busy("gpt-4.1", 60)
    for n, one in enumerate(log):
        one |= {"workflow": f"run {n // 40}"}
    part = over(str(write(tmp_path / "log.jsonl", log)), len(log) // 2)
    assert part.caches is not None
    once = [one for one in part.caches.lines if one.usable is None and one.line.usable]
    assert once
    assert all(one.money.low == 0 < one.money.high for one in once)
    names = {one.line.workflow for one in once}
    levers = [one for one in part.levers if one.group in names]
    assert levers
    assert all("one stretch alone" in " ".join(one.rests_on) for one in levers)
