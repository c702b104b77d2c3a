"""Keep deadlines at the lowest price: five stories in virtual time, against the built-in sandbox.

lanewise and the sandbox share one clock that is moved by hand, so hours pass in seconds. No key is needed;
answers are made up, and prices are those of the day on which the stories begin.

    python examples/deadlines.py
"""

from __future__ import annotations

import asyncio
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lanewise.app import Engine, RunRequest, receipt_of
from lanewise.errors import TooSoon
from lanewise.intake import ReadOptions, read
from lanewise.pricing.dollars import dollars
from lanewise.sandbox import RunningSandbox, SandboxConfig, start_in_thread
from lanewise.settings import load
from lanewise.store.nouns import Run

BEGIN = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
MINUTE, HOUR = 60.0, 3_600.0


class HandClock:
    """Time that only moves when somebody moves it, or sleeps."""

    def __init__(self) -> None:
        self.at = BEGIN.timestamp()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.at

    async def sleep(self, seconds: float) -> None:
        """Takes no real time."""
        until = self.at + seconds
        await asyncio.sleep(0)
        self.at = max(self.at, until)


@dataclass(frozen=True, slots=True)
class World:
    """A home, a provider, and the clock that they share."""

    engine: Engine
    sandbox: RunningSandbox
    clock: HandClock

    def submit(self, requests: list[dict[str, Any]], deadline: str) -> Run:
        """Accept requests, as `lanewise submit --deadline` does."""
        wanted = RunRequest("stories", "examples/deadlines.py", deadline=deadline)
        received = self.engine.accept(read([requests], ReadOptions()), wanted)
        assert received.run is not None, received.broken
        return received.run

    def finish(self, run: Run) -> Run:
        """A pass of a worker every minute, as cron would make them, until every answer is there."""
        while (seen := self.engine.run(run.id)).state != "finished":
            asyncio.run(self.engine.worker().run_once())
            self.clock.at += MINUTE
        return seen

    def events(self, kind: str) -> list[float]:
        """When something happened, in minutes since the story began."""
        found = self.engine.store.events(limit=10_000)
        return [(event.at - BEGIN.timestamp()) / MINUTE for event in found if event.kind == kind]

    def tell(self, run: Run) -> None:
        """What became of a run, in two lines."""
        receipt = receipt_of(self.engine.store, [run], name=run.name, workflow=run.workflow)
        money = receipt.money
        lanes = ", ".join(f"{count} by {lane}" for lane, count in money.lanes.items())
        saved = 100 * receipt.saving_nano // money.baseline_nano
        print(f"   {receipt.answered} of {receipt.requests} answered: {lanes}; {_when(run)}")
        print(
            f"   paid {dollars(money.cost_nano)}, in real time {dollars(money.baseline_nano)}: "
            f"{saved} % saved, {dollars(money.waste_nano)} wasted"
        )


def _when(run: Run) -> str:
    if run.late:
        return f"{run.late} late"
    assert run.deadline is not None, "these stories have deadlines"
    assert run.finished_at is not None, "they are told when they are over"
    minutes = int((run.deadline - run.finished_at) // (5 * MINUTE)) * 5
    early = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    return f"done {early} or more before the deadline"


@contextmanager
def world(**provider: Any) -> Iterator[World]:
    """A new home and a sandbox that behaves as said."""
    clock = HandClock()
    with tempfile.TemporaryDirectory(prefix="lanewise-stories-") as folder:
        place, config = Path(folder) / "provider", SandboxConfig(**provider)
        with start_in_thread(place, config=config, now=clock.now) as sandbox:
            environ = {
                "LANEWISE_HOME": str(Path(folder) / "home"),
                "OPENAI_API_KEY": "any",
                "OPENAI_BASE_URL": sandbox.openai_base_url,
            }
            settings = load(environ, poll_seconds=MINUTE, lease_seconds=HOUR)
            with Engine(settings, clock=clock, environ=environ) as engine:
                yield World(engine, sandbox, clock)


def tickets(count: int, model: str = "gpt-4o-mini") -> list[dict[str, Any]]:
    """Tickets to summarise, equally long."""
    return [
        {
            "custom_id": f"ticket-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": model,
                "messages": [
                    {"role": "user", "content": f"Summarise: ticket {number}, a parcel is late."}
                ],
            },
        }
        for number in range(1_000, 1_000 + count)
    ]


def plenty_of_time() -> None:
    """The batch is done long before the deadline: half the price."""
    print("1. Wanted in 8 h; the provider's batch takes 20 minutes.")
    with world(batch_seconds=20 * MINUTE) as here:
        here.tell(here.finish(here.submit(tickets(200), "8h")))


def a_bad_day() -> None:
    """The batch would be late: it is called back, and only what it had not answered is sent in real time."""
    print("\n2. Wanted in 1 h; today the provider's batch takes 2 h.")
    with world(batch_seconds=2 * HOUR) as here:
        run = here.finish(here.submit(tickets(200), "1h"))
        called_back = min(here.events("batch.withdrawn"))
        print(
            f"   called back in minute {called_back:.0f}: what it had answered is kept, the rest is sent"
        )
        here.tell(run)


def many_stragglers() -> None:
    """Nothing comes back at all, and real time has a rate limit: all are called back early enough."""
    print(
        "\n3. Wanted in 1 h; the provider's batches do nothing, and real time takes 125 calls a minute."
    )
    with world(
        batch_seconds=24 * HOUR, validation_seconds=8 * HOUR, requests_per_minute=125
    ) as here:
        here.finish(here.submit(tickets(3), "now"))  # their answers state the rate limit
        run = here.finish(here.submit(tickets(300), "1h"))
        first = min(here.events("batch.withdrawn")) - 1  # the first minute was the first run's
        print(f"   called back from minute {first:.0f} on, early enough for all of them together")
        here.tell(run)


def flex_is_full() -> None:
    """A lane that has no capacity is left for the next one; the refusals cost nothing."""
    print("\n4. Wanted in 1 h by a model that has flex; flex has no capacity today.")
    with world(batch_seconds=5 * MINUTE, flex_refusals=1.0) as here:
        run = here.submit(tickets(50, "gpt-5-mini"), "1h")
        here.tell(here.finish(run))


def too_soon() -> None:
    """What not even real time can do is refused at once, with the earliest that can be promised."""
    print("\n5. 1,000 requests wanted in 5 minutes; real time takes 125 calls a minute.")
    with world(requests_per_minute=125) as here:
        here.finish(here.submit(tickets(3), "now"))
        try:
            here.submit(tickets(1_000), "5m")
        except TooSoon as refusal:
            print(textwrap.indent(textwrap.fill(f"refused: {refusal}.", 100), "   "))


def main() -> None:
    """All five."""
    print(f"It is {BEGIN:%A, %-d %B %Y, %H:%M} UTC.\n")
    for story in (plenty_of_time, a_bad_day, many_stragglers, flex_is_full, too_soon):
        story()


if __name__ == "__main__":
    main()
