"""Which batches may be created now, where a provider has no room for all of them.

Work waits here rather than fail there: in the order of its slack, workflows taking turns. What does not fit
holds back what comes after it for the same quota, or a large batch would wait for ever while small ones
slip by.

A limit that a provider let slip is believed for an hour. After that one batch more than it allows may be
tried: taken, it proves more room; refused, nothing is charged and the limit holds for another hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar

from lanewise.policy.packing import Queued, order

T = TypeVar("T")

ALL_MODELS: Final = "*"  # the subject of a quota that models share
HOLDS: Final = 3_600.0  # seconds for which a limit that was learned is believed


class Unit(StrEnum):
    """What a quota counts."""

    TOKENS = "tokens"  # input of batches that have not ended
    REQUESTS = "requests"  # in batches that have not ended
    BYTES = "bytes"  # of files that the provider keeps
    CREATIONS = "creations"  # of batches, in the last hour


@dataclass(frozen=True, slots=True)
class Quota:
    """What a provider lets an account have at once."""

    subject: str  # a model, or `ALL_MODELS`
    unit: Unit
    limit: int
    used: int  # by what is there now
    doubted: bool = False  # learned so long ago that one batch more than it allows may be tried

    @property
    def room(self) -> int:
        """What may be added."""
        return max(self.limit - self.used, 0)


@dataclass(frozen=True, slots=True)
class Wanting(Generic[T]):
    """A batch that wants to be created."""

    what: T
    model: str
    workflow: str
    slack: float | None  # None: nobody waits
    tokens: int
    requests: int
    bytes: int = 0  # still to be uploaded

    def asks(self, quota: Quota) -> int:
        """What it takes of a quota; 0 where it is another model's."""
        if quota.subject not in (self.model, ALL_MODELS):
            return 0
        match quota.unit:
            case Unit.TOKENS:
                return self.tokens
            case Unit.REQUESTS:
                return self.requests
            case Unit.BYTES:
                return self.bytes
            case Unit.CREATIONS:
                return 1


def doubted(learned_at: float, now: float) -> bool:
    """Whether a limit was learned so long ago that a little more may be tried.

    >>> doubted(0.0, now=3_599.0), doubted(0.0, now=3_600.0)
    (False, True)
    """
    return now - learned_at >= HOLDS


def admit(
    queue: Sequence[Wanting[T]],
    quotas: Iterable[Quota],
    *,
    served: Mapping[str, int] | None = None,
) -> list[T]:
    """Those that may be created now, in the order in which they go.

    `served`: tokens that each workflow has in the provider's queue. What is larger than a whole quota goes
    when nothing else is there: the provider then says whether it takes it.

    >>> wants = [Wanting("big", "m", "a", 60.0, 900, 9), Wanting("small", "m", "a", 9_000.0, 10, 1)]
    >>> admit(wants, [Quota("m", Unit.TOKENS, 1_000, 200)])
    []
    >>> admit(wants, [Quota("m", Unit.TOKENS, 1_000, 0)])
    ['big', 'small']
    >>> admit(wants, [Quota("m", Unit.TOKENS, 1_000, 200, doubted=True)])
    ['big']
    """
    rooms = [_Room(quota) for quota in quotas]
    waiting = [Queued(want, want.workflow, want.slack, want.tokens) for want in queue]
    admitted: list[T] = []
    for item in order(waiting, served):
        want = item.what
        asked = [(room, amount) for room in rooms if (amount := want.asks(room.quota))]
        if any(room.full for room, _ in asked):
            continue
        if refusing := [room for room, amount in asked if not room.takes(amount)]:
            for room in refusing:
                room.full = True
            continue
        for room, amount in asked:
            room.put(amount)
        admitted.append(want.what)
    return admitted


class _Room:
    """What is left of a quota while batches are admitted to it."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.full = False  # the next in turn did not fit, so nobody after it is let in
        self._left = quota.room
        self._empty = quota.used == 0
        self._may_try = quota.doubted and quota.used <= quota.limit

    def takes(self, amount: int) -> bool:
        return amount <= self._left or self._empty or self._may_try

    def put(self, amount: int) -> None:
        if amount > self._left:
            self._may_try = False
        self._left -= amount
        self._empty = False
