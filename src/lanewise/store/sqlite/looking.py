"""What people and reports look at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lanewise.domain.batches import LIVE
from lanewise.domain.ids import BatchId, RunId, SegmentId, custom_id
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import Verdict
from lanewise.store.copies import Copy, read_copies
from lanewise.store.nouns import BatchRow, Event, Outcome, RequestTrace, Run, Trace
from lanewise.store.outbox import calls_of
from lanewise.store.records import Record, Records
from lanewise.store.sqlite.answers import Spans
from lanewise.store.sqlite.base import Operations
from lanewise.store.sqlite.rows import batch_row_of, event_of, run_of


class LookingOperations(Operations):
    """Reads only, but for `note`."""

    def batches(self, run: RunId | None = None, *, live_only: bool = False) -> list[BatchRow]:
        """Batches (of a run), oldest first."""
        if run is None:
            rows = self._db.all(self._books["batches"])
        else:
            rows = self._db.all(self._books["batches_of_run"], (run,))
        decisions = self.decisions()
        return [
            batch_row_of(row, decisions) for row in rows if not live_only or row["state"] in LIVE
        ]

    def events(
        self, *, after: int = 0, subject: str | None = None, limit: int = 200
    ) -> list[Event]:
        """In order."""
        return [
            event_of(row) for row in self._db.all(self._books["events"], (after, subject, limit))
        ]

    def note(self, kind: str, subject: str, detail: str, now: float) -> None:
        """Record that something happened."""
        with self._db.transaction():
            self._event(now, kind, subject, detail)

    def trace(self, run: RunId, caller_id: str) -> list[RequestTrace]:
        """What happened to the requests of that id."""
        owner = run_of(self._db.one(self._runs["run"], (run,)))
        found: list[RequestTrace] = []
        for row in self._db.all(self._runs["segments_of_run"], (run,)):
            if row["state"] == "deleted":
                continue
            segment = SegmentId(row["id"])
            reader = self._segment(run, segment)
            for ordinal, name in enumerate(reader.caller_ids()):
                if name == caller_id:
                    found.append(self._trace(owner, segment, ordinal, name))
        return found + [self._copied(owner, copy) for copy in self._copies_named(owner, caller_id)]

    def _copies_named(self, run: Run, caller_id: str) -> list[Copy]:
        directory = self._run_directory(run.id)
        if run.copies == 0 or not directory.is_dir():
            return []
        return [copy for copy in read_copies(directory) if copy.caller_id == caller_id]

    def _copied(self, run: Run, copy: Copy) -> RequestTrace:
        """The story of a copy is that of the request that is asked."""
        [asked] = self.trace_ours(run.id, copy.segment, copy.ordinal)
        return replace(
            asked, caller_id=copy.caller_id, number=copy.number, original=asked.caller_id
        )

    def trace_ours(self, run: RunId, segment: SegmentId, ordinal: int) -> list[RequestTrace]:
        """The same, by the id that providers see; empty if it is not of this run."""
        row = self._db.first(self._books["segment"], (segment,))
        if row is None or row["run_id"] != run or ordinal >= row["requests"]:
            return []
        if row["state"] == "deleted":
            return []
        for at, name in enumerate(self._segment(run, segment).caller_ids()):
            if at == ordinal:
                owner = run_of(self._db.one(self._runs["run"], (run,)))
                return [self._trace(owner, segment, ordinal, name)]
        return []

    def _trace(self, run: Run, segment: SegmentId, ordinal: int, name: str) -> RequestTrace:
        entry = self._segment(run.id, segment).entry(ordinal)
        tries = [
            self._try(row, place, custom_id(segment, ordinal))
            for row in self._db.all(self._books["batches_of_segment"], (segment,))
            if (place := _place(row, ordinal)) is not None
        ]
        outcome = self._outcome_at(segment, ordinal)
        waiting = any(
            Spans(Ordinals.decode(row["ordinals"]), 0).place(ordinal) is not None
            for row in self._db.all(self._books["waiting_of_segment"], (segment,))
        )
        return RequestTrace(
            run, name, entry.number, segment, ordinal, entry.length, waiting, tuple(tries),
            outcome and outcome[0], entry.deadline or None,
            self.decisions().get(entry.decision), outcome and outcome[1],
            self.copies(segment).get(ordinal, 0),
        )  # fmt: skip

    def _try(self, row: Any, place: int, name: str) -> Trace:
        directory = self._batch_directory(BatchId(row["id"]))
        return Trace(
            batch_row_of(self._one_batch(row["id"]), self.decisions()),
            row["part_tries"],
            self._record(row, place),
            tuple(calls_of(directory, place, name)),
            row["charged_at"],
        )

    def _one_batch(self, batch: str) -> Any:
        return self._db.one(self._books["batch"], (batch,))

    def _record(self, row: Any, place: int) -> Record | None:
        if row["state"] != "settled":
            return None
        path = self._batch_directory(BatchId(row["id"])) / f"{row['fence']}.res"
        return Records(path)[place] if path.exists() else None

    def _outcome_at(self, segment: SegmentId, ordinal: int) -> tuple[Outcome, float] | None:
        for row in self._db.all(self._books["outcomes"], (segment,)):
            ordinals = Ordinals.decode(row["ordinals"])
            if Spans(ordinals, 0).place(ordinal) is not None:
                verdict = Verdict(row["verdict"])
                found = Outcome(segment, ordinals, verdict, row["code"], row["message"])
                return found, row["at"]
        return None


def _place(row: Any, ordinal: int) -> int | None:
    """Where a request stands in the batch of a row, if it is in it."""
    return Spans(Ordinals.decode(row["ordinals"]), row["start"]).place(ordinal)
