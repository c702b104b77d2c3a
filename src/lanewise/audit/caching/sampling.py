"""A sample of a large log, and how far off it may be.

What is there to be read depends only on what was asked within the last lifetime, and whether it had been read
before on the lifetime before that. So a stretch of requests, one after the other, is replayed as in the whole
log if the replay begins two lifetimes before; single requests drawn at random would lose their neighbours.
The sample is a number of such stretches, and the interval comes from drawing them again (bootstrap). What
lives longer than half of what the replay is warmed shows a little too little.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, TypeAlias

from lanewise.audit.caching.prompts import Prompt
from lanewise.audit.caching.replaying import Replay
from lanewise.audit.caching.sums import Table

DRAWS: Final = 1_000
LEVEL: Final = 0.9
Placed: TypeAlias = tuple[int, bool, Prompt]  # its stretch, and whether it is counted or only warms


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure lies in nine of ten draws; `low` and `high` are as `likely`."""

    low: float
    likely: float
    high: float
    level: float
    stretches: int


def replayed(placed: Iterable[Placed], begin: Callable[[], Replay]) -> list[Table]:
    """The sums of each stretch. Stretches come one after the other, each in the order of time."""
    tables: list[Table] = []
    for _, stretch in groupby(placed, key=itemgetter(0)):
        replay = begin()
        for _, counted, prompt in stretch:
            replay.add(prompt, counted=counted)
        tables.append(replay.sums)
    return tables


def interval(
    tables: Sequence[Table],
    figure: Callable[[Table], float],
    per: Callable[[Table], float],
    *,
    seed: int = 0,
) -> Interval | None:
    """`figure` for each `per`, over the stretches; None where fewer than two have anything.

    `figure` and `per` are given the sums of one stretch, and add up: the share that repeats within an hour is
    `interval(tables, lambda table: repeated(table, 3_600), tokens)`, and `gained` gives the money.
    """
    return ratio([(figure(table), per(table)) for table in tables], seed=seed)


def ratio(pairs: Sequence[tuple[float, float]], *, seed: int = 0) -> Interval | None:
    """The same for the two figures of each stretch.

    >>> ratio([(1, 2), (3, 6), (5, 10)])
    Interval(low=0.5, likely=0.5, high=0.5, level=0.9, stretches=3)
    """
    pairs = [pair for pair in pairs if pair[1]]
    if len(pairs) < 2:
        return None
    if not any(top for top, _ in pairs):
        return Interval(0.0, 0.0, 0.0, LEVEL, len(pairs))
    dice = random.Random(seed)
    drawn = sorted(_ratio(dice.choices(pairs, k=len(pairs))) for _ in range(DRAWS))
    edge = round(DRAWS * (1 - LEVEL) / 2)
    return Interval(drawn[edge], _ratio(pairs), drawn[-edge - 1], LEVEL, len(pairs))


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return sum(top for top, _ in pairs) / sum(bottom for _, bottom in pairs)
