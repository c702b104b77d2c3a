"""Whatever happens to batches, no request is lost and none is counted twice.

One without a final result waits or is in a batch that goes on; in several, while batches race. One with a
final result is counted once, and waits no more.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lanewise.domain.ids import AccountId, AttemptId, WorkerId, fresh_id
from lanewise.domain.results import Verdict
from lanewise.store.nouns import Outcome, Waiting
from lanewise.store.sqlite import SqliteStore

ACCOUNT = AccountId("openai-test")
VERDICTS = st.lists(st.sampled_from(list(Verdict)[:-1]), min_size=4, max_size=4)
CALLS = st.lists(st.sampled_from(["answer", "lost", "unsend", "accept", ""]), max_size=4)


class Accounting(RuleBasedStateMachine):
    """Runs accepted, packed, sent, raced, rejected, settled, cancelled and asked again in any order."""

    desk_type: Any  # the class of the fixture: hypothesis builds this machine without fixtures

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store: Any = SqliteStore.open(Path(self.folder.name) / "home", now=0.0)
        self.alive = self.store.register_worker(WorkerId("w1"), 0.0)
        self.alive.__enter__()
        self.desk = self.desk_type(self.store, lambda: self.store)
        self.asked_about_again: set[str] = set()

    def live(self, *states: str) -> list[Any]:
        return [batch for batch in self.store.due(ACCOUNT, 50.0) if batch.state in states]

    def packed(self) -> list[Any]:
        return self.live("packed")

    @rule(count=st.integers(1, 9), copies=st.lists(st.integers(0, 8), max_size=4))
    def accept(self, count: int, copies: list[int]) -> None:
        self.desk.accept(count, copies=[asked % count for asked in copies])

    @precondition(lambda self: self.store.waiting(ACCOUNT, 1e9))
    @rule()
    def pack(self) -> None:
        self.desk.pack()

    # -- batches that a provider executes -----------------------------------------------------------
    @precondition(lambda self: self.packed())
    @rule(which=st.integers(0, 5))
    def create(self, which: int) -> None:
        self.desk.create(pick(self.packed(), which).id)

    @precondition(lambda self: self.live("submitted"))
    @rule(which=st.integers(0, 5))
    def lose(self, which: int) -> None:
        batch = pick(self.live("submitted"), which)
        self.store.advance(self.desk.lease, batch, batch.lost(5.0), 5.0)

    @precondition(lambda self: self.live("packed", "submitted"))
    @rule(verdicts=VERDICTS, again=st.booleans(), which=st.integers(0, 5))
    def settle(self, verdicts: list[Verdict], again: bool, which: int) -> None:
        self.desk.settle(pick(self.live("packed", "submitted"), which).id, verdicts, again=again)

    # -- batches that lanewise sends ----------------------------------------------------------------
    @precondition(lambda self: self.packed())
    @rule(which=st.integers(0, 5))
    def begin(self, which: int) -> None:
        batch = pick(self.packed(), which)
        sending = batch.send(AttemptId(fresh_id()), 3.0)
        self.store.advance(self.desk.lease, batch, sending, 3.0)

    @precondition(lambda self: self.live("sending"))
    @rule(which=st.integers(0, 5), calls=CALLS, kept=st.booleans())
    def send(self, which: int, calls: list[str], kept: bool) -> None:
        batch = pick(self.live("sending"), which)
        outbox = self.store.outbox(self.desk.lease, batch.id)
        names = self.desk.names(batch.id)
        unasked = [n for n in range(len(names)) if n not in outbox.asked]
        for position, what in zip(unasked, calls, strict=False):
            outbox.send([position], 4.0)
            outbox.sync()
            if what == "answer":
                outbox.answer(position, f'{{"custom_id":"{names[position]}"}}'.encode())
            elif what == "accept":
                outbox.accept(position, f"resp-{position}", 4.0)
            elif what:
                getattr(outbox, what)(position)
        if kept:
            outbox.sync()
        outbox.close()

    @precondition(lambda self: self.live("sending"))
    @rule(which=st.integers(0, 5), again=st.booleans())
    def finish(self, which: int, again: bool) -> None:
        batch = pick(self.live("sending"), which)
        outbox = self.store.outbox(self.desk.lease, batch.id)
        answered = outbox.answered
        collected = batch.sent(6.0, outbox.finish())
        outbox.close()
        self.store.advance(self.desk.lease, batch, collected, 6.0)
        count = self.store.contents(batch.id).requests
        verdicts = [Verdict.ANSWERED if n in answered else Verdict.MISSING for n in range(count)]
        self.desk.book(collected, verdicts, again=again)

    @rule()
    def take_over(self) -> None:
        self.store.release(self.desk.lease)
        self.desk.lease = self.desk.acquire()

    # -- rescue -------------------------------------------------------------------------------------
    @precondition(lambda self: self.live("submitted", "sending"))
    @rule(which=st.integers(0, 5))
    def race(self, which: int) -> None:
        batch = pick(self.live("submitted", "sending"), which)
        self.store.rescue(self.desk.lease, batch.id, 5.0, "late")

    @precondition(lambda self: self.live("submitted", "sending"))
    @rule(which=st.integers(0, 5))
    def withdraw(self, which: int) -> None:
        batch = pick(self.live("submitted", "sending"), which)
        self.store.withdraw(self.desk.lease, batch.id, 5.0, "late")

    @precondition(lambda self: self.packed())
    @rule(aside=st.booleans(), which=st.integers(0, 5))
    def reject(self, aside: bool, which: int) -> None:
        batch = pick(self.packed(), which)
        [part] = self.store.contents(batch.id).parts
        bad, rest = part.ordinals.take(1 if aside else 0)
        outcomes = [Outcome(part.segment, bad, Verdict.REFUSED, "c", "m")] if bad else []
        waiting = [Waiting(part.segment, part.tries, rest)] if rest else []
        self.store.reject(
            self.desk.lease,
            batch,
            batch.reject("x"),
            3.0,
            outcomes=outcomes,
            waiting=waiting,
            detail="x",
        )

    @precondition(lambda self: self.store.runs(open_only=True))
    @rule()
    def cancel(self) -> None:
        self.store.cancel_run(self.store.runs(open_only=True)[0].id, 4.0)

    @rule(refused=st.booleans())
    def retry(self, refused: bool) -> None:
        for run in self.store.runs():
            if run.state == "finished":
                self.store.retry_run(run.id, 5.0, refused=refused)
                self.asked_about_again |= {run.id} if refused else set()

    @invariant()
    def each_request_without_a_result_is_somewhere_and_none_with_one_waits(self) -> None:
        waiting, going = self.waiting(), self.going()
        for run in self.store.runs(limit=1_000):
            if run.id in self.asked_about_again:
                continue  # an old refusal is shown until there is something newer
            for answer in self.store.answers(run.id):
                request = (answer.segment, answer.ordinal)
                if answer.verdict is None:
                    assert request in waiting | going
                else:
                    assert request not in waiting

    @invariant()
    def none_waits_twice(self) -> None:
        groups = self.store.waiting(ACCOUNT, 1e9)
        assert sum(len(group.waiting.ordinals) for group in groups) == len(self.waiting())

    @invariant()
    def counts_are_what_the_answers_say(self) -> None:
        for run in self.store.runs(limit=1_000):
            final = run.answered + run.refused + run.unanswered
            assert (run.state == "finished") == (final == run.requests)
            assert run.late <= run.answered
            if run.id in self.asked_about_again and run.state != "finished":
                continue
            answers = list(self.store.answers(run.id))
            assert [answer.sequence for answer in answers] == list(range(run.requests))
            verdicts = [answer.verdict for answer in answers]
            assert verdicts.count(Verdict.ANSWERED) == run.answered
            assert verdicts.count(Verdict.REFUSED) == run.refused
            assert verdicts.count(None) == run.requests - final

    def waiting(self) -> set[tuple[str, int]]:
        return {
            (group.waiting.segment, ordinal)
            for group in self.store.waiting(ACCOUNT, 1e9)
            for ordinal in group.waiting.ordinals
        }

    def going(self) -> set[tuple[str, int]]:
        return {
            (part.segment, ordinal)
            for row in self.store.live(ACCOUNT)
            for part in self.store.contents(row.batch.id).parts
            for ordinal in part.ordinals
        }

    def teardown(self) -> None:
        self.alive.__exit__(None, None, None)
        self.store.close()
        self.folder.cleanup()


def pick(batches: list[Any], which: int) -> Any:
    return batches[which % len(batches)]


def test_no_request_is_lost_or_counted_twice_whatever_happens(desk: Any) -> None:
    Accounting.desk_type = type(desk)
    run_state_machine_as_test(
        Accounting,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
