"""Requests that came in over HTTP: whose they are, which a repeated call means, and what became of some."""

from __future__ import annotations

import sqlite3
from typing import Final

from lanewise.domain.ids import BatchId, RunId, SegmentId
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import Verdict
from lanewise.store.nouns import AlreadyClaimed, Claimed, NewRun, Outcome
from lanewise.store.sqlite.answers import AnswerOperations
from lanewise.store.sqlite.queries import queries
from lanewise.store.sqlite.races import RaceOperations
from lanewise.store.sqlite.webhooks import Awaiting

CLAIM_SECONDS: Final = 86_400.0  # for so long a repeated call finds the request that it made
_NO_BATCH: Final = BatchId("")
_ALIKE: Final = 50  # of equal requests, the newest are looked at


class Claiming(Awaiting):
    """What is written when a run of a tenant is committed."""

    def _claim(self, run: RunId, new: NewRun) -> None:
        """Note whose it is and how its requests are found again, in the commit that accepts them."""
        if new.tenant is None:
            return
        claims = queries("claims")
        self._db.execute(claims["add_tenant"], (run, new.tenant, new.key))
        self._db.execute(claims["drop_claims"], (new.now - CLAIM_SECONDS,))
        rows = [
            (run, sequence, new.tenant, claim.name, claim.content, new.now, claim.traceparent)
            for sequence, claim in enumerate(new.claims)
        ]
        try:
            self._db.many(claims["add_claim"], rows)
        except sqlite3.IntegrityError as error:
            raise AlreadyClaimed(
                "another call with one of these idempotency keys was first"
            ) from error
        asked = enumerate(new.claims)
        self._await(new.tenant, run, ((place, c.kind, c.webhook) for place, c in asked))


class ClaimOperations(AnswerOperations, RaceOperations):
    """Reads of single requests, and the end of one that is not wanted any more."""

    def tenant_of(self, run: RunId) -> str | None:
        """Whose run it is; None for one that did not come in over HTTP, and for none."""
        row = self._db.first(queries("claims")["tenant_of"], (run,))
        return None if row is None else str(row["tenant"])

    def claimed(self, tenant: str, name: str, now: float) -> Claimed | None:
        """The request that was accepted under this idempotency key within a day."""
        row = self._db.first(queries("claims")["by_name"], (tenant, name, now - CLAIM_SECONDS))
        return None if row is None else _claimed(row)

    def alike(self, tenant: str, content: bytes, now: float) -> list[Claimed]:
        """The tenant's requests of this content within a day, newest first."""
        values = (tenant, content, now - CLAIM_SECONDS, _ALIKE)
        return [_claimed(row) for row in self._db.all(queries("claims")["by_content"], values)]

    def origin(self, run: RunId, sequence: int) -> tuple[str, float] | None:
        """The trace that a request was asked in, and when; None after a day, or if it has no claim."""
        row = self._db.first(queries("claims")["origin"], (run, sequence))
        return None if row is None else (row["traceparent"], row["at"])

    def newest_event(self) -> int:
        """The number of the last event; 0 where nothing ever happened."""
        number: int = self._db.one(queries("claims")["newest_event"])[0]
        return number

    def place(self, run: RunId, sequence: int) -> tuple[SegmentId, int] | None:
        """Where a request of a run is kept; None where the run has no such request any more."""
        for row in self._db.all(self._runs["segments_of_run"], (run,)):
            if row["state"] == "deleted" or row["first_sequence"] > sequence:
                continue
            segment = SegmentId(row["id"])
            for ordinal, entry in enumerate(self._segment(run, segment).entries()):
                if entry.sequence == sequence:
                    return segment, ordinal
        return None

    def cancel_request(self, run: RunId, sequence: int, now: float) -> bool:
        """End a request that still waits here; False where it is at a provider, has ended or is not there."""
        with self._db.transaction():
            place = self.place(run, sequence)
            if place is None or not self._unqueue(*place):
                return False
            segment, only = place[0], Ordinals.of([place[1]])
            message = "it was cancelled before it was sent"
            end = Outcome(segment, only, Verdict.CANCELLED, "cancelled", message)
            # a batch that was rescued and goes on may answer it yet
            self._end(self._undecided(_NO_BATCH, False, [end], [])[0], None, now)
            self._event(now, "request.cancelled", run, f"request {sequence}")
            return True

    def _unqueue(self, segment: SegmentId, ordinal: int) -> bool:
        """Take a request out of the queue; whether it was in it and is nowhere else."""
        taken = False
        for row in self._db.all(self._books["waiting_of_segment"], (segment,)):
            held = Ordinals.decode(row["ordinals"])
            rest = held - Ordinals.of([ordinal])
            if len(rest) < len(held):
                self._rewait(segment, row["tries"], rest)
                taken = True
        return taken

    def _rewait(self, segment: SegmentId, tries: int, rest: Ordinals) -> None:
        key = (segment, tries)
        if rest:
            values = (len(rest), rest.encode(), *key)
            self._db.execute(queries("claims")["shrink_waiting"], values)
        else:
            self._db.execute(queries("claims")["drop_waiting"], key)


def _claimed(row: sqlite3.Row) -> Claimed:
    return Claimed(RunId(row["run_id"]), row["sequence"], row["content"], row["at"])
