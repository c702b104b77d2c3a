"""The ledger derived again from what is kept: results as they came, and prices as they were.

Nothing is looked up in today's price book, so the answer does not depend on when one asks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from lanewise.domain.batches import GONE, Settled
from lanewise.domain.lanes import LaneName
from lanewise.domain.results import ResultLine, Unreadable, Verdict
from lanewise.domain.usage import Usage
from lanewise.lanes.settle import Reading
from lanewise.pricing.kept import Quote, quote
from lanewise.store.books import Entry, LedgerRow
from lanewise.store.nouns import BatchRow
from lanewise.store.protocol import Store

Unwrap = Callable[[bytes], ResultLine | Unreadable]


@dataclass(slots=True)
class Verification:
    """What was derived again, and how it compares with what is booked."""

    batches: int = 0
    rows: int = 0  # booked rows that were derived again
    beyond: int = 0  # booked rows whose results are not kept (any more), or whose prices never were
    differences: list[str] = field(default_factory=list)
    corrections: list[LedgerRow] = field(default_factory=list)  # what would set the books right


def verify(store: Store, unwrap: Callable[[str], Unwrap]) -> Verification:
    """Derive every row whose results are kept; `unwrap` gives a provider's reader of result lines."""
    booked: dict[str, list[Entry]] = defaultdict(list)
    verifier = _Verifier(store, unwrap)
    for entry in store.ledger():
        if entry.row.corrects is not None:
            verifier.corrections[entry.row.corrects].append(entry.row)
        else:
            booked[entry.commit].append(entry)
    for batch in store.settled():
        verifier.batch(batch, booked.pop(batch.batch.id, []))
    verifier.found.beyond += sum(map(len, booked.values()))
    return verifier.found


class _Kept:
    """The prices that a batch's rows were booked with."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._quotes = {
            (entry.row.model, entry.row.lane): quote(
                entry.row.price, entry.row.baseline_price, entry.row.price_basis
            )
            for entry in entries
            if entry.row.kind == "answer"
        }

    def quote(self, model: str, lane: LaneName) -> Quote:
        """As it was then."""
        return self._quotes.get((model, lane)) or quote(None, None, "not booked")


@dataclass(slots=True)
class _Verifier:
    store: Store
    unwrap: Callable[[str], Unwrap]
    corrections: dict[int, list[LedgerRow]] = field(default_factory=lambda: defaultdict(list))
    found: Verification = field(default_factory=Verification)

    def batch(self, batch: BatchRow, entries: list[Entry]) -> None:
        """Read the results of one batch again and compare."""
        if any(entry.row.price is None and entry.row.cost_nano is not None for entry in entries):
            self.found.beyond += len(entries)  # booked before prices were kept
            return
        settled = batch.batch
        assert isinstance(settled, Settled)
        self.found.batches += 1
        reading = self._read(settled, batch.key.provider, entries)
        if not reading.records.same_as(self.store.records_of(settled.id)):
            self._differs(f"batch {settled.id}: its results, read again, give other result records")
        rows = reading.booking.rows("answer", None, None)
        derived = {(row.run, row.rule, row.model, row.tier, row.lane): row for row in rows}
        for entry in entries:
            if entry.row.kind == "answer":
                row = entry.row
                key = (row.run, row.rule, row.model, row.tier, row.lane)
                self._row(settled.id, entry, derived.pop(key, None))
        for run, _, model, tier, _ in derived:
            what = f"run {run} has answers of {model} (tier {tier}) that no row books"
            self._differs(f"batch {settled.id}: {what}")

    def _read(self, settled: Settled, provider: str, entries: list[Entry]) -> Reading:
        contents = self.store.contents(settled.id)
        records = self.store.records_of(settled.id)
        surplus = {at for at, one in enumerate(records) if one.verdict == Verdict.SURPLUS}
        reading = Reading(contents, _Kept(entries), self.unwrap(provider), surplus)
        for index, name in enumerate(settled.files):
            if name != GONE:
                reading.read(index, self.store.result_lines(settled.id, index))
        return reading

    def _row(self, batch: str, entry: Entry, again: LedgerRow | None) -> None:
        self.found.rows += 1
        stands = entry.row
        for correction in self.corrections[entry.id]:
            stands = _plus(stands, correction)
        derived = _nothing(stands) if again is None else again
        wrong = [
            f"{name} booked {was}, derived {now}"
            for name, was, now in (
                ("answers", stands.n, derived.n),
                ("usage", stands.usage, derived.usage),
                ("cost in nano-USD", stands.cost_nano, derived.cost_nano),
                ("baseline in nano-USD", stands.baseline_nano, derived.baseline_nano),
            )
            if was != now
        ]
        if wrong:
            self._differs(f"batch {batch}, row {entry.id}: " + "; ".join(wrong))
            self.found.corrections.append(_correction(entry, stands, derived))

    def _differs(self, what: str) -> None:
        self.found.differences.append(what)


def _nothing(row: LedgerRow) -> LedgerRow:
    """What a row would be of which no answer is left."""
    cost = None if row.cost_nano is None else 0
    baseline = None if row.baseline_nano is None else 0
    return replace(row, n=0, usage=Usage(), cost_nano=cost, baseline_nano=baseline)


def _plus(row: LedgerRow, correction: LedgerRow) -> LedgerRow:
    return replace(
        row,
        n=row.n + correction.n,
        usage=row.usage + correction.usage,
        cost_nano=_sum(row.cost_nano, correction.cost_nano),
        baseline_nano=_sum(row.baseline_nano, correction.baseline_nano),
    )


def _correction(entry: Entry, stands: LedgerRow, derived: LedgerRow) -> LedgerRow:
    """The row that makes up for the difference."""
    return replace(
        derived,
        kind="correction",
        n=derived.n - stands.n,
        usage=derived.usage - stands.usage,
        cost_nano=_difference(derived.cost_nano, stands.cost_nano),
        baseline_nano=_difference(derived.baseline_nano, stands.baseline_nano),
        corrects=entry.id,
        note="derived again from the stored results",
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None else one + (other or 0)


def _difference(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one - other
