"""Days as this home has seen them: batches drawn from curves, which are what the policy believes too."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from lanewise.domain.lanes import FLEX, LaneName
from lanewise.policy.choosing import Outlook
from lanewise.policy.outlook import Curve
from lanewise.replay.nouns import Sold
from lanewise.replay.worlds import HOUR, Timing, World

Curves: TypeAlias = Callable[[LaneName], Curve]
_BEGINS: Final = 62.0  # seconds of validation, in both recordings there are
_CANCELS: Final = 90.0  # seconds in the mean until a cancellation has ended [assumed]


@dataclass(frozen=True, slots=True)
class LearnedWorld:
    """One draw from what was seen. What share of an expired batch was done is not known: any is as likely."""

    curves: Curves
    seed: int

    def timing(self, sold: Sold, label: str) -> Timing:
        """A batch's, or a parcel's of the background lane: done as one, at a time drawn from the curve."""
        dice = random.Random(f"{self.seed}:learned:{label}")
        window = sold.offer.window_seconds or 24 * HOUR
        seconds = self.curves(sold.offer.lane).quantile(dice.random())
        share = 1.0 if seconds is not None and seconds <= window else dice.random()
        ends = window if seconds is None else max(min(seconds, window), 1.0)
        cancels_in = min(dice.expovariate(1 / _CANCELS), sold.offer.cancel_seconds)
        return Timing(min(_BEGINS, ends / 3), ends, ends, share, cancels_in)

    def accepts(self, now: float, requests: int, dice: float) -> int:
        """Of flex nothing is learned that would tell when it has capacity: as on a typical day."""
        return World("typical", self.seed).accepts(now, requests, dice)


@dataclass(frozen=True, slots=True)
class LearnedBelief:
    """What the live lanes believe on the strength of the same records."""

    curves: Curves
    flex_refuses: float = 0.2  # as the lanes assume before they have asked

    def outlook(self, lane: LaneName) -> Outlook:
        """The curve of a lane."""
        return self.curves(lane)

    def refuses(self, lane: LaneName) -> float:
        """The assumed chance."""
        return self.flex_refuses if lane == FLEX else 0.0

    def saw(self, lane: LaneName, seconds: float, *, finished: bool) -> bool:
        """Not learned from while it is replayed."""
        return False
