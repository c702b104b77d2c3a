"""What an answer cost in its lane, and what it would have cost in real time at the same prices."""

from __future__ import annotations

from datetime import UTC, datetime

from lanewise.domain.lanes import LaneName
from lanewise.pricing import PriceBook
from lanewise.pricing.kept import Quote, quote
from lanewise.pricing.quotes import Quotes
from lanewise.store.nouns import Contents


class Prices:
    """Quotes for the models that answer in one batch."""

    def __init__(self, book: PriceBook, contents: Contents, *, region: str | None = None) -> None:
        self._book, self._looked_up = book, Quotes(book, region=region)
        self._day = datetime.fromtimestamp(contents.created_at, UTC).date().isoformat()
        self._provider = contents.key.provider
        self._asked = contents.key.model
        self._quotes: dict[tuple[str, LaneName], Quote] = {}

    def quote(self, model: str, lane: LaneName) -> Quote:
        """The prices of `model` in a lane."""
        found = self._quotes.get((model, lane))
        if found is None:
            found = self._quotes[(model, lane)] = self._look_up(model, lane)
        return found

    def _look_up(self, model: str, lane: LaneName) -> Quote:
        """A dated snapshot that the book does not list is priced as the model that was asked for."""
        for name in dict.fromkeys((model, self._asked or model)):
            found = self._looked_up.of(self._provider, name, lane, self._day)
            if found.known:
                return found
        return quote(None, None, self._book.basis)
