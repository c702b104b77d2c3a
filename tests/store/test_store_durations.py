"""Durations: what finished took so long, what did not was alive for so long, and nothing in between."""

from __future__ import annotations

from typing import Any

from lanewise.domain.batches import Ending, Receipt
from lanewise.domain.ids import AttemptId, BatchId, fresh_id
from lanewise.domain.lanes import BACKGROUND_8H, BATCH, REALTIME, LaneName
from lanewise.domain.results import Verdict
from lanewise.store.forecasts import Duration
from lanewise.store.nouns import Observed

SENT = 10.0


def submitted(desk: Any, *, due_at: float = 1_000.0) -> Any:
    """A batch of two requests that the provider took at 10 and that is looked at again at `due_at`."""
    desk.accept(2)
    [batch_id] = desk.pack()
    packed = next(b for b in desk.store.due("openai-test", 1e9) if b.id == batch_id)
    creating = packed.create(AttemptId(fresh_id()), now=SENT, give_up_at=70.0)
    desk.store.advance(desk.lease, packed, creating, SENT)
    taken = creating.accepted(Receipt(f"p-{batch_id}"), SENT + 1)
    desk.store.advance(desk.lease, creating, taken, SENT + 1)
    later = taken.poll_again(due_at, troubles=0)
    desk.store.postpone(desk.lease, taken, later)
    return later


def ended(
    desk: Any,
    batch: Any,
    at: float,
    *,
    ending: Ending = Ending.COMPLETED,
    told: float | None = None,
) -> BatchId:
    desk.store.observe(batch.id, Observed(None, told))
    desk.store.advance(desk.lease, batch, batch.end(ending, (), at), at)
    found: BatchId = batch.id
    return found


def durations(desk: Any, now: float = 500.0, **options: Any) -> list[Duration]:
    found: list[Duration] = desk.store.durations(
        **{"since": 0.0, "now": now, "limit": 100} | options
    )
    return found


def test_a_batch_is_done_when_the_provider_says_it_was(desk: Any) -> None:
    ended(desk, submitted(desk), 130.0, told=110.0)
    assert durations(desk) == [Duration("openai", "http://x", BATCH, "m", 2, SENT, 100.0, True)]


def test_where_the_provider_does_not_say_or_its_clock_is_ahead_our_seeing_it_counts(
    desk: Any,
) -> None:
    ended(desk, submitted(desk), 130.0)
    ended(desk, submitted(desk), 150.0, told=9_999.0)
    assert sorted(seen.seconds for seen in durations(desk)) == [120.0, 140.0]


def test_a_clock_behind_ours_makes_no_negative_time(desk: Any) -> None:
    ended(desk, submitted(desk), 130.0, told=3.0)
    assert [seen.seconds for seen in durations(desk)] == [0.0]


def test_what_still_runs_was_alive_until_now(desk: Any) -> None:
    submitted(desk)
    [seen] = durations(desk, now=500.0)
    assert (seen.seconds, seen.finished) == (490.0, False)


def test_where_no_worker_looks_any_more_nothing_is_known_after_the_poll_that_was_due(
    desk: Any,
) -> None:
    submitted(desk, due_at=60.0)
    [seen] = durations(desk, now=1e6)
    assert (seen.seconds, seen.finished) == (50.0, False)


def test_an_expired_batch_is_cut_short_at_its_expiry_and_never_done(desk: Any) -> None:
    ended(desk, submitted(desk), 410.0, ending=Ending.EXPIRED, told=400.0)
    [seen] = durations(desk)
    assert (seen.seconds, seen.finished) == (390.0, False)


def test_a_cancelled_batch_was_alive_until_its_cancellation_was_asked_for(desk: Any) -> None:
    batch = submitted(desk)
    desk.store.cancel_run(desk.store.runs()[0].id, 110.0)
    [running] = durations(desk, now=500.0)
    assert (running.seconds, running.finished) == (100.0, False)
    ended(desk, batch, 300.0, ending=Ending.CANCELLED, told=290.0)
    [seen] = durations(desk)
    assert (seen.seconds, seen.finished) == (100.0, False)


def test_a_batch_that_was_done_before_its_cancellation_could_be_is_done(desk: Any) -> None:
    batch = submitted(desk)
    desk.store.cancel_run(desk.store.runs()[0].id, 110.0)
    ended(desk, batch, 125.0, told=120.0)
    [seen] = durations(desk)
    assert (seen.seconds, seen.finished) == (110.0, True)


def test_a_settled_batch_keeps_its_duration(desk: Any) -> None:
    desk.accept(1)
    [batch_id] = desk.pack()
    desk.settle(batch_id, [Verdict.ANSWERED])
    [seen] = durations(desk)
    assert (seen.started_at, seen.seconds, seen.finished) == (3.0, 1.0, True)


def test_what_no_provider_holds_has_no_duration(desk: Any) -> None:
    desk.accept(1)
    desk.pack()  # packed only
    rejected = submitted(desk)
    desk.store.reject(
        desk.lease, rejected, rejected.reject("x"), 30.0, outcomes=[], waiting=[], detail="x"
    )
    assert durations(desk) == []


def test_only_the_newest_are_read(desk: Any) -> None:
    for _ in range(3):
        submitted(desk)
    assert len(durations(desk, limit=2)) == 2
    assert durations(desk, since=SENT + 1) == []


def sending(desk: Any, lane: LaneName = BACKGROUND_8H, *, due_at: float = 1_000.0) -> Any:
    """A batch of two requests that lanewise began to send at 10, looked at again at `due_at`."""
    desk.accept(2)
    [batch_id] = desk.pack(lane=lane)
    packed = next(b for b in desk.store.due("openai-test", 1e9) if b.id == batch_id)
    begun = packed.send(AttemptId(fresh_id()), SENT)
    desk.store.advance(desk.lease, packed, begun, SENT)
    later = begun.go_on(due_at)
    desk.store.postpone(desk.lease, begun, later)
    return later


def all_heard(desk: Any, batch: Any, at: float) -> None:
    desk.store.advance(desk.lease, batch, batch.sent(at, ()), at)


def test_a_background_batch_is_done_when_the_last_of_it_was_heard(desk: Any) -> None:
    all_heard(desk, sending(desk), 130.0)
    [seen] = durations(desk)
    assert (seen.lane, seen.requests, seen.started_at) == (BACKGROUND_8H, 2, SENT)
    assert (seen.seconds, seen.finished) == (120.0, True)


def test_a_background_batch_that_is_out_was_alive_until_the_look_that_is_due(desk: Any) -> None:
    sending(desk, due_at=60.0)
    [seen] = durations(desk, now=1e6)
    assert (seen.seconds, seen.finished) == (50.0, False)


def test_a_background_batch_that_was_stopped_is_never_done(desk: Any) -> None:
    batch = sending(desk)
    desk.store.withdraw(desk.lease, batch.id, 110.0, "late")
    [running] = durations(desk, now=500.0)
    assert (running.seconds, running.finished) == (100.0, False)
    [stopped] = [b for b in desk.store.due("openai-test", 1e9) if b.id == batch.id]
    all_heard(desk, stopped, 130.0)
    [seen] = durations(desk)
    assert (seen.seconds, seen.finished) == (100.0, False)


def test_a_background_batch_that_was_asked_elsewhere_teaches_up_to_then(desk: Any) -> None:
    batch = sending(desk)
    desk.store.rescue(desk.lease, batch.id, 110.0, "late")
    [left] = [b for b in desk.store.due("openai-test", 1e9) if b.id == batch.id]
    all_heard(desk, left, 130.0)
    [seen] = durations(desk)
    assert (seen.seconds, seen.finished) == (100.0, False)


def test_what_rate_limits_decide_teaches_nothing_of_the_provider(desk: Any) -> None:
    all_heard(desk, sending(desk, REALTIME), 130.0)
    assert durations(desk) == []
