"""Which lanes a ruling leaves to requests of a model, what these cost there, and what real time can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

from lanewise.audit.whatif.traffic import Logged
from lanewise.domain.lanes import HELD, REALTIME, LaneName
from lanewise.intake import Dialect
from lanewise.policy.hours import Hours
from lanewise.policy.rules import Ruling
from lanewise.pricing import PriceBook
from lanewise.pricing.arithmetic import Rates, price
from lanewise.providers import registry
from lanewise.providers.offers import offers
from lanewise.replay.nouns import Menu, Sold
from lanewise.replay.worlds import WORLDS

MODELS: Final = (*WORLDS, "learned")
_CALLED: Final = (REALTIME, HELD, "flex")  # lanes whose answers come on the connection
# What the lanes assume of real time where nothing was stated: see `lanewise.lanes.draining`.
_REQUESTS: Final = 500 * 0.8 / 60
_TOKENS: Final = 200_000 * 0.8 / 60
_CALL_SECONDS: Final = 30.0
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
        return Way(stream, barred=f"of {stream.provider}, to whom lanewise does not send")
    for model in (logged.model, stream.model):
        if not costs.known(stream._replace(model=model), logged.at):
            return Way(stream, barred=f"of {model}, whose price is not known")
    sold = registry.lanes(stream.provider, stream.endpoint)
    found = {
        offer.lane
        for offer in offers(stream.provider)
        if (offer.lane in sold or offer.lane == HELD) and not ruling.bars(offer)
    }
    priced = {lane for lane in found if lane == HELD or costs.known(stream, logged.at, lane)}
    if not priced:
        who = f"rule {ruling.rule!r}" if ruling.rule else "the policy's default"
        return Way(stream, barred=f"without any lane under {who}")
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
            self._known[key] = self.book.resolve(stream.provider, stream.model, when, lane).rates
        return self._known[key]

    def known(self, stream: Stream, at: float, lane: LaneName = REALTIME) -> bool:
        """Whether a price is known."""
        return self.rates(stream, at, lane) is not None

    def nano(self, stream: Stream, logged: Logged, lane: LaneName) -> int:
        """What one request would cost in a lane."""
        usage = logged.as_called() if lane in _CALLED else logged.as_waiting()
        return price(self._priced(stream, logged.at, lane), usage)

    def as_sent(self, stream: Stream, logged: Logged) -> int:
        """What it cost in the lane that it took."""
        return price(self._priced(stream, logged.at, logged.lane), logged.as_called())

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


def menu(stream: Stream, at: float, costs: Costs, busiest: Busiest) -> Menu:
    """What a provider sells of a model, with limits as the lanes assume them, or as the log proves more."""
    limits = registry.limits(stream.provider, stream.endpoint)
    sold = registry.lanes(stream.provider, stream.endpoint)
    priced = [
        Sold(offer, rates.base.input, rates.base.output)
        for offer in offers(stream.provider)
        if offer.lane in sold and (rates := costs.rates(stream, at, offer.lane)) is not None
    ]
    return Menu(
        f"{stream.model} at {stream.provider}",
        tuple(priced),
        max(_REQUESTS, busiest.requests / 60),
        max(_TOKENS, busiest.tokens / 60),
        _CALL_SECONDS,
        limits.creations_per_hour or _CREATIONS,
        limits.batch_requests,
    )
