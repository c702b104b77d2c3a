"""A policy held against traffic: what goes at once, what may wait, what is refused or left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

from lanewise.audit.whatif.known import NOTHING_KNOWN, Known, Limit
from lanewise.audit.whatif.lanes import Stream
from lanewise.domain.lanes import LaneName
from lanewise.replay.nouns import Arrivals, Menu

UNNAMED: Final = "default"  # the workflow of requests that name none, as the lanes have it


@dataclass(slots=True)
class AtOnceSums:
    """Requests that go in real time whatever the day is like, with what they come to."""

    requests: int = 0
    nano: int = 0
    deadlines: int = 0
    late: Counter[str] = field(default_factory=Counter)  # by reason
    workflows: Counter[str] = field(default_factory=Counter)  # nano-USD
    hours: Counter[int] = field(default_factory=Counter)  # requests by the hour since the epoch


@dataclass(frozen=True, slots=True)
class Work:
    """What waits, or may: the requests of one model that the policy has to choose for."""

    stream: Stream
    menu: Menu
    arrivals: Arrivals
    allowed: tuple[frozenset[LaneName], ...]  # by kind
    cached: Mapping[LaneName, Sequence[int]] = field(default_factory=dict)
    """By lane: how much less each would cost if it read from caches there as it did when it was sent."""
    limits: tuple[Limit, ...] = ()


@dataclass(slots=True)
class Aside:
    """Requests that are in no sum of what is replayed."""

    requests: int = 0
    nano: int = 0  # as they were sent: by the price book, else by the log
    unpriced: int = 0  # rows of which neither says what they cost

    def add(self, requests: int, nano: int | None) -> None:
        """One row more."""
        self.requests += requests
        self.nano += nano or 0
        self.unpriced += nano is None


@dataclass(slots=True)
class Plan:
    """Money in nano-USD."""

    known: Known = NOTHING_KNOWN
    work: tuple[Work, ...] = ()
    at_once: AtOnceSums = field(default_factory=AtOnceSums)
    requests: int = 0
    today: Counter[LaneName] = field(default_factory=Counter)  # money, by the lane that was taken
    today_requests: Counter[LaneName] = field(default_factory=Counter)
    workflows: Counter[str] = field(default_factory=Counter)  # money today
    workflow_requests: Counter[str] = field(default_factory=Counter)
    realtime_nano: int = 0  # all of it in real time
    rules: Counter[str] = field(default_factory=Counter)  # requests; "" where none fits
    rules_left_out: Counter[str] = field(
        default_factory=Counter
    )  # of `unfit`, those that rules fit
    keys: Counter[str] = field(default_factory=Counter)  # requests that name no workflow, by key
    observed: int = 0  # decided, but not acted on: the rollout's other side
    copies: Counter[int] = field(default_factory=Counter)  # asked once with another, by the hour
    refused: dict[str, Aside] = field(default_factory=dict)  # over a budget, by which
    unfit: dict[str, Aside] = field(default_factory=dict)  # not replayed, by reason
    first: float = inf
    last: float = -inf

    @property
    def deadlines(self) -> int:
        """Requests that are due at a time."""
        waiting = sum(due < inf for work in self.work for due in work.arrivals.deadline)
        return self.at_once.deadlines + waiting

    @property
    def today_nano(self) -> int:
        """What the same requests cost as they were sent, by the price book."""
        return sum(self.today.values())

    @property
    def aside_nano(self) -> int:
        """What the log holds besides: refused or left out."""
        return sum(one.nano for one in (*self.refused.values(), *self.unfit.values()))
