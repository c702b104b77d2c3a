"""What is outstanding: batches that are not answered, as rescue, promises and status see them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lanewise.domain.batches import Sending
from lanewise.domain.deadlines import AT_ONCE
from lanewise.domain.ids import AccountId
from lanewise.domain.lanes import HELD, REALTIME
from lanewise.policy.rescuing import Load
from lanewise.store.nouns import BatchRow, WaitingGroup
from lanewise.store.protocol import Store

_MOVABLE = ("packed", "uploaded", "creating", "unknown", "submitted", "sending", "ended")


def may_move(row: BatchRow) -> bool:
    """What has a deadline, is not in real time already, and was not given elsewhere."""
    return (
        row.deadline is not None
        and row.deadline > AT_ONCE
        and not in_real_time(row)
        and row.rescued_at is None
        and row.batch.state in _MOVABLE
        and row.decision is not None
        and len(row.decision.lanes) > 1
    )


def in_real_time(row: BatchRow) -> bool:
    """Whether it is in the fastest lane, or on its way through it."""
    return row.lane == REALTIME or (row.lane == HELD and isinstance(row.batch, Sending))


def load_of(row: BatchRow, now: float) -> Load:
    """A batch as work that is due; at once is now."""
    assert row.deadline is not None, "whoever has no deadline is no load"
    missing = max(row.requests - (row.done or 0), 1) if row.lane == REALTIME else row.requests
    tokens = row.rate_tokens * missing // row.requests
    return Load(row.batch.id, max(row.deadline, now), missing, tokens, ahead=in_real_time(row))


def waiting_load(group: WaitingGroup, now: float) -> Load:
    """Requests that are not packed yet, as work that is due."""
    count = len(group.waiting.ordinals)
    tokens = group.rate_tokens * count // group.whole[0]
    deadline = max(group.deadline or now, now)
    # it may have been called back: it would else be given the time that it was called back for
    return Load(waiting_name(group), deadline, count, tokens, ahead=True)


def waiting_name(group: WaitingGroup) -> str:
    """What the load of waiting requests is called."""
    return f"{group.waiting.segment}/{group.waiting.tries}"


def loads_of(store: Store, account: AccountId, model: str, now: float) -> list[Load]:
    """Every batch of a model that has a deadline and no answer yet."""
    return [load_of(row, now) for row in due_rows(store.live(account), model)]


def all_loads(store: Store, account: AccountId, model: str, now: float) -> list[Load]:
    """The same, and what waits to be packed."""
    waiting = store.waiting(account, math.inf)
    return loads_of(store, account, model, now) + [
        waiting_load(group, now)
        for group in waiting
        if group.key.model == model and group.deadline is not None
    ]


def due_rows(rows: Iterable[BatchRow], model: str) -> list[BatchRow]:
    """Batches of a model with a deadline, that nothing was done about yet."""
    return [
        row
        for row in rows
        if row.deadline is not None and row.rescued_at is None and row.key.model == model
    ]
