"""What an answer cost in its lane, and what it would have cost in real time at the same prices."""

from __future__ import annotations

from datetime import UTC, datetime

from lanewise.domain.lanes import REALTIME, LaneName
from lanewise.pricing import PriceBook
from lanewise.pricing.kept import KeptPrice, Quote, quote
from lanewise.store.protocol import Contents


class Prices:
    """Quotes for the models that answer in one batch."""

    def __init__(self, book: PriceBook, contents: Contents, *, region: str | None = None) -> None:
        self._book, self._region = book, region
        self._at = datetime.fromtimestamp(contents.created_at, UTC)
        self._provider, self._lane = contents.key.provider, contents.lane
        self._asked = contents.key.model
        self._quotes: dict[str, Quote] = {}

    def quote(self, model: str) -> Quote:
        """The prices of `model`."""
        found = self._quotes.get(model)
        if found is None:
            found = self._quotes[model] = self._look_up(model)
        return found

    def _look_up(self, model: str) -> Quote:
        """A dated snapshot that the book does not list is priced as the model that was asked for."""
        for name in dict.fromkeys((model, self._asked or model)):
            found = quote(
                self._kept(name, self._lane), self._kept(name, REALTIME), self._book.basis
            )
            if found.known:
                return found
        return quote(None, None, self._book.basis)

    def _kept(self, name: str, lane: LaneName) -> KeptPrice | None:
        found = self._book.resolve(self._provider, name, self._at, lane, self._region)
        if found.rates is None:
            return None
        day = self._at.date().isoformat()
        return KeptPrice(self._provider, name, lane, day, found.status, found.basis, found.rates)
