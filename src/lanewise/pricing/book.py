"""The price book: who charges how much for which model, in which lane, on which day, and says who.

Looked up in this order: the user's prices, our overlay's, the base table's own prices for the lane, a
rule of the provider's lane over its standard price, and else unknown. Unknown is never zero, and a lane
never has the standard price because nobody knew better.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

from lanewise.domain.lanes import HELD, LANES, REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.pricing import overlay as overlays
from lanewise.pricing.arithmetic import Rates, Vector, price
from lanewise.pricing.overlay import FOREVER, Overlay, Rule
from lanewise.pricing.table import Found, Table, newest, shipped

PriceStatus: TypeAlias = Literal["listed", "override", "rule", "estimated", "unknown"]
USER_FILE: Final = "prices.toml"  # in a home
TABLE_FILE: Final = "prices.table.json"  # in a home, where `lanewise prices update` put one
_WHOLE: Final = 100_000
_REMEMBERED: Final = 4_096  # look-ups; an audit meets many days


@dataclass(frozen=True, slots=True)
class Resolved:
    """Prices and what they rest on; `rates` is None exactly where the status is unknown.

    `listed`: a source names this price. `override`: the user's file does. `rule`: it follows from a
    listed price by what the provider says of the lane or region. `estimated`: the id is like a listed
    model's, or another provider's, or the price goes by the hour. `unknown`: nobody says.
    """

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


_Rated: TypeAlias = tuple[Rates, PriceStatus]


class PriceBook:
    """Immutable. Look-ups are remembered by day."""

    def __init__(self, table: Table, ours: Overlay, theirs: Overlay) -> None:
        self._table, self._ours, self._theirs = table, ours, theirs
        self.basis = f"genai-prices {table.version} | overlay {ours.version}"
        if theirs.version:
            self.basis += f" | user {theirs.version}"
        self._resolved = lru_cache(_REMEMBERED)(self._resolve)

    @classmethod
    def load(cls, *, user_prices: Path | None = None, table: Table | None = None) -> PriceBook:
        """The shipped table (or another) and overlay, and the user's `prices.toml` on top.

        Raises `BadInput` for a file that cannot be used, naming line, entry and key.
        """
        theirs = overlays.NONE if user_prices is None else overlays.user(user_prices)
        return cls(table or shipped(), overlays.shipped(), theirs)

    @classmethod
    def of_home(cls, home: Path) -> PriceBook:
        """The book of a home: its `prices.toml`, over the newer of its own and the shipped table.

        Raises `BadInput` as `load` does.
        """
        prices = home.joinpath(USER_FILE)
        return cls.load(
            user_prices=prices if prices.is_file() else None,
            table=newest(home.joinpath(TABLE_FILE)),
        )

    def resolve(
        self, provider: str, model: str, at: datetime, lane: LaneName, region: str | None = None
    ) -> Resolved:
        """The prices of a model in a lane on the day of `at` in UTC (a naive `at` is UTC).

        `region`: where the provider is asked to process; None where it is free to choose.
        A held request is one of real time at another hour: it costs the same where nobody says otherwise.
        """
        found = self._resolved(provider, model, _day(at), lane, region)
        if lane == HELD and found.rates is None:
            return self._resolved(provider, model, _day(at), REALTIME, region)
        return found

    def pricer(
        self, provider: str, model: str, at: datetime, lane: LaneName, region: str | None = None
    ) -> Pricer | None:
        """The same, ready to price many requests; None where the price is unknown."""
        found = self.resolve(provider, model, at, lane, region)
        return None if found.rates is None else Pricer(found.rates, found.status, found.basis)

    @property
    def tables(self) -> tuple[Table, Overlay, Overlay]:
        """The base table, our overlay and the user's: what a price is looked up in."""
        return self._table, self._ours, self._theirs

    @property
    def providers(self) -> tuple[str, ...]:
        """Everybody of whom a price or a rule is known."""
        files = (self._theirs, self._ours)
        named = [entry.provider for file in files for entry in file.prices]
        named += [rule.provider for file in files for rule in file.rules]
        return tuple(dict.fromkeys((*self._table.providers, *named)))

    def models(self, provider: str) -> tuple[str, ...]:
        """The ids under which a provider's models are listed; patterns and borrowed models are left out."""
        listed = [model.id for model in self._table.provider(provider).models if model.lanes]
        for file in (self._theirs, self._ours):
            listed += [item.model for item in file.prices if item.provider == provider]
            listed += [name for who, name, _ in file.aliases if who == provider]
        return tuple(dict.fromkeys(name for name in listed if "*" not in name))

    def changes(self, provider: str, model: str, after: datetime) -> tuple[str, ...]:
        """The days after `after` from which a price is known to be another, as `2027-01-01`."""
        today = _day(after)
        before, found = self._lanes(provider, model, today), []
        for day in sorted(self._days(provider, model.lower())):
            if day > today.isoformat():
                rates = self._lanes(provider, model, date.fromisoformat(day))
                if rates != before:
                    found.append(day)
                before = rates
        return tuple(found)

    def _lanes(self, provider: str, model: str, day: date) -> list[Rates | None]:
        return [self._resolved(provider, model, day, lane, None).rates for lane in LANES]

    def _days(self, provider: str, model: str) -> set[str]:
        """Every day on which a price of this model may become another."""
        found = self._table.find(provider, self._names(provider, model)[-1])
        listed = () if found is None else found.model.lanes.values()
        days = {item.since for lane in listed for item in lane}
        for file in (self._theirs, self._ours):
            days |= {item.since for item in file.prices if item.provider == provider}
            days |= {item.since for item in file.rules if item.provider == provider}
            for item in file.discounts:
                ends = item.provider == provider and item.until != FOREVER
                days |= {item.since, _next(item.until)} if ends else {item.since}
        return days

    def _resolve(
        self, provider: str, name: str, date_: date, lane: str, region: str | None
    ) -> Resolved:
        model, day = name.lower(), date_.isoformat()
        rated = self._rated(provider, model, day, lane)
        if rated is not None and region is not None:
            rated = self._located(rated, provider, region)
        if rated is None:
            return Resolved(None, "unknown", self.basis)
        rates, status = rated
        for discount in self._theirs.discounts:
            if discount.applies(provider, model, day):
                rates, status = rates.scaled(discount.numerator, _WHOLE), "override"
        return Resolved(rates, status, self.basis)

    def _names(self, provider: str, model: str) -> tuple[str, ...]:
        """The id as given, and what it means where a file says that it means another."""
        alias = self._theirs.alias(provider, model) or self._ours.alias(provider, model)
        return (model,) if alias is None else (model, alias)

    def _rated(self, provider: str, model: str, day: str, lane: str) -> _Rated | None:
        names = self._names(provider, model)
        own = _own(self._theirs, provider, names, day, lane)
        if own is not None:
            return own, "override"
        ours = _own(self._ours, provider, names, day, lane)
        if ours is not None:
            return ours, "listed"
        found = self._table.find(provider, names[-1])
        negotiated = _own(self._theirs, provider, names, day, REALTIME)
        standard = negotiated or _standard(found, day)
        if standard is None:
            return None
        status: PriceStatus = "listed" if negotiated or (found and found.sure) else "estimated"
        if lane == REALTIME:
            return standard, status
        rule = self._rule(provider, names[-1], lane, day)
        listed = None if negotiated else _listed(found, lane, day)
        if listed is not None:
            dear = rule is not None and rule.cache_read == "input"
            return _stacked(listed, rule, standard) if dear else listed, status
        if rule is None:
            return None
        scaled = standard.scaled(rule.numerator, rule.denominator)
        return _stacked(scaled, rule, standard), "rule" if status == "listed" else status

    def _rule(self, provider: str, model: str, lane: str, day: str) -> Rule | None:
        rules = (*self._theirs.rules, *self._ours.rules)
        return next((rule for rule in rules if rule.applies(provider, model, lane, day)), None)

    def _located(self, rated: _Rated, provider: str, region: str) -> _Rated | None:
        """The price in a region; unknown where nobody says what the region costs."""
        regions = (*self._theirs.regions, *self._ours.regions)
        found = next((item for item in regions if item.applies(provider, region)), None)
        if found is None:
            return None
        rates, status = rated
        return rates.scaled(found.numerator, found.denominator), (
            "rule" if status == "listed" else status
        )


def _day(at: datetime) -> date:
    """The day in UTC; asked for every row, so the usual case is short."""
    return (at if at.tzinfo is None or at.tzinfo is UTC else at.astimezone(UTC)).date()


def _next(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _own(
    overlay: Overlay, provider: str, names: tuple[str, ...], day: str, lane: str
) -> Rates | None:
    """The price that a file itself gives."""
    found = (overlay.price(provider, name, day, lane) for name in names)
    return next((rates for rates in found if rates is not None), None)


def _standard(found: Found | None, day: str) -> Rates | None:
    dated = None if found is None else found.model.on(REALTIME, day)
    return None if dated is None else dated.rates()


def _listed(found: Found | None, lane: str, day: str) -> Rates | None:
    """The lane's own listed prices. Another provider's model has them only with that provider."""
    if found is None or found.borrowed:
        return None
    dated = found.model.on(lane, day)
    return None if dated is None else dated.rates()


def _stacked(rates: Rates, rule: Rule | None, standard: Rates) -> Rates:
    """Apply what a lane's rule says of cached tokens, which its list may not."""
    how = "scaled" if rule is None else rule.cache_read
    if how == "scaled":
        return rates

    def cached(vector: Vector, full: Vector) -> Vector:
        return replace(vector, cache_read=vector.input if how == "input" else full.cache_read)

    tiers = tuple((above, cached(vector, standard.above(above))) for above, vector in rates.tiers)
    return Rates(cached(rates.base, standard.base), tiers)
