"""What requests would cost in each lane, as ranges, and what that rests on. Amounts are nano-USD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from lanewise.domain.lanes import BATCH, REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.errors import OverBudget
from lanewise.pricing import Rates
from lanewise.pricing.arithmetic import PICO_PER_NANO, Vector, divide
from lanewise.pricing.dollars import dollars
from lanewise.tokens.counting import Gauge
from lanewise.tokens.history import Learned
from lanewise.tokens.measuring import Range
from lanewise.tokens.models import Method
from lanewise.tokens.packs import Pack
from lanewise.tokens.sums import Sums

_ALWAYS_SHOWN: Final = (REALTIME, BATCH)
_NAMED: Final = 5  # models in a message


class Warned(NamedTuple):
    """What a provider would refuse, in how many of the counted requests, and where first."""

    what: str
    requests: int
    source: int  # of the first: the index of its source
    line: int  # and its line there, from 1


@dataclass(frozen=True, slots=True)
class Offer:
    """What a group of requests costs in one lane; `cost` is None where the price is unknown."""

    lane: LaneName
    cost: Range | None
    status: str
    basis: str


@dataclass(frozen=True, slots=True)
class Group:
    """The requests for one model at one endpoint."""

    provider: str
    endpoint: str
    model: str
    requests: int
    counted: int  # by their texts; the others are taken to be like these
    bytes: int
    input: Range
    output: Range
    method: Method
    counting: str  # the vocabulary and ratio, or the answers learned from
    output_from: Mapping[str, int]
    parts: Mapping[str, int]  # not countable: kind -> how many, in the counted requests
    schemas: int  # counted requests with tools or an answer format, counted as their JSON
    offers: tuple[Offer, ...]
    changes: tuple[str, ...]  # days from which other prices are known

    @property
    def sampled(self) -> bool:
        """Whether only some of the requests were counted."""
        return self.counted < self.requests

    @property
    def cheapest(self) -> LaneName | None:
        """The lane that is likely cheapest; of equals, the one with the widest window."""
        priced = [(offer.cost.likely, offer.lane) for offer in reversed(self.offers) if offer.cost]
        return min(priced, key=lambda item: item[0])[1] if priced else None

    @property
    def dearest(self) -> int:
        """The most that it costs in any lane with a price."""
        return max((offer.cost.high for offer in self.offers if offer.cost), default=0)

    def cost(self, lane: LaneName) -> Range | None:
        """In one lane; None where it is unknown or the lane is not offered."""
        return next((offer.cost for offer in self.offers if offer.lane == lane), None)

    def as_json(self) -> dict[str, Any]:
        """For programs; amounts are whole nano-USD."""
        return {
            "provider": self.provider,
            "endpoint": self.endpoint,
            "model": self.model,
            "requests": self.requests,
            "counted": self.counted,
            "bytes": self.bytes,
            "input_tokens": self.input._asdict(),
            "output_tokens": self.output._asdict(),
            "method": str(self.method),
            "counting": self.counting,
            "output_from": dict(self.output_from),
            "not_countable": dict(self.parts),
            "with_schemas": self.schemas,
            "lanes": {
                offer.lane: {
                    "cost_nano_usd": None if offer.cost is None else offer.cost._asdict(),
                    "status": offer.status,
                    "basis": offer.basis,
                }
                for offer in self.offers
            },
            "cheapest": self.cheapest,
            "price_changes": list(self.changes),
        }


@dataclass(frozen=True, slots=True)
class Estimate:
    """What all requests would cost. Totals are of the batch lane and leave `unpriced` requests out."""

    at: datetime
    basis: str
    groups: tuple[Group, ...]
    packs: tuple[Pack, ...]
    warnings: tuple[Warned, ...]

    @property
    def requests(self) -> int:
        """All that were added."""
        return sum(group.requests for group in self.groups)

    @property
    def batches(self) -> int:
        """How many batches they fill."""
        return sum(pack.batches for pack in self.packs)

    @property
    def unpriced(self) -> int:
        """Requests whose price in the batch lane nobody knows; they are in no total."""
        return sum(group.requests for group in self._unpriced())

    @property
    def unpriced_models(self) -> tuple[str, ...]:
        """Their models, as `provider model`."""
        return tuple(dict.fromkeys(f"{item.provider} {item.model}" for item in self._unpriced()))

    @property
    def low_nano(self) -> int:
        """The least that the batch lane can cost."""
        return self.total(BATCH).low

    @property
    def likely_nano(self) -> int:
        """What the batch lane likely costs."""
        return self.total(BATCH).likely

    @property
    def high_nano(self) -> int:
        """The upper figure of the batch lane; a cap is held against it."""
        return self.total(BATCH).high

    @property
    def dearest_nano(self) -> int:
        """The upper figure of the dearest lane: what would be late is called back and sent in another."""
        return sum(item.dearest for item in self.groups)

    def total(self, lane: LaneName) -> Range:
        """The sum over the groups that have a price in the lane."""
        costs = [cost for item in self.groups if (cost := item.cost(lane)) is not None]
        return Range(*(sum(cost[place] for cost in costs) for place in range(3)))

    @property
    def sampled(self) -> bool:
        """Whether only some requests were counted."""
        return any(item.sampled for item in self.groups)

    def _unpriced(self) -> list[Group]:
        return [item for item in self.groups if item.cost(BATCH) is None]

    def hold(self, most_nano: int, where: str) -> None:
        """Raises `OverBudget` if the batch lane may cost more than `most_nano`, or nobody can say.

        `where` names the limit in the message: `--max-usd`, or a setting.
        """
        limit = f"{where} {dollars(most_nano)}"
        if self.unpriced:
            models = ", ".join(self.unpriced_models[:_NAMED])
            if len(self.unpriced_models) > _NAMED:
                models += f" and {len(self.unpriced_models) - _NAMED:,} more"
            raise OverBudget(
                f"{limit} cannot be held: no price in the batch lane is known for {models}, which "
                f"{self.unpriced:,} of {self.requests:,} requests ask. A price can be put into prices.toml "
                "in the home"
            )
        if self.high_nano > most_nano:
            raise OverBudget(
                f"it may cost {dollars(self.high_nano)} (likely {dollars(self.likely_nano)}), "
                f"more than {limit}"
            )

    def as_json(self) -> dict[str, Any]:
        """For programs; amounts are whole nano-USD."""
        return {
            "at": self.at.date().isoformat(),
            "price_basis": self.basis,
            "requests": self.requests,
            "sampled": self.sampled,
            "batches": self.batches,
            "batch_cost_nano_usd": self.total(BATCH)._asdict(),
            "realtime_cost_nano_usd": self.total(REALTIME)._asdict(),
            "unpriced_requests": self.unpriced,
            "unpriced_models": list(self.unpriced_models),
            "groups": [item.as_json() for item in self.groups],
            "packs": [item.as_json() for item in self.packs],
            "warnings": [item._asdict() for item in self.warnings],
        }


def group(sums: Sums, changes: tuple[str, ...]) -> Group:
    """Price the sums in every lane that is offered; `changes`: days from which prices differ."""
    _, model, gauge, _, learned = subject = sums.subject
    method, counting = described(gauge, learned)
    offers = tuple(
        Offer(lane, _cost(found.rates, sums), found.status, found.basis)
        for lane, found in sums.prices.items()
        if found.rates is not None or lane in _ALWAYS_SHOWN
    )
    return Group(
        provider=sums.provider,
        endpoint=subject.endpoint,
        model=model,
        requests=sums.requests,
        counted=sums.counted,
        bytes=sums.bytes,
        input=Range(*sums.input),
        output=Range(*sums.output),
        method=method,
        counting=counting,
        output_from={str(source): count for source, count in sums.output_from.items()},
        parts=dict(sums.parts),
        schemas=sums.schemas,
        offers=offers,
        changes=changes,
    )


def described(gauge: Gauge, learned: Learned) -> tuple[Method, str]:
    """The method, and with what."""
    if learned.ratio is not None:
        return Method.CALIBRATED, f"{learned.pairs:,} answers"
    if gauge.ratio.plain:
        return gauge.method, str(gauge.encoding)
    low, likely, high = (f"{percent / 100:g}" for percent in gauge.ratio)
    what = "bytes / 4" if gauge.method is Method.BYTES else str(gauge.encoding)
    return gauge.method, f"{what} x {likely} ({low} to {high})"


def _cost(rates: Rates | None, sums: Sums) -> Range | None:
    """Rounded once; requests that cross into a dearer tier are priced by it, each by its own size."""
    if rates is None:
        return None
    low, likely, high = (
        divide(
            sum(
                tokens * _input_rate(_vector(rates, tier, sums), place, writes, sums.provider)
                + output * _vector(rates, tier, sums).output
                for (tier, writes), (tokens, output) in found.items()
            ),
            PICO_PER_NANO,
        )
        for place, found in enumerate(sums.cells)
    )
    likely = max(low, likely)
    return Range(low, likely, max(likely, high))


def _vector(rates: Rates, tier: int, sums: Sums) -> Vector:
    return rates.of(Usage(input=sums.starts[tier - 1] + 1)) if tier else rates.base


def _input_rate(vector: Vector, place: int, writes: int, provider: str) -> int:
    """What a token of input costs: at the least read from a cache, at the most written to one.

    OpenAI caches unasked, and some of its models charge for the writing; with others a body asks.
    """
    if place == 0:
        return min(vector.input, vector.cache_read) if writes else vector.input
    if place == 1:
        return vector.input
    written = {0: vector.input, 5: vector.cache_write_5m, 60: vector.cache_write_1h}[writes]
    unasked = vector.cache_write_other if provider == "openai" else 0
    return max(vector.input, written, unasked)
