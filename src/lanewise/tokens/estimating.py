"""Adding up what requests would cost, one by one, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import msgspec

from lanewise.domain.lanes import LaneName
from lanewise.domain.packing import Limits
from lanewise.pricing import PriceBook
from lanewise.tokens.counting import TokenCounter
from lanewise.tokens.estimate import Estimate, Group, Warned, group
from lanewise.tokens.history import History
from lanewise.tokens.measuring import NONE, Measured, OutputFrom, Range, Subject, measure
from lanewise.tokens.models import family
from lanewise.tokens.packs import Filling, Pack
from lanewise.tokens.sums import Sums

_COUNTED_OF: Final = 50  # past the sample one of so many requests is counted
_GOLDEN: Final = 0x9E3779B1  # spreads the counted ones evenly, in step with no pattern of the input
_WORD: Final = 1 << 32
_MOST_COUNT: Final = _WORD - 1  # what is kept of a request's count is 32 bits wide


class Request(Protocol):
    """What is looked at of a request that was read."""

    @property
    def number(self) -> int:
        """Of its line in its source, from 1."""
        ...

    @property
    def source(self) -> int:
        """The index of its source, from 0."""
        ...

    @property
    def dialect(self) -> str:
        """Whose prices apply, such as "openai"."""
        ...

    @property
    def endpoint(self) -> str:
        """Such as /v1/chat/completions."""
        ...

    @property
    def model(self) -> str:
        """The model that is asked."""
        ...

    @property
    def body(self) -> bytes:
        """The JSON of the body."""
        ...

    @property
    def units(self) -> int:
        """Inputs of an embeddings request; 1 for any other."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of an endpoint of a provider."""

    limits: Limits
    around: int  # bytes of a request line but for its body and its number
    one_model: bool  # whether all requests of a batch must name the same model
    lanes: tuple[LaneName, ...]  # that the endpoint can be reached by


class Estimator:
    """Takes requests and says what they would cost.

    `sample`: count so many requests of each group, then one in fifty, and take the others to be like
    those counted around them; None counts all. The same requests always give the same figures.
    """

    def __init__(
        self,
        book: PriceBook,
        at: datetime,
        place: Callable[[str, str], Place],
        *,
        history: History | None = None,
        sample: int | None = None,
        counter: TokenCounter | None = None,
    ) -> None:
        self._book, self._at, self._place = book, at, place
        self._history = history or History()
        self._sample = sample
        self._counter = counter or TokenCounter()
        self._groups: dict[tuple[str, str, str], Sums] = {}
        self._fillings: dict[tuple[str, str, str], Filling] = {}
        self._warned: dict[str, Warned] = {}

    def add(self, request: Request) -> int:
        """Take one request; returns our own count of its input tokens, 0 if it was not counted.

        The count is what `history_of` wants beside the provider's usage: no history is in it.
        """
        key = (request.dialect, request.endpoint, request.model)
        found = self._groups.get(key)
        if found is None:
            found = self._groups[key] = self._new(*key)
        size, nth = len(request.body), found.requests
        found.requests += 1
        found.bytes += size
        limit = found.filling.add(size, request.units)
        if limit is not None:
            self._warn(request, f"larger than {limit:,} bytes, the most for one request")
        writes = _cache_writes(request.body)
        if self._counts(nth):
            measured = self._measured(found, request)
            if measured is not None:
                found.book(measured.input, measured.output, writes)
                return min(measured.own, _MOST_COUNT)
        found.guess(size, writes)
        return 0

    def finish(self) -> Estimate:
        """What was added up so far."""
        return Estimate(
            at=self._at,
            basis=self._book.basis,
            groups=tuple(self._finished(item) for item in self._groups.values()),
            packs=tuple(
                Pack(*key, item.requests, item.bytes, item.batches, item.full, item.limits)
                for key, item in self._fillings.items()
            ),
            warnings=tuple(self._warned.values()),
        )

    def _counts(self, nth: int) -> bool:
        if self._sample is None or nth < self._sample:
            return True
        return nth * _GOLDEN % _WORD < _WORD // _COUNTED_OF

    def _measured(self, found: Sums, request: Request) -> Measured | None:
        try:
            measured = measure(found.subject, request.body)
        except (msgspec.DecodeError, RecursionError):
            self._warn(request, "its body cannot be read; its tokens are a guess from its bytes")
            found.settle()
            found.window.add(len(request.body), _guess(len(request.body)))
            return None
        found.count(len(request.body), measured)
        for warning in measured.warnings:
            self._warn(request, warning)
        return measured

    def _warn(self, request: Request, what: str) -> None:
        known = self._warned.get(what)
        if known is None:
            self._warned[what] = Warned(what, 1, request.source, request.number)
        else:
            self._warned[what] = known._replace(requests=known.requests + 1)

    def _new(self, provider: str, endpoint: str, model: str) -> Sums:
        place = self._place(provider, endpoint)
        packing = (str(provider), endpoint, model if place.one_model else "")
        filling = self._fillings.get(packing)
        if filling is None:
            filling = self._fillings[packing] = Filling(place.limits, place.around)
        prices = {lane: self._book.resolve(provider, model, self._at, lane) for lane in place.lanes}
        rates = [found.rates for found in prices.values() if found.rates is not None]
        starts = sorted({start for found in rates for start, _ in found.tiers})
        subject = Subject(
            endpoint, model, self._counter.gauge(model), family(model), self._history.of(model)
        )
        return Sums(str(provider), subject, prices, tuple(starts), filling)

    def _finished(self, item: Sums) -> Group:
        item.settle()
        changes = self._book.changes(item.provider, item.subject.model, self._at)
        return group(item, changes)


def _cache_writes(body: bytes) -> int:
    """Minutes for which the body asks that its beginning be cached; 0 for not at all.

    >>> [
    ...     _cache_writes(body)
    ...     for body in (b"{}", b'{"cache_control":{"type":"ephemeral","ttl":"1h"}}')
    ... ]
    [0, 60]
    """
    if b'"cache_control"' not in body:
        return 0
    return 60 if b'"1h"' in body else 5


def _guess(size: int) -> Measured:
    likely = size // 4
    return Measured(
        0, Range(size // 8, likely, size), NONE, OutputFrom.ASSUMED, (), {}, schemas=False
    )
