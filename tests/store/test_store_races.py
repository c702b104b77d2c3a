"""Batches that race for the same requests: one outcome counts, nothing is lost, nothing waits in vain."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lanewise.domain.ids import AccountId, AttemptId, fresh_id
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import Verdict
from lanewise.errors import BadInput, LeaseLost, Overtaken
from lanewise.store import outbox as outbox_module
from lanewise.store.nouns import Outcome, Waiting

ACCOUNT = AccountId("openai-test")
ANSWERED, REFUSED, EXPIRED = Verdict.ANSWERED, Verdict.REFUSED, Verdict.EXPIRED


def raced(desk: Any, count: int = 4, copies: Sequence[int] = ()) -> tuple[Any, Any]:
    """A run whose only batch goes on after what it has was given to the queue."""
    run = desk.accept(count, copies=copies)
    [first] = desk.pack()
    desk.create(first)
    assert desk.store.rescue(desk.lease, first, 5.0, "late") == count
    return run, first


def waiting(desk: Any) -> int:
    return sum(len(group.waiting.ordinals) for group in desk.store.waiting(ACCOUNT, 1e9))


def counted(desk: Any, run: Any) -> tuple[str, int, int, int]:
    now = desk.store.run_named(run.name)
    return now.state, now.answered, now.refused, now.unanswered


def test_what_the_first_batch_answered_after_all_is_not_asked_again(desk: Any) -> None:
    run, first = raced(desk)
    desk.settle(first, [ANSWERED, EXPIRED, ANSWERED, EXPIRED])
    assert counted(desk, run) == ("open", 2, 0, 0)
    assert waiting(desk) == 2
    [second] = desk.pack()
    desk.settle(second, [ANSWERED] * 2)
    assert counted(desk, run) == ("finished", 4, 0, 0)


def test_cancelling_a_run_keeps_the_answers_that_a_raced_batch_has_been_paid_for(desk: Any) -> None:
    run, first = raced(desk)
    desk.store.cancel_run(run.id, 6.0)
    assert counted(desk, run) == ("cancelling", 0, 0, 0)
    desk.settle(first, [ANSWERED, ANSWERED, ANSWERED, EXPIRED], again=True)
    assert counted(desk, run) == ("finished", 3, 0, 1)


def test_cancelling_counts_nothing_that_was_answered_in_another_batch(desk: Any) -> None:
    run, first = raced(desk)
    desk.pack()
    desk.settle(first, [ANSWERED, ANSWERED, ANSWERED, EXPIRED])
    desk.store.cancel_run(run.id, 6.0)
    assert counted(desk, run) == ("finished", 3, 0, 1)


def test_a_batch_that_gives_up_leaves_the_end_to_the_one_that_goes_on(desk: Any) -> None:
    run, first = raced(desk)
    [second] = desk.pack()
    desk.settle(second, [ANSWERED, EXPIRED, EXPIRED, EXPIRED])  # and would not ask again
    assert counted(desk, run) == ("open", 1, 0, 0)
    desk.settle(first, [ANSWERED, ANSWERED, ANSWERED, EXPIRED])
    assert counted(desk, run) == ("finished", 3, 0, 1)


def test_copies_of_what_races_are_counted_once_with_it_whoever_ends_last(desk: Any) -> None:
    run, first = raced(desk, copies=[0, 1, 1, 3])
    [second] = desk.pack()
    desk.settle(second, [ANSWERED, EXPIRED, EXPIRED, REFUSED])  # and would not ask again
    assert counted(desk, run) == ("open", 2, 2, 0)
    desk.settle(first, [ANSWERED, ANSWERED, EXPIRED, ANSWERED])
    assert counted(desk, run) == ("finished", 5, 2, 1)
    assert desk.store.run_named(run.name).late == 5


def test_cancelling_what_races_ends_its_copies_with_it(desk: Any) -> None:
    run, first = raced(desk, copies=[0, 3])
    desk.store.cancel_run(run.id, 6.0)
    assert counted(desk, run) == ("cancelling", 0, 0, 0)
    desk.settle(first, [ANSWERED, ANSWERED, ANSWERED, EXPIRED], again=True)
    assert counted(desk, run) == ("finished", 4, 0, 2)
    assert desk.store.retry_run(run.id, 8.0, refused=True) == 1
    assert counted(desk, run) == ("open", 4, 0, 0)


def test_a_raced_batch_that_its_provider_lost_or_refuses_does_not_wait_a_second_time(
    desk: Any,
) -> None:
    run, first = raced(desk)
    batch = desk.find(first)
    rest = Ordinals.span(0, 4)
    [part] = desk.store.contents(first).parts
    desk.store.reject(
        desk.lease, batch, batch.reject("x"), 6.0, outcomes=[], detail="x",
        waiting=[Waiting(part.segment, 0, rest)],
    )  # fmt: skip
    assert waiting(desk) == 4
    [second] = desk.pack()
    desk.settle(second, [ANSWERED] * 4)
    assert counted(desk, run) == ("finished", 4, 0, 0)


def test_a_refusal_as_a_whole_refuses_only_what_has_no_answer(desk: Any) -> None:
    run, first = raced(desk)
    [second] = desk.pack()
    desk.settle(first, [ANSWERED, ANSWERED, EXPIRED, EXPIRED])
    batch = desk.find(second)
    [part] = desk.store.contents(second).parts
    desk.store.reject(
        desk.lease, batch, batch.reject("x"), 6.0, detail="x", waiting=[],
        outcomes=[Outcome(part.segment, part.ordinals, REFUSED, "c", "m")],
    )  # fmt: skip
    assert counted(desk, run) == ("finished", 2, 2, 0)


def test_a_settlement_made_before_another_batch_was_settled_is_made_again(desk: Any) -> None:
    run, first = raced(desk)
    [second] = desk.pack()
    lines = [f'{{"custom_id":"{name}"}}\n'.encode() for name in desk.names(first)]
    desk.collect(first, lines)
    desk.settle(second, [ANSWERED] * 4)
    *_, stale = desk.last
    batch = desk.find(first)
    assert not desk.store.settle(desk.lease, batch, batch.settled(8.0, clean_at=9.0), stale, 8.0)
    assert desk.find(first).state == "collected"
    assert counted(desk, run) == ("finished", 4, 0, 0)


def test_a_refusal_that_is_asked_about_again_is_asked_though_its_segment_was_raced(
    desk: Any,
) -> None:
    run, first = raced(desk)
    [second] = desk.pack()
    desk.settle(second, [ANSWERED, REFUSED, REFUSED, ANSWERED])
    desk.settle(first, [REFUSED] * 4)
    assert desk.store.retry_run(run.id, 8.0, refused=True) == 2
    [third] = desk.pack()
    assert desk.store.final_elsewhere(desk.store.contents(third)) == {}
    desk.settle(third, [ANSWERED] * 2)
    assert counted(desk, run) == ("finished", 4, 0, 0)


def test_what_is_sent_one_by_one_gives_away_only_what_it_has_no_answer_for(desk: Any) -> None:
    desk.accept(4)
    [name] = desk.pack()
    batch = sending(desk, name)
    outbox = desk.store.outbox(desk.lease, batch.id)
    answer(desk, outbox, name, 1)
    outbox.sync()
    assert desk.store.rescue(desk.lease, name, 5.0, "late") == 3


def test_what_is_rescued_again_is_asked_again_whatever_the_first_batch_still_does(
    desk: Any,
) -> None:
    run, first = raced(desk)
    [second] = desk.pack()
    desk.create(second)
    assert desk.store.rescue(desk.lease, second, 6.0, "late too") == 4
    assert desk.store.rescue(desk.lease, second, 7.0, "still late") == 0
    assert waiting(desk) == 4
    [third] = desk.pack()
    desk.settle(second, [ANSWERED, EXPIRED, EXPIRED, EXPIRED])
    desk.settle(first, [EXPIRED] * 4)
    assert (counted(desk, run), waiting(desk)) == (("open", 1, 0, 0), 0)
    desk.settle(third, [ANSWERED] * 4)
    assert counted(desk, run) == ("finished", 4, 0, 0)


def test_what_was_given_away_twice_waits_again_only_if_nobody_else_is_relied_on(desk: Any) -> None:
    run, first = raced(desk)
    [second] = desk.pack()
    desk.create(second)
    assert desk.store.rescue(desk.lease, second, 6.0, "late too") == 4
    [third] = desk.pack()
    desk.settle(third, [ANSWERED, EXPIRED, EXPIRED, EXPIRED], again=True)
    assert waiting(desk) == 3
    desk.settle(second, [EXPIRED] * 4, again=True)
    desk.settle(first, [EXPIRED, ANSWERED, EXPIRED, EXPIRED], again=True)
    assert (counted(desk, run), waiting(desk)) == (("open", 2, 0, 0), 2)
    [fourth] = desk.pack()
    desk.settle(fourth, [ANSWERED] * 2)
    assert counted(desk, run) == ("finished", 4, 0, 0)


def test_a_holder_that_was_frozen_while_it_wrote_results_does_not_touch_those_of_the_next(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.accept(2)
    [name] = desk.pack()
    sending(desk, name)
    old = desk.store.outbox(desk.lease, name)
    answer(desk, old, name, 0)
    old.sync()
    write, thawed = outbox_module.write_all, []

    def next_holder(fd: int, data: bytes) -> None:
        if not thawed:
            thawed.append(True)
            desk.store.release(desk.lease)
            new = desk.store.outbox(desk.acquire(), name)
            answer(desk, new, name, 1)
            new.finish()
        write(fd, data)

    monkeypatch.setattr(outbox_module, "write_all", next_holder)
    with pytest.raises(LeaseLost):
        old.finish()
    assert len(list(desk.store.result_lines(name, 0))) == 2


def test_cleaning_keeps_the_answers_of_what_is_still_being_sent(desk: Any) -> None:
    desk.accept(2)
    [name] = desk.pack()
    sending(desk, name)
    outbox = desk.store.outbox(desk.lease, name)
    answer(desk, outbox, name, 0)
    outbox.sync()
    for file in (desk.store.home / "batches" / name).iterdir():
        os.utime(file, (0.0, 0.0))
    desk.store.sweep_files(8 * 3_600.0)
    assert desk.store.outbox(desk.lease, name).answered == {0}


def test_a_run_whose_raced_batch_is_still_out_keeps_its_bodies(desk: Any) -> None:
    run, _ = raced(desk)
    [second] = desk.pack()
    desk.settle(second, [ANSWERED] * 4)
    assert counted(desk, run)[0] == "finished"
    with pytest.raises(BadInput, match="still out"):
        desk.store.delete_bodies(run.id)
    assert Path(desk.store.home / "segments" / run.id).is_dir()


def test_a_batch_that_was_taken_back_is_no_lost_lease(desk: Any) -> None:
    run = desk.accept(2)
    [name] = desk.pack()
    batch = desk.find(name)
    desk.store.cancel_run(run.id, 6.0)
    with pytest.raises(Overtaken):
        desk.store.postpone(desk.lease, batch, batch.hold(9.0))


def sending(desk: Any, name: Any) -> Any:
    batch = desk.find(name)
    after = batch.send(AttemptId(fresh_id()), 3.0)
    desk.store.advance(desk.lease, batch, after, 3.0)
    return after


def answer(desk: Any, outbox: Any, name: Any, position: int) -> None:
    outbox.send([position], 4.0)
    line = f'{{"custom_id":"{desk.names(name)[position]}"}}'
    outbox.answer(position, line.encode())
