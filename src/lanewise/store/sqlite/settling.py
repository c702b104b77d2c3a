"""Results arrive on disk, and are settled in one commit."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

from lanewise.domain.batches import Collected, Settled
from lanewise.domain.ids import BatchId
from lanewise.domain.usage import Usage
from lanewise.store.disk import explained, make_private, open_private, replace_durably, write_all
from lanewise.store.nouns import Lease, Observed, Settlement
from lanewise.store.protocol import ResultFile
from lanewise.store.sqlite.work import WorkOperations

_READ = 1024 * 1024


class SettlingOperations(WorkOperations):
    """From the provider's bytes to final results."""

    def result_file(self, lease: Lease, batch: BatchId, index: int) -> ResultFile | None:
        """Where to put result file `index`; None if it is complete already."""
        directory = self._batch_directory(batch)
        final = directory / f"{index}.jsonl"
        with explained("storing results", self.home):
            make_private(directory)
            if final.exists():
                return None
            return PartFile(directory / f"{index}.{lease.fence}.part", final, self.home)

    def result_lines(self, batch: BatchId, index: int) -> Iterator[tuple[int, bytes]]:
        """Offset and line of a collected result file, line ends included; split on LF only."""
        offset = 0
        with (self._batch_directory(batch) / f"{index}.jsonl").open("rb", _READ) as file:
            for line in file:
                yield offset, line
                offset += len(line)

    def observe(self, batch: BatchId, seen: Observed) -> None:
        """Keep what the provider says of a batch that has ended."""
        usage = None if seen.usage is None else json.dumps(astuple(seen.usage))
        with self._db.transaction():
            self._db.execute(self._work["observe"], (usage, seen.ended_at, batch))

    def observed(self, batch: BatchId) -> Observed:
        """What it said."""
        text, ended_at = self._db.one(self._work["observed"], (batch,))
        return Observed(None if text is None else Usage(*json.loads(text)), ended_at)

    def settle(
        self, lease: Lease, before: Collected, after: Settled, settlement: Settlement, now: float
    ) -> bool:
        """Results, ledger, queue and state in one commit; the records' file first."""
        with explained("storing results", self.home):
            directory = self._batch_directory(before.id)
            make_private(directory)
            settlement.records.write(directory / f"{lease.fence}.res")
        with self._db.transaction():
            self._require(lease)
            contents = self.contents(before.id)
            if self.final_elsewhere(contents) != settlement.elsewhere:
                return False
            self._step(before, after, fence=lease.fence)
            self._event(now, f"batch.{after.state}", after.id, _summary(settlement))
            for note in settlement.notes:
                self._event(now, "batch.note", after.id, note)
            self._book(after.id, settlement.ledger, now)
            for run, tally in settlement.tallies.items():
                self._count(run, now, tally, late=settlement.late.get(run, 0))
            self._conclude(
                after.id, settlement.outcomes, settlement.waiting, now, rescued=contents.rescued
            )
            self._leave_queue([part.segment for part in contents.parts])
        return True


class PartFile:
    """A result file on its way. Its name carries the fence: no other worker writes into it."""

    def __init__(self, part: Path, final: Path, home: Path) -> None:
        self._part, self._final, self._home = part, final, home
        self._fd: int | None = open_private(part, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.size = os.fstat(self._fd).st_size

    def write(self, chunk: bytes) -> None:
        """Append."""
        with explained("storing results", self._home):
            write_all(self._open(), chunk)
        self.size += len(chunk)

    def restart(self) -> None:
        """Drop what is held: the provider starts over."""
        os.ftruncate(self._open(), 0)
        self.size = 0

    def ends_with_newline(self) -> bool:
        """Whether what is held ends a line (an empty file does)."""
        return self.size == 0 or os.pread(self._open(), 1, self.size - 1) == b"\n"

    def finish(self) -> None:
        """Make it durable under its final name."""
        with explained("storing results", self._home):
            os.fdatasync(self._open())
            replace_durably(self._part, self._final)

    def close(self) -> None:
        """Let go; what is held stays for the next try of this worker."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _open(self) -> int:
        assert self._fd is not None, "the file was closed"
        return self._fd


def _summary(settlement: Settlement) -> str:
    answered = sum(tally.answered for tally in settlement.tallies.values())
    refused = sum(tally.refused for tally in settlement.tallies.values())
    unanswered = sum(
        len(outcome.ordinals) for outcome in settlement.outcomes if not outcome.verdict.final
    )
    again = sum(len(entry.ordinals) for entry in settlement.waiting)
    return f"{answered:,} answered, {refused:,} refused, {unanswered:,} unanswered, {again:,} asked again"
