"""Which waiting requests travel together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lanewise.domain.packing import Limits

T = TypeVar("T")


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
    for stretch in stretches:
        if held and not fits(
            sum(s.requests for s in held) + stretch.requests,
            sum(s.bytes for s in held) + stretch.bytes,
            sum(s.units for s in held) + stretch.units,
            limits,
        ):
            yield held
            held = []
        held.append(stretch)
    if held:
        yield held


def fits(requests: int, size: int, units: int, limits: Limits) -> bool:
    """Whether one batch may hold so much."""
    return limits.exceeded(requests, size, units) is None
