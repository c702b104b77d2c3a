"""One request goes ahead in real time, where nobody knows yet what it can do.

Limits, and how long a call takes, are stated by answers alone, and a rescue is reckoned from both. So of
the first work that is due, one is asked at once: it has to be answered anyhow, and costs the discount of a
batch. One is enough: rates are reckoned with a margin, and what comes after it teaches more. The others wait
for its answer, for where rates are guessed a crowd that real time could well take in time leaves its batches.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from lanewise.domain.deadlines import By, was_kept
from lanewise.domain.ids import BatchId, fresh_id
from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.lanes.shift import Shift
from lanewise.policy.draining import is_timed
from lanewise.store.nouns import NewBatch, Part, WaitingGroup

WORTH: Final = 100  # requests that are due: fewer are sent in a moment, whatever the limits
SENT_AT: Final = "scout_sent_at"  # as the store keeps it, in seconds since the epoch
_PATIENCE: Final = 120.0  # seconds that others wait for its answer, if ten times that is left
_AGAIN: Final = 3_600.0  # seconds until another is sent, where the first told nothing


def scouted(shift: Shift, groups: list[WaitingGroup]) -> tuple[list[NewBatch], list[WaitingGroup]]:
    """The scouts, one for a model, and what is to be packed besides them now."""
    due: Counter[str] = Counter()
    for group in groups:
        if isinstance(was_kept(group.deadline), By):
            due[group.key.model] += len(group.waiting.ordinals)
    unknown = {model for model in due if _silence(shift, model) < math.inf}
    wanted = {m for m in unknown if due[m] >= WORTH and _silence(shift, m) >= _AGAIN}
    scouts, rest = [], []
    for group in groups:
        others = group
        if group.key.model in wanted and _may_scout(shift, group):
            wanted.discard(group.key.model)
            scout, others = _parted(shift, group)
            scouts.append(scout)
        rest.append(others)
    awaited = {model for model in unknown if _silence(shift, model) < _PATIENCE}
    return scouts, [group for group in rest if not _waits(shift, group, awaited)]


def _silence(shift: Shift, model: str) -> float:
    """Seconds since a scout was sent that has not answered yet; infinite where calls were timed."""
    learned = shift.store.learned(shift.account)
    if is_timed(learned, model):  # that answer stated limits as well, if this provider states any
        return math.inf
    return abs(shift.now() - learned.get((model, SENT_AT), 0))


def _may_scout(shift: Shift, group: WaitingGroup) -> bool:
    floor = shift.limits(group.key.endpoint, group.key.model).min_batch_requests
    return _is_rescuable(group) and floor <= 1 < len(group.waiting.ordinals)


def _is_rescuable(group: WaitingGroup) -> bool:
    decision = group.decision
    allowed = decision.lane == BATCH and REALTIME in decision.lanes and not decision.fixed
    return allowed and isinstance(was_kept(group.deadline), By)


def _waits(shift: Shift, group: WaitingGroup, awaited: Collection[str]) -> bool:
    if group.key.model not in awaited or not _is_rescuable(group):
        return False
    assert group.deadline is not None, "only what is due is rescued"
    return group.deadline - shift.now() > 10.0 * _PATIENCE


def _parted(shift: Shift, group: WaitingGroup) -> tuple[NewBatch, WaitingGroup]:
    key, waiting = group.key, group.waiting
    taken, left = waiting.ordinals.take(1)
    size = sum(request.bytes for request in shift.store.sizes(waiting.segment, taken))
    shift.store.learn(shift.account, key.model, SENT_AT, int(shift.now()), shift.now())
    why = "real time: goes ahead and shows what it can do, should the others be late"
    parts = (Part(waiting.segment, taken, waiting.tries),)
    ahead = replace(group.decision, lane=REALTIME, wanted=REALTIME, why=why)
    scout = NewBatch(BatchId(fresh_id()), key, REALTIME, parts, 1, size, ahead, group.deadline)
    return scout, replace(group, waiting=replace(waiting, ordinals=left))
