"""A small world for the lanes: a home, the sandbox as both providers, and one clock for all of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from heapq import heapify, heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lanewise.app import Engine, RunRequest
from lanewise.app.reconcile import Charge, charges, reconcile
from lanewise.intake import ReadOptions, read
from lanewise.lanes.verify import verify
from lanewise.lanes.worker import Worker
from lanewise.providers import registry
from lanewise.providers.transport import Transport
from lanewise.sandbox import Fault, RunningSandbox, SandboxConfig, start_in_thread
from lanewise.settings import load
from lanewise.store.nouns import Run

MOST_PASSES = 10_000  # a test that needs more is stuck, and should say so
START = 1_790_000_000.0  # an instant in September 2026
LOOK = 0.001  # real seconds until it is seen that nobody is awake


class UnderWay:
    """What is on its way in real time: exchanges with the sandbox, and steps that threads take."""

    def __init__(self) -> None:
        self.count = 0

    def exchange(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """The same exchange, counted until its body was read."""

        @asynccontextmanager
        async def counted(*args: Any, **options: Any) -> AsyncIterator[Any]:
            with self._one():
                async with real(*args, **options) as response:
                    yield response

        return counted

    def call(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """The same coroutine function, counted until it returns."""

        async def counted(*args: Any, **options: Any) -> Any:
            with self._one():
                return await real(*args, **options)

        return counted

    @contextmanager
    def _one(self) -> Iterator[None]:
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


UNDER_WAY = UnderWay()


@pytest.fixture(autouse=True)
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no time passes for a call only because this machine has much else to do."""
    monkeypatch.setattr(Transport, "exchange", UNDER_WAY.exchange(Transport.exchange))
    monkeypatch.setattr(Transport, "reply", UNDER_WAY.call(Transport.reply))
    monkeypatch.setattr(asyncio, "to_thread", UNDER_WAY.call(asyncio.to_thread))
    monkeypatch.setattr(Worker, "_left", left)


async def left(worker: Any, tasks: set[Any], seconds: float) -> set[Any]:
    """What a worker waits for within a pass, by the clock of its world."""
    waits = asyncio.wait(tasks), worker._clock.sleep(seconds)
    either = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    for wait in either:
        wait.cancel()
    return {task for task in tasks if not task.done()}


class HandClock:
    """Time that a test moves, and sleeping: it passes when everything that could go on sleeps.

    So a call takes no time at all, however slow this machine is, and of those who sleep who is due first
    wakes first.
    """

    def __init__(self) -> None:
        self.at = START
        self.waits = True  # for what is under way: else time passes beside a slow call
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._turns = count()
        self._looks_in: asyncio.AbstractEventLoop | None = None

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        sleeper = self.at + seconds, next(self._turns), loop.create_future()
        heappush(self._sleepers, sleeper)
        if self._looks_in is not loop:
            self._looks_in = loop
            loop.call_later(LOOK, self._look, loop)
        try:
            await sleeper[2]
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapify(self._sleepers)

    def _look(self, loop: Any) -> None:
        """Wake who is due first, if nobody is awake."""
        if self._looks_in is not loop:
            return
        if not self._sleepers:
            self._looks_in = None
            return
        if not (loop._ready or (self.waits and UNDER_WAY.count)):
            until, _, awake = heappop(self._sleepers)
            self.at = max(self.at, until)
            awake.set_result(None)
        loop.call_later(LOOK, self._look, loop)


class World:
    """One home and one sandbox on one clock."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.clock = HandClock()
        self.folder = folder
        settings = {"batch_seconds": 30.0, "validation_seconds": 5.0} | config
        self.sandbox: RunningSandbox = start_in_thread(
            folder / "provider", config=SandboxConfig(**settings), now=self.clock.now
        )
        self.environ = {
            "LANEWISE_HOME": str(folder / "home"),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": self.sandbox.openai_base_url,
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": self.sandbox.anthropic_base_url,
        }
        self.settings: dict[str, Any] = {"poll_seconds": 10.0, "listing_lag_seconds": 60.0}
        self.engine = self.open()

    def open(self) -> Engine:
        """The home, as a new process would find it."""
        settings = load(self.environ, **self.settings)
        return Engine(settings, clock=self.clock, environ=self.environ)

    def reopen(self, **settings: Any) -> Engine:
        """Leave and come back, with other settings."""
        self.engine.close()
        self.settings |= settings
        self.engine = self.open()
        return self.engine

    def fault(self, kind: str, **rule: Any) -> None:
        """One more rule of the fault script."""
        self.sandbox.add_fault(Fault(kind, **rule))

    def submit(self, requests: list[dict[str, Any]], **wanted: Any) -> Run:
        """Accept requests."""
        request = RunRequest("tests", "test", **wanted)
        received = self.engine.accept(read([requests], ReadOptions()), request)
        assert received.run is not None, received.broken
        return received.run

    def taught(self, model: str = "gpt-4o-mini", **limits: int) -> None:
        """Know what real time can do, as a home does that has called a model before."""
        account = self.engine.accounts.payer("openai", chosen=None).row.id
        known = {"requests_per_minute": 10_000, "tokens_per_minute": 10_000_000}
        for name, value in (known | {"call_mean_ms": 1, "call_slow_ms": 1} | limits).items():
            self.engine.store.learn(account, model, name, value, self.clock.at)

    def passes(self, count: int = 1, *, seconds: float = 0.0) -> None:
        """Worker passes as cron would make them, `seconds` apart."""
        for _ in range(count):
            asyncio.run(self.engine.worker().run_once())
            self.clock.at += seconds

    def finish(self, run: Run, *, longest: float = 4 * 86_400.0) -> Run:
        """Make passes, and let time pass between them, until the run is finished."""
        until = self.clock.at + longest
        for _ in range(MOST_PASSES):
            self.passes()
            now = self.engine.run(run.id)
            if now.state == "finished":
                return now
            if self.clock.at >= until:
                break
            dues = [
                due
                for row in self.engine.store.accounts_with_work()
                if (due := self.engine.store.next_due(row.id)) is not None
            ]
            self.clock.at = max(min(dues, default=self.clock.at + 60.0), self.clock.at + 0.5)
        raise AssertionError(f"{self.standing()}\n{self.story()}")

    def standing(self) -> str:
        """What is open, for failures."""
        store = self.engine.store
        rows = [(row.batch, row.lane, row.requests) for row in store.batches(live_only=True)]
        waiting = [
            (group.waiting.tries, group.waiting.not_before - START, len(group.waiting.ordinals))
            for account in store.accounts_with_work()
            for group in store.waiting(account.id, 1e12)
        ]
        return f"at {self.clock.at - START:.1f}: {rows}, waiting {waiting}"

    def results(self, run: Run) -> list[dict[str, Any]]:
        """Decoded result lines."""
        return [json.loads(line) for line in self.engine.results(run.id)]

    def story(self) -> str:
        """Every event, for failures."""
        return "\n".join(
            f"{event.at - START:8.1f} {event.kind} {event.subject} {event.detail}"
            for event in self.engine.store.events(limit=10_000)
        )

    def kinds(self) -> list[str]:
        """The kinds of events, in order."""
        return [event.kind for event in self.engine.store.events(limit=10_000)]

    def check_books(self) -> None:
        """The ledger equals the provider's invoice on every day, and nothing was billed twice.

        It can be derived again from what is kept, and its rows are what the provider's own cost report says.
        """
        books = self.sandbox.books()
        money = self.engine.store.money()
        assert money.cost_nano == books["nano_usd"], self.story()
        assert books["billed_twice"] == 0, self.story()
        assert verify(self.engine.store, registry.unwrap).differences == []
        for provider, charged in self.charges().items():
            found = reconcile(self.engine.store.ledger(), charged, provider)
            assert found.even, found

    def charges(self) -> dict[str, list[Charge]]:
        """What the provider's cost reports say, read as a user reads them."""
        key = {"authorization": "Bearer admin", "x-api-key": "admin"}
        pages = {
            "openai": "/v1/organization/costs?start_time=0",
            "anthropic": "/v1/organizations/cost_report?starting_at=1970-01-01T00:00:00Z",
        }
        return {
            provider: charges(httpx2.get(self.sandbox.url + path, headers=key).content, path)
            for provider, path in pages.items()
        }

    def close(self) -> None:
        self.engine.close()
        self.sandbox.close()


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Worlds, closed at the end."""
    worlds: list[World] = []

    def make(**config: Any) -> World:
        worlds.append(World(tmp_path / f"world{len(worlds)}", **config))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world_type() -> type[World]:
    """For tests that make and close worlds of their own, example by example."""
    return World


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """One world with ordinary timings."""
    return make_world()


def openai_requests(count: int, model: str = "gpt-4o-mini") -> list[dict[str, Any]]:
    """Chat requests, each with a text of its own."""
    return [
        {
            "custom_id": f"o-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": model,
                "messages": [{"role": "user", "content": f"Summarise: item {number} is late."}],
            },
        }
        for number in range(count)
    ]


def anthropic_requests(count: int) -> list[dict[str, Any]]:
    """Messages, each with a text of its own."""
    return [
        {
            "custom_id": f"a-{number}",
            "params": {
                "model": "claude-haiku-4-5",
                "max_tokens": 60,
                "messages": [{"role": "user", "content": f"Summarise: item {number} is late."}],
            },
        }
        for number in range(count)
    ]


SHAPES = {"openai": openai_requests, "anthropic": anthropic_requests}


@pytest.fixture(params=sorted(SHAPES))
def shape(request: pytest.FixtureRequest) -> str:
    """Both providers' shapes."""
    return str(request.param)


@pytest.fixture
def requests_of() -> Callable[[str, int], list[dict[str, Any]]]:
    """Requests in a shape."""
    return lambda shape, count: SHAPES[shape](count)
