"""What the policy believes of lanes while it is replayed: apart from the world, learning only what ends."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, Protocol

from lanewise.domain.lanes import (
    BACKGROUND_2H,
    BACKGROUND_8H,
    BATCH,
    FLEX,
    HELD,
    REALTIME,
    LaneName,
)
from lanewise.policy.choosing import Outlook
from lanewise.policy.priors import prior


class Belief(Protocol):
    """Outlooks by lane; `saw` is told what ended, and what was given up unfinished."""

    def outlook(self, lane: LaneName) -> Outlook:
        """How long the lane takes."""

    def refuses(self, lane: LaneName) -> float:
        """The chance that it has no capacity in the time it is given."""

    def saw(self, lane: LaneName, seconds: float, *, finished: bool) -> bool:
        """A batch ended after so long, or was alive when last seen; True where that changes anything."""


@dataclass(frozen=True, slots=True)
class Points:
    """An outlook through points (seconds, chance), straight between them, flat after the last.

    >>> Points(((0.0, 0.0), (100.0, 0.8))).done_within(50.0)
    0.4
    """

    points: tuple[tuple[float, float], ...]
    elapsed: float = 0.0

    def done_within(self, seconds: float) -> float:
        """The chance to be done within so many seconds from `elapsed` on."""
        before = self._by(self.elapsed)
        if before >= 1.0:
            return 1.0
        return (self._by(self.elapsed + max(seconds, 0.0)) - before) / (1.0 - before)

    def given(self, elapsed: float) -> Points:
        """Of what is still running after so many seconds more."""
        return Points(self.points, self.elapsed + elapsed)

    def _by(self, at: float) -> float:
        place = bisect_right(self.points, (at, 2.0))
        if place == 0:
            return 0.0
        if place == len(self.points):
            return self.points[-1][1]
        (left, low), (right, high) = self.points[place - 1 : place + 1]
        return low + (high - low) * (at - left) / (right - left)


PRIOR: Final[dict[LaneName, Points]] = {
    lane: Points(((0.0, 0.0), *prior("openai", lane).points))
    for lane in (REALTIME, HELD, FLEX, BACKGROUND_2H, BACKGROUND_8H, BATCH)
}


@dataclass(frozen=True, slots=True)
class Prior:
    """Assumed, as the lanes assume it before they have seen anything, and never better."""

    flex_refuses: float = 0.3

    def outlook(self, lane: LaneName) -> Outlook:
        """The assumed curve."""
        return PRIOR[lane]

    def refuses(self, lane: LaneName) -> float:
        """The assumed chance."""
        return self.flex_refuses if lane == FLEX else 0.0

    def saw(self, lane: LaneName, seconds: float, *, finished: bool) -> bool:
        """Not learned from."""
        return False
