"""The gate of a server of one's own: how many calls it lets in, and for whom it makes room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from lanewise.domain.allowances import NOTHING_SAID, Load
from lanewise.domain.ids import AccountId
from lanewise.lanes.paces import PATIENCE, Gate, Paces
from lanewise.lanes.traffic import Traffic
from lanewise.policy.breadth import FIRST
from lanewise.policy.yielding import QUIET_SECONDS, Live
from lanewise.store.sqlite import SqliteStore

OWN = AccountId("openai-own")
ONE = Load(input=10)


class HandClock:
    """Time that passes by being slept through."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        until = self.at + seconds
        await asyncio.sleep(0)
        self.at = max(self.at, until)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """An empty home."""
    opened = SqliteStore.open(tmp_path, now=0.0)
    yield opened
    opened.close()


Story = Callable[[Gate, Traffic, HandClock], Awaitable[None]]


def play(store: SqliteStore, story: Story) -> None:
    """Tell a story in an event loop of its own."""
    clock = HandClock()
    traffic = Traffic(clock)

    async def told() -> None:
        paces = Paces(store, clock, traffic, has_batches=lambda account: account != OWN)
        await story(paces.gate(OWN, "m"), traffic, clock)
        paces.close()

    asyncio.run(told())


async def let_in(gate: Gate, *, due: float | None = None) -> int:
    """Let calls in until one has to wait; how many went. The one that waits is given up."""
    went = 0
    while True:
        waiting = asyncio.create_task(gate.enter(ONE, due=due, workflow="w"))
        await asyncio.sleep(0)
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return went
        went += 1


def test_it_begins_with_a_few_calls_and_lets_in_more_as_answers_come_quickly(
    store: SqliteStore,
) -> None:
    async def story(gate: Gate, traffic: Traffic, clock: HandClock) -> None:
        assert await let_in(gate) == FIRST
        for _ in range(60):
            clock.at += 1.0
            for _ in range(gate.pace.in_flight):
                gate.left(took=1.0, work=10.0)
            await let_in(gate)
        assert gate.pace.in_flight > 2 * FIRST

    play(store, story)


def test_errors_and_refusals_cut_the_calls_at_once(store: SqliteStore) -> None:
    async def story(gate: Gate, traffic: Traffic, clock: HandClock) -> None:
        assert await let_in(gate) == FIRST
        clock.at += 1.0
        gate.refused(NOTHING_SAID, took=1.0)
        assert gate.pace.most_in_flight() == FIRST // 2
        clock.at += 1.0
        for _ in range(FIRST - 1):
            gate.failed(took=0.5)
        assert gate.pace.most_in_flight() == 1

    play(store, story)


def test_calls_in_real_time_get_most_of_the_room_until_they_have_been_quiet(
    store: SqliteStore,
) -> None:
    async def story(gate: Gate, traffic: Traffic, clock: HandClock) -> None:
        with traffic.call(OWN):
            assert await let_in(gate) == 1
        assert await let_in(gate) == 0  # somebody may ask again
        clock.at += QUIET_SECONDS
        assert await let_in(gate) == FIRST - 1

    play(store, story)


def test_what_waits_goes_when_nobody_is_there_any_more(store: SqliteStore) -> None:
    async def story(gate: Gate, traffic: Traffic, clock: HandClock) -> None:
        with traffic.call(OWN):
            await let_in(gate)
            waiting = asyncio.create_task(gate.enter(ONE, due=None, workflow="w"))
            await asyncio.sleep(0)
            assert not waiting.done()
        clock.at += QUIET_SECONDS
        assert await waiting is None

    play(store, story)


def test_who_waits_long_for_people_is_told_to_come_back(store: SqliteStore) -> None:
    async def story(gate: Gate, traffic: Traffic, clock: HandClock) -> None:
        with traffic.call(OWN):
            await let_in(gate)
            began = clock.at
            back = await gate.enter(ONE, due=None, workflow="w")
            assert back is not None
            assert PATIENCE <= back - began <= 2 * PATIENCE

    play(store, story)


def test_what_would_be_late_yields_to_nobody(store: SqliteStore) -> None:
    async def story(gate: Gate, traffic: Traffic, clock: HandClock) -> None:
        with traffic.call(OWN):
            assert await let_in(gate, due=clock.at + 60.0) == FIRST

    play(store, story)


def test_a_provider_with_batches_has_other_limits(store: SqliteStore) -> None:
    clock = HandClock()

    async def told() -> None:
        traffic = Traffic(clock)
        gate = Paces(store, clock, traffic, has_batches=lambda _: True).gate(OWN, "m")
        with traffic.call(OWN):
            assert await let_in(gate) == 8

    asyncio.run(told())


def test_traffic_counts_calls_by_account_whatever_becomes_of_them() -> None:
    clock = HandClock()
    traffic = Traffic(clock)
    with traffic.call(OWN), traffic.call(OWN):
        assert traffic.live(OWN).under_way == 2
        assert traffic.live(AccountId("other")) == Live()
    with pytest.raises(ValueError, match="broken"), traffic.call(OWN):
        raise ValueError("broken")
    assert traffic.live(OWN) == Live(0, clock.at)
