"""A lane is a way for a provider to deliver a request, described by facts. New lanes are data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

LaneName = NewType("LaneName", str)

REALTIME: Final = LaneName("realtime")
FLEX: Final = LaneName("flex")
BACKGROUND_2H: Final = LaneName("background_2h")
BACKGROUND_8H: Final = LaneName("background_8h")
BATCH: Final = LaneName("batch")
HELD: Final = LaneName("held")


@dataclass(frozen=True, slots=True)
class Lane:
    """The facts about one lane; what it costs is in the price book, not here."""

    name: LaneName
    window_seconds: int | None  # how long the provider may take; None: it answers on the connection
    may_refuse: bool  # the provider may say "no capacity", uncharged
    cancellable: bool
    partial_results: bool  # what was done by expiry or cancellation is delivered (and charged)


LANES: Final[dict[LaneName, Lane]] = {
    lane.name: lane
    for lane in (
        Lane(REALTIME, None, may_refuse=False, cancellable=False, partial_results=False),
        Lane(FLEX, None, may_refuse=True, cancellable=False, partial_results=False),
        Lane(BACKGROUND_2H, 7_200, may_refuse=False, cancellable=True, partial_results=False),
        Lane(BACKGROUND_8H, 28_800, may_refuse=False, cancellable=True, partial_results=False),
        Lane(BATCH, 86_400, may_refuse=False, cancellable=True, partial_results=True),
    )
}


class Terms(StrEnum):
    """What may be done with the data: the lanes that a provider does not offer under them are never used."""

    ANY = "any"
    ZDR = "zdr"  # zero data retention: nothing of a request may stay with the provider
    EU = "eu"  # processed and stored in the provider's EU region


@dataclass(frozen=True, slots=True)
class Offer:
    """A lane as one provider sells it: the facts that choosing, packing and rescuing go by.

    Seconds throughout. `window_seconds` is the provider's target or limit, None for a call that is answered
    on the connection. `one_by_one`: lanewise sends each request itself, rather than a batch of them.
    """

    provider: str
    lane: LaneName
    window_seconds: float | None
    one_by_one: bool
    may_refuse: bool = False  # it may say "no capacity", uncharged
    cancellable: bool = False
    cancel_seconds: float = (
        0.0  # how long a cancellation may take until its results can be collected
    )
    partial_on_cancel: bool = False  # what was done by then is delivered, and charged
    partial_on_expiry: bool = False
    terms: frozenset[Terms] = frozenset(Terms)  # the data terms under which it is offered
    floor: int = 1  # the least requests in a batch
    source: str = ""

    @property
    def lets_run(self) -> bool:
        """Whether cancelling would throw away what is done, so that it is better let run."""
        return not self.one_by_one and not self.partial_on_cancel
