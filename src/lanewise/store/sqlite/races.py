"""Requests that are asked in several batches at once: one final outcome counts, whoever is first.

A rescued batch gives what it has not answered to the queue and goes on. From then on a request may be in
several places: waiting, and in batches that have not ended. What holds, in every transaction:

*   A request without a final outcome waits, or a batch that was not rescued has it: only that one is
    relied on to answer in time. Where it is rescued as well, the request is given away again.
*   A request with a final outcome gets no second one, and waits no more.
*   A request without one is somewhere. Where a batch ends without answering it, and another place still has
    it, that place decides; the last one decides by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from lanewise.domain.ids import BatchId, SegmentId
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import Verdict
from lanewise.store.nouns import Contents, Outcome, Waiting
from lanewise.store.records import Records
from lanewise.store.sqlite.answers import Spans
from lanewise.store.sqlite.base import Operations


class _Elsewhere(NamedTuple):
    """Where else the requests of a segment are, seen from one batch."""

    final: Ordinals
    queued: Ordinals
    live: Ordinals  # in other batches that have not ended
    held: Ordinals  # of these, in batches that have not given it away


_NOWHERE = _Elsewhere(Ordinals(), Ordinals(), Ordinals(), Ordinals())


class RaceOperations(Operations):
    """What one batch may decide, given the others that hold the same requests."""

    def final_elsewhere(self, contents: Contents) -> dict[SegmentId, Ordinals]:
        """Requests of a batch that have their final result from another batch, or an outcome."""
        found: dict[SegmentId, Ordinals] = {}
        for part in contents.parts:
            if not self._raced(part.segment):
                continue
            if final := self._final(part.segment, contents.batch) & part.ordinals:
                found[part.segment] = found.get(part.segment, Ordinals()) | final
        return found

    def _raced(self, segment: SegmentId) -> bool:
        """Whether any batch with requests of this segment was ever rescued while it went on."""
        return self._db.first(self._work["raced"], (segment,)) is not None

    def _conclude(
        self,
        batch: BatchId,
        outcomes: Sequence[Outcome],
        waiting: Sequence[Waiting],
        now: float,
        *,
        rescued: bool,
    ) -> None:
        """A batch has ended so: what is not decided elsewhere ends, or waits again if its run is open."""
        open_runs = [entry for entry in waiting if not self._is_cancelling(entry.segment)]
        cancelled = [_cancelled(entry) for entry in waiting if entry not in open_runs]
        ends, waits = self._undecided(batch, rescued, [*outcomes, *cancelled], open_runs)
        self._end(ends, batch, now)
        for entry in waits:
            self._put_waiting(entry)
        self._leave_queue([outcome.segment for outcome in ends])

    def _is_cancelling(self, segment: SegmentId) -> bool:
        state: str = self._db.one(self._runs["run"], (self._run_of(segment),))["state"]
        return state == "cancelling"

    def _undecided(
        self,
        batch: BatchId,
        rescued: bool,
        outcomes: Sequence[Outcome],
        waiting: Sequence[Waiting],
    ) -> tuple[list[Outcome], list[Waiting]]:
        """Of what a batch comes to without answers: what nobody else has decided or will decide."""

        @cache
        def elsewhere(segment: SegmentId) -> _Elsewhere:
            return self._elsewhere(segment, batch)

        ends: list[Outcome] = []
        for outcome in outcomes:
            other = elsewhere(outcome.segment)
            rest = outcome.ordinals - other.final
            if not outcome.verdict.final:
                rest = rest - other.queued - other.live
            if rest:
                ends.append(replace(outcome, ordinals=rest))
        waits: list[Waiting] = []
        for entry in waiting:
            other = elsewhere(entry.segment)
            rest = entry.ordinals - other.final - other.queued
            if rescued:  # what it had was given away
                rest = rest - other.held
            if rest:
                waits.append(replace(entry, ordinals=rest))
        return ends, waits

    def _elsewhere(self, segment: SegmentId, batch: BatchId) -> _Elsewhere:
        if not self._raced(segment):
            return _NOWHERE
        return _Elsewhere(
            self._final(segment, batch),
            self._queued(segment),
            self._live(segment, batch),
            self._held(segment, batch),
        )

    def _leave_queue(self, segments: Sequence[SegmentId]) -> None:
        """What has its final result waits no more, whoever it came from."""
        for segment in set(segments):
            if not self._raced(segment):
                continue
            final = self._final(segment, None)
            for row in self._db.all(self._books["waiting_of_segment"], (segment,)):
                held = Ordinals.decode(row["ordinals"])
                if held & final:
                    self._requeue(segment, row["tries"], row["not_before"], held - final)

    def _requeue(self, segment: SegmentId, tries: int, not_before: float, rest: Ordinals) -> None:
        if rest:
            values = (segment, tries, not_before, len(rest), rest.encode())
            self._db.execute(self._work["put_waiting"], values)
        else:
            self._db.execute(self._work["drop_waiting"], (segment, tries))

    def _queued(self, segment: SegmentId) -> Ordinals:
        return _union(self._db.all(self._books["waiting_of_segment"], (segment,)))

    def _live(self, segment: SegmentId, besides: BatchId) -> Ordinals:
        return _union(self._live_parts(segment, besides))

    def _held(self, segment: SegmentId, besides: BatchId) -> Ordinals:
        parts = self._live_parts(segment, besides)
        return _union([row for row in parts if row["rescued_at"] is None])

    def _live_parts(self, segment: SegmentId, besides: BatchId) -> list[sqlite3.Row]:
        return self._db.all(self._work["live_parts"], (segment, besides))

    def _final(self, segment: SegmentId, besides: BatchId | None) -> Ordinals:
        """Requests with an outcome, or a final record of a batch other than `besides`.

        A refusal that a person had asked about again counts no more.
        """
        final = _union(self._db.all(self._books["outcomes"], (segment,)))
        again = self._db.one(self._work["retried_at"], (segment,))[0]
        for row in self._db.all(self._books["settled_parts"], (segment,)):
            if row["batch_id"] == besides:
                continue
            answered, refused = self._final_records(
                BatchId(row["batch_id"]), row["fence"], row["start"], row["ordinals"]
            )
            final = final | answered
            if again is None or row["settled_at"] > again:
                final = final | refused
        return final

    def _final_records(
        self, batch: BatchId, fence: int, start: int, encoded: bytes
    ) -> tuple[Ordinals, Ordinals]:
        """The answered and the refused of one part of a settled batch; they never change."""
        key = (batch, start)
        if key not in self._final_kept:
            ordinals = Ordinals.decode(encoded)
            records = Records(self._batch_directory(batch) / f"{fence}.res")
            spans = Spans(ordinals, start)
            verdicts = [
                (ordinal, records[place].verdict)
                for ordinal in ordinals
                if (place := spans.place(ordinal)) is not None
            ]
            self._final_kept[key] = (
                Ordinals.of(n for n, verdict in verdicts if verdict == Verdict.ANSWERED),
                Ordinals.of(n for n, verdict in verdicts if verdict == Verdict.REFUSED),
            )
        return self._final_kept[key]


def _cancelled(entry: Waiting) -> Outcome:
    message = "the run was cancelled before it was answered"
    return Outcome(entry.segment, entry.ordinals, Verdict.CANCELLED, "cancelled", message)


def _union(rows: Sequence[sqlite3.Row]) -> Ordinals:
    found = Ordinals()
    for row in rows:
        found = found | Ordinals.decode(row["ordinals"])
    return found
