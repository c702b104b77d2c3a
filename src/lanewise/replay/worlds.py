"""How long lanes take in three worlds: drawn, the same for the same seed and label.

Assumed, not measured: no provider publishes a distribution. `fast` is lognormal with a median of 60 s and
90 % within 7 min. `typical` ends 70 % of batches within an hour, 20 % in 1 to 4 h, 9 % in 4 to 24 h and lets
1 % expire. On a `bad-day` half expire, and half of those are pending throughout; a quarter takes 5 to 20 h; a
quarter is worked through within two hours and then stuck for five in writing its results, where it cannot
be cancelled. Work is done evenly from start to end.

The policy never sees this: it goes by what it believes, and by what it has seen end.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from lanewise.domain.lanes import BATCH, FLEX
from lanewise.replay.nouns import Sold

HOUR: Final = 3_600.0
_FAST_SIGMA: Final = math.log(7) / 1.2816  # the 90th percentile is seven times the median
_SLOT: Final = 300.0  # flex has capacity or has none for so long


@dataclass(frozen=True, slots=True)
class Timing:
    """What becomes of one batch: seconds from its creation, and the share that is ever done."""

    begins: float  # working
    worked: float  # through with its share
    ends: float  # its results can be collected, if it is not cancelled
    share: float
    cancels_in: float  # seconds from asking to cancel until the partial results can be collected

    def done(self, requests: int, elapsed: float) -> int:
        """How many of so many are done by then."""
        if elapsed <= self.begins:
            return 0
        spent, whole = elapsed - self.begins, self.worked - self.begins
        progress = 1.0 if spent >= whole else spent / whole
        return int(requests * self.share * progress + 1e-9)

    def completes(self, position: float) -> float:
        """When the request at this place of the batch (0 to 1) is done; infinite if it never is."""
        if position > self.share:
            return math.inf
        return self.begins + (self.worked - self.begins) * position / self.share

    def cancelled(self, elapsed: float) -> float:
        """When a batch that is told to cancel after so long lets go of its results."""
        if elapsed >= self.worked:  # it is writing its results, and does not stop
            return self.ends
        return min(elapsed + self.cancels_in, max(self.ends, elapsed))


class Conditions(Protocol):
    """What happens to what is handed over, from one seed."""

    def timing(self, sold: Sold, label: str) -> Timing:
        """What becomes of a batch, or of a parcel of a background lane; `label` is its own."""

    def accepts(self, now: float, requests: int, dice: float) -> int:
        """How many of so many calls flex has capacity for; `dice` (0 to 1) rounds."""


@dataclass(frozen=True, slots=True)
class World:
    """One kind of day, one seed."""

    name: str
    seed: int

    def timing(self, sold: Sold, label: str) -> Timing:
        """A batch's, or a parcel's of the background lane."""
        rng = random.Random(f"{self.seed}:{label}")
        offer = sold.offer
        window = offer.window_seconds or 24 * HOUR
        if offer.lane != BATCH:
            late = {"fast": 0.0, "typical": 0.02, "bad-day": 0.2}[self.name]
            return Timing(0.05 * window, 0.95 * window, 0.95 * window, 1.0 - late, 1.0)
        cancels_in = min(rng.expovariate(1 / 90.0), offer.cancel_seconds)
        if self.name == "bad-day" and rng.random() < 0.05:
            cancels_in = 2 * offer.cancel_seconds  # longer than the provider says
        begins, worked, ends, share = _BATCHES[self.name](rng, window)
        return Timing(begins, worked, ends, share, cancels_in)

    def accepts(self, now: float, requests: int, dice: float) -> int:
        """How many of so many calls flex has capacity for at this time; `dice` (0 to 1) rounds."""
        slot = _slot(self.seed, int(now / _SLOT))
        congested = {"fast": 0.05, "typical": 0.2, "bad-day": 0.7}[self.name]
        return int(requests * (0.05 if slot < congested else 0.98) + dice)


@lru_cache(4_096)
def _slot(seed: int, number: int) -> float:
    return random.Random(f"{seed}:{FLEX}:{number}").random()


_Batch = tuple[float, float, float, float]


def _fast(rng: random.Random, window: float) -> _Batch:
    total = min(60.0 * math.exp(rng.gauss(0.0, _FAST_SIGMA)), window)
    return _even(total, 1.0)


def _typical(rng: random.Random, window: float) -> _Batch:
    part = rng.random()
    if part < 0.70:
        return _even(min(420.0 * math.exp(rng.gauss(0.0, 1.0)), HOUR), 1.0)
    if part < 0.90:
        return _even(rng.uniform(1.0, 4.0) * HOUR, 1.0)
    if part < 0.99:
        return _even(rng.uniform(4.0, 23.9) * HOUR, 1.0)
    return _even(window, rng.uniform(0.3, 0.95))


def _bad(rng: random.Random, window: float) -> _Batch:
    part = rng.random()
    if part < 0.25:
        return window, window, window, 0.0  # pending until it expires
    if part < 0.50:
        return _even(window, rng.uniform(0.1, 0.9))
    if part < 0.75:
        return _even(rng.uniform(5.0, 20.0) * HOUR, 1.0)
    worked = rng.uniform(0.25, 2.0) * HOUR
    return min(62.0, worked / 3), worked, worked + 5 * HOUR, 1.0


def _even(total: float, share: float) -> _Batch:
    begins = min(62.0, total / 3)  # validation took a minute in both recordings there are
    return begins, total, total, share


_BATCHES: Final[dict[str, Callable[[random.Random, float], _Batch]]] = {
    "fast": _fast,
    "typical": _typical,
    "bad-day": _bad,
}
WORLDS: Final = tuple(_BATCHES)
