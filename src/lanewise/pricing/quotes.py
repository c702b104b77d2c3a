"""What usage costs and would have cost in real time: each model, lane and day is looked up once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from lanewise.domain.lanes import REALTIME, LaneName
from lanewise.pricing.book import PriceBook
from lanewise.pricing.kept import KeptPrice, Quote, quote

_MOST_KEPT: Final = 10_000


class Quotes:
    """Quotes of one book, remembered for as long as this lives; for those who price many rows."""

    def __init__(self, book: PriceBook, *, region: str | None = None) -> None:
        self._book, self._region = book, region
        self._found: dict[tuple[str, str, LaneName, str], Quote] = {}

    def of(self, provider: str, model: str, lane: LaneName, day: str) -> Quote:
        """The quote for a day such as `2026-11-24` (UTC); unknown unless both its prices are there."""
        key = (provider, model, lane, day)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _MOST_KEPT:  # callers choose the names of models
                self._found.clear()
            found = self._found[key] = quote(
                self._kept(*key), self._kept(provider, model, REALTIME, day), self._book.basis
            )
        return found

    def _kept(self, provider: str, model: str, lane: LaneName, day: str) -> KeptPrice | None:
        begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
        found = self._book.resolve(provider, model, begin, lane, self._region)
        if found.rates is None:
            return None
        return KeptPrice(provider, model, lane, day, found.status, found.basis, found.rates)
