"""The ledger: appended to, read back, corrected by more rows; and what caps leave room for."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence

from lanewise.domain.ids import AccountId, BatchId, RunId, fresh_id
from lanewise.domain.lanes import LaneName
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.results import Verdict
from lanewise.domain.usage import Usage
from lanewise.errors import OverBudget
from lanewise.pricing.dollars import dollars
from lanewise.pricing.kept import KeptPrice, rates_from
from lanewise.store.books import Cap, Entry, LedgerRow, Money, NoRoom, Observation, Standing
from lanewise.store.keys import month_of
from lanewise.store.nouns import BatchRow, NewRun
from lanewise.store.records import Records
from lanewise.store.segments import model_of
from lanewise.store.sqlite.base import Operations
from lanewise.store.sqlite.rows import batch_row_of


class BookOperations(Operations):
    """Rows are never changed; everything shown is added up from them."""

    def money(self, run: RunId | None = None, workflow: str | None = None) -> Money:
        """What the ledger says; rows of unknown price are counted and left out of the sums."""
        count = cost = baseline = waste = unpriced = 0
        usage = Usage()
        by_status: Counter[str] = Counter()
        lanes: Counter[str] = Counter()
        for row in self._db.all(self._books["ledger"], (run, workflow)):
            usage += _usage_of(row)
            waste += row["waste_nano"]
            cost += row["cost_nano"] or 0
            baseline += row["baseline_nano"] or 0
            unpriced += row["n"] if row["cost_nano"] is None else 0
            by_status[row["price_status"]] += row["n"]
            if row["kind"] == "answer":
                count += row["n"]
                lanes[row["lane"]] += row["n"]
        return Money(count, usage, cost, baseline, waste, unpriced, dict(by_status), dict(lanes))

    def ledger(self, *, since: float | None = None, until: float | None = None) -> Iterator[Entry]:
        """The rows booked in that time (`until` excluded), oldest first."""
        kept = {row["id"]: _kept_of(row) for row in self._db.all(self._books["prices"])}
        for row in self._db.all(self._books["entries"], (since, until)):
            yield _entry_of(row, kept)

    def book_calls(self, rows: Sequence[LedgerRow], now: float) -> None:
        """Append what calls came to that lanewise passed through, in one commit; each row is its own."""
        with self._db.transaction():
            for row in rows:
                self._book(f"calls:{fresh_id()}", [row], now)

    def correct(self, rows: Sequence[LedgerRow], now: float) -> None:
        """Append corrections; the rows they correct stay as they are."""
        with self._db.transaction():
            for row in rows:
                self._book(f"correction:{fresh_id()}", [row], now)
                self._event(now, "ledger.corrected", row.run, f"row {row.corrects}: {row.note}")

    def marked_usage(self, workflow: str, model: str, *, since: float) -> tuple[int, int, Usage]:
        """Answers of requests that were marked for the prompt cache, those that went ahead, and tokens."""
        row = self._db.one(self._books["marked_usage"], (workflow, model, since))
        return row["requests"], row["primers"], _usage_of(row)

    def landed_at(self, batch: BatchId) -> float | None:
        """When a batch ended that wrote or read the prompt cache, as its usage shows; else None."""
        row = self._db.first(self._work["landed_at"], (batch,))
        return None if row is None else row["landed_at"]

    def warmed(
        self, account: AccountId, lane: LaneName, since: float
    ) -> list[tuple[BatchId, str, float]]:
        """Marked batches that wrote or read the prompt cache, how they were marked, and when they ended."""
        rows = self._db.all(self._work["warmed"], (account, lane, since))
        return [(BatchId(row["id"]), row["caching"], row["landed_at"]) for row in rows]

    def settled(self) -> list[BatchRow]:
        """Batches whose results were read and are still kept, oldest first."""
        decisions = self.decisions()
        return [
            batch_row_of(row, decisions)
            for row in self._db.all(self._books["batches"])
            if row["state"] == "settled"
            and (self._batch_directory(BatchId(row["id"])) / f"{row['fence']}.res").exists()
        ]

    def records_of(self, batch: BatchId) -> Records:
        """The result records of a settled batch."""
        fence = self._db.one(self._books["batch"], (batch,))["fence"]
        return Records(self._batch_directory(batch) / f"{fence}.res")

    def observations(self, workflow: str, *, limit: int) -> Iterator[Observation]:
        """Answers of a workflow whose input was counted before, newest batches first."""
        for part in self._db.all(self._books["settled_parts_of_workflow"], (workflow,)):
            records = self._directory_records(part)
            if limit <= 0 or records is None:
                continue
            ordinals = Ordinals.decode(part["ordinals"])
            segment = self._segment(part["run_id"], part["segment_id"])
            requests = zip(ordinals, segment.entries(ordinals), strict=True)
            for position, (ordinal, entry) in enumerate(requests, start=part["start"]):
                record = records[position]
                if entry.tokens and record.verdict == Verdict.ANSWERED and limit > 0:
                    limit -= 1
                    model = part["model"] or model_of(segment.line(ordinal))
                    yield Observation(part["provider"], model, entry.tokens, record.usage)

    def _directory_records(self, part: sqlite3.Row) -> Records | None:
        path = self._batch_directory(part["batch_id"]) / f"{part['fence']}.res"
        return Records(path) if path.exists() else None

    def standing(self, caps: Sequence[Cap]) -> list[Standing]:
        """Where each cap stands now."""
        return [self._stands(cap) for cap in caps]

    def _stands(self, cap: Cap) -> Standing:
        if cap.key is not None:
            spent = self._db.one(self._of_keys["drawn_of_key"], (cap.key, month_of(cap.since)))[0]
        elif cap.rule is not None:
            spent = self._db.one(self._books["spent_under"], (cap.since, cap.rule))[0]
            return Standing(cap, spent, self._reserved_under(cap.rule))
        else:
            spent = self._db.one(self._books["spent"], (cap.since, cap.workflow))[0]
        return Standing(cap, spent, self._reserved(cap.workflow, cap.key))

    def _require_room(self, new: NewRun) -> None:
        """Refuse a run that may cost more than a cap leaves; called in the transaction that accepts it."""
        for standing in self.standing(new.caps):
            part = standing.cap.asked_nano
            asked = new.reserve_nano if part is None else part
            if asked > standing.left_nano:
                raise NoRoom(asked, standing)

    def rules_of(self, run: RunId) -> list[str]:
        """The names of the rules that requests of a run came under when they were accepted."""
        return [row["rule"] for row in self._db.all(self._books["rules_of_run"], (run,))]

    def _require_none_exceeded(self, caps: Sequence[Cap]) -> None:
        """Refuse what has just been reserved anew; the transaction it is called in is undone."""
        for standing in self.standing(caps):
            if standing.left_nano < 0:
                raise OverBudget(_overdrawn(standing))


def _overdrawn(standing: Standing) -> str:
    cap = standing.cap
    return (
        f"asking again would go beyond {cap.name} of {dollars(cap.limit_nano)} "
        f"({dollars(standing.spent_nano)} spent, {dollars(standing.reserved_nano)} reserved for open runs, "
        f"this one included). Nothing was changed. {cap.cure}"
    )


def _kept_of(row: sqlite3.Row) -> KeptPrice:
    return KeptPrice(
        row["provider"], row["model"], row["lane"], row["day"], row["status"], row["basis"],
        rates_from(row["rates"]),
    )  # fmt: skip


def _entry_of(row: sqlite3.Row, kept: dict[str, KeptPrice]) -> Entry:
    booked = LedgerRow(
        run=RunId(row["run_id"]),
        workflow=row["workflow"],
        provider=row["provider"],
        account=AccountId(row["account"]),
        model=row["model"],
        lane=LaneName(row["lane"]),
        kind=row["kind"],
        n=row["n"],
        usage=_usage_of(row),
        cost_nano=row["cost_nano"],
        baseline_nano=row["baseline_nano"],
        waste_nano=row["waste_nano"],
        price_basis=row["price_basis"],
        price_status=row["price_status"],
        other_units=json.loads(row["other_units"]),
        tier=row["tier"],
        price=kept.get(row["price_id"]),
        baseline_price=kept.get(row["baseline_price_id"]),
        provider_id=row["provider_id"],
        charged_at=row["charged_at"],
        corrects=row["corrects"],
        note=row["note"],
        rule=row["rule"],
    )
    return Entry(
        row["id"],
        row["commit_id"],
        row["at"],
        booked,
        row["run_name"],
        json.loads(row["tags"]),
        bool(row["marked"]),
    )


def _usage_of(row: sqlite3.Row) -> Usage:
    return Usage(
        row["input"], row["cache_read"], row["cache_write_5m"], row["cache_write_1h"],
        row["cache_write_other"], row["output"], row["reasoning"],
    )  # fmt: skip
