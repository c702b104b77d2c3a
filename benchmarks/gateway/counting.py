"""What it costs a call to be counted: here, and by prometheus-client. Microseconds of processor time.

python benchmarks/gateway/counting.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from time import monotonic
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from lanewise.gateway import access
from lanewise.gateway.counting import BUCKETS, Counts

PATH: Final = "/v1/chat/completions"
CALLS: Final = 50_000


def here() -> Callable[[], None]:
    """As the gateway does it: two readings of the clock, the record, the counters, and no log."""
    counts = Counts()

    def call() -> None:
        began, first = monotonic(), monotonic()
        seconds = monotonic() - began
        counts.ended((PATH, "realtime", "gpt-4o-mini", 200 // 100), seconds, first - began)
        access.is_on()

    return call


def library(*, kept: bool) -> Callable[[], None]:
    """One counter and two histograms; `kept`: their children are looked up in a dictionary of ours."""
    registry = CollectorRegistry()
    calls = Counter("calls", "-", ["endpoint", "lane", "model", "status"], registry=registry)
    times = [
        Histogram(name, "-", ["endpoint", "lane"], buckets=BUCKETS, registry=registry)
        for name in ("seconds", "first")
    ]
    labels = (PATH, "realtime", "gpt-4o-mini", "2xx")
    children = {labels: (calls.labels(*labels), *(time.labels(*labels[:2]) for time in times))}

    def call() -> None:
        if kept:
            found = children[labels]
        else:
            found = (calls.labels(*labels), *(time.labels(*labels[:2]) for time in times))
        found[0].inc()
        found[1].observe(0.3)
        found[2].observe(0.2)

    return call


def cost(call: Callable[[], None]) -> float:
    """The best of some rounds: what other work on the machine adds is not its cost."""
    best = float("inf")
    for _ in range(7):
        began = time.process_time()
        for _ in range(CALLS):
            call()
        best = min(best, time.process_time() - began)
    return best / CALLS * 1e6


if __name__ == "__main__":
    print(f"here                                 {cost(here()):.2f}")
    print(f"prometheus-client                    {cost(library(kept=False)):.2f}")
    print(f"prometheus-client, children looked up {cost(library(kept=True)):.2f}")
