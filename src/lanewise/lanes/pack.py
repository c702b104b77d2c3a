"""Waiting requests become batches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from lanewise.domain.ids import BatchId, fresh_id
from lanewise.domain.lanes import BATCH
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.packing import Limits, PackingKey
from lanewise.failpoints import reach
from lanewise.lanes.shift import Shift
from lanewise.policy import packing
from lanewise.policy.packing import Stretch
from lanewise.store.nouns import NewBatch, Part, WaitingGroup


def pack(shift: Shift) -> int:
    """Pack everything that waits for this account; returns how many batches were made."""
    groups = shift.store.waiting(shift.account, shift.now())
    groups.sort(key=lambda group: group.key.id)
    batches: list[NewBatch] = []
    for _, same in groupby(groups, key=lambda group: group.key.id):
        batches += _batches(shift, list(same))
    if batches:
        reach("pack.commit")
        shift.store.pack(shift.lease, batches, shift.now())
    return len(batches)


def _batches(shift: Shift, groups: list[WaitingGroup]) -> Iterator[NewBatch]:
    key = groups[0].key
    limits = shift.limits(key.endpoint, key.model)
    stretches = [stretch for group in groups for stretch in _stretches(shift, group, limits)]
    for chosen in packing.plan(stretches, limits):
        yield _new_batch(key, chosen)


def _new_batch(key: PackingKey, chosen: list[Stretch[Part]]) -> NewBatch:
    return NewBatch(
        BatchId(fresh_id()),
        key,
        BATCH,
        tuple(stretch.what for stretch in chosen),
        sum(stretch.requests for stretch in chosen),
        sum(stretch.bytes for stretch in chosen),
    )


def _stretches(shift: Shift, group: WaitingGroup, limits: Limits) -> Iterator[Stretch[Part]]:
    """The group's requests, cut where one batch could not hold them."""
    if len(group.waiting.ordinals) == group.whole[0] and packing.fits(*group.whole, limits):
        yield Stretch(_part(group, group.waiting.ordinals), *group.whole)
        return
    sizes = list(shift.store.sizes(group.waiting.segment, group.waiting.ordinals))
    rest = group.waiting.ordinals
    for start, stop in packing.cuts(((item.bytes, item.units) for item in sizes), limits):
        taken, rest = rest.take(stop - start)
        yield Stretch(
            _part(group, taken),
            stop - start,
            sum(item.bytes for item in sizes[start:stop]),
            sum(item.units for item in sizes[start:stop]),
        )


def _part(group: WaitingGroup, ordinals: Ordinals) -> Part:
    return Part(group.waiting.segment, ordinals, group.waiting.tries)
