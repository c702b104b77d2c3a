"""What one process counts of its calls: plain numbers, kept by the event loop and read when somebody asks.

A label takes few values. The names of models come from clients, so that only those that were answered for
have a value of their own, and no more than `MOST_MODELS` of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from lanewise.store.books import LedgerRow

# seconds; what is above the last is in a bucket of its own
BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
)  # fmt: skip
MOST_MODELS: Final = 100
OTHER: Final = "other"
Key: TypeAlias = tuple[str, str, str, int]  # endpoint, lane, model, hundreds of the status
_CLASSES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")  # none: the client left before


class Histogram:
    """How often a time was how long."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def merge(self, other: Histogram) -> None:
        """Those of another as well."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum


class _Alike:
    """Calls that have their labels in common."""

    __slots__ = ("first", "whole")

    def __init__(self) -> None:
        self.whole, self.first = Histogram(), Histogram()


class Counts:
    """The numbers of one process. `ended` is on the path of every call: it costs less than a microsecond."""

    def __init__(self) -> None:
        self._calls: dict[Key, _Alike] = {}
        self._models: set[str] = set()
        self.refusals: Counter[str] = Counter()  # by code
        self.tokens: Counter[tuple[str, str]] = Counter()  # by model and kind
        self.cost_nano: Counter[tuple[str, str]] = Counter()  # by model and lane

    def ended(self, key: Key, seconds: float, first: float | None) -> None:
        """A call came to its end, whatever that was; `first`: seconds to the first byte of its answer."""
        alike = self._calls.get(key) or self._alike(key)
        times = alike.whole
        times.counts[bisect_left(BUCKETS, seconds)] += 1
        times.sum += seconds
        if first is not None:
            times = alike.first
            times.counts[bisect_left(BUCKETS, first)] += 1
            times.sum += first

    def refused(self, code: str) -> None:
        """A call was refused here."""
        self.refusals[code] += 1

    def booked(self, rows: Iterable[LedgerRow]) -> None:
        """Calls were written to the ledger; by the one thread that writes it."""
        for row in rows:
            model, used = self._named(row.model, answered=True), row.usage
            self.tokens[model, "input"] += used.total_input - used.cache_read
            self.tokens[model, "cached"] += used.cache_read
            self.tokens[model, "output"] += used.output
            self.cost_nano[model, row.lane] += row.cost_nano or 0

    # -- read -------------------------------------------------------------------------------------
    def calls(self) -> Iterator[tuple[tuple[str, str, str, str], int]]:
        """How many calls, by endpoint, lane, model and class of status."""
        for (endpoint, lane, model, status), alike in self._calls.items():
            yield (endpoint, lane, model, _CLASSES[status]), sum(alike.whole.counts)

    def times(self, *, first: bool) -> dict[tuple[str, str], Histogram]:
        """How long they took, or until their first byte, by endpoint and lane."""
        found: dict[tuple[str, str], Histogram] = defaultdict(Histogram)
        for (endpoint, lane, _, _), alike in self._calls.items():
            found[endpoint, lane].merge(alike.first if first else alike.whole)
        return found

    # -- few values -------------------------------------------------------------------------------
    def _alike(self, key: Key) -> _Alike:
        endpoint, lane, model, status = key
        status = status if 0 <= status < len(_CLASSES) else 0
        key = (endpoint, lane, self._named(model, answered=status == 2), status)
        return self._calls.setdefault(key, _Alike())

    def _named(self, model: str, *, answered: bool) -> str:
        if not model or model in self._models:
            return model
        if not answered or len(self._models) >= MOST_MODELS:
            return OTHER
        self._models.add(model)
        return model
