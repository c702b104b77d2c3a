"""The price book: who charges how much for which model, in which lane, on which day, and says who.

Looked up in this order: the user's prices, our overlay's, the base table's own prices for the lane, a
rule of the provider's lane over its standard price, and else unknown. Unknown is never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

from lanewise.domain.lanes import REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.pricing import overlay as overlays
from lanewise.pricing.arithmetic import Rates, Vector, price
from lanewise.pricing.overlay import Overlay, Price, Rule
from lanewise.pricing.table import Dated, Model, Table, shipped

PriceStatus: TypeAlias = Literal["listed", "override", "rule", "estimated", "unknown"]
_WHOLE: Final = 100_000


@dataclass(frozen=True, slots=True)
class Resolved:
    """Prices and what they rest on; `rates` is None exactly where the status is unknown."""

    rates: Rates | None
    status: PriceStatus
    basis: str


@dataclass(frozen=True, slots=True)
class Pricer:
    """Prices many requests of one model, lane and day."""

    rates: Rates
    status: PriceStatus
    basis: str

    def cost(self, usage: Usage) -> int:
        """The price of one request in nano-USD."""
        return price(self.rates, usage)


class PriceBook:
    """Immutable. Look-ups are remembered by day."""

    def __init__(self, table: Table, ours: Overlay, theirs: Overlay) -> None:
        self._table, self._ours, self._theirs = table, ours, theirs
        self._seen: dict[tuple[str, str, str, str], Resolved] = {}
        self.basis = f"genai-prices {table.version} | overlay {ours.version}"
        if theirs.version:
            self.basis += f" | user {theirs.version}"

    @classmethod
    def load(cls, *, user_prices: Path | None = None) -> PriceBook:
        """The shipped table and overlay, and the user's `prices.toml` on top."""
        theirs = overlays.NONE if user_prices is None else overlays.user(user_prices)
        return cls(shipped(), overlays.shipped(), theirs)

    def resolve(self, provider: str, model: str, at: datetime, lane: LaneName) -> Resolved:
        """The prices of a model in a lane on the day of `at` (its date as given)."""
        key = (provider, model, at.date().isoformat(), lane)
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = self._discounted(*key)
        return found

    def pricer(self, provider: str, model: str, at: datetime, lane: LaneName) -> Pricer | None:
        """The same, ready to price many requests; None where the price is unknown."""
        found = self.resolve(provider, model, at, lane)
        return None if found.rates is None else Pricer(found.rates, found.status, found.basis)

    def _discounted(self, provider: str, model: str, day: str, lane: str) -> Resolved:
        found = self._resolve(provider, model, day, lane)
        for discount in self._theirs.discounts:
            if found.rates is not None and discount.applies(provider, model, day):
                rates = found.rates.scaled(discount.numerator, _WHOLE)
                found = replace(found, rates=rates, status="override")
        return found

    def _resolve(self, provider: str, model: str, day: str, lane: str) -> Resolved:
        name = self._ours.aliases.get((provider, model), model)
        for source, status in ((self._theirs, "override"), (self._ours, "listed")):
            rates = _own_price(source.prices, provider, name, day, lane)
            if rates is not None:
                return Resolved(rates, "override" if status == "override" else "listed", self.basis)
        entry = self._table.find(provider, name)
        standard = self._standard(provider, name, day, entry)
        if lane == REALTIME:
            return self._known(standard, "listed")
        if standard is None:
            return self._known(None, "unknown")
        listed = None if entry is None else _on(entry.lanes.get(lane, ()), day)
        rule = self._rule(provider, name, lane, day)
        if listed is not None and not self._theirs_covers(provider, name, day):
            return self._known(_stacked(listed.rates(), rule, standard), "listed")
        if rule is None:
            return self._known(None, "unknown")
        ratio = None if entry is None else _later_ratio(entry, lane)
        return self._known(_by_rule(rule, standard, ratio), "rule")

    def _theirs_covers(self, provider: str, model: str, day: str) -> bool:
        """A negotiated standard price replaces the list's lane price by the rule over it."""
        return _own_price(self._theirs.prices, provider, model, day, REALTIME) is not None

    def _standard(self, provider: str, name: str, day: str, entry: Model | None) -> Rates | None:
        own = _own_price(self._theirs.prices, provider, name, day, REALTIME)
        if own is not None or entry is None:
            return own
        dated = _on(entry.lanes.get(REALTIME, ()), day)
        return None if dated is None else dated.rates()

    def _rule(self, provider: str, model: str, lane: str, day: str) -> Rule | None:
        rules = (*self._theirs.rules, *self._ours.rules)
        return next((rule for rule in rules if rule.applies(provider, model, lane, day)), None)

    def _known(self, rates: Rates | None, status: PriceStatus) -> Resolved:
        if rates is None:
            return Resolved(None, "unknown", self.basis)
        return Resolved(rates, status, self.basis)


def _stacked(rates: Rates, rule: Rule | None, standard: Rates) -> Rates:
    """Where a lane's list has no cached price, a rule says what cached tokens cost in it."""
    if rule is None or rule.cache_read != "input":
        return rates
    return _with_cache(rates, rule, standard)


def _own_price(
    prices: tuple[Price, ...], provider: str, model: str, day: str, lane: str
) -> Rates | None:
    """The newest entry for this model and lane that has begun."""
    fitting = [
        item
        for item in prices
        if (item.provider, item.model) == (provider, model)
        and lane in item.lanes
        and item.since <= day
    ]
    return max(fitting, key=lambda item: item.since).rates if fitting else None


def _on(dated: tuple[Dated, ...], day: str) -> Dated | None:
    """The prices that hold on a day."""
    begun = [item for item in dated if item.since <= day]
    return begun[-1] if begun else None


def _later_ratio(entry: Model, lane: str) -> tuple[Vector, Vector] | None:
    """A lane's oldest listed prices and the standard prices of that day.

    Lists name a lane's prices from the day somebody verified them, long after the lane began. For
    earlier days their ratio to the standard price is what is known.
    """
    listed = entry.lanes.get(lane, ())
    if not listed:
        return None
    standard = _on(entry.lanes.get(REALTIME, ()), listed[0].since)
    return None if standard is None else (Vector(*listed[0].base), Vector(*standard.base))


def _by_rule(rule: Rule, standard: Rates, ratio: tuple[Vector, Vector] | None) -> Rates:
    if ratio is not None and ratio[1].input:
        rates = standard.scaled(ratio[0].input, ratio[1].input)
    else:
        rates = standard.scaled(rule.numerator, rule.denominator)
    return _with_cache(rates, rule, standard)


def _with_cache(rates: Rates, rule: Rule, standard: Rates) -> Rates:
    """Apply what the rule says of cached tokens."""
    change = partial(_cache_of, rule.cache_read)
    tiers = tuple(
        (above, change(vector, full))
        for (above, vector), (_, full) in zip(rates.tiers, standard.tiers, strict=False)
    )
    return Rates(change(rates.base, standard.base), tiers or rates.tiers)


def _cache_of(how: str, vector: Vector, standard: Vector) -> Vector:
    if how == "input":
        return replace(vector, cache_read=vector.input)
    if how == "standard":
        return replace(vector, cache_read=standard.cache_read)
    return vector
