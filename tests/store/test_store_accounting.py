"""Whatever happens to batches, every request is in exactly one place: waiting, under way, or final."""

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

from lanewise.domain.ids import AccountId, SegmentId, WorkerId
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import Verdict
from lanewise.store.copies import among
from lanewise.store.nouns import Outcome, Waiting
from lanewise.store.sqlite import SqliteStore

ACCOUNT = AccountId("openai-test")
# a batch that races another comes with a surplus: none does here
ALONE = [verdict for verdict in Verdict if verdict is not Verdict.SURPLUS]
VERDICTS = st.lists(st.sampled_from(ALONE), min_size=4, max_size=4)


class Accounting(RuleBasedStateMachine):
    """Runs accepted, packed, rejected, settled, cancelled and asked again in any order."""

    desk_type: Any  # the class of the fixture: hypothesis builds this machine without fixtures

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store: Any = SqliteStore.open(Path(self.folder.name) / "home", now=0.0)
        self.alive = self.store.register_worker(WorkerId("w1"), 0.0)
        self.alive.__enter__()
        self.desk = self.desk_type(self.store, lambda: self.store)
        self.accepted = 0

    def packed(self) -> list[Any]:
        return [batch for batch in self.store.due(ACCOUNT, 1e9) if batch.state == "packed"]

    @rule(count=st.integers(1, 9), copies=st.lists(st.integers(0, 8), max_size=4))
    def accept(self, count: int, copies: list[int]) -> None:
        self.desk.accept(count, copies=[asked % count for asked in copies])
        self.accepted += count + len(copies)

    @precondition(lambda self: self.store.waiting(ACCOUNT, 1e9))
    @rule()
    def pack(self) -> None:
        self.desk.pack()

    @precondition(lambda self: self.packed())
    @rule(verdicts=VERDICTS, again=st.booleans())
    def settle(self, verdicts: list[Verdict], again: bool) -> None:
        batch = self.packed()[0]
        count = self.store.contents(batch.id).requests
        self.desk.settle(batch.id, verdicts[:count], again=again)

    @precondition(lambda self: self.packed())
    @rule(aside=st.booleans())
    def reject(self, aside: bool) -> None:
        batch = self.packed()[-1]
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

    def asking(self, segment: SegmentId, ordinals: Ordinals) -> int:
        """Those requests, with their copies."""
        return len(ordinals) + among(self.store.copies(segment), ordinals)

    @invariant()
    def each_request_is_in_one_place(self) -> None:
        waiting = sum(
            self.asking(group.waiting.segment, group.waiting.ordinals)
            for group in self.store.waiting(ACCOUNT, 1e9)
        )
        live = sum(
            self.asking(part.segment, part.ordinals)
            for row in self.store.batches(live_only=True)
            for part in self.store.contents(row.batch.id).parts
        )
        runs = self.store.runs(limit=1_000)
        final = sum(run.answered + run.refused + run.unanswered for run in runs)
        assert waiting + live + final == self.accepted

    @invariant()
    def counts_are_what_the_answers_say(self) -> None:
        for run in self.store.runs(limit=1_000):
            if run.state == "finished":
                verdicts = [answer.verdict for answer in self.store.answers(run.id)]
                assert len(verdicts) == run.requests
                assert verdicts.count(Verdict.ANSWERED) == run.answered
                assert verdicts.count(Verdict.REFUSED) == run.refused
                places = [answer.sequence for answer in self.store.answers(run.id)]
                assert places == list(range(run.requests))

    def teardown(self) -> None:
        self.alive.__exit__(None, None, None)
        self.store.close()
        self.folder.cleanup()


def test_every_request_is_in_exactly_one_place_whatever_happens(desk: Any) -> None:
    Accounting.desk_type = type(desk)
    run_state_machine_as_test(
        Accounting,
        settings=settings(
            max_examples=15,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
