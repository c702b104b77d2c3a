"""From answers to ledger rows: sums by run, rule, model and tier, with the prices they were made with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from lanewise.domain.ids import RunId
from lanewise.domain.lanes import LaneName
from lanewise.domain.usage import Usage
from lanewise.pricing.kept import Quote
from lanewise.store.books import Kind, LedgerRow
from lanewise.store.nouns import Contents, PlacedPart


class Priced(Protocol):
    """Where quotes come from: the price book of today, or what was kept with the ledger."""

    def quote(self, model: str, lane: LaneName) -> Quote:
        """The prices of `model` in a lane."""
        ...


def charged_at(ended_at: float | None, now: float) -> float | None:
    """When a provider charged for a batch that ended then; its clock may be ahead, the charge is not."""
    return None if ended_at is None else min(ended_at, now)


@dataclass(slots=True)
class Sums:
    """One ledger row in the making."""

    n: int = 0
    usage: list[int] = field(default_factory=lambda: [0] * 7)
    cost_nano: int = 0
    baseline_nano: int = 0

    def add(self, usage: Usage, cost: int | None, baseline: int | None) -> None:
        """Take in one answer."""
        self.n += 1
        self.cost_nano += cost or 0
        self.baseline_nano += baseline or 0
        sums = self.usage
        sums[0] += usage.input
        sums[1] += usage.cache_read
        sums[2] += usage.cache_write_5m
        sums[3] += usage.cache_write_1h
        sums[4] += usage.cache_write_other
        sums[5] += usage.output
        sums[6] += usage.reasoning

    def take(self, other: Sums) -> None:
        """Add another row in the making."""
        self.n += other.n
        self.cost_nano += other.cost_nano
        self.baseline_nano += other.baseline_nano
        self.usage = [mine + yours for mine, yours in zip(self.usage, other.usage, strict=True)]


class Booking:
    """Adds up what the answers of one batch come to."""

    def __init__(self, contents: Contents, prices: Priced) -> None:
        self._contents, self._prices = contents, prices
        # by the start of a part, model, tier and lane
        self._sums: dict[tuple[int, str, int, LaneName], Sums] = {}

    def add(
        self, part: PlacedPart, model: str, usage: Usage, lane: LaneName | None = None
    ) -> tuple[int | None, int | None]:
        """Book one answer; returns its cost and baseline in nano-USD, None where unknown.

        `lane`: where the provider says that it delivered by another than it was asked for.
        """
        lane = lane or self._contents.lane
        cost, baseline, tier = self._prices.quote(model, lane).of(usage)
        key = (part.start, model, tier, lane)
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = Sums()
        sums.add(usage, cost, baseline)
        return cost, baseline

    @property
    def answered(self) -> int:
        """Answers in it."""
        return sum(sums.n for sums in self._sums.values())

    @property
    def usage(self) -> Usage:
        """All tokens together."""
        return sum((Usage(*sums.usage) for sums in self._sums.values()), Usage())

    def rows(
        self, kind: Kind, provider_id: str | None, charged_at: float | None
    ) -> Iterator[LedgerRow]:
        """One row for each run, rule, model, tier and lane: parts of one run are added up."""
        parts = {part.start: part for part in self._contents.parts}
        rows: dict[tuple[RunId, str, str, int, LaneName], Sums] = {}
        for (start, model, tier, lane), sums in self._sums.items():
            part = parts[start]
            rows.setdefault((part.run, part.rule, model, tier, lane), Sums()).take(sums)
        for (run, rule, model, tier, lane), sums in rows.items():
            row = self._row(kind, run, model, lane, sums)
            yield replace(row, rule=rule, tier=tier, provider_id=provider_id, charged_at=charged_at)

    def _row(self, kind: Kind, run: RunId, model: str, lane: LaneName, sums: Sums) -> LedgerRow:
        contents, quote = self._contents, self._prices.quote(model, lane)
        wasted = (
            kind != "answer"
        )  # nobody used it: all of its cost is waste, and it has no baseline
        return LedgerRow(
            run=run,
            workflow=next(part.workflow for part in contents.parts if part.run == run),
            provider=contents.key.provider,
            account=contents.key.account,
            model=model,
            lane=lane,
            kind=kind,
            n=sums.n,
            usage=Usage(*sums.usage),
            cost_nano=sums.cost_nano if quote.known else None,
            baseline_nano=(0 if wasted else sums.baseline_nano) if quote.known else None,
            waste_nano=sums.cost_nano if wasted else 0,
            price_basis=quote.basis,
            price_status=quote.status,
            price=quote.cost,
            baseline_price=None if wasted else quote.baseline,
        )
