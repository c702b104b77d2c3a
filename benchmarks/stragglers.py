"""Requests whose batches are stuck: how many arrive in time, by what real time can do.

    python benchmarks/stragglers.py [--requests 1000] [--deadline 1h] [--provider anthropic]
        [--call-seconds 60] [--cancel-seconds 590] [--requests-per-minute 500]
        [--tokens-per-minute 200000] [--max-tokens 2000] [--refused 0.1] [--taught 0]

A worker runs on against the sandbox, on one clock that moves when somebody sleeps: hours pass in a minute,
and no call is cut short (one takes up to 25 seconds longer than it says). A few requests go in real time
before, as in any home that is in use: they state the limits, and how long calls take. With `--taught 0`
nothing is known.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from lanewise.app import Engine, RunRequest
from lanewise.intake import ReadOptions, read
from lanewise.sandbox import Fault, RunningSandbox, SandboxConfig, start_in_thread
from lanewise.settings import load
from lanewise.store.nouns import Run

HOUR = 3_600.0
START = 1_790_000_000.0
FACTOR = 100.0  # seconds slept in a real second


class Clock:
    """Time that sleeping moves."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        until = self.at + seconds
        await asyncio.sleep(min(seconds, 1.0) / FACTOR)
        self.at = max(self.at, until)


def main() -> None:
    """One day at a provider whose batches never end in time."""
    chosen = arguments()
    folder, clock = Path(tempfile.mkdtemp(prefix="lanewise-stragglers-")), Clock()
    sandbox = start_in_thread(folder / "provider", config=configured(chosen), now=clock.now)
    if chosen.refused:
        sandbox.add_fault(Fault("overloaded", times=-1, probability=chosen.refused))
    environ = {
        "LANEWISE_HOME": str(folder / "home"),
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": sandbox.openai_base_url,
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "ANTHROPIC_BASE_URL": sandbox.anthropic_base_url,
    }
    engine = Engine(load(environ, poll_seconds=60.0), clock=clock, environ=environ)
    try:
        print(json.dumps(played(engine, sandbox, clock, chosen), indent=2))
    finally:
        engine.close()
        sandbox.close()
        shutil.rmtree(folder)


def arguments() -> argparse.Namespace:
    """What the day is like."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=1_000)
    parser.add_argument("--deadline", default="1h")
    parser.add_argument("--provider", choices=["openai", "anthropic"], default="openai")
    parser.add_argument("--model", default="")
    parser.add_argument("--max-tokens", type=int, default=60)
    parser.add_argument("--taught", type=int, default=8)
    parser.add_argument("--call-seconds", type=float, default=0.0)
    parser.add_argument("--cancel-seconds", type=float, default=590.0)
    parser.add_argument("--requests-per-minute", type=int, default=500)
    parser.add_argument("--tokens-per-minute", type=int, default=200_000)
    parser.add_argument("--output-tokens-per-minute", type=int, default=80_000)
    parser.add_argument("--refused", type=float, default=0.0, help="share of calls: overloaded")
    return parser.parse_args()


def configured(chosen: argparse.Namespace) -> SandboxConfig:
    """Batches that are not even looked at for eight hours."""
    return SandboxConfig(
        batch_seconds=30.0 * HOUR,
        validation_seconds=8.0 * HOUR,
        cancel_seconds=chosen.cancel_seconds,
        call_seconds=chosen.call_seconds,
        requests_per_minute=chosen.requests_per_minute,
        tokens_per_minute=chosen.tokens_per_minute,
        output_tokens_per_minute=chosen.output_tokens_per_minute,
    )


def played(
    engine: Engine, sandbox: RunningSandbox, clock: Clock, chosen: argparse.Namespace
) -> dict[str, Any]:
    """The figures."""
    began = time.perf_counter()
    if chosen.taught:
        first = submitted(engine, requests(chosen, chosen.taught, "taught"), "now")
        drive(engine, clock, lambda: engine.run(first.id).state == "finished")
    at = clock.now()
    run = submitted(engine, requests(chosen, chosen.requests, "late"), chosen.deadline)
    due = run.deadline
    assert due is not None, "give a deadline that is an instant"
    drive(
        engine, clock, lambda: engine.run(run.id).state == "finished" or clock.at > due + 2 * HOUR
    )
    run = engine.run(run.id)
    drive(engine, clock, lambda: not engine.store.batches(live_only=True))
    calls = [
        event.at
        for event in engine.store.events(limit=10**6)
        if event.kind in ("batch.withdrawn", "batch.rescued") and event.at > at
    ]
    money, books = engine.store.money(run.id), sandbox.books()
    return {
        "requests": run.requests,
        "answered": run.answered,
        "late": run.late,
        "first called back, seconds before the deadline": round(due - min(calls, default=due)),
        "finished, seconds before the deadline": round(due - (run.finished_at or clock.now())),
        "lanes": dict(money.lanes),
        "waste, nano-USD": money.waste_nano,
        "invoice equals ledger": engine.store.money().cost_nano == books["nano_usd"],
        "billed twice": books["billed_twice"],
        "seconds to play it": round(time.perf_counter() - began, 1),
    }


def submitted(engine: Engine, lines: list[dict[str, Any]], deadline: str) -> Run:
    """A run of these."""
    request = RunRequest("stragglers", "benchmark", deadline=deadline)
    received = engine.accept(read([lines], ReadOptions()), request)
    assert received.run is not None, received.broken
    return received.run


def drive(engine: Engine, clock: Clock, over: Any) -> None:
    """Let a worker run until it is over."""
    asyncio.run(engine.worker().run(until=over))


def requests(chosen: argparse.Namespace, count: int, name: str) -> list[dict[str, Any]]:
    """In the provider's shape, each with a text of its own."""
    lines: list[dict[str, Any]] = []
    for number in range(count):
        messages = [{"role": "user", "content": f"Summarise: {name} parcel {number} is late."}]
        body: dict[str, Any] = {"messages": messages}
        line: dict[str, Any] = {"custom_id": f"{name}-{number}"}
        if chosen.provider == "anthropic":
            body |= {"max_tokens": chosen.max_tokens}
            line["params"] = {"model": chosen.model or "claude-haiku-4-5", **body}
        else:
            body |= {"max_completion_tokens": chosen.max_tokens}
            line |= {"method": "POST", "url": "/v1/chat/completions"}
            line["body"] = {"model": chosen.model or "gpt-4o-mini", **body}
        lines.append(line)
    return lines


if __name__ == "__main__":
    main()
