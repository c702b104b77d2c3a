"""A sample of a large log, and how far off it may be.

What is there to be read depends only on what was asked within the last lifetime. So a stretch of the log is
replayed exactly if the replay begins a lifetime before it; single requests drawn at random would lose
their neighbours. The sample is a number of such stretches, drawn at random, and the interval comes from
drawing them again (bootstrap). Of lives longer than `warm` the sample shows a little too little.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import floor
from typing import Final

from lanewise.audit.caching.prompts import Prompt
from lanewise.audit.caching.replaying import Replay
from lanewise.audit.caching.sums import Table

DRAWS: Final = 1_000
LEVEL: Final = 0.9


@dataclass(frozen=True, slots=True)
class Stretches:
    """Which stretches of a log are counted: the numbers of `chosen`, each of `seconds`, from `begins` on."""

    begins: float
    seconds: float
    warm: float  # seconds before each that are replayed and not counted
    chosen: tuple[int, ...]
    of: int

    @property
    def spans(self) -> tuple[tuple[float, float], ...]:
        """From when to when is read for each, the warming included: to select by."""
        return tuple(
            (self.begins + number * self.seconds - self.warm, self._end(number))
            for number in self.chosen
        )

    def place(self, number: int, at: float) -> bool | None:
        """Whether an instant is counted in this stretch (True), warms it (False) or neither (None)."""
        counted = floor((at - self.begins) / self.seconds)
        if counted == number:
            return True
        warming = counted < number and at >= self.begins + number * self.seconds - self.warm
        return False if warming else None

    def _end(self, number: int) -> float:
        return self.begins + (number + 1) * self.seconds


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure lies in nine of ten draws; `low` and `high` are as `likely`."""

    low: float
    likely: float
    high: float
    level: float
    stretches: int


def draw(
    begins: float, ends: float, *, share: float, warm: float, seed: int = 0, least: int = 20
) -> Stretches:
    """Choose stretches that are about `share` of the log, at the least `least` of them.

    A stretch is twice as long as its warming, or shorter where the log would not have enough of them: then
    more is read than counted.

    >>> found = draw(0, 30 * 86_400, share=0.1, warm=3_600)
    >>> found.seconds, found.of, len(found.chosen)
    (7200, 360, 36)
    """
    span = max(ends - begins, 1.0)
    seconds = min(max(2 * warm, 1.0), span / least)
    count = floor(span / seconds) + 1 if span % seconds else round(span / seconds)
    wanted = min(max(round(count * share), least), count)
    chosen = sorted(random.Random(seed).sample(range(count), wanted))
    return Stretches(begins, seconds, warm, tuple(chosen), count)


def replayed(
    stretches: Stretches, prompts: Iterable[Prompt], begin: Callable[[], Replay]
) -> list[Table]:
    """The sums of each stretch, from one pass over prompts in the order of time."""
    replays = {number: begin() for number in stretches.chosen}
    waiting = list(stretches.chosen)
    for prompt in prompts:
        while waiting and _over(stretches, waiting[0], prompt.at):
            replays[waiting.pop(0)].close()
        for number in waiting:
            counted = stretches.place(number, prompt.at)
            if counted is None:
                break  # those that come later do not want it either
            replays[number].add(prompt, counted=counted)
    return [replay.sums for replay in replays.values()]


def _over(stretches: Stretches, number: int, at: float) -> bool:
    return at >= stretches.begins + (number + 1) * stretches.seconds


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
    pairs = [pair for table in tables if (pair := (figure(table), per(table)))[1]]
    if len(pairs) < 2:
        return None
    dice = random.Random(seed)
    drawn = sorted(_ratio(dice.choices(pairs, k=len(pairs))) for _ in range(DRAWS))
    edge = round(DRAWS * (1 - LEVEL) / 2)
    return Interval(drawn[edge], _ratio(pairs), drawn[-edge - 1], LEVEL, len(pairs))


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return sum(top for top, _ in pairs) / sum(bottom for _, bottom in pairs)
