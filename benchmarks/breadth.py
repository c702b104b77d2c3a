"""How near adaptive concurrency comes to the best number of calls at once: `python benchmarks/breadth.py`.

A simulated server in virtual time: it works on `at_once` calls, the others wait in line. A call costs tokens,
drawn at random; each is written in a steady time that grows by `drag` with every call beside it.
"""

from __future__ import annotations

import heapq
import random
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from lanewise.policy.breadth import Breadth

TOKEN_SECONDS = 0.01
MEAN_TOKENS = 100


@dataclass
class Server:
    """Answers calls in the order in which they come, `at_once` at a time."""

    at_once: int
    drag: float = 0.0  # share of a token's time that every other call adds
    noise: random.Random = field(default_factory=lambda: random.Random(1))
    told: bool = True  # whether answers say their tokens
    fails: Callable[[float], bool] = lambda now: False
    now: float = 0.0
    _line: deque[tuple[float, float]] = field(default_factory=deque)
    _busy: list[tuple[float, float, float, bool]] = field(default_factory=list)

    def call(self) -> None:
        tokens = 1.0 + self.noise.expovariate(1.0 / (MEAN_TOKENS - 1))
        self._line.append((self.now, tokens))
        self._work_on()

    def _work_on(self) -> None:
        while self._line and len(self._busy) < self.at_once:
            began, tokens = self._line.popleft()
            failed = self.fails(self.now)
            each = TOKEN_SECONDS * (1.0 + self.drag * len(self._busy))
            took = 0.01 if failed else tokens * each * self.noise.uniform(0.9, 1.1)
            heapq.heappush(self._busy, (self.now + took, began, tokens, failed))

    def next(self) -> tuple[float, float, bool]:
        """When the next answer's call began, its tokens, and whether it failed; moves the time."""
        self.now, began, tokens, failed = heapq.heappop(self._busy)
        self._work_on()
        return began, tokens if self.told else 1.0, failed

    @property
    def under_way(self) -> int:
        return len(self._busy) + len(self._line)

    def best(self, most: int = 256) -> float:
        """Tokens a second at the best number of calls."""
        return max(self.at(width) for width in range(1, most + 1))

    def at(self, width: int) -> float:
        """Tokens a second with so many calls at once."""
        busy = min(width, self.at_once)
        return busy / (TOKEN_SECONDS * (1.0 + self.drag * (busy - 1)))


@dataclass
class Told:
    """What became of a stretch of time."""

    tokens: float = 0.0
    widths: list[int] = field(default_factory=list)
    calls: int = 0
    failed: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds

    @property
    def width(self) -> float:
        return sum(self.widths) / len(self.widths)


def drive(server: Server, breadth: Breadth, seconds: float) -> Told:
    """Keep as many calls under way as `breadth` says, for so long."""
    told, until, began_at = Told(), server.now + seconds, server.now
    while server.now < until:
        while server.under_way < breadth.width:
            server.call()
            breadth.began(server.now, full=server.under_way >= breadth.width)
        beside = server.under_way
        began, tokens, failed = server.next()
        if failed:
            breadth.failed(began, server.now)
            told.failed += 1
        else:
            breadth.answered(began, server.now, tokens, beside)
            told.tokens += tokens
        told.calls += 1
        told.widths.append(breadth.width)
    told.seconds = server.now - began_at
    return told


SERVERS: Final[dict[str, dict[str, Any]]] = {
    "1 at once": {"at_once": 1},
    "4 at once": {"at_once": 4},
    "16 at once": {"at_once": 16},
    "16 at once, answers do not tell their tokens": {"at_once": 16, "told": False},
    "64 at once": {"at_once": 64},
    "64 at once, each 2 % slower with every other": {"at_once": 64, "drag": 0.02},
    "any number at once": {"at_once": 1_000},
}
SEEDS = 10
LEARNING, MEASURED = 200.0, 600.0  # seconds; a call takes one


def figures(options: dict[str, Any]) -> tuple[float, float, float]:
    """Calls at once, and the share of the best throughput: in the middle, and at the worst seed."""
    shares, widths = [], []
    for seed in range(SEEDS):
        server = Server(noise=random.Random(seed), **options)
        breadth = Breadth()
        drive(server, breadth, LEARNING)
        told = drive(server, breadth, MEASURED)
        shares.append(told.rate * (1.0 if server.told else MEAN_TOKENS) / server.best())
        widths.append(told.width)
    return statistics.median(widths), statistics.median(shares), min(shares)


def recovery() -> Iterator[tuple[int, float]]:
    """Seconds until nine tenths of the best, after a server changes from 32 at once to 8 and back."""
    for before, after in ((32, 8), (8, 32)):
        seconds = []
        for seed in range(SEEDS):
            server, breadth = Server(before, noise=random.Random(seed)), Breadth()
            drive(server, breadth, LEARNING)
            server.at_once = after
            changed = server.now
            while not _well(server, breadth):
                pass
            seconds.append(server.now - changed)
        yield after, statistics.median(seconds)


def _well(server: Server, breadth: Breadth) -> bool:
    told = drive(server, breadth, 10.0)
    return told.rate >= 0.9 * server.best() and told.width <= 1.5 * server.at_once


def main() -> None:
    print("| server | calls at once | of the best throughput | at the worst of 10 seeds |")
    print("|---|---|---|---|")
    for name, options in SERVERS.items():
        width, share, worst = figures(options)
        print(f"| {name} | {width:.0f} | {100 * share:.0f} % | {100 * worst:.0f} % |")
    for after, seconds in recovery():
        print(f"changed to {after} at once: well again after {seconds:.0f} s (median)")


if __name__ == "__main__":
    main()
