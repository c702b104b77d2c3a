"""How long work takes in a lane: P(done within t), from a labelled prior and from what this home saw.

The estimate
------------
A survival curve with a Dirichlet prior (Susarla and Van Ryzin, 1976): the prior counts as `STRENGTH`
observations, and each own batch adds its weight. A batch that still runs, was cancelled by us or expired
says only that it took longer than it was seen alive. It stays in the number at risk up to then and is never
counted as done; leaving it out, as a mean of the finished ones does, would be blind to the bad days.

Five curves stand in a row: the prior, (provider, lane), model, size, block of the week. Each is the prior of
the next, counting as much as it has seen, up to a limit (`LEVELS`), and each adds only what the next one does
not hold, so that no batch counts twice. A cell without batches of its own has its parent's curve; one with
many has its own.

What a batch weighs
-------------------
*   Half as much for every `HALF_LIFE` since it began: queues change.
*   Less when many of its cell began within the same hour. They share one state of the provider's queue, so
    forty of them are not forty opinions: n count as n / (1 + (n - 1) * ALIKE), Kish's design effect.

Times are kept on a grid about a tenth apart; on it the curve is exact, in between it is a straight line.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final, TypeAlias

from lanewise.domain.counts import counted
from lanewise.domain.lanes import LaneName
from lanewise.policy.outlook import Curve, Sample
from lanewise.policy.priors import ASSUMED, PRIORS, prior

STRENGTH: Final = 10.0  # the observations that the prior counts as [assumed]
# How much of a key each curve goes by, and what it counts as for the next at most, however much it has seen:
# models are known to differ (some done in minutes while others hang), sizes and hours are not [assumed].
LEVELS: Final = ((2, 10.0), (3, 30.0), (4, 30.0), (5, 30.0))
HALF_LIFE: Final = (
    14 * 86_400.0
)  # seconds [assumed]: a fortnight holds two of each block of the week
ALIKE: Final = (
    0.25  # correlation of batches that begin within an hour [assumed; few records say more]
)
_SIZES: Final = (100, 1_000, 10_000)  # requests, inclusive
_LONGEST: Final = 4 * 86_400.0  # seconds: what is later is as good as never
_ANY_BLOCK: Final = -1  # which nothing is ever seen in, so that all blocks count alike
_ASKED: Final = (900.0, 7_200.0, 28_800.0)  # what people ask for, next to the priors' own times

Key: TypeAlias = tuple[
    str | int, ...
]  # provider, lane, model, size, block, or the first two to four


@dataclass(frozen=True, slots=True)
class Observation:
    """A batch, or what was sent one by one for a window together, for as long as it was seen."""

    provider: str
    lane: LaneName
    model: str
    requests: int
    started_at: float  # seconds since the epoch
    seconds: float  # until it was done, or until it was last seen alive
    finished: bool  # False: still running, cancelled by us, or expired


def size_bucket(requests: int) -> int:
    """0 to 3: up to 100, 1,000 or 10,000 requests, or more. Tens, since nothing finer was ever recorded.

    >>> [size_bucket(n) for n in (1, 100, 101, 20_000)]
    [0, 0, 1, 3]
    """
    return bisect_left(_SIZES, requests)


def week_block(at: float) -> int:
    """0 to 7: six hours of the day in UTC, on weekdays (0 to 3) or at the weekend (4 to 7).

    Eight and not 168, because load follows office hours and weekends, and a home with a batch a day would
    wait for years to fill 168 cells.

    >>> [week_block(hours * 3_600.0) for hours in (0, 13, 2 * 24 + 13)]  # the epoch was a Thursday
    [0, 2, 6]
    """
    hours = math.floor(at / 3_600.0)
    weekend = (hours // 24 + 3) % 7 >= 5
    return hours % 24 // 6 + (4 if weekend else 0)


class Completion:
    """Curves for every lane, from own observations as they stand at `now` (seconds since the epoch)."""

    __slots__ = ("_curves", "_tallies")

    def __init__(self, observations: Iterable[Observation], now: float) -> None:
        self._tallies: defaultdict[Key, _Tally] = defaultdict(_Tally)
        self._curves: dict[Key, Curve] = {}
        cells = [(_cell(seen), seen) for seen in observations]
        together = Counter((cell, seen.started_at // 3_600.0) for cell, seen in cells)
        for cell, seen in cells:
            alike = together[cell, seen.started_at // 3_600.0]
            age = max(now - seen.started_at, 0.0)
            weight = 0.5 ** (age / HALF_LIFE) / (1.0 + (alike - 1) * ALIKE)
            place = max(bisect_left(GRID, seen.seconds), 1)
            for depth, _ in LEVELS:
                self._tallies[cell[:depth]].add(place, weight, finished=seen.finished)

    def curve(
        self, provider: str, lane: LaneName, model: str, requests: int, at: float | None
    ) -> Curve:
        """When `requests` sent together at `at` will be done; None: at any hour of the week.

        Remembered, so asking again is quick.

        Raises `BadInput` for a lane that nothing is assumed of.

        >>> from lanewise.domain.lanes import BATCH
        >>> curve = Completion([], now=0.0).curve("openai", BATCH, "gpt-4o-mini", 20_000, at=0.0)
        >>> curve.basis, round(curve.done_within(3_600.0), 6)
        ('prior (assumed)', 0.7)
        """
        block = _ANY_BLOCK if at is None else week_block(at)
        cell = (provider, lane, model, size_bucket(requests), block)
        known = self._curves.get(cell)
        if known is None:
            known = self._curves[cell] = self._learn(cell, provider, lane)
        return known

    def _learn(self, cell: Key, provider: str, lane: LaneName) -> Curve:
        survival, strength, assumed = _prior(provider, lane), STRENGTH, 1.0
        tallies = [self._tallies.get(cell[:depth], _NOTHING) for depth, _ in LEVELS]
        for (_, most), (tally, inner) in zip(LEVELS, pairwise([*tallies, _NOTHING]), strict=True):
            if not tally.seen:
                break
            done, cut = _less(tally.done, inner.done), _less(tally.cut, inner.cut)
            survival = _learned(survival, strength, done, cut)
            weight = strength + max(tally.weight - inner.weight, 0.0)
            assumed *= strength / weight
            strength = min(weight, most)
        sample, basis = _basis(cell, tallies, assumed)
        return Curve(GRID, survival, basis, sample, assumed)


class _Tally:
    """Weights by the place of the grid by which they were done, or up to which they were seen alive."""

    __slots__ = ("censored", "cut", "done", "finished", "weight")

    def __init__(self) -> None:
        self.done = [0.0] * (len(GRID) + 1)
        self.cut = [0.0] * (len(GRID) + 1)
        self.weight = 0.0
        self.finished = self.censored = 0

    @property
    def seen(self) -> int:
        return self.finished + self.censored

    def add(self, place: int, weight: float, *, finished: bool) -> None:
        self.weight += weight
        if finished:
            self.done[place] += weight
            self.finished += 1
        else:
            self.cut[place] += weight
            self.censored += 1


def _grid() -> tuple[float, ...]:
    tenths = [1.1**n for n in range(math.ceil(math.log(_LONGEST, 1.1)))]
    assumed = [at for known in PRIORS for at, _ in known.points]
    return (0.0, *sorted({*tenths, *assumed, *_ASKED, _LONGEST}))


GRID: Final = _grid()
_NOTHING: Final = _Tally()


def _cell(seen: Observation) -> Key:
    size, block = size_bucket(seen.requests), week_block(seen.started_at)
    return (seen.provider, seen.lane, seen.model, size, block)


@cache
def _prior(provider: str, lane: LaneName) -> tuple[float, ...]:
    known = prior(provider, lane)
    return tuple(1.0 - known.done_within(at) for at in GRID)


def _less(all_of_them: Sequence[float], inner: Sequence[float]) -> list[float]:
    return [max(a - b, 0.0) for a, b in zip(all_of_them, inner, strict=True)]


def _learned(
    before: Sequence[float], strength: float, done: Sequence[float], cut: Sequence[float]
) -> tuple[float, ...]:
    """The curve after these observations: step by step, the share of those at risk that stays."""
    at_risk = done[-1] + cut[-1]  # what outlasted the grid
    steps: list[float] = []
    for place in range(len(GRID) - 1, 0, -1):
        stay = at_risk + cut[place]
        at_risk = stay + done[place]
        steps.append((strength * before[place] + stay) / (strength * before[place - 1] + at_risk))
    left = [1.0]
    for step in reversed(steps):
        left.append(left[-1] * step)
    return tuple(left)


def _basis(cell: Key, tallies: Sequence[_Tally], assumed: float) -> tuple[Sample, str]:
    lane_wide, of_model = tallies[0], tallies[1]
    tally, whose = (
        (of_model, cell[2] or "any model") if of_model.seen else (lane_wide, "other models")
    )
    sample = Sample(tally.finished, tally.censored)
    if not tally.seen:
        return sample, ASSUMED
    told = f"{counted(sample.finished, 'own batch', 'own batches')} of {whose} done"
    if sample.censored:
        told += f", {sample.censored:,} more still running or cut short"
    if lane_wide.seen > tally.seen:
        told += f"; {lane_wide.seen - tally.seen:,} of other models"
    return sample, f"{told}; the {ASSUMED} weighs {100 * assumed:.0f} %"
