"""What makes a lane an option: the time it is given, and the chance that it refuses. Live and in a replay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lanewise.domain.lanes import BATCH, FLEX, Offer
from lanewise.domain.usage import Usage

# What a request is taken to use where only the ratio of prices matters: as `why` says, "such a request".
TYPICAL: Final = Usage(input=1_000, output=300)
ALIKE: Final = 1_000  # requests in a batch, of which the outlook of a lane is asked
_CALL_NEEDS: Final = 90.0  # a call at a high quantile, and a margin before the deadline
FLEX_NEEDS: Final = 1_500.0  # a quarter of an hour of asking (OpenAI's guide), and the call
_WINDOW_MARGIN: Final = 120.0  # to see that a background response has ended
_REFUSALS_PRIOR: Final = (1, 5)  # refused of asked, before anything was seen [assumed]


def needs(offer: Offer) -> float:
    """Seconds that a lane is given where another waited before it."""
    if offer.lane == FLEX:
        return FLEX_NEEDS
    if offer.window_seconds is None:
        return 86_400.0 if offer.lane == BATCH else _CALL_NEEDS
    return offer.window_seconds + _WINDOW_MARGIN


def refuses(offer: Offer, model: str, learned: Mapping[tuple[str, str], int], now: float) -> float:
    """The chance that a lane has no capacity. `learned`: (model, name) -> value, as the store keeps it."""
    if not offer.may_refuse:
        return 0.0
    if learned.get((model, f"{offer.lane}_full_until"), 0) > now:
        return 1.0
    refused, asked = _REFUSALS_PRIOR
    refused += learned.get((model, f"{offer.lane}_refusals"), 0)
    asked += learned.get((model, f"{offer.lane}_calls"), 0)
    return min(refused / asked, 1.0)
