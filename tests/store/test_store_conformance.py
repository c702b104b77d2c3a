"""The contract of `lanewise.store.protocol.Store`, held by every implementation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lanewise.domain.batches import Packed, Receipt
from lanewise.domain.deadlines import AT_ONCE
from lanewise.domain.ids import AccountId, AttemptId, RunId, WorkerId
from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.packing import Limits
from lanewise.domain.results import Verdict
from lanewise.domain.usage import Usage
from lanewise.errors import BadInput, LeaseLost
from lanewise.store.books import Cap, LedgerRow
from lanewise.store.nouns import (
    AccountRow,
    AlreadyClaimed,
    Claim,
    Claimed,
    ConflictingReceipt,
    Lesson,
    NewRun,
    Observed,
    Outcome,
    Stray,
    Waiting,
)
from lanewise.store.orders import Order, Upload, Wrong
from lanewise.store.outstanding import Outstanding, Spent

ACCOUNT = AccountId("openai-test")
A, R, M = Verdict.ANSWERED, Verdict.REFUSED, Verdict.MISSING


# -- accepting --------------------------------------------------------------------------------------
def test_a_committed_run_is_there_when_the_home_is_opened_again(desk: Any) -> None:
    run = desk.accept(3)
    found = desk.open().run_named(run.name)
    assert found == run
    assert (found.requests, found.state) == (3, "open")


def test_a_draft_is_seen_by_nobody_before_it_is_committed_and_leaves_nothing_when_discarded(
    desk: Any,
) -> None:
    draft = desk.store.draft()
    append_to(draft, 5)
    assert desk.store.runs() == []
    assert desk.store.waiting(ACCOUNT, 1e9) == []
    draft.discard()
    assert list((desk.store.home / "segments").iterdir()) == []


def test_segments_keep_the_limits_of_a_batch_and_the_order_of_the_input(desk: Any) -> None:
    run = desk.accept(10)
    groups = desk.store.waiting(ACCOUNT, 1e9)
    assert [group.whole[0] for group in groups] == [4, 4, 2]
    assert [answer.caller_id for answer in desk.store.answers(run.id)] == [
        f"r{n}" for n in range(10)
    ]


def test_a_request_no_batch_can_hold_is_refused_with_its_line(desk: Any) -> None:
    draft = desk.store.draft()
    with pytest.raises(BadInput, match="line 1"):
        append_to(draft, 1, body=b'"' + b"x" * 200_000 + b'"')
    draft.discard()


def test_the_same_content_again_is_the_same_run_unless_asked_for_again(desk: Any) -> None:
    first = desk.accept(2, digest="d")
    assert desk.accept(2, digest="d").id == first.id
    third = desk.accept(2, digest="d", again=True)
    assert third.id != first.id
    assert third.name == f"{first.name}-2"
    assert desk.store.run_like("w", "d").id == third.id


def test_a_name_belongs_to_one_content(desk: Any) -> None:
    run = desk.accept(2, digest="d", name="nightly")
    assert desk.accept(2, digest="d", name="nightly").id == run.id
    with pytest.raises(BadInput, match="nightly"):
        desk.accept(3, digest="other", name="nightly")
    assert len(desk.store.runs()) == 1


# -- copies -----------------------------------------------------------------------------------------
def test_a_copy_is_counted_as_a_request_is_in_no_queue_and_gets_the_answer_in_its_place(
    desk: Any,
) -> None:
    run = desk.accept(6, copies=[1, 5, 1])
    assert (run.requests, run.copies) == (9, 3)
    assert sum(len(group.waiting.ordinals) for group in desk.store.waiting(ACCOUNT, 1e9)) == 6
    for batch_id in desk.pack():
        count = desk.store.contents(batch_id).requests
        desk.settle(batch_id, [A, R, M, A][:count])
    done = desk.open().run_named(run.name)
    assert (done.state, done.answered, done.refused, done.unanswered) == ("finished", 3, 5, 1)
    answers = list(desk.store.answers(run.id))
    assert [answer.caller_id for answer in answers] == [f"r{n}" for n in range(9)]
    assert [answer.number for answer in answers] == list(range(1, 10))
    for copy, asked in ((6, 1), (7, 5), (8, 1)):
        assert answers[copy].line == answers[asked].line
        assert answers[copy].verdict is answers[asked].verdict is R


def test_copies_are_cancelled_and_asked_about_again_with_their_original(desk: Any) -> None:
    run = desk.accept(2, copies=[0, 0, 0])
    done = desk.store.cancel_run(run.id, 5.0)
    assert (done.state, done.unanswered) == ("finished", 5)
    assert {answer.outcome.code for answer in desk.store.answers(run.id)} == {"cancelled"}
    assert desk.store.retry_run(run.id, 6.0, refused=False) == 2
    assert desk.store.run_named(run.name).remaining == 5
    [batch_id] = desk.pack()
    desk.settle(batch_id, [A, R])
    done = desk.store.run_named(run.name)
    assert (done.state, done.answered, done.refused) == ("finished", 4, 1)
    assert desk.store.retry_run(run.id, 7.0, refused=True) == 1
    assert desk.store.run_named(run.name).remaining == 1


def test_a_batch_that_is_refused_whole_ends_copies_too(desk: Any) -> None:
    run = desk.accept(3, copies=[1])
    [batch_id] = desk.pack()
    packed = desk.store.due(ACCOUNT, 1e9)[0]
    segment = desk.store.contents(batch_id).parts[0].segment
    aside = Outcome(segment, Ordinals.of([1]), R, "bad_line", "line 2 is bad")
    desk.store.reject(
        desk.lease, packed, packed.reject("lines"), 3.0, outcomes=[aside], detail="lines",
        waiting=[Waiting(segment, 0, Ordinals.of([0, 2]))],
    )  # fmt: skip
    assert desk.store.run_named(run.name).refused == 2


def test_the_story_of_a_copy_is_that_of_the_request_that_is_asked(desk: Any) -> None:
    run = desk.accept(3, copies=[1])
    desk.pack()
    [copy], [asked] = desk.store.trace(run.id, "r3"), desk.store.trace(run.id, "r1")
    assert (copy.caller_id, copy.number, copy.original) == ("r3", 4, "r1")
    assert (asked.copies, asked.original) == (1, None)
    assert (copy.ordinal, copy.tries) == (asked.ordinal, asked.tries)


def test_a_reservation_is_let_go_by_what_was_asked_and_not_by_who_gets_the_answer(
    desk: Any,
) -> None:
    desk.accept(4, copies=[0] * 96, reserve_nano=400)
    [batch_id] = desk.pack()
    desk.settle(batch_id, [A, M, M, M], again=True)
    cap = Cap("the cap", None, 0.0, 1_000, "")
    assert [standing.reserved_nano for standing in desk.store.standing([cap])] == [300]


def test_copies_are_backed_up_and_go_with_the_bodies(desk: Any, tmp_path: Any) -> None:
    run = desk.accept(2, copies=[0])
    [batch_id] = desk.pack()
    desk.settle(batch_id, [A, A])
    desk.store.backup(tmp_path / "copy")
    copy = type(desk.store).open(tmp_path / "copy", now=0.0)
    assert [answer.caller_id for answer in copy.answers(run.id)] == ["r0", "r1", "r2"]
    copy.close()
    desk.store.delete_bodies(run.id)
    assert list(desk.store.home.rglob("*.jsonl")) == []
    assert desk.store.trace(run.id, "r2") == []
    assert desk.store.run_named(run.name).answered == 3


# -- leases -----------------------------------------------------------------------------------------
def test_one_worker_at_a_time_holds_an_account(desk: Any) -> None:
    other = WorkerId("w2")
    with desk.store.register_worker(other, 0.0):
        assert desk.store.acquire(ACCOUNT, other, 10.0, 30.0) is None


def test_a_lease_that_ran_out_goes_to_another_with_a_higher_fence(desk: Any) -> None:
    desk.lease = desk.acquire(now=0.0, ttl=30.0)
    other = desk.store.acquire(ACCOUNT, WorkerId("w2"), 31.0, 30.0)
    assert other.fence > desk.lease.fence
    with pytest.raises(LeaseLost):
        desk.store.pack(desk.lease, [], 32.0)


def test_a_lease_is_renewed_under_the_same_fence_and_regained_under_a_new_one(desk: Any) -> None:
    first = desk.acquire(now=0.0, ttl=30.0)
    assert desk.acquire(now=10.0, ttl=30.0).fence == first.fence
    desk.store.acquire(ACCOUNT, WorkerId("w2"), 100.0, 30.0)
    assert desk.acquire(now=200.0, ttl=30.0).fence > first.fence + 1


def test_a_released_lease_is_free_at_once(desk: Any) -> None:
    desk.store.release(desk.lease)
    assert desk.store.acquire(ACCOUNT, WorkerId("w2"), 1.0, 30.0) is not None


def test_the_lease_of_a_worker_that_is_gone_is_free_at_once(desk: Any) -> None:
    gone = WorkerId("gone")
    desk.store.release(desk.lease)
    with desk.store.register_worker(gone, 0.0):
        assert desk.store.acquire(ACCOUNT, gone, 0.0, 1e9) is not None
        assert desk.store.acquire(ACCOUNT, WorkerId("w1"), 1.0, 1e9) is None
    assert desk.store.acquire(ACCOUNT, WorkerId("w1"), 2.0, 1e9) is not None


def test_living_workers_are_listed_with_their_accounts(desk: Any) -> None:
    desk.store.heartbeat(WorkerId("w1"), [ACCOUNT], 5.0)
    assert [(w.id, w.accounts, w.seen_at) for w in desk.store.workers(5.0)] == [
        ("w1", (ACCOUNT,), 5.0)
    ]


# -- steps ------------------------------------------------------------------------------------------
def test_packing_takes_requests_out_of_the_queue_and_only_what_waits(desk: Any) -> None:
    desk.accept(4)
    group = desk.store.waiting(ACCOUNT, 1e9)[0]
    desk.pack()
    assert desk.store.waiting(ACCOUNT, 1e9) == []
    with pytest.raises(LeaseLost):
        desk.store.pack(desk.lease, [batch_of(group)], 3.0)


def test_what_waits_for_a_later_time_is_not_packed_before(desk: Any) -> None:
    desk.accept(2)
    [batch_id] = desk.pack()
    packed = desk.store.due(ACCOUNT, 1e9)[0]
    segment = desk.store.contents(batch_id).parts[0].segment
    desk.store.reject(
        desk.lease, packed, packed.reject("quota"), 5.0, outcomes=[], detail="quota",
        waiting=[Waiting(segment, 0, Ordinals.span(0, 2), not_before=500.0)],
    )  # fmt: skip
    assert desk.store.waiting(ACCOUNT, 499.0) == []
    assert desk.store.next_due(ACCOUNT) == 500.0
    assert len(desk.store.waiting(ACCOUNT, 500.0)) == 1


def test_a_step_from_a_state_that_was_left_meanwhile_changes_nothing(desk: Any) -> None:
    desk.accept(1)
    desk.pack()
    packed = desk.store.due(ACCOUNT, 1e9)[0]
    assert isinstance(packed, Packed)
    desk.store.advance(desk.lease, packed, packed.postpone(50.0), 3.0)
    with pytest.raises(LeaseLost):
        desk.store.advance(desk.lease, packed, packed.upload(AttemptId("a"), 4.0), 4.0)
    assert desk.store.due(ACCOUNT, 1e9)[0] == packed.postpone(50.0)


def test_a_step_is_one_event_and_a_postponement_none(desk: Any) -> None:
    desk.accept(1)
    [batch_id] = desk.pack()
    packed = desk.store.due(ACCOUNT, 1e9)[0]
    desk.store.postpone(desk.lease, packed, packed.postpone(9.0))
    assert [event.kind for event in desk.store.events(subject=batch_id)] == ["batch.packed"]


def test_the_payload_of_a_batch_is_its_lines_in_the_providers_form_with_the_stated_size(
    desk: Any,
) -> None:
    desk.accept(3)
    [batch_id] = desk.pack()
    contents = desk.store.contents(batch_id)
    payload = desk.store.payload(contents)
    data = b"".join(payload.chunks())
    assert len(data) == payload.size == contents.size
    assert data.count(b"\n") == payload.requests == 3
    assert f'"custom_id":"lw-{contents.parts[0].segment}-2"'.encode() in data


def test_a_providers_batch_belongs_to_one_of_ours(desk: Any) -> None:
    desk.accept(8)
    desk.pack()
    first, second = desk.store.due(ACCOUNT, 1e9)
    for batch in (first, second):
        creating = batch.create(AttemptId(f"a{batch.id}"), now=1.0, give_up_at=9.0)
        desk.store.advance(desk.lease, batch, creating, 1.0)
        if batch is first:
            desk.store.advance(desk.lease, creating, creating.accepted(Receipt("p"), 2.0), 2.0)
        else:
            with pytest.raises(ConflictingReceipt):
                desk.store.advance(desk.lease, creating, creating.accepted(Receipt("p"), 2.0), 2.0)
    assert desk.store.unresolved(ACCOUNT) == 1
    assert desk.store.in_flight_bytes(ACCOUNT, "m") > 0


def test_attempts_are_remembered_with_their_outcome(desk: Any) -> None:
    desk.accept(1)
    desk.pack()
    packed = desk.store.due(ACCOUNT, 1e9)[0]
    creating = packed.create(AttemptId("try"), now=1.0, give_up_at=9.0)
    desk.store.advance(desk.lease, packed, creating, 1.0)
    assert desk.store.attempt(AttemptId("try")).outcome == "open"
    unknown = creating.doubtful("504", 2.0)
    desk.store.advance(desk.lease, creating, unknown, 2.0)
    desk.store.advance(desk.lease, unknown, unknown.absent(700.0), 700.0)
    assert desk.store.attempts(ACCOUNT, 0.0)[0].outcome == "absent"


# -- settling ---------------------------------------------------------------------------------------
def test_settling_gives_every_request_its_result_and_finishes_the_run(desk: Any) -> None:
    run = desk.accept(3)
    [batch_id] = desk.pack()
    desk.settle(batch_id, [A, R, M])
    done = desk.store.run_named(run.name)
    assert (done.state, done.answered, done.refused, done.unanswered) == ("finished", 1, 1, 1)
    answers = list(desk.store.answers(run.id))
    assert [answer.verdict for answer in answers] == [A, R, M]
    assert answers[0].line.startswith(b'{"custom_id":"lw-')
    assert answers[2].outcome.code == "no_result"


def test_what_is_asked_again_waits_with_one_more_try_and_the_later_answer_counts(desk: Any) -> None:
    run = desk.accept(3)
    [batch_id] = desk.pack()
    desk.settle(batch_id, [A, M, M], again=True)
    [group] = desk.store.waiting(ACCOUNT, 1e9)
    assert (group.waiting.tries, list(group.waiting.ordinals)) == (1, [1, 2])
    [second] = desk.pack()
    desk.settle(second, [A, R])
    assert [answer.verdict for answer in desk.store.answers(run.id)] == [A, A, R]


def test_answers_whose_input_was_counted_can_be_learned_from(desk: Any) -> None:
    desk.accept(4, tokens=(30, 0, 50, 2**40))
    [batch_id] = desk.pack()
    desk.settle(batch_id, [A, A, R, A])
    found = list(desk.store.observations("w", limit=9))
    assert [(item.counted, item.usage.input) for item in found] == [(30, 0), (2**32 - 1, 3)]
    assert len(list(desk.store.observations("w", limit=1))) == 1
    assert list(desk.store.observations("another", limit=9)) == []


def test_a_refusal_that_was_asked_about_again_and_then_cancelled_is_unanswered(desk: Any) -> None:
    run = desk.accept(2)
    [batch_id] = desk.pack()
    desk.settle(batch_id, [A, R])
    assert desk.store.retry_run(run.id, 9.0, refused=True) == 1
    done = desk.store.cancel_run(run.id, 10.0)
    assert (done.answered, done.refused, done.unanswered) == (1, 0, 1)
    answered, cancelled = desk.store.answers(run.id)
    assert answered.verdict is A
    assert (cancelled.verdict, cancelled.line) == (Verdict.CANCELLED, None)
    assert cancelled.outcome.code == "cancelled"
    assert desk.store.retry_run(run.id, 11.0, refused=True) == 1
    assert desk.store.run_named(run.name).remaining == 1


def test_a_batch_cannot_be_settled_twice(desk: Any) -> None:
    desk.accept(1)
    [batch_id] = desk.pack()
    desk.settle(batch_id, [A])
    with pytest.raises(LeaseLost):
        desk.store.settle(desk.lease, *desk.last, 8.0)
    assert desk.store.runs()[0].answered == 1


def test_ledger_rows_of_one_commit_are_booked_once(desk: Any) -> None:
    run = desk.accept(1)
    [batch_id] = desk.pack()
    row = LedgerRow(
        run.id,
        "w",
        "openai",
        ACCOUNT,
        "m",
        "batch",
        "waste",
        2,
        Usage(input=5),
        10,
        0,
        10,
        "b",
        "listed",
    )
    stray = Stray(ACCOUNT, "p-stray", batch_id, "found", 1.0, 1.0)
    assert desk.store.add_stray(desk.lease, stray)
    assert not desk.store.add_stray(desk.lease, stray)
    booked = Stray(ACCOUNT, "p-stray", batch_id, "booked", 1.0, None)
    desk.store.update_stray(desk.lease, booked, [row], 2.0, "gone")
    with pytest.raises(Exception, match="UNIQUE"):
        desk.store.update_stray(desk.lease, booked, [row], 2.0, "gone")
    money = desk.store.money(run.id)
    assert (money.cost_nano, money.waste_nano, money.n) == (10, 10, 0)
    assert desk.store.strays(ACCOUNT) == []


def test_calls_are_booked_together_and_rows_alike_stand_side_by_side(desk: Any) -> None:
    row = LedgerRow(
        "calls",
        "w",
        "openai",
        ACCOUNT,
        "m",
        "realtime",
        "answer",
        2,
        Usage(input=5),
        10,
        10,
        0,
        "b",
        "listed",
    )
    desk.store.book_calls([row, row], 1.0)
    desk.store.book_calls([row], 2.0)
    money = desk.store.money(workflow="w")
    assert (money.n, money.cost_nano, money.lanes) == (6, 30, {"realtime": 6})
    assert [entry.run_name for entry in desk.store.ledger()] == ["calls"] * 3
    with pytest.raises(Exception, match="CHECK"):
        desk.store.book_calls([row, replace(row, cost_nano=None)], 3.0)
    assert desk.store.money(workflow="w").n == 6


def test_an_unknown_price_is_counted_and_in_no_sum(desk: Any) -> None:
    run = desk.accept(1)
    [batch_id] = desk.pack()
    desk.store.add_stray(desk.lease, Stray(ACCOUNT, "p", batch_id, "found", 1.0, 1.0))
    row = LedgerRow(
        run.id,
        "w",
        "openai",
        ACCOUNT,
        "m",
        "batch",
        "answer",
        3,
        Usage(),
        None,
        None,
        0,
        "b",
        "unknown",
    )
    desk.store.update_stray(
        desk.lease, Stray(ACCOUNT, "p", batch_id, "booked", 1.0, None), [row], 2.0, ""
    )
    money = desk.store.money(workflow="w")
    assert (money.n, money.cost_nano, money.unpriced, money.by_status) == (3, 0, 3, {"unknown": 3})


def test_result_files_are_whole_or_not_there(desk: Any) -> None:
    desk.accept(1)
    [batch_id] = desk.pack()
    file = desk.store.result_file(desk.lease, batch_id, 0)
    file.write(b"half a li")
    assert not file.ends_with_newline()
    file.close()
    again = desk.store.result_file(desk.lease, batch_id, 0)
    assert again.size == len(b"half a li")
    again.restart()
    again.write(b"a line\n")
    again.finish()
    again.close()
    assert desk.store.result_file(desk.lease, batch_id, 0) is None
    assert list(desk.store.result_lines(batch_id, 0)) == [(0, b"a line\n")]


def test_what_a_provider_says_of_a_whole_batch_is_kept(desk: Any) -> None:
    desk.accept(1)
    [batch_id] = desk.pack()
    assert desk.store.observed(batch_id) == Observed()
    seen = Observed(Usage(input=3, output=4), ended_at=9.5)
    desk.store.observe(batch_id, seen)
    assert desk.store.observed(batch_id) == seen


# -- cancelling and asking again ----------------------------------------------------------------------
def test_cancelling_ends_what_has_not_left_and_marks_what_has(desk: Any) -> None:
    run = desk.accept(8)
    desk.pack()
    first, _ = desk.store.due(ACCOUNT, 1e9)
    creating = first.create(AttemptId("a"), now=1.0, give_up_at=9.0)
    desk.store.advance(desk.lease, first, creating, 1.0)
    after = desk.store.cancel_run(run.id, 5.0)
    assert (after.state, after.unanswered) == ("cancelling", 4)
    assert desk.store.contents(first.id).cancelled
    assert {row.batch.state for row in desk.store.batches(run.id)} == {"creating", "cancelled"}


def test_what_comes_back_for_a_cancelled_run_is_not_asked_again(desk: Any) -> None:
    run = desk.accept(2)
    [batch_id] = desk.pack()
    creating = desk.store.due(ACCOUNT, 1e9)[0]
    desk.store.cancel_run(desk.accept(1).id, 1.0)  # another run's cancellation changes nothing here
    assert creating.state == "packed"
    desk.settle(batch_id, [A, M], again=True)
    desk.store.cancel_run(run.id, 9.0)
    done = desk.store.run_named(run.name)
    assert (done.state, done.answered, done.unanswered) == ("finished", 1, 1)


def test_retrying_asks_what_was_not_answered_and_keeps_what_was(desk: Any) -> None:
    run = desk.accept(3)
    [batch_id] = desk.pack()
    desk.settle(batch_id, [A, R, M])
    assert desk.store.retry_run(run.id, 9.0, refused=False) == 1
    [second] = desk.pack()
    desk.settle(second, [A])
    assert desk.store.retry_run(run.id, 10.0, refused=True) == 1
    [third] = desk.pack()
    desk.settle(third, [A])
    done = desk.store.run_named(run.name)
    assert (done.state, done.answered, done.refused) == ("finished", 3, 0)
    assert {answer.verdict for answer in desk.store.answers(run.id)} == {A}
    assert desk.store.retry_run(run.id, 11.0, refused=True) == 0


def test_lines_set_aside_are_refused_and_the_rest_waits_with_as_many_tries(desk: Any) -> None:
    run = desk.accept(3)
    [batch_id] = desk.pack()
    packed = desk.store.due(ACCOUNT, 1e9)[0]
    segment = desk.store.contents(batch_id).parts[0].segment
    aside = Outcome(segment, Ordinals.of([1]), R, "bad_line", "line 2 is bad")
    desk.store.reject(
        desk.lease, packed, packed.reject("lines"), 3.0, outcomes=[aside], detail="lines",
        waiting=[Waiting(segment, 0, Ordinals.of([0, 2]))],
    )  # fmt: skip
    assert desk.store.run_named(run.name).refused == 1
    [second] = desk.pack()
    desk.settle(second, [A, A])
    assert [answer.verdict for answer in desk.store.answers(run.id)] == [A, R, A]


# -- looking and keeping ------------------------------------------------------------------------------
def test_everything_that_happened_to_a_request_is_told(desk: Any) -> None:
    run = desk.accept(3)
    [batch_id] = desk.pack()
    [trace] = desk.store.trace(run.id, "r1")
    assert (trace.number, trace.waiting, len(trace.tries)) == (2, False, 1)
    desk.settle(batch_id, [A, A, A])
    [trace] = desk.store.trace(run.id, "r1")
    assert trace.tries[0].record.input == 1
    assert desk.store.trace_ours(run.id, trace.segment, 1) == [trace]
    assert desk.store.trace_ours(RunId("other"), trace.segment, 1) == []


def test_bodies_and_answers_go_and_books_stay(desk: Any) -> None:
    run = desk.accept(2)
    with pytest.raises(BadInput, match="not finished"):
        desk.store.delete_bodies(run.id)
    [batch_id] = desk.pack()
    desk.settle(batch_id, [A, A])
    assert desk.store.delete_bodies(run.id) > 0
    assert list(desk.store.home.rglob("*.jsonl")) == []
    assert desk.store.run_named(run.name).answered == 2
    assert desk.store.delete_bodies(run.id) == 0


def test_a_backup_decides_as_the_home_did(desk: Any, tmp_path: Any) -> None:
    (desk.store.home / "policy.toml").write_text('[default]\ndeadline = "8h"\n')
    desk.store.backup(tmp_path / "copy")
    assert (tmp_path / "copy" / "policy.toml").read_text() == '[default]\ndeadline = "8h"\n'


def test_a_backup_made_while_the_home_is_in_use_is_a_home(desk: Any, tmp_path: Any) -> None:
    run = desk.accept(3)
    [batch_id] = desk.pack()
    desk.settle(batch_id, [A, A, A])
    desk.accept(2)
    target = tmp_path / "copy"
    desk.store.backup(target)
    copy = type(desk.store).open(target, now=0.0)
    assert [answer.line for answer in copy.answers(run.id)] == [
        answer.line for answer in desk.store.answers(run.id)
    ]
    assert len(copy.waiting(ACCOUNT, 1e9)) == 1
    assert copy.home_id == desk.store.home_id
    copy.close()
    with pytest.raises(BadInput, match="exists"):
        desk.store.backup(target)


def test_an_uploaded_file_counts_as_stored_while_a_batch_has_it(desk: Any) -> None:
    desk.accept(3)
    [batch] = desk.pack()
    [packed] = desk.store.due(ACCOUNT, 1e9)
    uploading = packed.upload(AttemptId("a" * 16), 3.0)
    uploaded = uploading.uploaded("file-1", 4.0)
    stored = []
    for before, after in (
        (packed, uploading),
        (uploading, uploaded),
        (uploaded, uploaded.again(5.0)),
    ):
        desk.store.advance(desk.lease, before, after, 4.0)
        stored.append(desk.store.stored_bytes(ACCOUNT))
    assert stored == [0, desk.store.contents(batch).size, 0]
    assert [row.id for row in desk.store.accounts()] == [ACCOUNT]


def test_what_ended_since_was_in_the_providers_queue_then(desk: Any) -> None:
    desk.accept(3)
    [batch] = desk.pack()
    other: Any = "none"
    assert desk.store.queued_since(ACCOUNT, "*", 0.0, besides=other) == (0, 0)  # it is here yet
    desk.settle(batch, [A, A, A])  # at 7
    model, size = desk.store.contents(batch).key.model, desk.store.contents(batch).size
    for subject in (model, "*"):
        assert desk.store.queued_since(ACCOUNT, subject, 6.0, besides=other) == (size, 3)
    assert desk.store.queued_since(ACCOUNT, "another", 6.0, besides=other) == (0, 0)
    assert desk.store.queued_since(ACCOUNT, model, 8.0, besides=other) == (0, 0)
    assert desk.store.queued_since(ACCOUNT, model, 6.0, besides=batch) == (0, 0)
    assert list(desk.store.served_since(ACCOUNT, 6.0).values()) == [size]
    assert desk.store.served_since(ACCOUNT, 8.0) == {}


def test_switches_and_lessons_are_remembered(desk: Any) -> None:
    desk.store.pause("all", 1.0)
    desk.store.learn(ACCOUNT, "m", "enqueued_tokens", 5, 1.0)
    desk.store.learn(ACCOUNT, "m", "enqueued_tokens", 3, 2.0)
    again = desk.open()
    assert again.paused() == {"all"}
    assert again.learned(ACCOUNT) == {("m", "enqueued_tokens"): 3}
    assert again.lessons(ACCOUNT) == [Lesson("m", "enqueued_tokens", 3, at=2.0)]
    again.resume("all")
    assert desk.store.paused() == frozenset()


def test_accounts_with_nothing_to_do_are_not_listed(desk: Any) -> None:
    assert desk.store.accounts_with_work() == []
    run = desk.accept(1)
    assert desk.store.accounts_with_work() == [AccountRow(ACCOUNT, "openai", "http://x")]
    assert desk.store.accounts_of(run.id) == desk.store.accounts_with_work()


def append_to(draft: Any, count: int, body: bytes | None = None, **more: Any) -> None:
    import hashlib

    from lanewise.domain.packing import Frame, PackingKey

    key = PackingKey("openai", ACCOUNT, "/v1/chat/completions", "m")
    frame = Frame(b'{"custom_id":"', b'","body":', b"}\n")
    for number in range(count):
        content = body or b'{"n":%d}' % number
        draft.append(
            key, frame, Limits(4, 100_000, 100_000), content, hashlib.sha256(content).digest(),
            number=number + 1, caller_id=f"r{number}", units=1, **more,
        )  # fmt: skip


def batch_of(group: Any) -> Any:
    from lanewise.domain.ids import BatchId, fresh_id
    from lanewise.domain.lanes import BATCH
    from lanewise.store.nouns import NewBatch, Part

    part = Part(group.waiting.segment, group.waiting.ordinals, group.waiting.tries)
    return NewBatch(BatchId(fresh_id()), group.key, BATCH, (part,), group.whole[0], group.whole[1])


# -- asked over HTTP --------------------------------------------------------------------------------
def claims(*names: str | None, content: bytes = b"c" * 16) -> list[Claim]:
    return [Claim(name, content) for name in names]


def test_a_request_is_found_by_its_idempotency_key_within_its_tenant_for_a_day(desk: Any) -> None:
    run = desk.accept(2, tenant="t", claims=claims("k1", None))
    assert desk.store.claimed("t", "k1", 1.0) == Claimed(run.id, 0, b"c" * 16, 1.0)
    assert desk.store.claimed("other", "k1", 1.0) is None
    assert desk.store.claimed("t", "k1", 86_402.0) is None
    assert [item.sequence for item in desk.store.alike("t", b"c" * 16, 1.0)] == [1, 0]
    assert desk.store.alike("other", b"c" * 16, 1.0) == []


def test_an_idempotency_key_that_is_taken_leaves_nothing_of_the_run(desk: Any) -> None:
    desk.accept(1, tenant="t", claims=claims("k1"))
    with pytest.raises(AlreadyClaimed):
        desk.accept(2, tenant="t", claims=claims(None, "k1"))
    assert len(desk.store.runs()) == 1
    desk.accept(1, tenant="other", claims=claims("k1"))


def test_a_run_has_the_tenant_who_asked_and_one_of_the_command_line_has_none(desk: Any) -> None:
    assert desk.store.tenant_of(desk.accept(1, tenant="", claims=claims(None)).id) == ""
    assert desk.store.tenant_of(desk.accept(1).id) is None
    assert desk.store.tenant_of(RunId("nobody")) is None


def test_a_request_that_waits_is_cancelled_alone_and_once(desk: Any) -> None:
    run = desk.accept(6)
    before = desk.store.newest_event()
    assert desk.store.cancel_request(run.id, 4, 2.0)
    assert not desk.store.cancel_request(run.id, 4, 2.0)
    assert not desk.store.cancel_request(run.id, 99, 2.0)
    assert [answer.sequence for answer in desk.store.answers_at(run.id, {3, 4})] == [4]
    assert sum(len(group.waiting.ordinals) for group in desk.store.waiting(ACCOUNT, 1e9)) == 5
    assert [event.kind for event in desk.store.events(after=before)] == ["request.cancelled"]
    desk.pack()
    assert not desk.store.cancel_request(run.id, 0, 2.0)


def test_the_last_request_that_is_cancelled_finishes_its_run(desk: Any) -> None:
    run = desk.accept(1)
    assert desk.store.cancel_request(run.id, 0, 2.0)
    assert desk.store.run_named(run.name).state == "finished"


# -- files and batches of tenants -------------------------------------------------------------------
def an_upload(
    desk: Any, name: str = "f1", tenant: str = "t", expires: float | None = None
) -> Upload:
    desk.store.upload_path(name).write_bytes(b"x")
    upload = Upload(name, tenant, "in.jsonl", 1, 1.0, expires)
    desk.store.add_upload(upload)
    return upload


def an_order(name: str = "b1", tenant: str = "t", **given: Any) -> Order:
    return Order(
        name,
        tenant,
        "k",
        "f1",
        "/v1/x",
        "24h",
        "w",
        "8h",
        ("m*",),
        {"a": "b"},
        b"c" * 16,
        1.0,
        **given,
    )


def test_a_file_is_its_tenants_until_it_expires(desk: Any) -> None:
    kept, brief = an_upload(desk), an_upload(desk, "f2", expires=10.0)
    assert desk.store.upload("t", "f1", 99.0) == kept
    assert desk.store.upload("other", "f1", 99.0) is None
    assert desk.store.upload("t", "f2", 9.0) == brief
    assert desk.store.upload("t", "f2", 10.0) is None
    assert desk.store.uploads("t", 9.0, after=None, limit=9) == [brief, kept]
    assert desk.store.uploads("t", 9.0, after="f2", limit=9) == [kept]
    desk.store.drop_expired_uploads(10.0)
    assert desk.store.upload_path("f1").exists()
    assert not desk.store.upload_path("f2").exists()


def test_an_order_is_decided_once_and_its_tenants_only(desk: Any) -> None:
    desk.store.add_order(an_order())
    assert desk.store.order("t", "b1") == an_order()
    assert desk.store.order("other", "b1") is None
    assert desk.store.order_like("t", b"c" * 16, 1.0) == an_order()
    assert desk.store.order_like("t", b"c" * 16, 2.0) is None
    assert desk.store.validating() == [an_order()]
    desk.store.decide_order("b1", "failed", 5.0, [Wrong(3, "why")])
    desk.store.decide_order("b1", "accepted", 6.0)
    wanted = an_order(state="failed", decided_at=5.0, errors=(Wrong(3, "why"),))
    assert desk.store.order("t", "b1") == wanted
    assert desk.store.validating() == []


def test_orders_are_listed_by_their_kind_newest_first(desk: Any) -> None:
    for name in ("b1", "m1", "b2", "b3"):
        desk.store.add_order(an_order(name))
    listed = [order.id for order in desk.store.orders("t", "b", after="b3", limit=9)]
    assert listed == ["b2", "b1"]
    assert desk.store.orders("other", "b", after=None, limit=9) == []


def test_what_was_handed_in_and_never_became_a_file_is_swept_after_a_while(desk: Any) -> None:
    an_upload(desk)
    desk.store.upload_path("lost").write_bytes(b"xyz")
    written = desk.store.upload_path("lost").stat().st_mtime
    assert desk.store.sweep_files(written + 60.0) == 0
    assert desk.store.sweep_files(written + 1e6) == 3
    assert [path.name for path in desk.store.upload_path("f1").parent.iterdir()] == ["f1"]


def test_the_trace_that_a_request_was_asked_in_is_kept_with_it(desk: Any) -> None:
    traced = [Claim(None, b"c" * 16, traceparent="00-trace-span-01"), Claim(None, b"d" * 16)]
    run = desk.accept(2, tenant="t", claims=traced)
    assert desk.store.origin(run.id, 0) == ("00-trace-span-01", 1.0)
    assert desk.store.origin(run.id, 1) == ("", 1.0)
    assert desk.store.origin(run.id, 2) is None


# -- numbers for those who look often --------------------------------------------------------------
def test_what_is_outstanding_is_counted_until_it_has_its_result(desk: Any) -> None:
    nothing = Outstanding({}, {}, {}, None, None)
    assert desk.store.outstanding() == nothing
    desk.accept(3)
    assert desk.store.outstanding() == Outstanding({BATCH: 3}, {}, {}, 1.0, None)
    [batch] = desk.pack()
    assert desk.store.outstanding() == Outstanding(
        {}, {BATCH: 3}, {("packed", BATCH): 1}, None, None
    )
    desk.settle(batch, [A, A, A])
    assert desk.store.outstanding() == nothing


def test_the_earliest_deadline_is_of_what_waits_and_of_batches_but_not_of_what_is_at_once(
    desk: Any,
) -> None:
    for deadline in (AT_ONCE, 500.0, 90.0):
        draft = desk.store.draft()
        append_to(draft, 1, deadline=deadline)
        draft.commit(
            NewRun("w", f"{deadline}", "test", now=1.0), [AccountRow(ACCOUNT, "openai", "")]
        )
        found = desk.store.outstanding().deadline
        assert found == (None if deadline == AT_ONCE else deadline)


def test_what_was_spent_is_summed_by_lane_from_a_row_on(desk: Any) -> None:
    assert desk.store.spent(0) == ({}, 0)
    row = LedgerRow(
        run=RunId("calls"), workflow="w", provider="openai", account=ACCOUNT, model="m", lane=REALTIME,
        kind="answer", n=2, usage=Usage(), cost_nano=5, baseline_nano=9, waste_nano=0, price_basis="b",
        price_status="list",
    )  # fmt: skip
    unpriced = replace(row, cost_nano=None, baseline_nano=None, price_status="unknown", n=1)
    wasted = replace(row, kind="waste", baseline_nano=0, waste_nano=5)
    desk.store.book_calls([row, unpriced, wasted], 1.0)
    found, last = desk.store.spent(0)
    assert found == {REALTIME: Spent(3, 10, 9, 5)}
    assert desk.store.spent(last) == ({}, last)
    desk.store.book_calls([row], 2.0)
    assert desk.store.spent(last)[0] == {REALTIME: Spent(2, 5, 9, 0)}
