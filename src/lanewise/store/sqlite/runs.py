"""Runs: written as drafts, committed whole, found again, cancelled, asked again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from lanewise.domain.batches import Packed
from lanewise.domain.counts import counted
from lanewise.domain.ids import BatchId, RunId, SegmentId, fresh_id
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.packing import Frame, Limits, PackingKey
from lanewise.domain.results import Verdict
from lanewise.errors import BadInput
from lanewise.failpoints import reach
from lanewise.store.books import Cap
from lanewise.store.copies import Copy, CopyCounts, CopyWriter
from lanewise.store.disk import FileLock, explained, make_private, sync_directory
from lanewise.store.nouns import (
    UNDECIDED,
    AccountRow,
    NewRun,
    Outcome,
    Route,
    Run,
    Tally,
    Waiting,
)
from lanewise.store.protocol import Draft
from lanewise.store.segments import SegmentWriter
from lanewise.store.sqlite.books import BookOperations
from lanewise.store.sqlite.claims import Claiming
from lanewise.store.sqlite.races import RaceOperations
from lanewise.store.sqlite.rows import batch_of, run_of

WRITING: Final = ".writing"
_BUFFER_ALL: Final = 8 * 1024 * 1024
_ORDINAL_BITS: Final = 32  # of a place in a draft; above them, which segment
_NO_BATCH: Final = BatchId("")
_LOOK_EVERY: Final = 250  # requests between two places where a crash test may strike


class RunOperations(BookOperations, RaceOperations, Claiming):
    """Everything about runs but their results."""

    def draft(self) -> Draft:
        """Begin to accept a run."""
        return FileDraft(self)

    def alone(self) -> AbstractContextManager[None]:
        """While it lasts, no other process writes to this home's rows or sweeps its files."""
        return self._db.transaction()

    def commit_run(
        self, run_id: RunId, new: NewRun, accounts: Sequence[AccountRow], sealed: list[Sealed]
    ) -> tuple[Run, bool]:
        """Make a draft visible, or find that it is known; one transaction."""
        with self._db.transaction():
            if (
                known := self._known(new, sum(s.requests + s.copies.total for s in sealed))
            ) is not None:
                return known, False
            self._require_room(new)
            self._insert(run_id, new, accounts, sealed)
            return run_of(self._db.one(self._runs["run"], (run_id,))), True

    def _known(self, new: NewRun, requests: int) -> Run | None:
        named = self.run_named(new.name) if new.name else None
        if named is None:
            return None if new.again or new.name else self.run_like(new.workflow, new.digest)
        if named.digest == new.digest and named.workflow == new.workflow and not new.again:
            return named
        raise BadInput(
            f"there is a run {named.name!r} of {counted(named.requests, 'request')} (workflow "
            f"{named.workflow!r}); this input has {requests:,} and differs from it. Choose another "
            "--run, or leave --run away to let the content name it"
        )

    def _insert(
        self, run_id: RunId, new: NewRun, accounts: Sequence[AccountRow], sealed: list[Sealed]
    ) -> None:
        for account in accounts:
            self._db.execute(
                self._runs["add_account"], (account.id, account.provider, account.base_url)
            )
        for key in {segment.key for segment in sealed}:
            self._db.execute(
                self._runs["add_key"],
                (
                    key.id,
                    key.account,
                    key.provider,
                    key.endpoint,
                    key.model,
                    json.dumps(key.headers),
                ),
            )
        copies = sum(segment.copies.total for segment in sealed)
        requests = sum(segment.requests for segment in sealed) + copies
        size = sum(segment.bodies for segment in sealed)
        name = new.name or self._free_name(f"{_slug(new.workflow)}-{new.digest[:8]}")
        self._db.execute(
            self._runs["add_run"],
            (
                run_id,
                name,
                new.workflow,
                new.digest,
                new.source,
                requests,
                size,
                new.now,
                json.dumps(dict(new.tags)),
                new.reserve_nano,
                new.asked,
                min((s.deadline for s in sealed if s.deadline is not None), default=None),
                copies,
            ),
        )
        for cap in new.caps:
            if cap.rule is not None and cap.asked_nano is not None:
                held = (run_id, cap.rule, cap.asked_nano)
                self._db.execute(self._books["reserve_for_rule"], held)
        for item in sealed:
            self._db.execute(
                self._runs["add_segment"],
                (
                    item.id, run_id, item.key.id, item.requests, item.bytes, item.units,
                    item.first_sequence, item.deadline, item.decision, item.prefixes,
                    item.copies.encode(), item.writer.rate_tokens,
                ),
            )  # fmt: skip
            self._put_waiting(Waiting(item.id, 0, Ordinals.span(0, item.requests)))
        self._claim(run_id, new)
        self._event(new.now, "run.accepted", run_id, f"{name}: {counted(requests, 'request')}")

    def _free_name(self, name: str) -> str:
        candidate, number = name, 1
        while self.run_named(candidate) is not None:
            number += 1
            candidate = f"{name}-{number}"
        return candidate

    def run_named(self, name: str) -> Run | None:
        """The run of that name or id."""
        row = self._db.first(self._runs["run_named"], (name,))
        return None if row is None else run_of(row)

    def run_like(self, workflow: str, digest: str) -> Run | None:
        """The newest run of this workflow with this content."""
        row = self._db.first(self._runs["run_like"], (workflow, digest))
        return None if row is None else run_of(row)

    def accounts_of(self, run: RunId) -> list[AccountRow]:
        """The accounts that a run's requests are filed under."""
        rows = self._db.all(self._runs["accounts_of"], (run,))
        return [AccountRow(row["id"], row["provider"], row["base_url"]) for row in rows]

    def runs(self, *, limit: int = 50, open_only: bool = False) -> list[Run]:
        """Newest first."""
        query = self._runs["open_runs" if open_only else "runs"]
        return [run_of(row) for row in self._db.all(query, (limit,))]

    def workflows(self) -> list[str]:
        """Those with any run."""
        return [row[0] for row in self._db.all(self._runs["workflows"])]

    def cancel_run(self, run: RunId, now: float) -> Run:
        """Stop asking: what waits is unanswered at once, what is out is cancelled and collected."""
        with self._db.transaction():
            if self._db.execute(self._runs["cancelling"], (run,)).rowcount:
                self._event(now, "run.cancelling", run)
                self._end_waiting(run, now)
                self._end_packed(now)
                self._db.execute(self._work["ask_cancel"], (now, run))
            return run_of(self._db.one(self._runs["run"], (run,)))

    def _end_waiting(self, run: RunId, now: float) -> None:
        """What waits ends, but for what a batch that was rescued may answer yet."""
        rows = self._db.all(self._runs["waiting_of_run"], (run,))
        self._db.execute(self._runs["clear_waiting_of_run"], (run,))
        ends = [_unsent(row["segment_id"], Ordinals.decode(row["ordinals"])) for row in rows]
        self._end(self._undecided(_NO_BATCH, False, ends, [])[0], None, now)

    def _end_packed(self, now: float) -> None:
        """Batches of cancelled runs that have not left this machine never will."""
        for row in self._db.all(self._runs["packed_only_of_cancelled"]):
            batch = batch_of(row)
            assert isinstance(batch, Packed), "the query selects packed batches"
            self._step(batch, batch.cancel())
            self._event(now, "batch.cancelled", batch.id, "its runs were cancelled")
            ends = [
                _unsent(part["segment_id"], Ordinals.decode(part["ordinals"]))
                for part in self._db.all(self._work["parts"], (batch.id,))
            ]
            self._end(self._undecided(batch.id, False, ends, [])[0], batch.id, now)

    def retry_run(self, run: RunId, now: float, *, refused: bool, caps: Sequence[Cap] = ()) -> int:
        """Ask again what ended without an answer (and what was refused); returns how many."""
        with self._db.transaction():
            unanswered = self._take_back(run, refused=False)
            again = [unanswered]
            if refused:
                # a refusal that was asked about again counts by what came of that
                outcomes = self._take_back(run, refused=True)
                records = self._refused_records(run, besides=[unanswered, outcomes])
                self._db.execute(self._runs["retried"], (now, run))
                again += [outcomes, records]
            count, reopened = 0, Tally()
            for found in again:
                for segment, ordinals in found.items():
                    self._put_waiting(Waiting(segment, 0, ordinals))
                    reopened += self._tally(segment, ordinals, refused=found is not unanswered)
                    count += len(ordinals)
            if count == 0:
                return 0
            back = (reopened.refused, reopened.unanswered, reopened.copies)
            self._db.execute(self._runs["reopen"], (*back, run))
            self._event(now, "run.retried", run, f"{counted(count, 'request')} to ask again")
            self._require_none_exceeded(caps)
            return count

    def _take_back(self, run: RunId, *, refused: bool) -> dict[SegmentId, Ordinals]:
        """Remove the outcomes of a run that are (or are not) refusals; returns whose they were."""
        found: dict[SegmentId, Ordinals] = {}
        for row in self._db.all(self._runs["outcomes_of_run"], (run,)):
            if (row["verdict"] == Verdict.REFUSED) is refused:
                segment, ordinals = SegmentId(row["segment_id"]), Ordinals.decode(row["ordinals"])
                found[segment] = found.get(segment, Ordinals()) | ordinals
                self._db.execute(self._runs["delete_outcome"], (segment, row["place"]))
        return found

    def _refused_records(
        self, run: RunId, *, besides: Sequence[dict[SegmentId, Ordinals]]
    ) -> dict[SegmentId, Ordinals]:
        """Requests whose newest record says refused, but for those given."""
        from lanewise.store.sqlite.answers import Ledgered

        found: dict[SegmentId, Ordinals] = {}
        for row in self._db.all(self._runs["segments_of_run"], (run,)):
            segment = SegmentId(row["id"])
            known = Ledgered(self, segment)
            others = {ordinal for taken in besides for ordinal in taken.get(segment, ())}
            refused = [
                ordinal
                for ordinal in range(row["requests"])
                if (hit := known.find(ordinal)) is not None
                and hit[1].verdict == Verdict.REFUSED
                and ordinal not in others
            ]
            if refused:
                found[segment] = Ordinals.of(refused)
        return found


def _unsent(segment: str, ordinals: Ordinals) -> Outcome:
    message = "the run was cancelled before it was sent"
    return Outcome(SegmentId(segment), ordinals, Verdict.CANCELLED, "cancelled", message)


class Sealed:
    """A finished segment of a draft."""

    def __init__(
        self,
        key: PackingKey,
        route: Route,
        decision: int,
        writer: SegmentWriter,
        *,
        first_sequence: int,
        index: int,
    ) -> None:
        self.id = writer.segment
        self.key, self.route, self.decision = key, route, decision
        self.writer = writer
        self.first_sequence, self.index = first_sequence, index
        self.bodies = 0
        self.prefixes = 0
        self.deadline: float | None = None  # the earliest of its requests
        self.copies = CopyCounts()

    @property
    def requests(self) -> int:
        """Lines in it."""
        return self.writer.requests

    @property
    def bytes(self) -> int:
        """Bytes of its lines."""
        return self.writer.size

    @property
    def units(self) -> int:
        """Billable units in it."""
        return self.writer.units


class FileDraft:
    """Writes segments into a directory of its own, which a row makes part of the home."""

    def __init__(self, runs: RunOperations) -> None:
        self.id = RunId(fresh_id())
        self.requests = 0
        self._runs = runs
        self._home = runs.home
        self._directory: Path = runs.home / "segments" / self.id
        self._open: dict[tuple[PackingKey, Route], Sealed] = {}
        self._last: Sealed | None = None  # most inputs have long stretches of one key
        self._segments: list[Sealed] = []  # in the order of their first requests
        self._syncs: list[Future[None]] = []
        self._syncer = ThreadPoolExecutor(1, thread_name_prefix="lanewise-sync")
        self._copies = CopyWriter(self._directory)
        # In a transaction, so that no sweep sees the directory before its mark.
        with runs.alone(), explained("accepting requests", self._home):
            make_private(self._directory)
            self._alive = FileLock(self._directory / WRITING)
            self._alive.take(wait=False)

    def append(
        self,
        key: PackingKey,
        frame: Frame,
        limits: Limits,
        body: bytes,
        digest: bytes,
        *,
        number: int,
        caller_id: str,
        units: int,
        tokens: int = 0,
        route: Route = UNDECIDED,
        deadline: float | None = None,
        prefix: int = 0,
        rate_tokens: int = 0,
    ) -> int:
        """Add one request; see `lanewise.store.protocol.Draft`."""
        current = self._last
        if current is None or current.key is not key or current.route is not route:
            current = self._open.get((key, route))
        if current is None or not current.writer.has_room(len(body), units, limits):
            current = self._next(key, route, frame, limits, length=len(body), number=number)
        current.writer.append(
            body,
            digest,
            sequence=self.requests,
            number=number,
            caller_id=caller_id,
            units=units,
            tokens=tokens,
            prefix=prefix,
            deadline=deadline or 0.0,
            decision=current.decision,
            rate_tokens=rate_tokens,
        )
        current.prefixes += prefix != 0
        if deadline is not None and (current.deadline is None or deadline < current.deadline):
            current.deadline = deadline
        self._last = current
        current.bodies += len(body)
        self._added()
        return current.index << _ORDINAL_BITS | current.requests - 1

    def copy(self, place: int, *, number: int, caller_id: str) -> None:
        """Add a request that gets another's answer; see `lanewise.store.protocol.Draft`."""
        segment = self._segments[place >> _ORDINAL_BITS]
        ordinal = place & (1 << _ORDINAL_BITS) - 1
        segment.copies.add(ordinal)
        with explained("accepting requests", self._home):
            self._copies.append(Copy(self.requests, number, caller_id, segment.id, ordinal))
        self._added()

    def _added(self) -> None:
        self.requests += 1
        if self.requests % _LOOK_EVERY == 0:
            with explained("accepting requests", self._home):
                reach("ingest.append")

    def _next(
        self,
        key: PackingKey,
        route: Route,
        frame: Frame,
        limits: Limits,
        *,
        length: int,
        number: int,
    ) -> Sealed:
        """Seal the segment of this key and route, if there is one, and begin another."""
        if (full := self._open.pop((key, route), None)) is not None:
            self._seal(full)
        self._last = None
        if len(self._open) * 512 * 1024 > _BUFFER_ALL:
            with explained("accepting requests", self._home):
                for other in self._open.values():
                    other.writer.flush()
        writer = SegmentWriter(self._directory, SegmentId(fresh_id()), frame)
        size = writer.most_of(length)
        if size > min(limits.line_bytes, limits.batch_bytes):
            limit = min(limits.line_bytes, limits.batch_bytes)
            raise BadInput(
                f"line {number}: the request is {size:,} bytes; {key.provider} takes at most {limit:,}"
            )
        fresh = self._open[(key, route)] = Sealed(
            key,
            route,
            self._runs.number_of(route.decision),
            writer,
            first_sequence=self.requests,
            index=len(self._segments),
        )
        self._segments.append(fresh)
        return fresh

    def _seal(self, segment: Sealed) -> None:
        with explained("accepting requests", self._home):
            segment.writer.flush()
        self._syncs.append(self._syncer.submit(segment.writer.sync))

    def commit(self, run: NewRun, accounts: Sequence[AccountRow]) -> tuple[Run, bool]:
        """Make it durable and visible; see `lanewise.store.protocol.Draft`."""
        for segment in list(self._open.values()):
            self._seal(segment)
        self._open.clear()
        with explained("accepting requests", self._home):
            self._copies.sync()
            for sync in self._syncs:
                sync.result()
            self._syncer.shutdown()
            sync_directory(self._directory)
            sync_directory(self._directory.parent)
        committed, new = self._runs.commit_run(self.id, run, accounts, self._segments)
        if new:
            self._alive.remove()
        else:
            self.discard()
        return committed, new

    def discard(self) -> None:
        """Forget it; nothing remains."""
        self._syncer.shutdown(wait=True, cancel_futures=True)
        self._alive.release()
        if self._directory.exists() and (self._directory / WRITING).exists():
            shutil.rmtree(self._directory, ignore_errors=True)


def _slug(workflow: str) -> str:
    """A workflow's name as part of a run's name."""
    kept = "".join(char if char.isalnum() or char in "._" else "-" for char in workflow)
    return kept.strip("-")[:40] or "run"


def is_abandoned(directory: Path) -> bool:
    """Whether the process that wrote this draft is gone."""
    lock = FileLock(directory / WRITING)
    if not os.path.lexists(directory / WRITING):
        return True
    taken = lock.take(wait=False)
    lock.release()
    return taken
