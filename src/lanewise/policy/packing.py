"""Which waiting requests travel together, how long they wait for others, and in what order they leave.

Requests travel with others of their packing key and deadline class. A batch is due when the first of its
requests is, so those in it should be due at about the same time; it should be small enough that rescuing it
takes a small part of its slack, and large enough that the provider's limit on creations is not met.

Slack and spans are in seconds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from heapq import heapify, heappop, heapreplace
from typing import Final, Generic, TypeVar

from lanewise.domain.packing import Limits
from lanewise.policy.rescuing import Drain

T = TypeVar("T")

_CLASSES_PER_DOUBLING: Final = 4  # so that slack within a class differs by less than a fifth
_SHORTEST: Final = 900.0  # slack below this is one class
_DAY: Final = 86_400.0
_LONGEST_LINGER: Final = 900.0
_LINGER: Final = 60.0  # one part in so many of the slack
_RESCUE_SHARE: Final = 100.0  # rescuing one batch takes at most one part in so many of its slack
_QUEUE_SHARE: Final = 4.0  # a batch is at most one part in so many of the provider's queue
_LEAST_BATCH: Final = 20  # requests; smaller ones are made only when time is up


@dataclass(frozen=True, slots=True)
class Stretch(Generic[T]):
    """Requests that stay together, with what they count against a provider's limits."""

    what: T
    requests: int
    bytes: int
    units: int


def cuts(sizes: Iterable[tuple[int, int]], limits: Limits) -> Iterator[tuple[int, int]]:
    """Where to cut requests of these (bytes, units) so that each piece fits one batch.

    >>> limits = Limits(batch_requests=2, batch_bytes=100, line_bytes=100)
    >>> list(cuts([(10, 1), (10, 1), (10, 1), (95, 1)], limits))
    [(0, 2), (2, 3), (3, 4)]
    """
    start = at = held_bytes = held_units = 0
    for length, unit in sizes:
        if at > start and not fits(at - start + 1, held_bytes + length, held_units + unit, limits):
            yield start, at
            start, held_bytes, held_units = at, 0, 0
        held_bytes += length
        held_units += unit
        at += 1
    if at > start:
        yield start, at


def plan(stretches: Sequence[Stretch[T]], limits: Limits) -> Iterator[list[Stretch[T]]]:
    """Fill batches in order. Each stretch fits a batch by itself (see `cuts`) and is not torn."""
    held: list[Stretch[T]] = []
    requests = size = units = 0
    for stretch in stretches:
        requests += stretch.requests
        size += stretch.bytes
        units += stretch.units
        if held and not fits(requests, size, units, limits):
            yield held
            held = []
            requests, size, units = stretch.requests, stretch.bytes, stretch.units
        held.append(stretch)
    if held:
        yield held


def even(requests: int, size: int, most: int, least: int) -> list[int]:
    """Batches of about `size` requests, none below the `least`; else full ones, and the last is what is left.

    >>> (
    ...     even(237, size=100, most=50_000, least=100),
    ...     even(50_037, size=50_000, most=50_000, least=100),
    ... )
    ([119, 118], [25019, 25018])
    >>> even(237, size=100, most=100, least=100)
    [100, 100, 37]
    """
    batches = max(requests // size, -(-requests // most), 1)
    each, more = divmod(requests, batches)
    if each < least:
        full, rest = divmod(requests, most)
        return [most] * full + [rest] * (rest > 0)
    return [each + 1] * more + [each] * (batches - more)


def fits(requests: int, size: int, units: int, limits: Limits) -> bool:
    """Whether one batch may hold so much."""
    return limits.exceeded(requests, size, units) is None


def deadline_class(slack: float | None) -> int | None:
    """The class of requests that are due in so many seconds; None for those that nobody waits for.

    >>> deadline_class(600), deadline_class(3_600), deadline_class(4_000), deadline_class(8 * 3_600)
    (0, 8, 8, 20)
    """
    if slack is None:
        return None
    if slack <= _SHORTEST:
        return 0
    return int(_CLASSES_PER_DOUBLING * math.log2(slack / _SHORTEST) + 1e-9)


def linger(slack: float | None, creations: float = 0.0) -> float:
    """How long an open batch waits for more requests: a sixtieth of its slack, at most 15 minutes.

    `creations` is the share of the provider's creations per hour that is used up: as it is, waiting
    stretches, up to a tenth of the slack.

    >>> linger(3_600), linger(8 * 3_600), linger(None), linger(3_600, creations=0.9)
    (60.0, 480.0, 900.0, 360.0)
    """
    wait = _LONGEST_LINGER if slack is None else min(max(slack, 0.0) / _LINGER, _LONGEST_LINGER)
    if creations > 0.5:
        wait *= 1.0 + (creations - 0.5) * 12.5
    return wait if slack is None else min(wait, max(slack, 0.0) / 10)


def batch_size(
    slack: float | None, drain: Drain, tokens: float, limits: Limits, room: int | None = None
) -> int:
    """How many requests of so many tokens a batch should hold.

    `room`: the tokens that the provider's queue takes at once, None where no limit is known; a batch is
    at most a quarter of it, so that several can be there.

    >>> limits = Limits(batch_requests=50_000, batch_bytes=10**8, line_bytes=10**6)
    >>> drain = Drain(requests_per_second=50, tokens_per_second=20_000, call_seconds=30)
    >>> [batch_size(slack, drain, 1_000, limits) for slack in (3_600, 86_400, None)]
    [720, 17280, 50000]
    >>> batch_size(86_400, drain, 1_000, limits, room=2_000_000)
    500
    """
    most = limits.batch_requests
    if room is not None:
        most = min(most, max(int(room / _QUEUE_SHARE / max(tokens, 1.0)), 1))
    if slack is None:
        return most
    cheap = int(drain.requests_of(tokens) * slack / _RESCUE_SHARE)
    return min(max(cheap, _LEAST_BATCH, limits.min_batch_requests), most)


class Ripe(Enum):
    """What becomes of an open batch."""

    WAIT = "wait"  # for more requests
    SEND = "send"
    SPILL = "spill"  # too few for the provider, and no time: to lanes that take single requests


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """Requests that are gathering, of one packing key and deadline class."""

    requests: int
    opened_at: float
    deadline: float | None  # of the request that is due first

    def closes_at(self, creations: float = 0.0) -> float:
        """When it waits no longer."""
        slack = None if self.deadline is None else self.deadline - self.opened_at
        return self.opened_at + linger(slack, creations)

    def ripe(self, size: int, limits: Limits, now: float, creations: float = 0.0) -> Ripe:
        """Whether it leaves: it has its `size`, or has waited long enough.

        Below the provider's least size it waits on for a tenth of its slack, or a day where nobody waits for
        it, then spills.
        """
        if self.requests >= size:
            return Ripe.SEND
        if self.requests >= limits.min_batch_requests:
            return Ripe.SEND if now >= self.closes_at(creations) else Ripe.WAIT
        patience = _DAY if self.deadline is None else (self.deadline - self.opened_at) / 10
        return Ripe.SPILL if now >= self.opened_at + patience else Ripe.WAIT


@dataclass(frozen=True, slots=True)
class Queued(Generic[T]):
    """Work that waits for room in the provider's queue."""

    what: T
    workflow: str
    slack: float | None  # None: nobody waits
    tokens: int


def order(queue: Sequence[Queued[T]], served: Mapping[str, int] | None = None) -> list[Queued[T]]:
    """The order in which work leaves when there is not room for all.

    By deadline class, the tightest first; in a class the workflow that was served least goes first, so a
    workflow with little work is not held up by one with much. `served`: tokens that each had lately.

    >>> work = [
    ...     Queued(1, "a", 60, 5),
    ...     Queued(2, "a", 60, 5),
    ...     Queued(3, "b", 60, 5),
    ...     Queued(4, "a", 9, 5),
    ... ]
    >>> [item.what for item in order([Queued(5, "c", None, 5), *work])]
    [1, 3, 2, 4, 5]
    """
    classes: dict[float, list[Queued[T]]] = defaultdict(list)
    for item in queue:
        found = deadline_class(item.slack)
        classes[math.inf if found is None else found].append(item)
    had = dict(served or {})
    return [item for key in sorted(classes) for item in _taking_turns(classes[key], had)]


def _taking_turns(items: list[Queued[T]], had: dict[str, int]) -> Iterator[Queued[T]]:
    waiting: dict[str, list[Queued[T]]] = defaultdict(list)
    for item in reversed(items):
        waiting[item.workflow].append(item)
    turns = [(had.get(workflow, 0), workflow) for workflow in waiting]
    heapify(turns)
    while turns:
        _, workflow = turns[0]
        item = waiting[workflow].pop()
        had[workflow] = had.get(workflow, 0) + item.tokens
        yield item
        if waiting[workflow]:
            heapreplace(turns, (had[workflow], workflow))
        else:
            heappop(turns)
