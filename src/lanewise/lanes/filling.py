"""Waiting requests fill batches: beside those of the same prefix, and none below the provider's least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from lanewise.domain.caching import Breakpoint
from lanewise.domain.decisions import Decision
from lanewise.domain.ids import BatchId, fresh_id
from lanewise.domain.lanes import BATCH, HELD, LaneName
from lanewise.domain.packing import Limits, PackingKey
from lanewise.lanes.cutting import pieces, stretches, torn
from lanewise.lanes.grouping import Arranged, Bundle, arrange
from lanewise.lanes.marked import MOST_ADDED, Caching
from lanewise.lanes.menus import opening
from lanewise.lanes.priming import Priming
from lanewise.lanes.shift import Shift
from lanewise.policy import packing
from lanewise.policy.caching import keys_for
from lanewise.policy.draining import drain
from lanewise.policy.packing import Stretch
from lanewise.store.nouns import NewBatch, Part, WaitingGroup


@dataclass(frozen=True, slots=True)
class Going:
    """Waiting requests that may share batches: how they go, and when the first of them is due."""

    key: PackingKey
    decision: Decision
    deadline: float | None
    leave_by: float | None  # when real time must begin with them, if nothing answers them before


def arranged(
    shift: Shift, groups: list[WaitingGroup], going: Going, limits: Limits, most_marked: int
) -> Iterator[NewBatch]:
    """Those that share a prefix side by side, or behind one of them; the others as they came in."""
    side_by_side: list[Stretch[Part]] = []
    if going.decision.lane != HELD and any(group.prefixes for group in groups):
        priming = Priming(shift, going.decision.lane, going.leave_by)
        found = arrange(priming, groups, most_marked)
        for bundle in found.bundles:
            yield from _bundled(shift, going, bundle, limits)
        yield from _keyed(shift, going, found, limits)
        groups = found.left
        side_by_side = [p for stretch in found.plain for p in pieces(shift, stretch, limits)]
    others = [stretch for group in groups for stretch in stretches(shift, group, limits)]
    for chosen in packing.plan(side_by_side + others, limits):
        yield _new_batch(shift, going, chosen)


def above_floor(
    shift: Shift, groups: list[WaitingGroup], going: Going, limits: Limits
) -> Iterator[NewBatch]:
    """Batches of about the same size, none below the provider's least; what bytes leave over waits on."""
    most = shift.limits(going.key.endpoint, going.key.model)
    least = limits.min_batch_requests
    counts = packing.even(requests_of(groups), limits.batch_requests, most.batch_requests, least)
    for held in torn(shift, groups, counts):
        fitting = [piece for stretch in held for piece in pieces(shift, stretch, most)]
        for chosen in packing.plan(fitting, most):
            if sum(stretch.requests for stretch in chosen) >= least:
                yield _new_batch(shift, going, chosen)


def _bundled(shift: Shift, going: Going, bundle: Bundle, limits: Limits) -> Iterator[NewBatch]:
    """A group that is marked: one goes ahead and warms the cache, or somebody did; the others follow."""
    after, caching = bundle.after, bundle.caching
    if bundle.primer is not None:
        ahead = msgspec.structs.replace(caching, ahead=True)
        first = _new_batch(shift, going, [bundle.primer], caching=ahead)
        after = first.id
        _note_marked(shift, first, f"goes ahead. {bundle.why}")
        yield first
    for chosen in _marked_plan(shift, bundle.stretches, limits):
        batch = _new_batch(
            shift, going, chosen, caching=caching, after=after, due_at=bundle.leave_by
        )
        _note_marked(shift, batch, f"follows batch {after}. {bundle.why}")
        yield batch


def _keyed(shift: Shift, going: Going, arranged: Arranged, limits: Limits) -> Iterator[NewBatch]:
    keys, requests = 1, sum(stretch.requests for stretch in arranged.keyed)
    if going.decision.lane != BATCH and requests:
        able = drain(shift.store.learned(shift.account), going.key.model)
        keys = keys_for(requests / arranged.keys, able.requests_per_second * 60.0)
    for chosen in _marked_plan(shift, arranged.keyed, limits):
        yield _new_batch(shift, going, chosen, caching=Caching(Breakpoint.KEY, keys=keys))


def _marked_plan(
    shift: Shift, marked: Sequence[Stretch[Part]], limits: Limits
) -> Iterator[list[Stretch[Part]]]:
    """Fill batches whose bodies grow by their marks."""
    requests = min(sum(stretch.requests for stretch in marked), limits.batch_requests)
    limits = replace(limits, batch_bytes=max(limits.batch_bytes - requests * MOST_ADDED, 1))
    fitting = [piece for stretch in marked for piece in pieces(shift, stretch, limits)]
    return packing.plan(fitting, limits)


def _note_marked(shift: Shift, batch: NewBatch, why: str) -> None:
    shift.store.note("batch.marked", batch.id, why, shift.now())


def _new_batch(
    shift: Shift,
    going: Going,
    chosen: list[Stretch[Part]],
    *,
    caching: Caching | None = None,
    after: BatchId | None = None,
    due_at: float | None = None,
) -> NewBatch:
    lane: LaneName = going.decision.lane
    if lane == HELD:
        due_at = opening(going.decision.held, shift.now())
    return NewBatch(
        BatchId(fresh_id()),
        going.key,
        lane,
        tuple(stretch.what for stretch in chosen),
        sum(stretch.requests for stretch in chosen),
        sum(stretch.bytes for stretch in chosen),
        going.decision,
        going.deadline,
        "" if caching is None else caching.text(),
        after,
        due_at if after is not None or lane == HELD else None,
    )


def requests_of(groups: Sequence[WaitingGroup]) -> int:
    """How many wait in all of these groups."""
    return sum(len(group.waiting.ordinals) for group in groups)
