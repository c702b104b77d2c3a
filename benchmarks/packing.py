"""How waiting requests of many runs and deadlines are packed: batches, their sizes, and how long it takes.

    python benchmarks/packing.py [--runs 1000] [--requests 1000] [--deadlines 5]

Each run has so many requests, and so many deadlines among them, an hour to a day away; no two runs share one.
Nothing is sent: two passes pack what is ripe. OpenAI lets an
account create 2,000 batches in an hour.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lanewise.app import Engine, RunRequest
from lanewise.domain.lanes import BATCH
from lanewise.intake import ReadOptions, read
from lanewise.lanes.pack import pack
from lanewise.settings import load

START = 1_790_000_000.0
HOUR = 3_600.0
MODEL = "gpt-4o-mini"
KNOWN = {  # of real time, as an account of a high tier has it
    "requests_per_minute": 10_000,
    "tokens_per_minute": 10_000_000,
    "call_mean_ms": 2_000,
    "call_slow_ms": 10_000,
}


class Clock:
    """Time that stands still until it is moved."""

    at = START

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


def main() -> None:
    """Accept, pack, count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--requests", type=int, default=1_000, help="of each run")
    parser.add_argument("--deadlines", type=int, default=5, help="of each run")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lanewise-packing-"))
    clock = Clock()
    environ = {
        "LANEWISE_HOME": str(folder),
        "OPENAI_API_KEY": "none",
        "LANEWISE_DAILY_CAP_USD": "1000000",
    }
    engine = Engine(load(environ), clock=clock, environ=environ)
    try:
        _accept(engine, chosen.runs, chosen.requests, chosen.deadlines)
        _pack(engine, clock)
    finally:
        engine.close()
        shutil.rmtree(folder)


def _accept(engine: Engine, runs: int, requests: int, deadlines: int) -> None:
    began = time.perf_counter()
    for run in range(runs):
        received = engine.accept(
            read(
                [list(_chats(run, runs, requests, deadlines))],
                ReadOptions(endpoint="/v1/chat/completions"),
            ),
            RunRequest(f"workflow {run % 50}", "benchmark", name=f"run {run}"),
        )
        assert received.run is not None, received.broken_count
    print(f"{runs * requests:,} requests of {runs:,} runs: accepted in {_since(began)}")


def _chats(run: int, runs: int, requests: int, deadlines: int) -> Iterator[dict[str, Any]]:
    for number in range(requests):
        place = (run * deadlines + number % deadlines) / (runs * deadlines)
        due = datetime.fromtimestamp(START + HOUR * (1.0 + 23.0 * place), UTC).isoformat()
        text = f"Summarise: item {number} of {run} is late."
        yield {
            "model": MODEL,
            "messages": [{"role": "user", "content": text}],
            "deadline": due,
        }


def _pack(engine: Engine, clock: Clock) -> None:
    [row] = engine.store.accounts_with_work()
    worker = engine.worker()
    lease = engine.store.acquire(row.id, worker.id, clock.now(), 86_400.0)
    provider = worker._connect(row)
    assert lease is not None
    assert provider is not None
    for name, value in KNOWN.items():
        engine.store.learn(row.id, MODEL, name, value, clock.now())
    shift = worker._shift(row, provider, lease)
    for _ in range(2):
        began = time.perf_counter()
        made = pack(shift)
        print(f"a pass: {made:,} batches in {_since(began)}")
        clock.at += 60.0
    batches = engine.store.batches(live_only=True)
    sizes = sorted(found.requests for found in batches if found.lane == BATCH)
    waits = sum(len(group.waiting.ordinals) for group in engine.store.waiting(row.id, clock.now()))
    others = sum(found.requests for found in batches if found.lane != BATCH)
    if sizes:
        print(f"{len(sizes):,} batches of {sizes[0]:,} to {sizes[-1]:,} requests", end=", ")
        print(f"median {sizes[len(sizes) // 2]:,}; {others:,} in other lanes, {waits:,} wait")


def _since(began: float) -> str:
    return f"{time.perf_counter() - began:.1f} s"


if __name__ == "__main__":
    main()
