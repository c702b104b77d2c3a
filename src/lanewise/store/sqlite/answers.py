"""Final results in the order of the caller's input, streamed with bounded memory."""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_right
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from lanewise.domain.ids import BatchId, RunId, SegmentId
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import Verdict
from lanewise.errors import NotFound
from lanewise.store.copies import read_copies
from lanewise.store.nouns import Answer, Outcome
from lanewise.store.records import Record, Records
from lanewise.store.sqlite.base import Operations

_OPEN_FILES: Final = 64
_OPEN_SEGMENTS: Final = 64  # whose results are at hand for copies: a few megabytes each


class Spans:
    """From an ordinal to its place among ranges."""

    def __init__(self, ordinals: Ordinals, start: int) -> None:
        self._starts = [first for first, _ in ordinals.ranges]
        self._stops = [stop for _, stop in ordinals.ranges]
        self._places: list[int] = []
        for first, stop in ordinals.ranges:
            self._places.append(start)
            start += stop - first

    def place(self, ordinal: int) -> int | None:
        """Where it stands; None if it is not among them."""
        at = bisect_right(self._starts, ordinal) - 1
        if at < 0 or ordinal >= self._stops[at]:
            return None
        return self._places[at] + ordinal - self._starts[at]


class Ledgered:
    """All records of one segment's requests, over the batches that were settled."""

    def __init__(self, store: Operations, segment: SegmentId) -> None:
        self.batches: list[tuple[BatchId, Spans, Records]] = []
        for row in store._db.all(store._books["settled_parts"], (segment,)):
            batch = BatchId(row["batch_id"])
            path = store._batch_directory(batch) / f"{row['fence']}.res"
            spans = Spans(Ordinals.decode(row["ordinals"]), row["start"])
            self.batches.append((batch, spans, Records(path)))

    def find(self, ordinal: int) -> tuple[BatchId, Record] | None:
        """The record that counts: an answer, else the newest refusal, else the newest of all."""
        best: tuple[BatchId, Record] | None = None
        for batch, spans, records in self.batches:
            place = spans.place(ordinal)
            if place is None:
                continue
            record = records[place]
            if record.verdict == Verdict.SURPLUS:  # another answer was first
                continue
            if record.verdict == Verdict.ANSWERED:
                return batch, record
            if best is None or record.verdict == Verdict.REFUSED or not _final(best[1]):
                best = batch, record
        return best


def _final(record: Record) -> bool:
    return Verdict(record.verdict).final


class _Files:
    """Result files that are read from here and there; a few of them are kept open."""

    def __init__(self) -> None:
        self._open: dict[Path, int] = {}

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Some bytes of a file."""
        fd = self._open.get(path)
        if fd is None:
            if len(self._open) >= _OPEN_FILES:
                os.close(self._open.pop(next(iter(self._open))))
            fd = self._open[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return os.pread(fd, length, offset)

    def close(self) -> None:
        """Let go."""
        while self._open:
            os.close(self._open.popitem()[1])


class _Results:
    """The results of one segment's requests, as they stand."""

    def __init__(self, store: AnswerOperations, row: sqlite3.Row, files: _Files) -> None:
        self.segment = SegmentId(row["id"])
        self._key = store._db.one("SELECT * FROM packing_keys WHERE id = ?", (row["key_id"],))
        self._known = Ledgered(store, self.segment)
        self._ended = store._ended(self.segment)
        self._directory = store._batch_directory
        self._files = files

    def answer(self, ordinal: int, *, sequence: int, number: int, caller_id: str) -> Answer:
        """The result of one of them, for the request that asked for it."""
        verdict, line, outcome = None, None, self._ended.get(ordinal)
        hit = self._known.find(ordinal)
        if hit is not None and (_final(hit[1]) or outcome is not None):
            verdict = Verdict(hit[1].verdict)
            line = self._read(*hit)
        if outcome is not None and verdict is not Verdict.ANSWERED:
            # an outcome is newer than any refusal: asking again took the older ones back
            line = None if verdict is Verdict.REFUSED else line
            verdict = outcome.verdict
        return Answer(
            sequence, number, caller_id, self.segment, ordinal, self._key["endpoint"],
            self._key["provider"], verdict, line, outcome,
        )  # fmt: skip

    def _read(self, batch: BatchId, record: Record) -> bytes | None:
        """The provider's own line, where there is one."""
        if record.length == 0:
            return None
        path = self._directory(batch) / f"{record.file}.jsonl"
        return self._files.read(path, record.offset, record.length)


class AnswerOperations(Operations):
    """Reading results back."""

    def answers(self, run: RunId) -> Iterator[Answer]:
        """Every request's final result, in the order of the caller's input, streamed.

        Raises `NotFound` where they were deleted.
        """
        rows = self._db.all(self._runs["segments_of_run"], (run,))
        if any(row["state"] == "deleted" for row in rows):
            name = self._db.one(self._runs["run"], (run,))["name"]
            raise NotFound(
                f"the answers of {name} were deleted (past their retention, or with lanewise forget). What "
                f"they cost is kept: lanewise receipt {name}. To ask anew, run the input again with --again"
            )
        pending = [(row["first_sequence"], row) for row in rows][::-1]
        active: list[tuple[Answer, Iterator[Answer]]] = []
        with closing(_Files()) as files:
            if any(row["copies"] is not None for row in rows):
                stream = self._copied_answers(run, {row["id"]: row for row in rows}, files)
                active.append((next(stream), stream))
            while pending or active:
                lowest = min((head.sequence for head, _ in active), default=None)
                while pending and (lowest is None or pending[-1][0] <= lowest):
                    stream = self._segment_answers(run, pending.pop()[1], files)
                    active.append((next(stream), stream))
                    lowest = min(head.sequence for head, _ in active)
                at = min(range(len(active)), key=lambda index: active[index][0].sequence)
                head, stream = active[at]
                yield head
                following = next(stream, None)
                if following is None:
                    del active[at]
                else:
                    active[at] = (following, stream)

    def _segment_answers(
        self,
        run: RunId,
        row: sqlite3.Row,
        files: _Files,
        *,
        only: Collection[int] | None = None,
    ) -> Iterator[Answer]:
        """One segment's results, in ordinal order; of the requests at `only` these places of the run."""
        results = _Results(self, row, files)
        reader = self._segment(run, results.segment)
        ids = zip(reader.entries(), reader.caller_ids(), strict=True)
        for ordinal, (entry, caller_id) in enumerate(ids):
            if only is None or entry.sequence in only:
                yield results.answer(
                    ordinal, sequence=entry.sequence, number=entry.number, caller_id=caller_id
                )

    def answers_at(self, run: RunId, sequences: Collection[int]) -> Iterator[Answer]:
        """The final results of these requests of a run, as far as there are any; in no order."""
        with closing(_Files()) as files:
            for row in self._db.all(self._runs["segments_of_run"], (run,)):
                if row["state"] != "deleted":
                    for answer in self._segment_answers(run, row, files, only=sequences):
                        if answer.verdict is not None:
                            yield answer

    def _copied_answers(
        self, run: RunId, rows: dict[str, sqlite3.Row], files: _Files
    ) -> Iterator[Answer]:
        """The results that copies get from the requests that were asked, in the order of the input."""
        at_hand: dict[SegmentId, _Results] = {}
        for copy in read_copies(self._run_directory(run)):
            results = at_hand.get(copy.segment)
            if results is None:
                if len(at_hand) >= _OPEN_SEGMENTS:
                    del at_hand[next(iter(at_hand))]
                results = at_hand[copy.segment] = _Results(self, rows[copy.segment], files)
            answer = results.answer(
                copy.ordinal,
                sequence=copy.sequence,
                number=copy.number,
                caller_id=copy.caller_id,
            )
            yield replace(answer, copy=True)

    def _ended(self, segment: SegmentId) -> dict[int, Outcome]:
        """Outcomes by ordinal; sparse."""
        found: dict[int, Outcome] = {}
        for row in self._db.all(self._books["outcomes"], (segment,)):
            ordinals = Ordinals.decode(row["ordinals"])
            outcome = Outcome(
                segment, ordinals, Verdict(row["verdict"]), row["code"], row["message"]
            )
            found.update(dict.fromkeys(ordinals, outcome))
        return found
