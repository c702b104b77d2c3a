"""Levers that are pulled together: what one takes is not there for the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from lanewise.app.auditing import auditing
from lanewise.audit.caching import Prompt
from lanewise.audit.levers import sample
from lanewise.audit.levers.together import Asked, together
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.domain.lanes import BATCH
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook
from lanewise.replay.blocks import of_ids

from .conftest import write
from .workloads import START, wishes

DAY: Final = datetime(2026, 11, 20, tzinfo=UTC)
PRICES: Final = Prices(PriceBook.load(), DAY)
INPUT: Final = 2_048  # tokens, in blocks of 64, of which all but the last are the same for all
READ: Final = 1_920  # 31 blocks in steps of 128 from 1,024 on
OUTPUT: Final = 100


def asked(
    at: float, content: int, *, group: int = 1, model: str = "gpt-4.1", answer: int = 0
) -> Asked:
    usage = Usage(input=INPUT, output=OUTPUT)
    blocks = of_ids([*range(31), 1_000 + content])
    prompt = Prompt(at, blocks, INPUT, INPUT, 64, provider="openai", model=model)
    return Asked(group, Used("openai", model, 0, 1, usage), prompt, content, answer or content)


ONE: Final = INPUT * 2_000 + OUTPUT * 8_000  # gpt-4.1, nano-USD
TO_BATCH: Final = {(1, "openai", "gpt-4.1"): BATCH}


def test_each_lever_alone_saves_what_its_rules_say() -> None:
    rows = [asked(n, n) for n in range(10)] + [asked(10, 0)]
    found = together(rows, TO_BATCH, PRICES)
    assert found.now == 11 * ONE
    assert found.lanes == Money(11 * (ONE // 2 * 9 // 10), 11 * ONE // 2)
    read = (9 * READ + INPUT) * 1_500  # the same prompt again is read to its end
    assert found.cache == Money(read, read)
    assert found.dedupe == Money(ONE, ONE)


def test_together_they_save_less_than_their_sum_and_no_less_than_the_best() -> None:
    rows = [asked(n, n % 6) for n in range(24)]
    found = together(rows, TO_BATCH, PRICES)
    assert found.dedupe.high == 18 * ONE
    # what is left is read from a cache, which here saves more for sure than half of it all
    assert found.joint.high == 18 * ONE + 5 * READ * 1_500
    assert found.joint.high < found.lanes.high + found.cache.high + found.dedupe.high
    assert sum(found.steps.values(), Money()) == found.joint
    assert found.joint.high <= found.now


def test_what_saves_more_by_reading_from_a_cache_stays_in_real_time() -> None:
    rows = [asked(n, n)._replace(used=asked(0, 0).used) for n in range(40)]
    rows = [
        one._replace(used=replace(one.used, usage=Usage(input=INPUT, output=1))) for one in rows
    ]
    found = together(rows, TO_BATCH, PRICES)
    assert found.lanes.high < found.cache.high == found.joint.high


def test_each_workflow_goes_where_it_saves_more() -> None:
    """One has long prompts and says little: it stays. The other writes at length: it waits."""
    short, long = (
        replace(asked(0, 0).used, usage=Usage(input=INPUT, output=output)) for output in (1, 4_000)
    )
    rows = [asked(n, n, group=1 + n % 2)._replace(used=short if n % 2 else long) for n in range(40)]
    both = {(group, "openai", "gpt-4.1"): BATCH for group in (1, 2)}
    found = together(rows, both, PRICES)
    assert found.joint.high > max(found.lanes.high, found.cache.high)


def test_what_waits_warms_no_cache_for_those_who_do_not() -> None:
    """One request of each kind in turn, 200 s apart: without those that wait the entry is gone."""
    wordy = replace(asked(0, 0, model="gpt-4o").used, usage=Usage(input=INPUT, output=4_000))
    rows = [
        asked(n * 200.0, n, group=n % 2, model="gpt-4o")._replace(used=wordy) for n in range(10)
    ]
    found = together(rows, {(1, "openai", "gpt-4o"): BATCH}, PRICES)
    assert found.cache.high == 9 * READ * 1_250
    assert found.joint == found.lanes


def test_a_repeat_with_another_answer_saves_nothing_at_the_least() -> None:
    rows = [asked(0, 7, answer=1), asked(1, 7, answer=2)]
    assert together(rows, {}, PRICES).dedupe == Money(0, ONE)
    failed = rows[0]._replace(ok=False)
    assert together([failed, rows[1]], {}, PRICES).dedupe == Money()


def test_without_texts_nothing_is_said_of_caches_or_repeats() -> None:
    bare = Prompt(0, b"", INPUT, 0, 64, provider="openai", model="gpt-4.1")
    rows = [asked(n, 1)._replace(prompt=bare._replace(at=n), content=None) for n in range(5)]
    found = together(rows, TO_BATCH, PRICES)
    assert (found.cache, found.dedupe) == (Money(), Money())
    assert found.joint == found.lanes


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
def test_the_latest_requests_are_replayed_with_the_pieces_of_their_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of 30 requests the last 20: the first of them finds an empty cache, as the first of all would."""
    rows = [
        {
            "at": str(START + n), "model": "gpt-4.1", "provider": "openai", "workflow": "w", "seconds": "0.1",
            "input_tokens": "2048", "output_tokens": "100", "prompt": "the same " * 900 + f"question {n}",
        }
        for n in range(30)
    ]  # fmt: skip
    monkeypatch.setattr(sample, "MOST", 20)
    log = str(write(tmp_path / name, rows))
    with auditing(
        (log,), wishes("stream", "lane", "user", "session", "answer"), PRICES.book, START
    ) as found:
        replayed = found.replayed
    assert replayed is not None
    assert (replayed.together.requests, replayed.of, replayed.texts) == (20, 30, True)
    assert replayed.together.now == 20 * ONE
    assert replayed.together.cache.high == 19 * READ * 1_500


def test_a_very_long_log_is_not_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {
            "at": START + n,
            "model": "gpt-4.1",
            "provider": "openai",
            "input_tokens": 9,
            "prompt": "p" * 900,
        }
        for n in range(3)
    ]
    monkeypatch.setattr(sample, "READ_TWICE", 2)
    log = str(write(tmp_path / "log.jsonl", rows))
    with auditing((log,), wishes(), PRICES.book, START) as found:
        replayed = found.replayed
    assert replayed is not None
    assert (replayed.texts, replayed.together.dedupe.high) == (False, 2 * 9 * 2_000)
