"""Work that is open: what waits, what is due, and the steps of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from lanewise.domain.batches import (
    Batch,
    Creating,
    Ended,
    Packed,
    Rejected,
    Submitted,
    Unknown,
    Uploaded,
)
from lanewise.domain.counts import counted
from lanewise.domain.ids import AccountId, BatchId, RunId, SegmentId
from lanewise.domain.lanes import LaneName
from lanewise.domain.ordinals import Ordinals
from lanewise.errors import Overtaken
from lanewise.store.nouns import (
    UNDECIDED,
    AccountRow,
    Contents,
    Lease,
    Lesson,
    NewBatch,
    Outcome,
    Part,
    PlacedPart,
    Sized,
    Waiting,
    WaitingGroup,
)
from lanewise.store.protocol import Payload
from lanewise.store.segments import Segment
from lanewise.store.sqlite.races import RaceOperations
from lanewise.store.sqlite.rows import batch_of, key_of

_BYTES_PER_TOKEN: Final = 4  # where an old segment does not say what the rate limits count


class WorkOperations(RaceOperations):
    """From the queue into batches, and from state to state."""

    def accounts(self) -> list[AccountRow]:
        """Everyone that requests were ever accepted for."""
        rows = self._db.all(self._work["accounts"])
        return [AccountRow(AccountId(r["id"]), r["provider"], r["base_url"]) for r in rows]

    def accounts_with_work(self) -> list[AccountRow]:
        """Those with anything waiting, live or to be cleaned."""
        rows = self._db.all(self._work["accounts_with_work"])
        return [AccountRow(row["id"], row["provider"], row["base_url"]) for row in rows]

    def waiting(self, account: AccountId, now: float) -> list[WaitingGroup]:
        """What can be packed, oldest run first."""
        decisions = self.decisions()
        return [
            WaitingGroup(
                key_of(row),
                RunId(row["run_id"]),
                Waiting(
                    SegmentId(row["segment_id"]),
                    row["tries"],
                    Ordinals.decode(row["ordinals"]),
                    row["not_before"],
                ),
                (row["whole_requests"], row["whole_bytes"], row["whole_units"]),
                row["workflow"],
                row["since"],
                row["deadline"],
                decisions.get(row["decision"], UNDECIDED.decision),
                row["prefixes"],
                row["rate_tokens"],
            )
            for row in self._db.all(self._work["waiting"], (account, now))
        ]

    def sizes(self, segment: SegmentId, ordinals: Ordinals) -> Iterator[Sized]:
        """What each of these requests counts, in order."""
        for entry in self._segment(self._run_of(segment), segment).entries(ordinals):
            yield Sized(entry.length, entry.units, entry.tokens, entry.prefix, entry.deadline)

    def line(self, segment: SegmentId, ordinal: int) -> bytes:
        """One request as it was accepted, in the provider's form for batches."""
        return self._segment(self._run_of(segment), segment).line(ordinal)

    def pack(self, lease: Lease, batches: Sequence[NewBatch], now: float) -> None:
        """Take the requests out of the queue and into batches."""
        rate_tokens = [sum(map(self._rate_tokens, batch.parts)) for batch in batches]
        with self._db.transaction():
            self._require(lease)
            for batch, tokens in zip(batches, rate_tokens, strict=True):
                self._add_batch(batch, tokens, now)

    def _rate_tokens(self, part: Part) -> int:
        """What the rate limits count for these requests; a whole segment's is known."""
        row = self._db.one(self._work["segment_load"], (part.segment,))
        if row["requests"] == len(part.ordinals):
            known: int = row["rate_tokens"]
            return known
        entries = self._segment(self._run_of(part.segment), part.segment).entries(part.ordinals)
        return sum(entry.rate_tokens or entry.length // _BYTES_PER_TOKEN for entry in entries)

    def _add_batch(self, batch: NewBatch, rate_tokens: int, now: float) -> None:
        self._db.execute(
            self._work["add_batch"],
            (
                batch.id, batch.key.id, batch.key.account, batch.lane, batch.requests, batch.bytes,
                now, now if batch.due_at is None else batch.due_at,
                None if batch.decision is None else self.number_of(batch.decision),
                batch.deadline, batch.caching, batch.after, rate_tokens,
            ),
        )  # fmt: skip
        for place, part in enumerate(batch.parts):
            self._take_from_queue(part)
            self._db.execute(
                self._work["add_part"],
                (
                    batch.id, place, part.segment, part.tries, len(part.ordinals),
                    part.ordinals.encode(),
                ),
            )  # fmt: skip
        self._event(now, "batch.packed", batch.id, counted(batch.requests, "request"))

    def _take_from_queue(self, part: Part) -> None:
        """Each request is in one place: what is packed was waiting, and waits no more."""
        key = (part.segment, part.tries)
        row = self._db.first(self._work["waiting_row"], key)
        held = Ordinals() if row is None else Ordinals.decode(row["ordinals"])
        rest = held - part.ordinals
        if row is None or len(rest) != len(held) - len(part.ordinals):
            raise Overtaken(f"requests of segment {part.segment} are no longer waiting")
        if rest:
            self._db.execute(
                self._work["put_waiting"], (*key, row["not_before"], len(rest), rest.encode())
            )
        else:
            self._db.execute(self._work["drop_waiting"], key)

    def due(self, account: AccountId, now: float) -> list[Batch]:
        """Batches that want a step, the most overdue first."""
        return [batch_of(row) for row in self._db.all(self._work["due"], (account, now))]

    def next_due(
        self, account: AccountId, *, besides: Sequence[BatchId] = (), packed_at: float = -math.inf
    ) -> float | None:
        """When the next batch or stray wants a step, or the next waiting request may be packed."""
        busy = set(besides)
        dues = [
            row["due_at"]
            for row in self._db.all(self._work["next_due"], (account,))
            if row["id"] not in busy
        ][:1]
        dues += [
            row["due_at"]
            for row in self._db.all(self._work["strays"], (account,))
            if row["due_at"] is not None
        ]
        waiting = self._db.one(self._work["next_waiting"], (account, packed_at))[0]
        return min([*dues, *([waiting] if waiting is not None else [])], default=None)

    def unresolved(self, account: AccountId) -> int:
        """How many creates have an outcome that is not known."""
        count: int = self._db.one(self._work["unresolved"], (account,))[0]
        return count

    def in_flight_bytes(self, account: AccountId, model: str) -> int:
        """Bytes of the batches of this model that the provider may be holding."""
        size: int = self._db.one(self._work["in_flight_bytes"], (account, model))[0]
        return size

    def contents(self, batch: BatchId) -> Contents:
        """What a batch holds."""
        row = self._db.one(self._work["contents"], (batch,))
        parts: list[PlacedPart] = []
        start = 0
        cancelled = True
        for part in self._db.all(self._work["parts"], (batch,)):
            placed = PlacedPart(
                SegmentId(part["segment_id"]),
                RunId(part["run_id"]),
                part["workflow"],
                Ordinals.decode(part["ordinals"]),
                part["tries"],
                start,
                part["rule"],
            )
            start += part["requests"]
            cancelled = cancelled and part["run_state"] == "cancelling"
            parts.append(placed)
        return Contents(
            batch,
            key_of(row),
            LaneName(row["lane"]),
            row["batch_requests"],
            row["bytes"],
            row["created_at"],
            cancelled or row["cancel_asked_at"] is not None,
            tuple(parts),
            row["deadline"],
            row["rescued_at"] is not None,
            row["caching"] or "",
            row["after_batch"],
        )

    def payload(self, contents: Contents) -> Payload:
        """Its lines, streamed."""
        segments = [
            (self._segment(part.run, part.segment), part.ordinals) for part in contents.parts
        ]
        return FilePayload(contents.requests, contents.size, segments)

    def advance(
        self, lease: Lease, before: Batch, after: Batch, now: float, detail: str = ""
    ) -> None:
        """From this state to that, if nobody was faster; one event, one commit."""
        with self._db.transaction():
            self._require(lease)
            self._step(before, after)
            self._keep_attempts(lease.account, before, after)
            self._event(now, f"batch.{after.state}", after.id, detail)

    def postpone(self, lease: Lease, before: Batch, after: Batch) -> None:
        """Like `advance`, within one state and worth no event."""
        with self._db.transaction():
            self._require(lease)
            self._step(before, after)

    def hold(
        self,
        lease: Lease,
        batches: Sequence[Packed | Uploaded],
        until: float,
        now: float,
        why: str,
    ) -> None:
        """Keep batches back, in one commit; it is told once of each that never moved."""
        with self._db.transaction():
            self._require(lease)
            for batch in batches:
                self._step(batch, batch.hold(until))
                if batch.step == 0:
                    self._event(now, "batch.waits", batch.id, why)

    def _keep_attempts(self, account: AccountId, before: Batch, after: Batch) -> None:
        """What is known of each create call, for ever: an orphan is recognised by it."""
        match before, after:
            case _, Creating():
                self._db.execute(
                    self._work["add_attempt"],
                    (
                        after.attempt, after.id, account, after.file_id, after.sent_at,
                        after.give_up_at,
                    ),
                )  # fmt: skip
            case Creating() | Unknown(), Submitted():
                self._outcome_of(after.attempt, "accepted", after.receipt.provider_id)
            case Creating(), Packed() | Uploaded() | Rejected():
                self._outcome_of(before.attempt, "refused", None)
            case Unknown(), Packed():
                self._outcome_of(before.attempt, "absent", None)
            case Submitted() | Ended(), Unknown():
                self._db.execute(self._work["disprove"], (before.id, before.receipt.provider_id))
                self._outcome_of(before.attempt, "open", None)
            case Submitted(), Packed():
                self._outcome_of(before.attempt, "absent", None)
            case _:
                pass

    def _outcome_of(self, attempt: str, outcome: str, provider_id: str | None) -> None:
        self._db.execute(self._work["attempt_outcome"], (outcome, provider_id, attempt))

    def reject(
        self,
        lease: Lease,
        before: Batch,
        after: Batch,
        now: float,
        *,
        outcomes: Sequence[Outcome],
        waiting: Sequence[Waiting],
        detail: str,
    ) -> None:
        """A batch the provider refused whole: some set aside for good, the rest waiting again."""
        with self._db.transaction():
            self._require(lease)
            self._step(before, after)
            self._keep_attempts(lease.account, before, after)
            self._event(now, f"batch.{after.state}", after.id, detail)
            rescued = self._db.one(self._work["contents"], (after.id,))["rescued_at"] is not None
            self._conclude(after.id, outcomes, waiting, now, rescued=rescued)

    def learn(self, account: AccountId, subject: str, name: str, value: int, now: float) -> None:
        """Remember a limit the provider let slip; the newest value counts."""
        with self._db.transaction():
            self._db.execute(self._work["learn"], (account, subject, name, value, now))

    def learned(self, account: AccountId) -> dict[tuple[str, str], int]:
        """(subject, name) -> value."""
        rows = self._db.all(self._work["learned"], (account,))
        return {(row["subject"], row["name"]): row["value"] for row in rows}

    def lessons(self, account: AccountId) -> list[Lesson]:
        """What was learned, with when."""
        rows = self._db.all(self._work["learned"], (account,))
        return [Lesson(row["subject"], row["name"], row["value"], row["at"]) for row in rows]

    def queued_since(
        self, account: AccountId, model: str, since: float, *, besides: BatchId
    ) -> tuple[int, int]:
        """Bytes and requests of batches of a model that were at the provider since then."""
        row = self._db.one(self._work["queued_since"], (account, model, besides, since))
        return row["bytes"], row["requests"]

    def served_since(self, account: AccountId, since: float) -> dict[str, int]:
        """Bytes of batches of each workflow that left the provider's queue since then."""
        found = self._db.all(self._work["served_since"], (account, since))
        return {row["workflow"]: row["bytes"] for row in found if row["workflow"]}

    def stored_bytes(self, account: AccountId) -> int:
        """Bytes of the input files of this home that the provider still keeps."""
        size: int = self._db.one(self._work["stored_bytes"], (account,))[0]
        return size

    def pause(self, scope: str, now: float) -> None:
        """Stop packing and sending for `scope` ("all", or an account)."""
        with self._db.transaction():
            self._db.execute(self._work["pause"], (scope, now))
            self._event(now, "paused", scope)

    def resume(self, scope: str) -> None:
        """Go on."""
        with self._db.transaction():
            self._db.execute(self._work["resume"], (scope,))

    def paused(self) -> frozenset[str]:
        """The scopes that are paused."""
        return frozenset(row[0] for row in self._db.all(self._work["paused"]))


class FilePayload:
    """The lines of a batch, read from its segments."""

    def __init__(self, requests: int, size: int, segments: list[tuple[Segment, Ordinals]]) -> None:
        self.requests = requests
        self.size = size
        self._segments: Final = segments

    def chunks(self) -> Iterator[bytes]:
        """The bytes; may be called more than once."""
        for segment, ordinals in self._segments:
            yield from segment.chunks(ordinals)
