"""One request goes ahead in real time, where nobody knows yet what it can do.

Limits, and how long a call takes, are stated by answers alone, and a rescue is reckoned from both. So of
the first work that is due, one is asked at once: it has to be answered anyhow, and costs the discount of a
batch. One is enough: rates are reckoned with a margin, and what comes after it teaches more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final, TypeAlias

from lanewise.domain.deadlines import By, was_kept
from lanewise.domain.decisions import Decision
from lanewise.domain.ids import BatchId, fresh_id
from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.lanes.shift import Shift
from lanewise.policy.draining import is_timed
from lanewise.store.nouns import NewBatch, Part, WaitingGroup

WORTH: Final = (
    100  # requests of a model that are due: fewer are sent in a moment, whatever the limits
)
SENT_AT: Final = "scout_sent_at"  # as the store keeps it, in seconds since the epoch
_AGAIN: Final = 3_600.0  # seconds until another is sent, where the first told nothing
Decided: TypeAlias = tuple[WaitingGroup, Decision]


def scouted(shift: Shift, decided: list[Decided]) -> tuple[list[NewBatch], list[Decided]]:
    """The scouts, one for a model, and what waits besides them."""
    due: Counter[str] = Counter()
    for group, _ in decided:
        if isinstance(was_kept(group.deadline), By):
            due[group.key.model] += len(group.waiting.ordinals)
    unknown = {model for model, many in due.items() if many >= WORTH and _is_unknown(shift, model)}
    scouts, rest = [], []
    for group, decision in decided:
        if group.key.model in unknown and _may_scout(shift, group, decision):
            unknown.discard(group.key.model)
            ahead, others = _parted(shift, group, decision)
            scouts.append(ahead)
            rest.append((others, decision))
        else:
            rest.append((group, decision))
    return scouts, rest


def _is_unknown(shift: Shift, model: str) -> bool:
    learned = shift.store.learned(shift.account)
    if is_timed(learned, model):  # that answer stated limits as well, if this provider states any
        return False
    return abs(shift.now() - learned.get((model, SENT_AT), 0)) >= _AGAIN


def _may_scout(shift: Shift, group: WaitingGroup, decision: Decision) -> bool:
    allowed = decision.lane == BATCH and REALTIME in decision.lanes and not decision.fixed
    due = isinstance(was_kept(group.deadline), By)
    floor = shift.limits(group.key.endpoint, group.key.model).min_batch_requests
    return allowed and due and floor <= 1 < len(group.waiting.ordinals)


def _parted(shift: Shift, group: WaitingGroup, decision: Decision) -> tuple[NewBatch, WaitingGroup]:
    key, waiting = group.key, group.waiting
    taken, left = waiting.ordinals.take(1)
    size = sum(request.bytes for request in shift.store.sizes(waiting.segment, taken))
    shift.store.learn(shift.account, key.model, SENT_AT, int(shift.now()), shift.now())
    why = "real time: goes ahead and shows what it can do, should the others be late"
    parts = (Part(waiting.segment, taken, waiting.tries),)
    ahead = replace(decision, lane=REALTIME, wanted=REALTIME, why=why)
    scout = NewBatch(BatchId(fresh_id()), key, REALTIME, parts, 1, size, ahead, group.deadline)
    return scout, replace(group, waiting=replace(waiting, ordinals=left))
