"""Final results in the order of the caller's input, streamed with bounded memory."""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_right
from collections.abc import Collection, Iterator
from contextlib import ExitStack

from lanewise.domain.ids import BatchId, RunId, SegmentId
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import Verdict
from lanewise.store.nouns import Answer, Outcome
from lanewise.store.records import Record, Records
from lanewise.store.sqlite.base import Operations


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


class AnswerOperations(Operations):
    """Reading results back."""

    def answers(self, run: RunId) -> Iterator[Answer]:
        """Every request's final result, in the order of the caller's input, streamed."""
        rows = self._db.all(self._runs["segments_of_run"], (run,))
        pending = [(row["first_sequence"], row) for row in rows][::-1]
        active: list[tuple[Answer, Iterator[Answer]]] = []
        while pending or active:
            lowest = min((head.sequence for head, _ in active), default=None)
            while pending and (lowest is None or pending[-1][0] <= lowest):
                stream = self._segment_answers(run, pending.pop()[1])
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
        self, run: RunId, row: sqlite3.Row, *, only: Collection[int] | None = None
    ) -> Iterator[Answer]:
        """One segment's results, in ordinal order; of the requests at `only` these places of the run."""
        segment = SegmentId(row["id"])
        key = self._db.one("SELECT * FROM packing_keys WHERE id = ?", (row["key_id"],))
        known = Ledgered(self, segment)
        ended = self._ended(segment)
        reader = self._segment(run, segment)
        with ExitStack() as files:
            opened: dict[tuple[BatchId, int], int] = {}
            ids = zip(reader.entries(), reader.caller_ids(), strict=True)
            for ordinal, (entry, caller_id) in enumerate(ids):
                if only is not None and entry.sequence not in only:
                    continue
                verdict, line, outcome = None, None, ended.get(ordinal)
                hit = known.find(ordinal)
                if hit is not None and (_final(hit[1]) or outcome is not None):
                    verdict = Verdict(hit[1].verdict)
                    line = self._read(hit, opened, files)
                if outcome is not None and verdict is not Verdict.ANSWERED:
                    # an outcome is newer than any refusal: asking again took the older ones back
                    line = None if verdict is Verdict.REFUSED else line
                    verdict = outcome.verdict
                yield Answer(
                    entry.sequence, entry.number, caller_id, segment, ordinal, key["endpoint"],
                    key["provider"], verdict, line, outcome,
                )  # fmt: skip

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

    def _read(
        self, hit: tuple[BatchId, Record], opened: dict[tuple[BatchId, int], int], files: ExitStack
    ) -> bytes | None:
        """The provider's own line, where there is one."""
        batch, record = hit
        if record.length == 0:
            return None
        place = (batch, record.file)
        fd = opened.get(place)
        if fd is None:
            path = self._batch_directory(batch) / f"{record.file}.jsonl"
            fd = opened[place] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            files.callback(os.close, fd)
        return os.pread(fd, record.length, record.offset)
