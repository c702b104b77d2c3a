"""Deadlines kept and money spent, by lanewise and by four other policies, in virtual time.

    python benchmarks/deadlines [--seeds 50] [--size 20000] [--first 0] [--hard] [--quick] [--processes 2]

Windows of real arrivals (ServeGen m-small, Azure conversation; a generated stand-in where they are absent),
30 % due in 1 hour, 40 % in 8, 30 % in 24; 5,000 requests and 2 M tokens a minute in real time; three worlds
(see `lanewise.replay.worlds`); prices of the price book. lanewise believes one assumed curve in all worlds
and learns nothing. `cost` is of all in real time; `over bound` is how much more than the clairvoyant;
`broken` are deadlines missed although real time had room when the request was sent first.
`--hard`: dearer waiting and a tighter limit, where the cost targets are not all met (and the exit code is 1).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import Pool
from typing import NamedTuple

from windows import azure, generated, harder_menus, menus, servegen, window

from lanewise.replay.beliefs import Prior
from lanewise.replay.engine import Replay
from lanewise.replay.nouns import Arrivals, Menu
from lanewise.replay.rivals import all_batch, all_realtime, clairvoyant, fixed_buffer
from lanewise.replay.worlds import WORLDS, World

POLICIES = ("all real time", "all batch", "fixed buffer", "lanewise", "clairvoyant")
TARGETS = {"fast": 3.0, "typical": 3.0, "bad-day": 10.0}  # per cent over the bound
SOURCES = {"servegen": servegen, "azure": azure, "generated": generated}


class Job(NamedTuple):
    menu: Menu
    source: str
    seed: int
    size: int


class Case(NamedTuple):
    menu: str
    source: str
    world: str


@dataclass
class Sum:
    """Of one policy in one case."""

    cost: int = 0
    met: int = 0
    waste: int = 0
    requests: int = 0


@dataclass
class Sums:
    """Of all policies in one case."""

    by_policy: dict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    broken: int = 0
    unpromised: int = 0
    worst: float = 0.0  # of one seed, per cent over the bound

    def add(self, policy: str, cost: int, met: int, waste: int, requests: int) -> None:
        found = self.by_policy[policy]
        found.cost += cost
        found.met += met
        found.waste += waste
        found.requests += requests


_rows: dict[str, list[tuple[float, int, int]]] = {}


def one_seed(job: Job) -> list[tuple[Case, Sums]]:
    """All worlds of one menu, source and seed."""
    menu, source, seed, size = job
    if source not in _rows:
        _rows[source] = SOURCES[source]() or []
    arrivals = window(_rows[source], seed, size)
    real = all_realtime(arrivals, menu)
    found = []
    for world in WORLDS:
        sums = in_world(arrivals, menu, World(world, seed))
        sums.add("all real time", real.cost_nano, real.met, 0, len(arrivals))
        found.append((Case(menu.name, source, world), sums))
    return found


def in_world(arrivals: Arrivals, menu: Menu, world: World) -> Sums:
    sums, count = Sums(), len(arrivals)
    ours = Replay(arrivals, menu, world, Prior()).run()
    assert ours.answered == count, "an answer was lost"
    batch, first = all_batch(arrivals, menu, world)
    fixed = fixed_buffer(arrivals, menu, first)
    bound = clairvoyant(arrivals, menu, world, first)
    sums.add("all batch", batch.cost_nano, batch.met, batch.waste_nano, count)
    sums.add("fixed buffer", fixed.cost_nano, fixed.met, fixed.waste_nano, count)
    sums.add("lanewise", ours.cost_nano, ours.met, ours.waste_nano, count)
    sums.add("clairvoyant", bound.cost_nano, bound.met, 0, count)
    sums.broken, sums.unpromised = ours.broken, ours.unpromised
    sums.worst = over(ours.cost_nano, bound.cost_nano)
    return sums


def over(cost: int, bound: int) -> float:
    return 100.0 * (cost / bound - 1.0)


def gather(results: Iterator[list[tuple[Case, Sums]]]) -> dict[Case, Sums]:
    totals: dict[Case, Sums] = defaultdict(Sums)
    for case, sums in (pair for result in results for pair in result):
        total = totals[case]
        for policy, one in sums.by_policy.items():
            total.add(policy, one.cost, one.met, one.waste, one.requests)
        total.broken += sums.broken
        total.unpromised += sums.unpromised
        total.worst = max(total.worst, sums.worst)
    return totals


def show(totals: dict[Case, Sums]) -> bool:
    """The tables; whether every target is met."""
    kept = True
    for (name, source, world), sums in sorted(totals.items()):
        print(f"\n{name}, {source}, {world}")
        print(f"  {'policy':<15}{'cost':>8}{'over bound':>12}{'met':>10}{'waste':>8}")
        base, bound = sums.by_policy["all real time"].cost, sums.by_policy["clairvoyant"].cost
        for policy in POLICIES:
            one = sums.by_policy[policy]
            print(
                f"  {policy:<15}{100 * one.cost / base:>7.1f}%{over(one.cost, bound):>11.2f}%"
                f"{100 * one.met / one.requests:>9.2f}%{100 * one.waste / one.cost:>7.1f}%"
            )
        ours = over(sums.by_policy["lanewise"].cost, bound)
        well = sums.broken == 0 and ours <= TARGETS[world]
        kept &= well
        print(
            f"  broken {sums.broken}, not promised {sums.unpromised}, worst seed {sums.worst:.2f} % over; "
            f"target {TARGETS[world]:.0f} %: {'met' if well else 'NOT MET'}"
        )
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--hard", action="store_true", help="harder menus and tighter limits")
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="3 seeds of 5,000 arrivals")
    chosen = parser.parse_args()
    seeds, size = (3, 5_000) if chosen.quick else (chosen.seeds, chosen.size)
    present = [name for name in ("servegen", "azure") if SOURCES[name]() is not None]
    if len(present) < 2:
        print("real arrivals are absent from ../shared/data; using a generated stand-in")
        present.append("generated")
    jobs = [
        Job(menu, source, seed, size)
        for seed in range(chosen.first, chosen.first + seeds)
        for menu in (harder_menus() if chosen.hard else menus())
        for source in present
    ]
    began = time.monotonic()
    with Pool(chosen.processes) as pool:
        totals = gather(pool.imap_unordered(one_seed, jobs))
    kept = show(totals)
    print(f"\n{seeds} seeds of {size:,} arrivals, {time.monotonic() - began:.0f} s")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
