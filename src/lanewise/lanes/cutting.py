"""Waiting requests as stretches: cut where one batch could not hold them, torn where a batch must end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from lanewise.domain.ordinals import Ordinals
from lanewise.domain.packing import Limits
from lanewise.lanes.shift import Shift
from lanewise.policy.packing import Stretch, cuts, fits
from lanewise.store.nouns import Part, WaitingGroup


def whole(group: WaitingGroup) -> Part:
    """What waits of a group."""
    return Part(group.waiting.segment, group.waiting.ordinals, group.waiting.tries)


def stretches(shift: Shift, group: WaitingGroup, limits: Limits) -> Iterator[Stretch[Part]]:
    """The group's requests, cut where one batch could not hold them."""
    if len(group.waiting.ordinals) == group.whole[0] and fits(*group.whole, limits):
        yield Stretch(whole(group), *group.whole)
        return
    yield from cut(shift, whole(group), limits)


def pieces(shift: Shift, stretch: Stretch[Part], limits: Limits) -> Iterator[Stretch[Part]]:
    """A stretch, cut where one batch could not hold it."""
    if fits(stretch.requests, stretch.bytes, stretch.units, limits):
        yield stretch
    else:
        yield from cut(shift, stretch.what, limits)


def cut(shift: Shift, part: Part, limits: Limits) -> Iterator[Stretch[Part]]:
    """Pieces of which each fits one batch."""
    sizes = [(item.bytes, item.units) for item in shift.store.sizes(part.segment, part.ordinals)]
    yield from _split(part, sizes, cuts(sizes, limits))


def torn(
    shift: Shift, groups: Iterable[WaitingGroup], counts: Sequence[int]
) -> Iterator[list[Stretch[Part]]]:
    """Batches of exactly so many requests; their sum is what waits in these groups."""
    ends = list(accumulate(counts))
    held: list[Stretch[Part]] = []
    start = 0
    for group in groups:
        part, stop = whole(group), start + len(group.waiting.ordinals)
        sizes = [
            (item.bytes, item.units) for item in shift.store.sizes(part.segment, part.ordinals)
        ]
        inner = [end - start for end in ends if start < end < stop]
        for piece in _split(part, sizes, pairwise([0, *inner, stop - start])):
            held.append(piece)
            start += piece.requests
            if start in ends:
                yield held
                held = []


def _split(
    part: Part, sizes: Sequence[tuple[int, int]], bounds: Iterable[tuple[int, int]]
) -> Iterator[Stretch[Part]]:
    """`sizes`: (bytes, units) of each of its requests; `bounds`: where pieces begin and end."""
    rest: Ordinals = part.ordinals
    for start, stop in bounds:
        taken, rest = rest.take(stop - start)
        yield Stretch(
            replace(part, ordinals=taken),
            stop - start,
            sum(size for size, _ in sizes[start:stop]),
            sum(units for _, units in sizes[start:stop]),
        )
