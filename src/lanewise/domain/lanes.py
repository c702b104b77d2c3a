"""A lane is a way for a provider to deliver a request, described by facts. New lanes are data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NewType

LaneName = NewType("LaneName", str)

REALTIME: Final = LaneName("realtime")
FLEX: Final = LaneName("flex")
BACKGROUND_2H: Final = LaneName("background_2h")
BACKGROUND_8H: Final = LaneName("background_8h")
BATCH: Final = LaneName("batch")


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
