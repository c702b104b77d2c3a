"""Stragglers are rescued in time: all that is outstanding is looked at together, and as late as is safe.

facts: batches with a deadline and no end, and what the faster lane can really do -> `policy.rescuing` decides
for each whether it stays -> a batch that moves is called back, so that what it did is collected and only the
rest is asked again, in the lane that the packer then chooses with the slack that is left.

Where calling back would throw results away, is not possible because nobody knows whether the provider has the
batch, or has not ended by the last moment, what is missing is asked elsewhere beside it: from then on the
first final outcome of each request counts, and a later answer is booked as waste.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from lanewise.domain.batches import Creating, Packed, Submitted, Unknown, Uploaded
from lanewise.domain.deadlines import AT_ONCE
from lanewise.domain.lanes import REALTIME
from lanewise.lanes.draining import drain
from lanewise.lanes.menus import Class, Menus
from lanewise.lanes.reject import requeue
from lanewise.lanes.shift import Shift, logger
from lanewise.lanes.standing import load_of
from lanewise.policy.choosing import Ladder, Option
from lanewise.policy.rescuing import Drain, Live, Move, Stay, decide, stuck
from lanewise.store.nouns import BatchRow

_LOOK = 600.0  # seconds: what is stuck is noticed by then, whatever the deadlines
_MOVABLE = ("packed", "uploaded", "creating", "unknown", "submitted", "sending")


def rescue(shift: Shift) -> float:
    """Look at everything that is outstanding once; returns when to look again."""
    now = shift.now()
    by_model: dict[str, list[BatchRow]] = defaultdict(list)
    for row in shift.store.live(shift.account):
        by_model[row.key.model].append(row)
    return min((_rescue(shift, rows, now) for rows in by_model.values()), default=now + _LOOK)


def _rescue(shift: Shift, rows: list[BatchRow], now: float) -> float:
    again = now + _LOOK
    due = [row for row in rows if may_move(row)]
    if not due:
        return again
    menus, able = shift.menus(), _able(shift, rows, now)
    live: dict[str, Live] = {row.batch.id: _live(shift, menus, row, now) for row in due}
    faster: dict[str, Ladder] = {
        row.batch.id: _faster(menus, row, live[row.batch.id].option) for row in due
    }
    verdicts = decide(list(live.values()), faster, able, now)
    for row in due:
        verdict = verdicts[row.batch.id]
        match verdict:
            case Stay():
                again = min(again, verdict.until)
            case Move():
                _move(shift, row, verdict, now)
    return max(again, now)


def may_move(row: BatchRow) -> bool:
    """What has a deadline, is not in real time already, and was not given elsewhere."""
    return (
        row.deadline is not None
        and row.deadline > AT_ONCE
        and row.lane != REALTIME
        and row.rescued_at is None
        and row.batch.state in _MOVABLE
        and row.decision is not None
        and len(row.decision.lanes) > 1
    )


def _able(shift: Shift, rows: Iterable[BatchRow], now: float) -> Drain:
    """The real-time lane, and what is in it already."""
    committed = [
        load_of(row, now) for row in rows if row.lane == REALTIME and row.deadline is not None
    ]
    model = next(iter(rows)).key.model
    return drain(shift.store.learned(shift.account), model, committed)


def _class(row: BatchRow) -> Class:
    key, decision = row.key, row.decision
    assert decision is not None, "only what was decided on is rescued"
    return Class(key.account, key.provider, key.endpoint, key.model, decision.lanes, decision.held)


def _live(shift: Shift, menus: Menus, row: BatchRow, now: float) -> Live:
    option = menus.option(_class(row), row.lane, row.requests)
    live = Live(
        load_of(row, now),
        option,
        row.created_at,
        unsent=isinstance(row.batch, Packed | Uploaded),
        cancelling_since=row.cancel_asked_at,
    )
    why = stuck(
        live,
        now,
        moved_at=row.progress_at or row.created_at,
        finalizing_since=row.finalizing_since,
    )
    if why is None or not isinstance(row.batch, Submitted):
        return live
    _note_once(shift, row, why, now)
    return Live(live.load, option, live.started_at, live.unsent, live.cancelling_since, why)


def _note_once(shift: Shift, row: BatchRow, why: str, now: float) -> None:
    if any(event.kind == "batch.stuck" for event in shift.store.events(subject=row.batch.id)):
        return
    shift.store.note("batch.stuck", row.batch.id, why, now)
    logger.warning("batch %s is stuck: %s", row.batch.id, why, extra={"batch": row.batch.id})


def _faster(menus: Menus, row: BatchRow, option: Option) -> Ladder:
    return menus.faster(_class(row), option.needs)


def _move(shift: Shift, row: BatchRow, move: Move, now: float) -> None:
    batch = row.batch
    contents = shift.store.contents(batch.id)
    if isinstance(batch, Packed | Uploaded):
        requeue(shift, batch, contents, f"called back before it was sent: {move.why}")
        return
    if move.cancel and isinstance(batch, Creating | Unknown):
        move = Move(
            move.order, cancel=False, waits=False, why=move.why
        )  # there is no id to cancel by
    if move.cancel or batch.state == "sending":
        shift.store.withdraw(shift.lease, batch.id, now, move.why)
    if not move.waits and batch.state != "sending":
        shift.store.rescue(shift.lease, batch.id, now, move.why)
