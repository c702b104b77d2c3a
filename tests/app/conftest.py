"""Ledger rows made as settling makes them: priced one by one, added up by tier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lanewise.domain.ids import AccountId, RunId
from lanewise.domain.lanes import BATCH, REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook
from lanewise.pricing.kept import KeptPrice, Quote, quote
from lanewise.store.books import Entry, LedgerRow

BOOK = PriceBook.load()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


def quoted(provider: str, model: str, lane: LaneName, at: float) -> Quote:
    when = datetime.fromtimestamp(at, UTC)

    def kept(name: LaneName) -> KeptPrice | None:
        found = BOOK.resolve(provider, model, when, name)
        if found.rates is None:
            return None
        day = when.date().isoformat()
        return KeptPrice(provider, model, name, day, found.status, found.basis, found.rates)

    return quote(kept(lane), kept(REALTIME), BOOK.basis)


class Books:
    """Books answers as a settled batch does."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def book(
        self,
        usages: Sequence[Usage],
        *,
        provider: str = "openai",
        model: str = "gpt-4o-mini",
        lane: LaneName = BATCH,
        workflow: str = "tickets",
        kind: Any = "answer",
        at: float = NOON,
        tags: dict[str, str] | None = None,
        marked: bool = False,
        **other: Any,
    ) -> list[Entry]:
        prices = quoted(provider, model, lane, at)
        tiers: dict[int, list[tuple[Usage, int | None, int | None]]] = defaultdict(list)
        for usage in usages:
            cost, baseline, tier = prices.of(usage)
            tiers[tier].append((usage, cost, baseline))
        named = {"provider": provider, "model": model, "lane": lane, "workflow": workflow} | other
        made = [
            Entry(
                len(self.entries) + number,
                "commit",
                at,
                replace(_row(prices, items, tier, kind), **named),
                "run",
                tags or {},
                marked,
            )
            for number, (tier, items) in enumerate(tiers.items(), start=1)
        ]
        self.entries += made
        return made


def _row(prices: Quote, items: list[Any], tier: int, kind: Any) -> LedgerRow:
    cost = sum(item[1] or 0 for item in items)
    baseline = sum(item[2] or 0 for item in items)
    wasted = kind == "waste"
    return LedgerRow(
        run=RunId("run"),
        workflow="",
        provider="",
        account=AccountId("openai-abc"),
        model="",
        lane=BATCH,
        kind=kind,
        n=len(items),
        usage=sum((item[0] for item in items), Usage()),
        cost_nano=cost if prices.known else None,
        baseline_nano=(0 if wasted else baseline) if prices.known else None,
        waste_nano=cost if wasted else 0,
        price_basis=prices.basis,
        price_status=prices.status,
        tier=tier,
        price=prices.cost,
        baseline_price=None if wasted else prices.baseline,
    )


@pytest.fixture
def books() -> Books:
    """Empty books."""
    return Books()


@pytest.fixture(scope="session")
def new_books() -> Callable[[], Books]:
    """More than one, for properties."""
    return Books
