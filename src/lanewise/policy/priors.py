"""How long each lane takes before anything is known of it. Every figure here is assumed.

No provider publishes a distribution, and no public data set has one for large batches. What was found, as of
23 November 2026: 26 recorded batches of at most 100 requests (3 s to 18 min), one blog's "70 %
within 1 h, 20 % within 4 h, 10 % in 8 to 24 h", one vendor's "median 7 min, 90 % within 1 h", and reports of
batches that expired. So these curves are cautious guesses with sources, to start from and to be outgrown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lanewise.domain.lanes import (
    BACKGROUND_2H,
    BACKGROUND_8H,
    BATCH,
    FLEX,
    HELD,
    REALTIME,
    LaneName,
)
from lanewise.errors import BadInput

ASSUMED: Final = "prior (assumed)"
_MINUTES: Final = 60.0
_HOURS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Prior:
    """The share done by so many seconds, linear in between; what the last leaves is never done."""

    points: tuple[tuple[float, float], ...]
    source: str

    def done_within(self, seconds: float) -> float:
        """The share done within so many seconds."""
        before, done = 0.0, 0.0
        for at, share in self.points:
            if seconds < at:
                return done + (share - done) * max(seconds - before, 0.0) / (at - before)
            before, done = at, share
        return done


_FIRST_DAY: Final = (
    (1 * _MINUTES, 0.02),
    (2 * _MINUTES, 0.07),
    (5 * _MINUTES, 0.26),
    (10 * _MINUTES, 0.45),
    (15 * _MINUTES, 0.54),
    (30 * _MINUTES, 0.65),
    (1 * _HOURS, 0.70),
    (4 * _HOURS, 0.90),
)
_CALL: Final = Prior(
    ((2.0, 0.30), (5.0, 0.60), (15.0, 0.90), (60.0, 0.99), (600.0, 0.999)),
    "assumed: an answer of a few hundred tokens",
)

_BY_LANE: Final[dict[LaneName, Prior]] = {
    REALTIME: _CALL,
    HELD: _CALL,  # from the moment it is sent
    FLEX: Prior(
        ((10.0, 0.30), (60.0, 0.80), (5 * _MINUTES, 0.95), (15 * _MINUTES, 0.99)),
        "assumed: Gemini's guide names 1 to 15 minutes, OpenAI's says slower; of calls not refused",
    ),
    BACKGROUND_2H: Prior(
        ((15 * _MINUTES, 0.30), (1 * _HOURS, 0.80), (2 * _HOURS, 0.97), (4 * _HOURS, 0.99)),
        "assumed: the window is OpenAI's target, not a guarantee",
    ),
    BACKGROUND_8H: Prior(
        (
            (15 * _MINUTES, 0.20),
            (1 * _HOURS, 0.50),
            (4 * _HOURS, 0.85),
            (8 * _HOURS, 0.97),
            (16 * _HOURS, 0.99),
        ),
        "assumed: the window is OpenAI's target, not a guarantee",
    ),
    BATCH: Prior(
        (*_FIRST_DAY, (24 * _HOURS, 0.99)),
        "assumed: 70 % within 1 h, 20 % in 1 to 4 h, 9 % in 4 to 24 h, 1 % never (claims, few records)",
    ),
}
_BY_PROVIDER: Final[dict[tuple[str, LaneName], Prior]] = {
    ("gemini", BATCH): Prior(
        (*_FIRST_DAY, (24 * _HOURS, 0.96), (48 * _HOURS, 0.97)),
        "assumed: as elsewhere, but four reports in a year of days on which every batch expired: 3 % never",
    ),
}
PRIORS: Final = (*_BY_LANE.values(), *_BY_PROVIDER.values())


def prior(provider: str, lane: LaneName) -> Prior:
    """What is assumed of a lane; the provider's own where there is reason for one.

    Raises `BadInput` for a lane that nothing is assumed of.

    >>> prior("anthropic", BATCH).done_within(3_600.0)
    0.7
    >>> prior("gemini", BATCH).done_within(7 * 86_400.0)
    0.97
    """
    found = _BY_PROVIDER.get((provider, lane)) or _BY_LANE.get(lane)
    if found is None:
        known = ", ".join(_BY_LANE)
        raise BadInput(f"no completion time is assumed for the lane {lane!r}; {known} have one")
    return found
