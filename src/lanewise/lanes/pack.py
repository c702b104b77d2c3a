"""Waiting requests become batches: each on the way that is best with the slack it has now.

What policy decided when a request came in holds while it is still right. Slack shrinks, lanes fill up,
batches expire: a request that waits again is decided on again, among the lanes that were allowed then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from lanewise.domain.caching import Breakpoint
from lanewise.domain.deadlines import By, Deadline, was_kept
from lanewise.domain.decisions import Decision
from lanewise.domain.ids import BatchId, fresh_id
from lanewise.domain.lanes import BATCH, HELD, LaneName
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.packing import Limits, PackingKey
from lanewise.failpoints import reach
from lanewise.lanes.grouping import Arranged, Bundle, arrange
from lanewise.lanes.marked import MOST_ADDED, Caching
from lanewise.lanes.menus import Class, Menus, opening
from lanewise.lanes.priming import Priming
from lanewise.lanes.shift import Shift
from lanewise.lanes.standing import loads_of, waiting_load, waiting_name
from lanewise.policy import packing
from lanewise.policy.caching import keys_for
from lanewise.policy.draining import drain
from lanewise.policy.packing import OpenBatch, Ripe, Stretch, batch_size, deadline_class
from lanewise.policy.rescuing import latest_starts
from lanewise.store.nouns import NewBatch, Part, WaitingGroup

_OWN_SECONDS = 120.0  # what lanewise sends itself is seen when it is settled: in pieces of minutes
_LEAST_OWN, _MOST_OWN = 50, 500  # requests
_PLENTY = (
    0.05  # while less of an hour's creations is used up, waiting for more requests buys nothing
)
_FOR_MARKED = 0.5  # of an hour's creations: the other half is left to whatever else comes
_HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class Going:
    """Waiting requests that may share batches: how they go, and when the first of them is due."""

    key: PackingKey
    decision: Decision
    deadline: float | None
    leave_by: float | None  # when real time must begin with them, if nothing answers them before


def pack(shift: Shift) -> int:
    """Pack what waits for this account and is ripe; returns how many batches were made."""
    groups = shift.store.waiting(shift.account, shift.now())
    if not groups:
        return 0
    gathered: dict[tuple[object, ...], list[tuple[WaitingGroup, Decision]]] = defaultdict(list)
    crowds = _crowds(shift, groups)
    for group in groups:
        decision = _decide(shift.menus(), group, shift.now(), crowds[group.key.model])
        slack_class = deadline_class(_slack(group.deadline, shift.now()))
        gathered[group.key, decision.lane, decision.held, slack_class].append((group, decision))
    batches: list[NewBatch] = []
    used = _creations(shift)
    for same in gathered.values():
        batches += _batches(shift, same, used, crowds)
    if batches:
        reach("pack.commit")
        shift.store.pack(shift.lease, batches, shift.now())
    return len(batches)


def _slack(deadline: float | None, now: float) -> float | None:
    return None if deadline is None else deadline - now


def _crowds(shift: Shift, groups: list[WaitingGroup]) -> dict[str, dict[str, float]]:
    """By model and load: when its requests must be sent in real time if nothing else answers them.

    Everything that is outstanding shares the real-time lane, so much work must leave earlier than little.
    """
    now, learned = shift.now(), shift.store.learned(shift.account)
    found: dict[str, dict[str, float]] = {}
    for model in {group.key.model for group in groups}:
        loads = loads_of(shift.store, shift.account, model, now)
        loads += [
            waiting_load(group, now)
            for group in groups
            if group.key.model == model and group.deadline is not None
        ]
        found[model] = latest_starts(loads, drain(learned, model))
    return found


def _due(group: WaitingGroup, starts: Mapping[str, float], lead: float) -> Deadline:
    """The deadline as it is for work that shares a lane: earlier by the time that the others take."""
    wanted = was_kept(group.deadline)
    if not isinstance(wanted, By):
        return wanted
    return By(min(wanted.at, starts[waiting_name(group)] + lead))


def _decide(menus: Menus, group: WaitingGroup, now: float, starts: Mapping[str, float]) -> Decision:
    """As it was decided, or anew where that is no longer best."""
    decided = group.decision
    if decided.fixed:
        return decided
    key = group.key
    of = Class(key.account, key.provider, key.endpoint, key.model, decided.lanes, decided.held)
    due = _due(group, starts, menus.ladder(of).quickest.needs)
    choice = menus.chooser.choose(of, due, now)
    if choice.lane == decided.lane:
        return decided
    return replace(decided, lane=choice.lane, wanted=choice.lane, why=choice.why)


def _creations(shift: Shift) -> float:
    """The share of the creations that a provider allows in an hour that is used up."""
    limit = _creations_per_hour(shift)
    return len(shift.store.attempts(shift.account, shift.now() - _HOUR)) / limit


def _creations_per_hour(shift: Shift) -> int:
    return shift.provider.limits("").creations_per_hour or 2_000


def _most_marked(shift: Shift, used: float) -> int:
    """How many groups may be marked now: each takes two creations and more, of half of an hour's."""
    return max(int((_FOR_MARKED - used) * _creations_per_hour(shift)) // 2, 0)


def _batches(
    shift: Shift,
    same: list[tuple[WaitingGroup, Decision]],
    used: float,
    crowds: Mapping[str, Mapping[str, float]],
) -> Iterator[NewBatch]:
    groups = [group for group, _ in same]
    going = _going(same, crowds)
    limits = _limits(shift, going)
    if not _is_ripe(shift, groups, going, limits, used):
        return
    side_by_side: list[Stretch[Part]] = []
    if going.decision.lane != HELD and any(group.prefixes for group in groups):
        priming = Priming(shift, going.decision.lane, going.leave_by)
        arranged = arrange(priming, groups, _most_marked(shift, used))
        for bundle in arranged.bundles:
            yield from _bundled(shift, going, bundle, limits)
        yield from _keyed(shift, going, arranged, limits)
        groups = arranged.left
        side_by_side = [p for stretch in arranged.plain for p in _pieces(shift, stretch, limits)]
    stretches = [stretch for group in groups for stretch in _stretches(shift, group, limits)]
    for chosen in packing.plan(side_by_side + stretches, limits):
        yield _new_batch(shift, going, chosen)


def _going(
    same: list[tuple[WaitingGroup, Decision]], crowds: Mapping[str, Mapping[str, float]]
) -> Going:
    groups = [group for group, _ in same if group.deadline is not None]
    deadline = min((g.deadline for g in groups if g.deadline is not None), default=None)
    leave_by = min((crowds[g.key.model][waiting_name(g)] for g in groups), default=None)
    return Going(same[0][0].key, same[0][1], deadline, leave_by)


def _limits(shift: Shift, going: Going) -> Limits:
    """What one batch of these may hold: the provider's limits, and no more than can be rescued."""
    key, lane = going.key, going.decision.lane
    limits = shift.limits(key.endpoint, key.model)
    able = drain(shift.store.learned(shift.account), key.model)
    if lane != BATCH:
        soon = max(int(able.requests_per_second * _OWN_SECONDS), _LEAST_OWN)
        return replace(limits, batch_requests=min(limits.batch_requests, soon, _MOST_OWN))
    due = was_kept(going.deadline)
    if not isinstance(due, By):
        return limits
    size = batch_size(max(due.at - shift.now(), 0.0), able, 1.0, limits)
    tokens = (
        able.tokens_per_second / able.requests_per_second
    )  # of a request that fills both limits
    most_bytes = max(round(size * tokens) * 4, limits.line_bytes)
    return replace(
        limits,
        batch_requests=min(limits.batch_requests, size),
        batch_bytes=min(limits.batch_bytes, most_bytes),
    )


def _is_ripe(
    shift: Shift, groups: list[WaitingGroup], going: Going, limits: Limits, used: float
) -> bool:
    """Whether they leave now. Waiting for more saves creations, and is not done while those are plenty."""
    if going.decision.lane != BATCH or used < _PLENTY:
        return True
    requests = sum(len(group.waiting.ordinals) for group in groups)
    opened = min(max(group.since, group.waiting.not_before) for group in groups)
    batch = OpenBatch(requests, opened, going.deadline)
    return batch.ripe(limits.batch_requests, limits, shift.now(), used) is not Ripe.WAIT


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
    shift: Shift, stretches: Sequence[Stretch[Part]], limits: Limits
) -> Iterator[list[Stretch[Part]]]:
    """Fill batches whose bodies grow by their marks."""
    requests = min(sum(stretch.requests for stretch in stretches), limits.batch_requests)
    limits = replace(limits, batch_bytes=max(limits.batch_bytes - requests * MOST_ADDED, 1))
    pieces = [piece for stretch in stretches for piece in _pieces(shift, stretch, limits)]
    return packing.plan(pieces, limits)


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


def _stretches(shift: Shift, group: WaitingGroup, limits: Limits) -> Iterator[Stretch[Part]]:
    """The group's requests, cut where one batch could not hold them."""
    part = Part(group.waiting.segment, group.waiting.ordinals, group.waiting.tries)
    if len(group.waiting.ordinals) == group.whole[0] and packing.fits(*group.whole, limits):
        yield Stretch(part, *group.whole)
        return
    yield from _cut(shift, part, limits)


def _pieces(shift: Shift, stretch: Stretch[Part], limits: Limits) -> Iterator[Stretch[Part]]:
    if packing.fits(stretch.requests, stretch.bytes, stretch.units, limits):
        yield stretch
    else:
        yield from _cut(shift, stretch.what, limits)


def _cut(shift: Shift, part: Part, limits: Limits) -> Iterator[Stretch[Part]]:
    sizes = list(shift.store.sizes(part.segment, part.ordinals))
    rest: Ordinals = part.ordinals
    for start, stop in packing.cuts(((item.bytes, item.units) for item in sizes), limits):
        taken, rest = rest.take(stop - start)
        yield Stretch(
            replace(part, ordinals=taken),
            stop - start,
            sum(item.bytes for item in sizes[start:stop]),
            sum(item.units for item in sizes[start:stop]),
        )
