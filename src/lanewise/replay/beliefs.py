"""What the policy believes of lanes while it is replayed: apart from the world, learning only what ends."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, Protocol

from lanewise.domain.lanes import BACKGROUND_2H, BACKGROUND_8H, BATCH, FLEX, LaneName
from lanewise.policy.choosing import Outlook

_HOUR: Final = 3_600.0


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
    BATCH: Points(
        (
            (0.0, 0.0),
            (120.0, 0.07),
            (420.0, 0.35),
            (1_200.0, 0.59),
            (1 * _HOUR, 0.70),
            (4 * _HOUR, 0.90),
            (24 * _HOUR, 0.99),
        )
    ),
    FLEX: Points(((0.0, 0.0), (120.0, 0.5), (300.0, 0.9), (900.0, 1.0))),
    BACKGROUND_2H: Points(((0.0, 0.0), (2 * _HOUR, 0.97))),
    BACKGROUND_8H: Points(((0.0, 0.0), (8 * _HOUR, 0.97))),
}
_CALL: Final = Points(((0.0, 0.0), (5.0, 0.5), (60.0, 0.99), (900.0, 1.0)))


@dataclass(frozen=True, slots=True)
class Prior:
    """Assumed, and never better: the published claims for batches, a window kept for the background lanes."""

    flex_refuses: float = 0.3

    def outlook(self, lane: LaneName) -> Outlook:
        """The assumed curve."""
        return PRIOR.get(lane, _CALL)

    def refuses(self, lane: LaneName) -> float:
        """The assumed chance."""
        return self.flex_refuses if lane == FLEX else 0.0

    def saw(self, lane: LaneName, seconds: float, *, finished: bool) -> bool:
        """Not learned from."""
        return False
