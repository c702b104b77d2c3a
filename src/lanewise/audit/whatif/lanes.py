"""Which lanes a ruling leaves to requests of a model, what these cost there, and what real time can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import Final, NamedTuple

from lanewise.audit.costing import listed_as
from lanewise.audit.whatif.known import (
    COUNTED_ON,
    CREATIONS,
    NAMES,
    QUEUED_REQUESTS,
    QUEUED_TOKENS,
    REQUESTS,
    TOKENS,
    Known,
    Limit,
)
from lanewise.audit.whatif.traffic import NOT_ANSWERED, Logged
from lanewise.domain.lanes import HELD, REALTIME, LaneName
from lanewise.intake import Dialect
from lanewise.policy.draining import ASSUMED_REQUESTS, ASSUMED_TOKENS, CALL_SECONDS
from lanewise.policy.hours import Hours
from lanewise.policy.options import TYPICAL, needs
from lanewise.policy.rules import Ruling
from lanewise.pricing import PriceBook
from lanewise.pricing.arithmetic import Rates, price
from lanewise.providers import registry
from lanewise.providers.offers import offers
from lanewise.replay.nouns import Menu, Sold

CALLED: Final = (REALTIME, HELD, "flex")  # lanes whose answers come on the connection
_CREATIONS: Final = 2_000  # an hour, where the provider states none
_DAY: Final = 86_400


class Stream(NamedTuple):
    """What shares limits and prices: the requests of one model."""

    provider: str
    endpoint: str
    model: str


@dataclass(frozen=True, slots=True)
class Way:
    """What a ruling comes to for requests of a stream."""

    stream: Stream
    lanes: frozenset[LaneName] = (
        frozenset()
    )  # that wait or may be chosen; empty: in real time at once
    held: Hours | None = None  # real time, but at these hours
    barred: str = ""  # why the policy or lanewise cannot send them


def endpoint_of(logged: Logged) -> str:
    """Where such a request goes; logs do not say.

    Responses are not told from chat completions, so background lanes are left out.
    """
    if logged.provider == "anthropic":
        return "/v1/messages"
    return "/v1/embeddings" if "embedding" in logged.model else "/v1/chat/completions"


def way(ruling: Ruling, logged: Logged, costs: Costs) -> Way:
    """The lanes that remain of those that the provider sells for it and that have a price."""
    stream = Stream(logged.provider, endpoint_of(logged), ruling.model or logged.model)
    if stream.provider not in tuple(Dialect):
        return Way(stream, barred=f"asked of {stream.provider}, to whom lanewise does not send")
    sold = registry.lanes(stream.provider, stream.endpoint)
    there = [one for one in offers(stream.provider) if one.lane in sold or one.lane == HELD]
    found = {offer.lane for offer in there if not ruling.bars(offer)}
    for model in (logged.model, stream.model) if found else ():
        if not costs.known(stream._replace(model=model), logged.at):
            return Way(stream, barred=f"of {model}, whose price is not known")
    priced = {lane for lane in found if lane == HELD or costs.known(stream, logged.at, lane)}
    if not priced:
        who = f"rule {ruling.rule!r}" if ruling.rule else "the policy's default"
        whys = sorted({ruling.bars(offer) for offer in there} - {""}) or ["none has a price"]
        return Way(stream, barred=f"to which {who} leaves no lane ({'; '.join(whys)})")
    if priced == {HELD}:
        return Way(stream, held=ruling.held)
    return Way(stream, frozenset(priced - {HELD}))


@dataclass(slots=True)
class Costs:
    """What requests cost in each lane, by the prices of their day."""

    book: PriceBook
    _known: dict[tuple[Stream, LaneName, int], Rates | None] = field(default_factory=dict)

    def rates(self, stream: Stream, at: float, lane: LaneName) -> Rates | None:
        """The prices of a model in a lane; None where they are not known."""
        key = (stream, lane, int(at // _DAY))
        if key not in self._known:
            when = datetime.fromtimestamp(at, UTC)
            seller, model, _ = listed_as(stream.provider, stream.model)
            self._known[key] = self.book.resolve(seller, model, when, lane).rates
        return self._known[key]

    def known(self, stream: Stream, at: float, lane: LaneName = REALTIME) -> bool:
        """Whether a price is known."""
        return self.rates(stream, at, lane) is not None

    def nano(self, stream: Stream, logged: Logged, lane: LaneName) -> int:
        """What one request would cost in a lane."""
        usage = logged.as_called() if lane in CALLED else logged.as_waiting()
        return price(self._priced(stream, logged.at, lane), usage)

    def as_sent(self, stream: Stream, logged: Logged) -> int:
        """What it cost in the lane that it took."""
        return price(self._priced(stream, logged.at, logged.lane), logged.as_called())

    def if_cached(self, stream: Stream, logged: Logged, lane: LaneName) -> int:
        """What it would cost in a lane if it read from caches there as it did when it was sent."""
        return price(self._priced(stream, logged.at, lane), logged.as_called())

    def aside(self, logged: Logged) -> int | None:
        """What a row cost that is not replayed: by the log, else by the price book; None: not known."""
        if logged.logged_nano >= 0:
            return logged.logged_nano
        if logged.lane == "cache" or logged.unfit == NOT_ANSWERED:
            return 0
        if not (logged.provider and logged.model and logged.at is not None):
            return None
        stream = Stream(logged.provider, endpoint_of(logged), logged.model)
        rates = self.rates(stream, logged.at, logged.lane) or self.rates(
            stream, logged.at, REALTIME
        )
        if rates is None or not logged.input + logged.output:
            return None
        one = logged.requests == 1
        return price(rates if one else Rates(rates.base), logged.as_called())

    def _priced(self, stream: Stream, at: float, lane: LaneName) -> Rates:
        """In a lane without a price that day, that of real time."""
        rates = self.rates(stream, at, lane) or self.rates(stream, at, REALTIME)
        assert rates is not None, "a model without a price is not replayed"
        return rates


@dataclass(slots=True)
class Busiest:
    """The busiest minute of a model in real time: what its limits let through for sure."""

    requests: int = 0
    tokens: int = 0
    _minute: int = -1
    _now: tuple[int, int] = (0, 0)

    def add(self, at: float, tokens: int) -> None:
        """Requests come in the order of time."""
        minute = int(at // 60)
        requests, sum_ = self._now if minute == self._minute else (0, 0)
        self._minute, self._now = minute, (requests + 1, sum_ + tokens)
        self.requests = max(self.requests, requests + 1)
        self.tokens = max(self.tokens, sum_ + tokens)


def menu(stream: Stream, at: float, costs: Costs, known: Known, busiest: Busiest) -> Menu:
    """What a provider sells of a model, with limits as the lanes know them, or as the log proves more."""
    limits = registry.limits(stream.provider, stream.endpoint)
    found = {limit.name: limit.value for limit in limits_of(stream, known, busiest)}
    return Menu(
        f"{stream.model} at {stream.provider}",
        tuple(sold_of(stream, at, costs)),
        found[REQUESTS] * COUNTED_ON / 60,
        min(found[name] for name in TOKENS if name in found) * COUNTED_ON / 60,
        CALL_SECONDS,
        found[CREATIONS],
        limits.batch_requests,
        found.get(QUEUED_TOKENS),
        found.get(QUEUED_REQUESTS),
    )


def limits_of(stream: Stream, known: Known, busiest: Busiest) -> tuple[Limit, ...]:
    """What is stated or learned; else documented, assumed, or at least what the log did in a minute."""
    said = [known.limit(stream.provider, stream.model, name) for name in NAMES]
    found = {limit.name: limit for limit in said if limit is not None}
    if REQUESTS not in found:
        found[REQUESTS] = _proved(REQUESTS, ASSUMED_REQUESTS, busiest.requests)
    if not any(name in found for name in TOKENS):
        found[TOKENS[0]] = _proved(TOKENS[0], ASSUMED_TOKENS, busiest.tokens)
    if CREATIONS not in found:
        hourly = registry.limits(stream.provider, stream.endpoint).creations_per_hour
        source = "assumed" if hourly is None else "documented"
        found[CREATIONS] = Limit(CREATIONS, hourly or _CREATIONS, source)
    return tuple(found[name] for name in NAMES if name in found)


def _proved(name: str, assumed: int, busiest: int) -> Limit:
    """The busiest minute went through, so that the limit, of which a part is counted on, is more."""
    proved = ceil(busiest / COUNTED_ON)
    return Limit(name, proved, "the log") if proved > assumed else Limit(name, assumed, "assumed")


def sold_of(stream: Stream, at: float, costs: Costs) -> Iterator[Sold]:
    """The lanes that have a price, each with what the lanes weigh it by."""
    sold = registry.lanes(stream.provider, stream.endpoint)
    for offer in offers(stream.provider):
        rates = costs.rates(stream, at, offer.lane) if offer.lane in sold else None
        if rates is not None:
            typical = price(rates, TYPICAL)
            yield Sold(offer, rates.base.input, rates.base.output, typical, needs(offer))
