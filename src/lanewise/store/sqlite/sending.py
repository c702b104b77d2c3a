"""Batches that lanewise sends itself, and batches that race: one answer counts, whoever is first."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lanewise.domain.counts import counted
from lanewise.domain.ids import AccountId, BatchId, custom_id
from lanewise.domain.ordinals import Ordinals
from lanewise.store.nouns import Ask, BatchRow, Contents, Lease, Waiting
from lanewise.store.outbox import Calls, FileOutbox
from lanewise.store.places import Places
from lanewise.store.protocol import Outbox, Payload
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
            alone=self._db.transaction,
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
            given = self._given(self.contents(batch))
            for entry in given:
                self._put_waiting(entry)
            count = sum(len(entry.ordinals) for entry in given)
            self._event(
                now, "batch.rescued", batch, f"{counted(count, 'request')} to ask elsewhere: {why}"
            )
            return count

    def _given(self, contents: Contents) -> list[Waiting]:
        """What is asked elsewhere: all that has no answer yet, unless nobody wants it any more."""
        answered = self._calls(contents.batch).answered  # none, but for what lanewise sends itself
        offered: list[Waiting] = []
        for part in contents.parts:
            if self._is_cancelling(part.segment):
                continue
            missing = Ordinals.of(
                ordinal
                for position, ordinal in enumerate(part.ordinals, start=part.start)
                if position not in answered
            )
            if rest := missing - self._held(part.segment, contents.batch):
                offered.append(Waiting(part.segment, part.tries + 1, rest))
        return self._undecided(contents.batch, False, [], offered)[1]


def _lines(payload: Payload) -> Iterator[bytes]:
    held = b""
    for chunk in payload.chunks():
        *whole, held = (held + chunk).split(b"\n")
        yield from whole


def _body_of(line: bytes) -> bytes:
    """What a line of either provider's batch input asks."""
    found = _decode_line(line)
    return bytes(found.body) or bytes(found.params)
