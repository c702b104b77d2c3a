"""Batches wait for room in the provider's queue, in our own: nothing fails because a quota is full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from lanewise.domain.batches import Batch, Packed, Uploaded
from lanewise.domain.ids import BatchId
from lanewise.domain.lanes import BATCH
from lanewise.lanes.shift import Shift, tokens_of
from lanewise.policy.quotas import ALL_MODELS, Quota, Wanting, admit
from lanewise.store.nouns import BatchRow

QUEUE_LOOK: Final = 5.0  # seconds until what waits for room looks again
_HOUR: Final = 3_600.0
_AT_PROVIDER: Final = ("creating", "unknown", "submitted")
_TOKENS, _REQUESTS = "enqueued_tokens", "queued_requests"


def with_room(shift: Shift, due: Sequence[Batch]) -> list[Batch]:
    """Those of these batches that may take their step now; others wait, and look again soon."""
    wanting = {b.id: b for b in due if isinstance(b, Packed | Uploaded)}
    if not wanting:
        return list(due)
    rows = shift.store.live(shift.account)
    by_batch = [row for row in rows if row.batch.id in wanting and row.lane == BATCH]
    if not by_batch:
        return list(due)
    room = _admitted(shift, rows)
    held = [row for row in by_batch if row.batch.id not in room]
    with shift.store.alone():  # thousands may wait: one commit for all of them
        for row in held:
            _hold(shift, row)
    kept_back = {row.batch.id for row in held}
    ranked = sorted(due, key=lambda batch: room.get(batch.id, -1))
    return [batch for batch in ranked if batch.id not in kept_back]


def _admitted(shift: Shift, rows: Sequence[BatchRow]) -> dict[BatchId, int]:
    """The batches that may be created now, with their rank."""
    now = shift.now()
    queue = [
        Wanting(
            row.batch.id,
            row.key.model,
            row.workflow,
            None if row.deadline is None else row.deadline - now,
            tokens_of(row.bytes),
            row.requests,
        )
        for row in rows
        if row.lane == BATCH
        and isinstance(row.batch, Packed | Uploaded)
        and row.batch.due_at <= now + QUEUE_LOOK
    ]
    served: Counter[str] = Counter()
    for row in rows:
        if row.batch.state in _AT_PROVIDER:
            served[row.workflow] += tokens_of(row.bytes)
    found = admit(queue, quotas(shift, rows), creations=_creations(shift), served=served)
    return {batch: rank for rank, batch in enumerate(found)}


def quotas(shift: Shift, rows: Sequence[BatchRow]) -> Iterator[Quota]:
    """What is known of the provider's queue: what it stated, and what it let slip."""
    there = [row for row in rows if row.lane == BATCH and row.batch.state in _AT_PROVIDER]
    for (subject, name), limit in shift.store.learned(shift.account).items():
        mine = [row for row in there if subject in (row.key.model, ALL_MODELS)]
        if name == _TOKENS:
            yield Quota(subject, "tokens", limit, sum(tokens_of(row.bytes) for row in mine))
        elif name == _REQUESTS:
            yield Quota(subject, "requests", limit, sum(row.requests for row in mine))


def learn_queue(shift: Shift, requests: int) -> None:
    """A create was refused for want of room: so many requests more were too many."""
    rows = shift.store.live(shift.account)
    there = sum(
        row.requests for row in rows if row.lane == BATCH and row.batch.state == "submitted"
    )
    if there:
        limit = there + requests - 1
        shift.store.learn(shift.account, ALL_MODELS, _REQUESTS, limit, shift.now())


def _creations(shift: Shift) -> int | None:
    rate = shift.provider.limits("").creations_per_hour
    if rate is None:
        return None
    return max(rate - len(shift.store.attempts(shift.account, shift.now() - _HOUR)), 0)


def _hold(shift: Shift, row: BatchRow) -> None:
    batch = row.batch
    assert isinstance(batch, Packed | Uploaded)
    if batch.step == 0:
        shift.store.note("batch.waits", batch.id, "for room in the provider's queue", shift.now())
    until = shift.now() + max(shift.rules.poll_seconds or 0.0, QUEUE_LOOK)
    shift.store.postpone(shift.lease, batch, batch.hold(until))
