"""Prices as they stood when something was booked with them: kept with the ledger, never looked up again.

So an upgrade re-prices nothing, a row can be worked out again by hand, and a sum can be split into its
parts years later.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec

from lanewise.domain.usage import Usage
from lanewise.pricing.arithmetic import PICO_PER_NANO, Rates, Tokens, Vector, divide, prices
from lanewise.pricing.book import PriceStatus

# From what a source says outright to what nobody says; a saving is as sure as the weaker of its two prices.
SURENESS: Final[tuple[PriceStatus, ...]] = ("listed", "override", "rule", "estimated", "unknown")


@dataclass(frozen=True, slots=True)
class KeptPrice:
    """One model's rates in one lane on one day (`2026-11-24`, UTC), and what they rest on."""

    provider: str
    model: str
    lane: str
    day: str
    status: PriceStatus
    basis: str
    rates: Rates

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits of a hash of all of it: equal prices are kept once."""
        parts = (self.provider, self.model, self.lane, self.day, self.status, self.basis)
        text = "\x00".join((*parts, rates_text(self.rates)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def rates_text(rates: Rates) -> str:
    """Rates as JSON: pico-USD per token in the order of `Vector`, and the tiers.

    >>> rates_text(Rates(Vector(2, 1, 2, 2, 2, 8)))
    '{"base":[2,1,2,2,2,8],"tiers":[]}'
    """
    tiers = [[above, _numbers(vector)] for above, vector in rates.tiers]
    return msgspec.json.encode({"base": _numbers(rates.base), "tiers": tiers}).decode()


def rates_from(text: str) -> Rates:
    """The rates that `rates_text` wrote."""
    found = msgspec.json.decode(text, type=_Rates)
    return Rates(Vector(*found.base), tuple((above, Vector(*six)) for above, six in found.tiers))


class _Rates(msgspec.Struct):
    base: tuple[int, int, int, int, int, int]
    tiers: tuple[tuple[int, tuple[int, int, int, int, int, int]], ...]


def _numbers(vector: Vector) -> list[int]:
    return [
        vector.input, vector.cache_read, vector.cache_write_5m, vector.cache_write_1h,
        vector.cache_write_other, vector.output,
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quote:
    """What one model's answers cost in a lane, and would have cost in real time, on one day.

    Both are known or neither: no saving rests on half. `tier` tells apart the requests to which
    different long-context prices apply, so that each ledger row has one price for each meter.
    """

    cost: KeptPrice | None
    baseline: KeptPrice | None
    status: PriceStatus
    basis: str
    starts: tuple[int, ...] = ()  # where long-context prices begin, of either, descending

    @property
    def known(self) -> bool:
        """Whether a cost and a saving can be shown."""
        return self.cost is not None

    def of(self, usage: Tokens) -> tuple[int | None, int | None, int]:
        """Cost and baseline of one request in nano-USD (None: unknown), and its tier."""
        if self.cost is None or self.baseline is None:
            return None, None, 0
        if not self.starts:
            return *prices(self.cost.rates.base, self.baseline.rates.base, usage), 0
        below = usage.total_input - 1
        cost, baseline = self.cost.rates.above(below), self.baseline.rates.above(below)
        return *prices(cost, baseline, usage), self.tier(usage)

    def tier(self, usage: Tokens) -> int:
        """The greatest start that this request's own input is above; 0 below all."""
        total = usage.total_input
        return next((start for start in self.starts if total > start), 0)


def quote(cost: KeptPrice | None, baseline: KeptPrice | None, basis: str) -> Quote:
    """Two prices together; unknown unless both are there. `basis` says where it was looked for."""
    if cost is None or baseline is None:
        return Quote(None, None, "unknown", basis)
    starts = {start for kept in (cost, baseline) for start, _ in kept.rates.tiers}
    weaker = max(cost.status, baseline.status, key=SURENESS.index)
    return Quote(cost, baseline, weaker, cost.basis, tuple(sorted(starts, reverse=True)))


METERS: Final = (
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write_other", "output",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Metered:
    """One meter of a ledger row: tokens, pico-USD per token, and its part of the row's nano-USD."""

    meter: str  # one of METERS
    tokens: int
    rate: int
    nano: int


def by_meter(rates: Rates, tier: int, usage: Usage, total: int) -> tuple[Metered, ...]:
    """A row's sum by meter, those without tokens left out; the parts add up to `total`.

    `usage` is the sum over requests of one tier, `total` the sum of their rounded prices. What rounding
    leaves over goes to the largest part.
    """
    vector = rates.above(tier) if tier else rates.base
    parts = [
        (meter, getattr(usage, meter), rate)
        for meter, rate in zip(METERS, _numbers(vector), strict=True)
        if getattr(usage, meter)
    ]
    if not parts:
        return ()
    rounded = [divide(tokens * rate, PICO_PER_NANO) for _, tokens, rate in parts]
    largest = max(range(len(parts)), key=lambda place: abs(parts[place][1] * parts[place][2]))
    rounded[largest] += total - sum(rounded)
    return tuple(Metered(*part, nano) for part, nano in zip(parts, rounded, strict=True))
