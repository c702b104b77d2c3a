"""A prefix cache in virtual time, beside one that remembers every beginning by itself."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.replay.blocks import of_bytes, of_ids, of_runs
from lanewise.replay.cache_rules import rules_of
from lanewise.replay.caches import Cache, Found


@dataclass
class Entry:
    last: float
    ready: float
    read: bool = False


class Oracle:
    """Every beginning of every prompt is an entry of its own."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.entries: dict[tuple[int, ...], Entry] = {}

    def ask(self, at: float, ids: list[int], ready: float, least: int) -> Found:
        beginnings = [tuple(ids[: size + 1]) for size in range(len(ids))]
        alive = []
        for beginning in beginnings:
            entry = self.entries.get(beginning)
            if entry is None or at - entry.last > self.seconds:
                break
            alive.append(entry)
        usable = [entry for entry in alive if entry.ready <= at]
        written = [entry for entry in usable if entry.read]
        found = Found(len(alive), len(usable), len(written))
        if len(usable) < least:
            found = Found(len(alive), 0, 0)
        else:
            for entry in usable:
                entry.read = True
        for size, beginning in enumerate(beginnings):
            if size < len(alive):
                alive[size].last = at
                alive[size].ready = min(alive[size].ready, ready)
            else:
                self.entries[beginning] = Entry(at, ready)
        return found


ASKED = st.lists(
    st.tuples(
        st.integers(0, 6),  # seconds since the one before
        st.lists(st.integers(0, 2), max_size=7),
        st.integers(0, 5),  # seconds until it can be read
        st.integers(1, 4),  # the least worth a read
    ),
    max_size=40,
)


@given(ASKED, st.sampled_from([0, 1, 5, 12, float("inf")]))
def test_it_finds_what_a_cache_of_every_beginning_finds(asked, seconds) -> None:
    cache, oracle, now = Cache(seconds), Oracle(seconds), 0
    for gap, ids, wait, least in asked:
        now += gap
        cache.expire(now)  # changes nothing that can be found
        expected = oracle.ask(now, ids, now + wait, least)
        assert cache.ask(now, of_ids(ids), ready=now + wait, least=least) == expected


@given(ASKED)
def test_it_holds_each_distinct_block_once(asked) -> None:
    cache = Cache(float("inf"))
    for _, ids, _, _ in asked:
        cache.ask(0, of_ids(ids))
    beginnings = {tuple(ids[: size + 1]) for _, ids, _, _ in asked for size in range(len(ids))}
    assert cache.held == len(beginnings)


def test_what_has_expired_takes_no_room_after_two_lifetimes() -> None:
    cache = Cache(300)
    for number in range(100):
        cache.ask(number * 100, of_ids([number] * 50))
        cache.expire(number * 100)
    assert cache.held <= 50 * 7


def test_time_may_not_run_backwards() -> None:
    cache = Cache(300)
    cache.ask(10, of_ids([1]))
    with pytest.raises(ValueError, match="sort the requests by time first"):
        cache.ask(9, of_ids([1]))


def test_a_history_that_grows_stays_one_run_of_blocks() -> None:
    cache = Cache(300)
    for turn in range(1, 200):
        cache.ask(turn, of_ids(range(turn * 10)))
    assert len(cache._path(200, of_ids(range(2_000)))) <= 3


def test_runs_are_the_ids_they_stand_for() -> None:
    assert of_runs([[5, 3], [900, 2]]) == of_ids([5, 6, 7, 900, 901])
    assert of_ids([-1]) == b"\xff" * 8  # 64 bits of whatever a log holds


def test_the_end_of_a_text_that_fills_no_block_has_none() -> None:
    assert len(of_bytes(b"x" * 130, 64)) == 2 * 8


@pytest.mark.parametrize(
    ("model", "least", "step"),
    [
        ("gpt-4.1-mini", 1_024, 128),
        ("claude-opus-4-7", 2_048, 1),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", 4_096, 1),
        ("anthropic/claude-opus-5-5", 512, 1),
    ],
)
def test_the_rules_are_those_of_the_model_whoever_serves_it(model, least, step) -> None:
    rules = rules_of(model)
    assert (rules.least, rules.step) == (least, step)


def test_what_is_assumed_of_a_provider_says_so() -> None:
    assert rules_of("mistral-large").why.startswith("assumed")
