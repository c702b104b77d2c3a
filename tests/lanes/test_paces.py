"""One gate for each model of an account: who goes next, who waits, who comes back another time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from lanewise.domain.allowances import NOTHING_SAID, Allowance, Load, Measure, Rate
from lanewise.domain.ids import AccountId, BatchId
from lanewise.lanes.paces import Gate, Paces
from lanewise.store.sqlite import SqliteStore

ACCOUNT = AccountId("openai-test")
ONE = Load(input=10)
SIXTY = Allowance((Rate(Measure.REQUESTS, limit=60),))


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


def play(store: SqliteStore, story: Callable[[Paces, HandClock], Awaitable[None]]) -> None:
    """Tell a story in an event loop of its own."""
    clock = HandClock()

    async def told() -> None:
        await story(Paces(store, clock), clock)

    asyncio.run(told())


async def fill(gate: Gate) -> int:
    """Let calls in until one has to wait; how many went. The one that waits is given up."""
    went = 0
    while True:
        waiting = asyncio.create_task(gate.enter(ONE, due=None, workflow="w"))
        await asyncio.sleep(0)
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return went
        went += 1


def test_calls_in_flight_are_bounded_until_a_limit_is_known(store: SqliteStore) -> None:
    async def story(paces: Paces, clock: HandClock) -> None:
        gate = paces.gate(ACCOUNT, "m")
        assert await fill(gate) == 8
        waiting = asyncio.create_task(gate.enter(ONE, due=None, workflow="w"))
        await asyncio.sleep(0)
        assert not waiting.done()
        gate.left()
        assert await waiting is None

    play(store, story)


def test_whoever_is_due_first_goes_first_and_workflows_take_turns(store: SqliteStore) -> None:
    async def story(paces: Paces, clock: HandClock) -> None:
        gate = paces.gate(ACCOUNT, "m")
        await fill(gate)
        went: list[str] = []

        async def call(name: str, due: float, workflow: str) -> None:
            await gate.enter(ONE, due=due, workflow=workflow)
            went.append(name)

        waiting = [
            asyncio.create_task(call(name, due, workflow))
            for name, due, workflow in (
                ("a1", 9_000.0, "a"),
                ("a2", 9_000.0, "a"),
                ("b1", 9_000.0, "b"),
                ("soon", 2_000.0, "c"),
            )
        ]
        await asyncio.sleep(0)
        for _ in waiting:
            gate.left()
        await asyncio.gather(*waiting)
        assert went == ["soon", "a1", "b1", "a2"]

    play(store, story)


def test_a_long_wait_is_told_and_a_short_one_is_waited_out(store: SqliteStore) -> None:
    async def story(paces: Paces, clock: HandClock) -> None:
        gate = paces.gate(ACCOUNT, "m")
        assert await gate.enter(ONE, due=None, workflow="w") is None
        gate.refused(Allowance(retry_after=40.0))
        assert await gate.enter(ONE, due=None, workflow="w") == clock.at + 40.0
        clock.at += 35.0
        assert await gate.enter(ONE, due=None, workflow="w") is None
        assert clock.at >= 1_040.0

    play(store, story)


def test_one_that_is_given_up_after_it_was_let_in_takes_no_place(store: SqliteStore) -> None:
    async def story(paces: Paces, clock: HandClock) -> None:
        gate = paces.gate(ACCOUNT, "m")
        went = await fill(gate)
        call = asyncio.create_task(gate.enter(ONE, due=None, workflow="w"))
        await asyncio.sleep(0)
        gate.left()  # lets it in, and it does not know yet
        assert gate.pace.in_flight == went
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert gate.pace.in_flight == went - 1

    play(store, story)


def test_limits_are_kept_when_they_change_and_primed_from_there(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[str, int]] = []
    real = store.learn

    def learn(account: AccountId, subject: str, name: str, value: int, now: float) -> None:
        kept.append((name, value))
        real(account, subject, name, value, now)

    monkeypatch.setattr(store, "learn", learn)

    async def story(paces: Paces, clock: HandClock) -> None:
        gate = paces.gate(ACCOUNT, "m")
        for said in (SIXTY, SIXTY, NOTHING_SAID, SIXTY):
            await gate.enter(ONE, due=None, workflow="w")
            gate.left(said, took=1.0)
        assert kept == [("requests_per_minute", 60)]
        assert Paces(store, clock).drain(ACCOUNT, "m").requests == pytest.approx(1.0)
        assert Paces(store, clock).drain(ACCOUNT, "other").requests < 1.0

    play(store, story)


def test_a_closed_gate_sends_everybody_home(store: SqliteStore) -> None:
    async def story(paces: Paces, clock: HandClock) -> None:
        gate = paces.gate(ACCOUNT, "m")
        await fill(gate)
        waiting = asyncio.create_task(gate.enter(ONE, due=None, workflow="w"))
        await asyncio.sleep(0)
        paces.close()
        assert await waiting == clock.at
        assert await gate.enter(ONE, due=None, workflow="w") == clock.at

    play(store, story)


def test_what_is_committed_is_the_sum_over_the_batches_that_are_sent(store: SqliteStore) -> None:
    async def story(paces: Paces, clock: HandClock) -> None:
        paces.owe(ACCOUNT, "m", BatchId("one"), Load(input=100, output=10, requests=5))
        paces.owe(ACCOUNT, "m", BatchId("two"), Load(input=50, output=5, requests=2))
        paces.owe(ACCOUNT, "m", BatchId("two"), Load(input=25, output=0, requests=1))
        assert paces.committed(ACCOUNT, "m") == Load(input=125, output=10, requests=6)
        paces.owe(ACCOUNT, "m", BatchId("one"), None)
        assert paces.committed(ACCOUNT, "m").requests == 1
        assert paces.committed(ACCOUNT, "other").requests == 0

    play(store, story)


def test_slow_calls_of_another_lane_leave_places_to_what_is_more_urgent(store: SqliteStore) -> None:
    async def story(paces: Paces, clock: HandClock) -> None:
        store.learn(ACCOUNT, "m", "requests_per_minute", 100_000_000, 0.0)
        gate = paces.gate(ACCOUNT, "m")
        for _ in range(3):
            assert await gate.enter(ONE, due=None, workflow="w", room=3) is None
        slow = asyncio.create_task(gate.enter(ONE, due=None, workflow="w", room=3))
        await asyncio.sleep(0)
        assert await gate.enter(ONE, due=clock.at, workflow="w") is None
        assert not slow.done()
        gate.left()
        await asyncio.sleep(0)
        assert not slow.done(), "three are under way besides it"
        gate.left()
        assert await slow is None

    play(store, story)
