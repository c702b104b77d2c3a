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
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Final

from lanewise.domain.batches import Creating, Ended, Packed, Sending, Submitted, Unknown, Uploaded
from lanewise.domain.deadlines import By
from lanewise.failpoints import reach
from lanewise.lanes.menus import Class, Menus
from lanewise.lanes.reject import requeue
from lanewise.lanes.shift import Shift, logger
from lanewise.lanes.standing import in_real_time, load_of, may_move
from lanewise.policy.choosing import Ladder
from lanewise.policy.draining import drain
from lanewise.policy.rescuing import Drain, Live, Move, Stay, decide, latest_starts, stuck
from lanewise.store.nouns import BatchRow

_LOOK: Final = 60.0  # seconds: what is stuck, and what real time can do now, is noticed by then
_TRUSTED: Final = 10.0  # seconds for which what was just packed stays as it is
_AFTER_MOVE: Final = 1.0  # seconds: what was told to stop has a last moment of its own


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
    fresh = [row for row in due if _just_packed(row, now)]
    if fresh:
        again = now + _TRUSTED
        due = [row for row in due if row not in fresh]
    if not due:
        return again
    menus, able = shift.menus(), _able(shift, rows, now)
    live: dict[str, Live] = {row.batch.id: _live(shift, menus, row, now) for row in due}
    faster = _faster(menus, due, live)
    verdicts = decide(list(live.values()), faster, able, now)
    starts = latest_starts((one.load for one in live.values()), able)
    for row in due:
        verdict = verdicts[row.batch.id]
        match verdict:
            case Stay():
                again = min(again, verdict.until)
            case Move() if _quickens(menus, row, faster[row.batch.id], starts[row.batch.id], now):
                _move(shift, row, verdict, now)
                again = min(again, now + _AFTER_MOVE)
            case Move():
                pass  # the packer would send it the same way again, or a slower one: it stays
    return max(again, now)


def _just_packed(row: BatchRow, now: float) -> bool:
    """Whether the packer chose its lane a moment ago: the two must not hand a batch to and fro."""
    unsent = isinstance(row.batch, Packed | Uploaded)
    return unsent and 0.0 <= now - row.created_at < _TRUSTED


def _able(shift: Shift, rows: Iterable[BatchRow], now: float) -> Drain:
    """The real-time lane, and what is in it already."""
    committed = [
        load_of(row, now) for row in rows if in_real_time(row) and row.deadline is not None
    ]
    model = next(iter(rows)).key.model
    share = shift.paces.share(shift.account, model)
    return drain(shift.store.learned(shift.account), model, committed, share)


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
        ended=isinstance(row.batch, Ended),
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
    return replace(live, stuck=why)


def _note_once(shift: Shift, row: BatchRow, why: str, now: float) -> None:
    if any(event.kind == "batch.stuck" for event in shift.store.events(subject=row.batch.id)):
        return
    shift.store.note("batch.stuck", row.batch.id, why, now)
    logger.warning("batch %s is stuck: %s", row.batch.id, why, extra={"batch": row.batch.id})


def _faster(menus: Menus, rows: Iterable[BatchRow], live: Mapping[str, Live]) -> dict[str, Ladder]:
    """The lanes that each may move to; thousands of batches share a few ladders."""
    ladder = cache(menus.faster)
    return {row.batch.id: ladder(_class(row), live[row.batch.id].option.needs) for row in rows}


def _quickens(menus: Menus, row: BatchRow, faster: Ladder, start: float, now: float) -> bool:
    """Whether the packer would send what is called back now in a quicker lane: each is asked once in each."""
    assert row.deadline is not None, "only what has a deadline moves"
    of = _class(row)
    due = min(row.deadline, start + menus.ladder(of).quickest.needs)
    lane = menus.chooser.choose(of, By(due), now).lane
    return lane != row.lane and any(option.lane == lane for option in faster.options)


def _move(shift: Shift, row: BatchRow, move: Move, now: float) -> None:
    batch = row.batch
    contents = shift.store.contents(batch.id)
    if isinstance(batch, Packed | Uploaded):
        requeue(shift, batch, contents, f"called back before it was sent: {move.why}")
        return
    by_hand = isinstance(batch, Sending)  # what lanewise sends itself, it can always stop
    if move.cancel or by_hand:  # where nobody knows the batch's id, this does nothing
        shift.store.withdraw(shift.lease, batch.id, now, move.why)
        reach("rescue.withdrawn")
    stopping = by_hand and row.cancel_asked_at is None  # seconds, mostly: looked at again
    if not (move.waits or stopping) or isinstance(batch, Creating | Unknown):
        shift.store.rescue(shift.lease, batch.id, now, move.why)
        reach("rescue.raced")
