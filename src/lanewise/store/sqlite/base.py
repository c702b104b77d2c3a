"""What every group of operations shares: the database, and where files are."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lanewise.domain.batches import Batch
from lanewise.domain.decisions import Decision
from lanewise.domain.ids import BatchId, RunId, SegmentId
from lanewise.domain.ordinals import Ordinals
from lanewise.errors import LeaseLost, Overtaken
from lanewise.pricing.kept import KeptPrice, rates_text
from lanewise.store.books import LedgerRow
from lanewise.store.copies import among, counts_from
from lanewise.store.disk import explained, make_private
from lanewise.store.keys import month_of
from lanewise.store.nouns import ConflictingReceipt, Lease, Outcome, Tally, Waiting
from lanewise.store.segments import Segment
from lanewise.store.sqlite.connection import Database
from lanewise.store.sqlite.queries import queries
from lanewise.store.sqlite.rows import columns_of, decision_of


class Operations:
    """Small steps that more than one operation is made of; all run inside a transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.home = database.home
        self._final_kept: dict[tuple[BatchId, int], tuple[Ordinals, Ordinals]] = {}
        self._runs, self._work, self._books = queries("runs"), queries("work"), queries("books")
        self._of_keys = queries("keys")

    def prepare(self) -> None:
        """Make the directories."""
        with explained("opening the home", self.home):
            for name in ("segments", "batches", "workers"):
                make_private(self.home / name)

    def _segment(self, run: RunId, segment: SegmentId) -> Segment:
        return Segment(self._run_directory(run), segment)

    def _run_directory(self, run: RunId) -> Path:
        return self.home / "segments" / run

    def _batch_directory(self, batch: BatchId) -> Path:
        return self.home / "batches" / batch

    def _require(self, lease: Lease) -> None:
        """Refuse to write for a worker that was overtaken."""
        held = self._db.first(self._work["holds_lease"], (lease.account, lease.worker, lease.fence))
        if held is None:
            raise LeaseLost(f"another worker acts for {lease.account} now")

    def _step(self, before: Batch, after: Batch, *, fence: int | None = None) -> None:
        """Compare and set one batch."""
        values: dict[str, Any] = columns_of(after)
        values |= {
            "id": after.id,
            "state": after.state,
            "step": after.step,
            "before_state": before.state,
            "before_step": before.step,
            "fence": fence,
        }
        try:
            changed = self._db.execute(self._work["advance"], values).rowcount
        except sqlite3.IntegrityError as error:
            if "provider_id" not in str(error):
                raise
            raise ConflictingReceipt(
                f"batch {after.id}: {values['provider_id']} belongs to another batch already"
            ) from error
        if changed != 1:
            raise Overtaken(f"batch {before.id} is no longer {before.state} (step {before.step})")

    def number_of(self, decision: Decision) -> int:
        """The number under which equal decisions are kept."""
        found = self._db.first(self._runs["decision_number"], (decision.key,))
        if found is None:
            with self._db.transaction():
                row = (
                    decision.key, decision.lane, decision.wanted, ",".join(decision.lanes),
                    decision.rule, decision.policy, decision.why, decision.held,
                    int(decision.caching),
                )  # fmt: skip
                self._db.execute(self._runs["add_decision"], row)
                found = self._db.one(self._runs["decision_number"], (decision.key,))
        number: int = found[0]
        return number

    def decisions(self) -> dict[int, Decision]:
        """What policy decided, by number."""
        return {row["id"]: decision_of(row) for row in self._db.all(self._runs["decisions"])}

    def _event(self, at: float, kind: str, subject: str, detail: str = "") -> None:
        self._db.execute(self._books["add_event"], (at, kind, subject, detail))

    def _put_waiting(self, waiting: Waiting) -> None:
        """Add to the queue; those of equal tries are one row."""
        key = (waiting.segment, waiting.tries)
        row = self._db.first(self._work["waiting_row"], key)
        held = Ordinals() if row is None else Ordinals.decode(row["ordinals"])
        together = held | waiting.ordinals
        self._db.execute(
            self._work["put_waiting"],
            (*key, waiting.not_before, len(together), together.encode()),
        )

    def _put_outcome(self, outcome: Outcome, batch: BatchId | None, now: float) -> None:
        place = self._db.one(self._books["next_outcome"], (outcome.segment,))[0]
        self._db.execute(
            self._books["add_outcome"],
            (
                outcome.segment, place, batch, int(outcome.verdict), now, outcome.code,
                outcome.message, len(outcome.ordinals), outcome.ordinals.encode(),
            ),
        )  # fmt: skip

    def copies(self, segment: SegmentId) -> dict[int, int]:
        """How many copies there are of each of its requests that has any, by ordinal."""
        return counts_from(self._db.one(self._books["segment"], (segment,))["copies"])

    def _tally(self, segment: SegmentId, ordinals: Ordinals, *, refused: bool = False) -> Tally:
        """What it counts that these got a final result that no line gives: each with its copies."""
        copies = among(self.copies(segment), ordinals)
        count = len(ordinals) + copies
        return Tally(refused=count, copies=copies) if refused else Tally(0, 0, count, copies)

    def _count(self, run: RunId, now: float, tally: Tally, *, late: int = 0) -> None:
        """Add final results to a run; the last one finishes it."""
        self._db.execute(
            self._runs["count"],
            (tally.answered, tally.refused, tally.unanswered, tally.copies, late, run),
        )
        if self._db.execute(self._runs["finish"], (now, run)).rowcount:
            self._event(now, "run.finished", run)

    def _end(self, outcomes: Sequence[Outcome], batch: BatchId | None, now: float) -> None:
        """Final results that no line gives, kept and counted."""
        for outcome in outcomes:
            self._put_outcome(outcome, batch, now)
            tally = self._tally(outcome.segment, outcome.ordinals, refused=outcome.verdict.final)
            self._count(self._run_of(outcome.segment), now, tally)

    def _run_of(self, segment: SegmentId) -> RunId:
        return RunId(self._db.one(self._books["segment"], (segment,))["run_id"])

    def _book(self, commit: str, rows: Sequence[LedgerRow], now: float) -> None:
        """Append to the ledger; the same commit can be booked once only."""
        for row in rows:
            for kept in (row.price, row.baseline_price):
                self._keep(kept)
            used = row.usage
            self._db.execute(
                self._books["add_ledger"],
                (
                    commit, row.run, row.workflow, row.rule, row.provider, row.account, row.model,
                    row.lane, row.kind, row.tier, row.n, used.input, used.cache_read, used.cache_write_5m,
                    used.cache_write_1h, used.cache_write_other, used.output, used.reasoning,
                    _json(row.other_units), row.cost_nano, row.baseline_nano, row.waste_nano,
                    row.price_basis, row.price_status, row.price and row.price.id,
                    row.baseline_price and row.baseline_price.id, row.provider_id, row.corrects,
                    row.note, now, row.charged_at,
                ),
            )  # fmt: skip
            charged = (row.run, month_of(now), row.cost_nano, row.n)
            self._db.execute(self._of_keys["charge"], charged)

    def _reserved(self, workflow: str | None = None, key: str | None = None) -> int:
        """What open runs may still cost, nano-USD: a part for each request without a final result."""
        return sum(
            -(-row["reserved_nano"] * (row["requests"] - row["done"]) // row["requests"])
            for row in self._db.all(self._books["reserved"], (workflow, key))
        )

    def _reserved_under(self, rule: str) -> int:
        """The same of those of their requests that came under a rule."""
        return sum(
            -(-row["reserved_nano"] * row["remaining"] // row["requests"])
            for row in self._db.all(self._books["reserved_under"], (rule,))
        )

    def _keep(self, kept: KeptPrice | None) -> None:
        """Write a price down, once."""
        if kept is not None:
            row = (
                kept.id, kept.provider, kept.model, kept.lane, kept.day, kept.status, kept.basis,
                rates_text(kept.rates),
            )  # fmt: skip
            self._db.execute(self._books["keep_price"], row)


def _json(units: Any) -> str:
    return "{" + ",".join(f'"{name}":{count}' for name, count in sorted(units.items())) + "}"
