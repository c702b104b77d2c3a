"""What the lanes know before the first request comes: how long lanes take, and the limits of accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from lanewise.domain.lanes import LaneName, Offer
from lanewise.policy.completion import Completion
from lanewise.policy.draining import SHARE
from lanewise.policy.options import ALIKE, refuses
from lanewise.policy.outlook import Curve
from lanewise.policy.quotas import ALL_MODELS

Curves: TypeAlias = Callable[[str, str, LaneName], Curve]  # by provider, model and lane
Numbers: TypeAlias = Mapping[tuple[str, str], int]  # (model or `ALL_MODELS`, name) -> value
PER_MINUTE: Final = "_per_minute"
REQUESTS: Final = "requests_per_minute"
TOKENS: Final = ("tokens_per_minute", "input_tokens_per_minute")
CREATIONS: Final = "creations_per_hour"
QUEUED_TOKENS: Final = "enqueued_tokens"
QUEUED_REQUESTS: Final = "queued_requests"
NAMES: Final = (REQUESTS, *TOKENS, CREATIONS, QUEUED_TOKENS, QUEUED_REQUESTS)
COUNTED_ON: Final = SHARE  # of a limit by the minute


class Limit(NamedTuple):
    """What a provider lets an account have, and where that comes from."""

    name: str
    value: int
    source: str  # stated, learned, documented, assumed, or the log


def _assumed(provider: str, model: str, lane: LaneName) -> Curve:
    return _NOTHING_SEEN.curve(provider, lane, model, ALIKE, None)


_NOTHING_SEEN: Final = Completion((), 0.0)


@dataclass(frozen=True, slots=True)
class Known:
    """`learned`: by provider, as a home's store keeps it. `stated`: what the user says goes before it."""

    curves: Curves = _assumed
    learned: Mapping[str, Numbers] = field(default_factory=dict)
    stated: Numbers = field(default_factory=dict)

    def limit(self, provider: str, model: str, name: str) -> Limit | None:
        """A limit of a model, or of all models; None where it is neither stated nor learned."""
        for numbers, source in ((self.stated, "stated"), (self._of(provider), "learned")):
            for subject in (model, ALL_MODELS):
                if (subject, name) in numbers:
                    return Limit(name, numbers[subject, name], source)
        return None

    def refuses(self, provider: str, model: str, offer: Offer) -> float:
        """The chance that a lane has no capacity, by what it refused before."""
        counts = {key: value for key, value in self._of(provider).items() if "_until" not in key[1]}
        return refuses(offer, model, counts, 0.0)

    def _of(self, provider: str) -> Numbers:
        return self.learned.get(provider, {})


NOTHING_KNOWN: Final = Known()
