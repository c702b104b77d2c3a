"""Waiting requests become batches: each on the way that is best with the slack it has now.

What policy decided when a request came in holds while it is still right. Slack shrinks, lanes fill up,
batches expire: a request that waits again is decided on again, among the lanes that were allowed then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from lanewise.domain.deadlines import By, Deadline, was_kept
from lanewise.domain.decisions import Decision
from lanewise.domain.lanes import BATCH
from lanewise.domain.packing import Limits
from lanewise.failpoints import reach
from lanewise.lanes.filling import Going, above_floor, arranged, requests_of
from lanewise.lanes.menus import Class, Menus
from lanewise.lanes.queueing import NAMES
from lanewise.lanes.scouting import scouted
from lanewise.lanes.shift import BYTES_PER_TOKEN, Shift
from lanewise.lanes.standing import loads_of, waiting_load, waiting_name
from lanewise.policy.draining import drain
from lanewise.policy.packing import OpenBatch, Ripe, batch_size, deadline_class
from lanewise.policy.quotas import ALL_MODELS, Unit
from lanewise.policy.rescuing import latest_starts
from lanewise.store.nouns import NewBatch, WaitingGroup

_OWN_SECONDS = 120.0  # what lanewise sends itself is seen when it is settled: in pieces of minutes
_LEAST_OWN, _MOST_OWN = 50, 500  # requests
_PLENTY = (
    0.05  # while less of an hour's creations is used up, waiting for more requests buys nothing
)
_FOR_MARKED = 0.5  # of an hour's creations: the other half is left to whatever else comes
_IN_A_PASS = 0.5  # of the creations that are left, so that whoever comes next finds some
_HOUR = 3_600.0
_HOURLY = 2_000  # creations, where a provider states no limit


@dataclass(frozen=True, slots=True)
class Creations:
    """What is left of the batches that a provider lets an account create in an hour."""

    used: float  # share
    hourly: int
    apiece: int  # batches that requests of one class may make in this pass

    @property
    def marked(self) -> int:
        """How many groups may be marked now: each takes two creations and more, of half of an hour's."""
        return max(int((_FOR_MARKED - self.used) * self.hourly) // 2, 0)


def pack(shift: Shift) -> int:
    """Pack what waits for this account and is ripe; returns how many batches were made."""
    groups = shift.store.waiting(shift.account, shift.now())
    if not groups:
        return 0
    batches, groups = scouted(shift, groups)
    gathered: dict[tuple[object, ...], list[tuple[WaitingGroup, Decision]]] = defaultdict(list)
    crowds = _crowds(shift, groups)
    for group in groups:
        decision = _decide(shift.menus(), group, shift.now(), crowds[group.key.model])
        slack_class = deadline_class(_slack(group.deadline, shift.now()))
        way = decision.lane, decision.lanes, decision.held  # who may not be rescued rescues nobody
        gathered[group.key, way, slack_class].append((group, decision))
    creations = _creations(shift, max(len(gathered), 1))
    for same in gathered.values():
        batches += _batches(shift, _smallest_first(same), creations, crowds)
    if batches:
        reach("pack.commit")
        shift.store.pack(shift.lease, batches, shift.now())
    return len(batches)


def _smallest_first(
    same: list[tuple[WaitingGroup, Decision]],
) -> list[tuple[WaitingGroup, Decision]]:
    """By workflow, that with the least first: else it might stand behind all of a large one."""
    sizes: Counter[str] = Counter()
    for group, _ in same:
        sizes[group.workflow] += len(group.waiting.ordinals)
    return sorted(same, key=lambda found: sizes[found[0].workflow])


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
        able = drain(learned, model, share=shift.paces.share(shift.account, model))
        found[model] = latest_starts(loads, able)
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


def _creations(shift: Shift, classes: int) -> Creations:
    learned = shift.store.learned(shift.account).get((ALL_MODELS, NAMES[Unit.CREATIONS]))
    hourly = learned or shift.provider.limits("").creations_per_hour or _HOURLY
    used = len(shift.store.attempts(shift.account, shift.now() - _HOUR)) / hourly
    left = (1.0 - used) * hourly * _IN_A_PASS
    return Creations(used, hourly, max(int(left / classes), 1))


def _batches(
    shift: Shift,
    same: list[tuple[WaitingGroup, Decision]],
    creations: Creations,
    crowds: Mapping[str, Mapping[str, float]],
) -> Iterator[NewBatch]:
    groups = [group for group, _ in same]
    going = _going(same, crowds)
    limits = _limits(shift, going, groups, creations.apiece)
    match _ripe(shift, groups, going, limits, creations.used):
        case Ripe.WAIT:
            return
        case Ripe.SPILL:
            yield from _spilled(shift, same, going, creations, crowds)
        case Ripe.SEND if limits.min_batch_requests > 1:
            yield from above_floor(shift, groups, going, limits)
        case Ripe.SEND:
            yield from arranged(shift, groups, going, limits, creations.marked)


def _spilled(
    shift: Shift,
    same: list[tuple[WaitingGroup, Decision]],
    going: Going,
    creations: Creations,
    crowds: Mapping[str, Mapping[str, float]],
) -> Iterator[NewBatch]:
    """Too few for a batch, and waited long enough: in a lane without a floor, if policy allows any."""
    key, decided = going.key, going.decision
    lanes = tuple(lane for lane in decided.lanes if lane != BATCH)
    if not lanes:
        return
    of = Class(key.account, key.provider, key.endpoint, key.model, lanes, decided.held)
    menus, due = shift.menus(), was_kept(going.deadline)
    if isinstance(due, By) and going.leave_by is not None:
        due = By(min(due.at, going.leave_by + menus.ladder(of).quickest.needs))
    lane = menus.chooser.choose(of, due, shift.now()).lane
    floor = shift.limits(key.endpoint, key.model).min_batch_requests
    why = f"{lane}: fewer than {floor} waited together, and the provider takes no smaller batch"
    spilled = replace(decided, lane=lane, wanted=lane, why=why)
    yield from _batches(shift, [(group, spilled) for group, _ in same], creations, crowds)


def _going(
    same: list[tuple[WaitingGroup, Decision]], crowds: Mapping[str, Mapping[str, float]]
) -> Going:
    groups = [group for group, _ in same if group.deadline is not None]
    deadline = min((g.deadline for g in groups if g.deadline is not None), default=None)
    leave_by = min((crowds[g.key.model][waiting_name(g)] for g in groups), default=None)
    return Going(same[0][0].key, same[0][1], deadline, leave_by)


def _limits(shift: Shift, going: Going, groups: list[WaitingGroup], most_batches: int) -> Limits:
    """What one batch of these may hold: the provider's limits, and no more than can be rescued.

    And so much that all of them make no more than `most_batches`.
    """
    key, lane = going.key, going.decision.lane
    limits = shift.limits(key.endpoint, key.model)
    able = drain(shift.store.learned(shift.account), key.model)
    average = sum(waiting_load(group, 0.0).tokens for group in groups) / requests_of(groups)
    if lane != BATCH:
        soon = max(int(able.requests_of(average) * _OWN_SECONDS), _LEAST_OWN)
        few = min(limits.batch_requests, soon, _MOST_OWN)
        return replace(limits, batch_requests=few, min_batch_requests=1)
    due = was_kept(going.deadline)
    if not isinstance(due, By):
        return limits
    size = batch_size(max(due.at - shift.now(), 0.0), able, average, limits)
    filling = (
        able.tokens_per_second / able.requests_per_second
    )  # of a request that fills both limits
    tokens = max(average, filling)
    most_bytes = max(round(size * tokens) * BYTES_PER_TOKEN, limits.line_bytes)
    share = max(-(-requests_of(groups) // most_batches), 1)
    if share > size:
        size, most_bytes = share, limits.batch_bytes
    return replace(
        limits,
        batch_requests=min(limits.batch_requests, size),
        batch_bytes=min(limits.batch_bytes, most_bytes),
    )


def _ripe(
    shift: Shift, groups: list[WaitingGroup], going: Going, limits: Limits, used: float
) -> Ripe:
    """Whether they leave now. Waiting for more saves creations, and is not done while those are plenty."""
    if going.decision.lane != BATCH:
        return Ripe.SEND
    requests = requests_of(groups)
    if used < _PLENTY and requests >= limits.min_batch_requests:
        return Ripe.SEND
    opened = min(max(group.since, group.waiting.not_before) for group in groups)
    batch = OpenBatch(requests, opened, going.deadline)
    return batch.ripe(limits.batch_requests, limits, shift.now(), used)
