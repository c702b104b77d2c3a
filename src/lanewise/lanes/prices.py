"""What an answer cost in its lane, and what it would have cost in real time at the same prices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lanewise.domain.lanes import REALTIME
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook
from lanewise.store.protocol import Contents


@dataclass(frozen=True, slots=True)
class Quote:
    """The prices of one model on one day; both known or neither, so that no saving rests on half."""

    cost: Callable[[Usage], int] | None
    baseline: Callable[[Usage], int] | None
    status: str
    basis: str

    @property
    def known(self) -> bool:
        """Whether a cost and a saving can be shown."""
        return self.cost is not None and self.baseline is not None


class Prices:
    """Quotes for the models that answer in one batch."""

    def __init__(self, book: PriceBook, contents: Contents, at: datetime) -> None:
        self._book, self._at = book, at
        self._provider, self._lane = contents.key.provider, contents.lane
        self._asked = contents.key.model
        self._quotes: dict[str, Quote] = {}

    def of(self, model: str, usage: Usage) -> tuple[int | None, int | None]:
        """Cost and baseline of one answer in nano-USD; None where a price is unknown."""
        quote = self.quote(model)
        if quote.cost is None or quote.baseline is None:
            return None, None
        return quote.cost(usage), quote.baseline(usage)

    def quote(self, model: str) -> Quote:
        """The prices of `model`."""
        quote = self._quotes.get(model)
        if quote is None:
            quote = self._quotes[model] = self._look_up(model)
        return quote

    def _look_up(self, model: str) -> Quote:
        """A dated snapshot that the book does not list is priced as the model that was asked for."""
        for name in dict.fromkeys((model, self._asked or model)):
            actual = self._book.pricer(self._provider, name, self._at, self._lane)
            realtime = self._book.pricer(self._provider, name, self._at, REALTIME)
            if actual is not None and realtime is not None:
                return Quote(actual.cost, realtime.cost, actual.status, actual.basis)
        return Quote(None, None, "unknown", "no price for this model and lane")
