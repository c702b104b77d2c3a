"""Batches that lanewise sends itself, and batches that race: one answer counts, whoever is first."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lanewise.domain.ids import AccountId, BatchId, SegmentId, custom_id
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import Verdict
from lanewise.store.nouns import Ask, BatchRow, Contents, Lease, Waiting
from lanewise.store.outbox import Calls, FileOutbox
from lanewise.store.places import Places
from lanewise.store.protocol import Outbox, Payload
from lanewise.store.records import Records
from lanewise.store.sqlite.answers import Spans
from lanewise.store.sqlite.rows import batch_row_of
from lanewise.store.sqlite.work import WorkOperations


class _Line(msgspec.Struct):
    body: msgspec.Raw = msgspec.Raw(b"")
    params: msgspec.Raw = msgspec.Raw(b"")


_decode_line = msgspec.json.Decoder(_Line).decode


class SendingOperations(WorkOperations):
    """What lanes without batches, and rescues, need besides."""

    def outbox(self, lease: Lease, batch: BatchId) -> Outbox:
        """The calls of a batch that lanewise sends one by one."""
        places = Places(self.contents(batch))
        return FileOutbox(
            self._batch_directory(batch),
            lease.fence,
            places.position,
            self.home,
            still_held=lambda: self._require(lease),
        )

    def asks(self, contents: Contents, skip: frozenset[int]) -> Iterator[Ask]:
        """The requests of a batch as they are asked one by one, but for these positions; streamed."""
        lines = _lines(self.payload(contents))
        for part in contents.parts:
            for position, ordinal in enumerate(part.ordinals, start=part.start):
                line = next(lines)
                if position not in skip:
                    name = custom_id(part.segment, ordinal)
                    yield Ask(position, name, part.workflow, _body_of(line))

    def _calls(self, batch: BatchId) -> Calls:
        places = Places(self.contents(batch))
        return Calls(self._batch_directory(batch), places.position)

    def unknown_calls(self, batch: BatchId) -> frozenset[int]:
        """Positions in a sent batch of which nobody knows whether the provider answered."""
        calls = self._calls(batch)
        return frozenset(calls.lost | calls.open)

    def unasked(self, batch: BatchId) -> frozenset[int] | None:
        """Positions that were never sent; None for a batch that a provider executes."""
        directory = self._batch_directory(batch)
        if not directory.is_dir() or not any(directory.glob("*.calls")):
            return None
        calls = self._calls(batch)
        known = calls.sent | calls.answered
        return frozenset(range(self.contents(batch).requests)) - known

    def live(self, account: AccountId) -> list[BatchRow]:
        """Batches of an account that have not come to their end."""
        decisions = self.decisions()
        return [
            batch_row_of(row, decisions) for row in self._db.all(self._work["live"], (account,))
        ]

    def let_go(self, lease: Lease, primer: BatchId, now: float) -> None:
        """Let the batches go that waited for this one."""
        with self._db.transaction():
            self._require(lease)
            self._db.execute(self._work["let_go"], (now, primer))

    def unmark(self, lease: Lease, batch: BatchId, now: float, why: str) -> None:
        """A batch is sent without the marks that were planned."""
        with self._db.transaction():
            self._require(lease)
            self._db.execute(self._work["unmark"], (batch,))
            self._event(now, "batch.unmarked", batch, why)

    def withdraw(self, lease: Lease, batch: BatchId, now: float, why: str) -> None:
        """Ask for its cancellation: the poller tells the provider, and what was done is collected."""
        with self._db.transaction():
            self._require(lease)
            if self._db.execute(self._work["withdraw"], (now, batch)).rowcount:
                self._event(now, "batch.withdrawn", batch, why)

    def progressed(self, batch: BatchId, done: int | None, now: float, *, finalizing: bool) -> None:
        """Keep how far the provider says that a batch is, and since when; written only when it changes."""
        row = self._db.one(self._work["progress"], (batch,))
        if row["done"] == done and (row["finalizing_since"] is not None) == finalizing:
            return
        since = (row["finalizing_since"] or now) if finalizing else None
        with self._db.transaction():
            self._db.execute(self._work["progressed"], (done, now, since, batch))

    def rescue(self, lease: Lease, batch: BatchId, now: float, why: str) -> int:
        """Give what a batch has not answered to the queue while it goes on; returns how many requests."""
        with self._db.transaction():
            self._require(lease)
            if self._db.execute(self._work["rescue"], (now, batch)).rowcount == 0:
                return 0
            contents = self.contents(batch)
            final = self.final_elsewhere(contents)
            owned = [
                (part.run, Waiting(part.segment, part.tries + 1, rest))
                for part in contents.parts
                if (rest := part.ordinals - final.get(part.segment, Ordinals()))
            ]
            for run, ended in self._wait_or_end(owned, batch, now).items():
                self._count(run, now, answered=0, refused=0, unanswered=ended)
            count = sum(len(entry.ordinals) for _, entry in owned)
            self._event(
                now, "batch.rescued", batch, f"{count:,} requests are asked elsewhere: {why}"
            )
            return count

    def final_elsewhere(self, contents: Contents) -> dict[SegmentId, Ordinals]:
        """Requests of a batch that have their final result from another batch, or an outcome."""
        found: dict[SegmentId, Ordinals] = {}
        if self._db.one(self._work["races"], (contents.batch,))[0] == 0:
            return found
        for part in contents.parts:
            final = self._final_of(part.segment, part.ordinals, contents.batch)
            if final:
                found[part.segment] = found.get(part.segment, Ordinals()) | final
        return found

    def _final_of(self, segment: SegmentId, wanted: Ordinals, besides: BatchId) -> Ordinals:
        final = Ordinals()
        for row in self._db.all(self._books["outcomes"], (segment,)):
            final = final | Ordinals.decode(row["ordinals"])
        for row in self._db.all(self._books["settled_parts"], (segment,)):
            if row["batch_id"] == besides:
                continue
            ordinals = Ordinals.decode(row["ordinals"])
            records = Records(self._batch_directory(row["batch_id"]) / f"{row['fence']}.res")
            spans = Spans(ordinals, row["start"])
            answered = [
                ordinal
                for ordinal in ordinals
                if (place := spans.place(ordinal)) is not None
                and Verdict(records[place].verdict).final
            ]
            final = final | Ordinals.of(answered)
        return final & wanted


def _lines(payload: Payload) -> Iterator[bytes]:
    held = b""
    for chunk in payload.chunks():
        *whole, held = (held + chunk).split(b"\n")
        yield from whole


def _body_of(line: bytes) -> bytes:
    """What a line of either provider's batch input asks."""
    found = _decode_line(line)
    return bytes(found.body) or bytes(found.params)
