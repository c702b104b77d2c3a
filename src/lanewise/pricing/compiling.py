"""Prices as genai-prices publishes them (its `v2` data, JSON), compiled into the integers of a `Table`.

`scripts/compile_prices.py` makes the shipped table with this, `lanewise prices update` a newer one. It is
the library's own way of finding a price, written over its data instead of its classes: tests hold it to
what the library answers. Data that says something this code has not heard of is refused, never skipped:
a condition that is not understood is a price that is wrong.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from lanewise.errors import BadInput
from lanewise.pricing.table import checksum

PROVIDERS: Final = (
    "openai",
    "anthropic",
    "google",
    "mistral",
    "groq",
    "x-ai",
    "deepseek",
    "azure",
    "cohere",
    "fireworks",
    "moonshotai",
    "together",
    "voyageai",
)
LANES: Final[dict[str, dict[str, str]]] = {  # lane -> what a request for it says to the library
    "realtime": {},
    "flex": {"service_tier": "flex"},
    "batch": {"processing": "batch"},
}
_ALWAYS: Final = ""  # sorts before every date
_LONG_AGO: Final = "2000-01-01"
_MICRO: Final = 1_000_000  # USD per million tokens -> pico-USD per token
_DEAREST: Final = 1_000_000  # USD per million tokens: beyond it is a slip, not a price
_DIGITS: Final = 30  # decimals that are read at all
_KINDS: Final = {
    "equals": "equals",
    "starts_with": "starts",
    "ends_with": "ends",
    "contains": "contains",
}


class _Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    price: Decimal


class _Tiered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    base: Decimal
    tiers: tuple[_Tier, ...]


_Price: TypeAlias = Decimal | _Tiered | None
_Prices: TypeAlias = dict[str, _Price]


class _Constraint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From a day on, or between two times of every day (UTC)."""

    start_date: date | None = None
    start_time: time | None = None
    end_time: time | None = None

    def active(self, day: str, hour: int) -> bool:
        if self.start_date is not None:
            return day >= self.start_date.isoformat()
        if self.start_time is None or self.end_time is None:
            raise BadInput("a constraint has neither a start_date nor a start_time and an end_time")
        now, start, end = (_clock(item) for item in (time(hour), self.start_time, self.end_time))
        return (now >= start or now < end) if end < start else start <= now < end


class _Conditional(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    prices: _Prices
    constraint: _Constraint | None = None

    def active(self, day: str, hour: int) -> bool:
        return self.constraint is None or self.constraint.active(day, hour)


class _Variant(_Conditional, frozen=True, forbid_unknown_fields=True, kw_only=True):
    when: dict[str, str]


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    match: dict[str, Any]
    prices: _Prices | tuple[_Conditional, ...]
    price_variants: tuple[_Variant, ...] | None = None
    name: str | None = None
    description: str | None = None
    context_window: int | None = None
    price_comments: str | None = None
    deprecated: bool | None = None

    @property
    def dated(self) -> tuple[_Conditional, ...]:
        """Its standard prices, oldest first; of those that hold, the last counts."""
        if isinstance(self.prices, dict):
            return (_Conditional(self.prices),)
        return self.prices

    @property
    def variants(self) -> tuple[_Variant, ...]:
        return self.price_variants or ()

    @property
    def constraints(self) -> Iterator[_Constraint]:
        for item in (*self.dated, *self.variants):
            if item.constraint is not None:
                yield item.constraint


class _Provider(msgspec.Struct, frozen=True):
    id: str
    models: tuple[_Model, ...]
    fallback_model_providers: tuple[str, ...] | None = None


def compiled(raw: bytes, *, version: str, dated: str, where: str) -> bytes:
    """The data as the bytes of a table, one model a line, so that two tables can be read as a diff.

    `dated` is the day (`2026-11-24`) of which the data is. Raises `BadInput` naming `where`, provider and
    model for data that is not whole, not understood, or finer than a pico-USD per token.
    """
    known = {provider.id: provider for provider in _decoded(raw, where)}
    missing = [name for name in PROVIDERS if name not in known]
    if missing:
        raise BadInput(f"{where}: nothing is said of {', '.join(missing)}; is it the whole data?")
    parts = ",\n".join(_provider(known[name], where) for name in PROVIDERS)
    providers = f"{{\n{parts}}}".encode()
    head = {"version": version, "dated": dated, "checksum": checksum(providers)}
    return msgspec.json.encode(head)[:-1] + b',"providers":' + providers + b"}\n"


def fingerprint(raw: bytes) -> str:
    """The first twelve digits of the SHA-256 of data, as `sha256sum` prints them."""
    return hashlib.sha256(raw).hexdigest()[:12]


def _decoded(raw: bytes, where: str) -> tuple[_Provider, ...]:
    try:
        return msgspec.json.decode(raw, type=tuple[_Provider, ...])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(
            f"{where}: not genai-prices data of version 2 that this lanewise understands ({error})"
        ) from error


def _provider(source: _Provider, where: str) -> str:
    """One provider: its own models, and whose it also sells."""
    lenders = [name for name in source.fallback_model_providers or () if name in PROVIDERS]
    lines = []
    for model in source.models:
        try:
            lines.append(_text(_model(model)))
        except BadInput as error:
            raise BadInput(f"{where}: {source.id}, model {model.id}: {error}") from error
    models = ",\n".join(lines)
    return f'{_text(source.id)}:{{"borrows":{_text(lenders)},"models":[\n{models}]}}'


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _model(model: _Model) -> dict[str, Any]:
    """One model. Without a price by token it has no lanes, and keeps others from matching its ids."""
    if not model.dated:
        raise BadInput("it has an empty list of prices")
    lanes = {lane: list(_dated(model, when)) for lane, when in LANES.items()}
    return {
        "id": model.id,
        "match": list(_clauses(model.match)),
        "by_clock": any(item.start_date is None for item in model.constraints),
        "lanes": {lane: items for lane, items in lanes.items() if items},
    }


def _dated(model: _Model, when: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The prices in one lane, by the day on which they begin."""
    starts = {item.start_date.isoformat() for item in model.constraints if item.start_date}
    last: dict[str, Any] = {}
    for since in sorted({_ALWAYS, *starts}):
        prices = _prices_on(model, since or _LONG_AGO, when)
        if prices is None or (prices.get("input_mtok"), prices.get("output_mtok")) == (None, None):
            continue
        rates = _vectors(prices)
        if rates != last:
            yield {"since": since, **rates}
        last = rates


def _prices_on(model: _Model, day: str, when: Mapping[str, str]) -> _Prices | None:
    """The prices of a day, at the dearest hour where they go by the clock. None: not in this lane."""
    if when and not any(item.when == when and item.active(day, 0) for item in model.variants):
        return None
    hours = [_prices_at(model, day, hour, when) for hour in range(24)]
    return max(hours, key=lambda prices: _pico(_first(prices, "input_mtok", "output_mtok"), 0))


def _prices_at(model: _Model, day: str, hour: int, when: Mapping[str, str]) -> _Prices:
    """The standard prices, and over them those of each variant that fits; the first variant wins."""
    holding = [item.prices for item in model.dated if item.active(day, hour)]
    standard = holding[-1] if holding else model.dated[0].prices
    overrides: _Prices = {}
    for item in model.variants:
        asked = when and all(when.get(key) == value for key, value in item.when.items())
        if asked and item.active(day, hour):
            for key, price in item.prices.items():
                if price is not None:
                    overrides.setdefault(key, price)
    return {**standard, **overrides}


def _clock(value: time) -> time:
    """A time of day in UTC; one without a zone is UTC."""
    if value.tzinfo is not None and value.utcoffset():
        raise BadInput(f"a price by the clock begins or ends at {value}, which is not in UTC")
    return value.replace(tzinfo=None)


def _vectors(prices: _Prices) -> dict[str, Any]:
    """The base prices and, for long contexts, the prices above each start, in the order of `Vector`."""
    values = _values(prices)
    starts = sorted({tier.start for value in values for tier in _tiers(value)})
    return {
        "base": [_pico(value, 0) for value in values],
        "tiers": [[start, [_pico(value, start + 1) for value in values]] for start in starts],
    }


def _values(prices: _Prices) -> list[_Price]:
    """What has no price costs what it is a part of does."""
    plain = prices.get("input_mtok") or Decimal(0)
    write = _either(prices.get("cache_write_mtok"), plain)
    return [
        plain,
        _either(prices.get("cache_read_mtok"), plain),
        write,
        _either(prices.get("cache_write_1h_mtok"), write),
        write,
        prices.get("output_mtok") or Decimal(0),
    ]


def _either(value: _Price, parent: _Price) -> _Price:
    return parent if value is None else value


def _first(prices: _Prices, *keys: str) -> _Price:
    return next((prices[key] for key in keys if prices.get(key)), None)


def _tiers(value: _Price) -> list[_Tier]:
    tiers = value.tiers if isinstance(value, _Tiered) else ()
    return sorted(tiers, key=lambda tier: tier.start)


def _pico(value: _Price, total_input: int) -> int:
    """Pico-USD per token for a request of so much input."""
    for tier in reversed(_tiers(value)):
        if total_input > tier.start:
            return _whole(tier.price)
    return _whole(value.base if isinstance(value, _Tiered) else value)


def _whole(price: Decimal | None) -> int:
    value = price or Decimal(0)
    exponent = value.as_tuple().exponent
    fits = value.is_finite() and 0 <= value <= _DEAREST
    if not fits or not isinstance(exponent, int) or exponent < -_DIGITS:
        raise BadInput(f"a price of {price}; it takes USD per million tokens, 0 to {_DEAREST:,}")
    numerator, denominator = value.as_integer_ratio()
    pico, rest = divmod(numerator * _MICRO, denominator)
    if rest:
        raise BadInput(f"a price of {price} USD per million tokens has more than six decimals")
    return pico


def _clauses(match: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The matching rules as alternatives, in lower case as the library compares them."""
    kind, what = _clause(match)
    if kind == "or":
        for part in what:
            yield from _clauses(part)
    elif kind in _KINDS:
        yield _KINDS[kind], what.lower()
    else:
        yield "regex", _pattern(match)


def _clause(match: object) -> tuple[str, Any]:
    """The one rule of a matching rule, checked."""
    if isinstance(match, dict) and len(match) == 1:
        [(kind, what)] = match.items()
        if kind in ("or", "and") and isinstance(what, list) and what:
            return kind, what
        if (kind in _KINDS or kind == "regex") and isinstance(what, str) and what:
            return kind, what
    raise BadInput(f"a matching rule that is new: {_text(match)}")


def _pattern(match: object) -> str:
    """A rule as a regular expression to search for."""
    kind, what = _clause(match)
    match kind:
        case "and":
            return "^" + "".join(f"(?=.*?{_pattern(part)})" for part in what)
        case "or":
            return f"(?:{'|'.join(map(_pattern, what))})"
        case "equals":
            return f"^{re.escape(what.lower())}$"
        case "starts_with":
            return f"^{re.escape(what.lower())}"
        case "ends_with":
            return f"{re.escape(what.lower())}$"
        case "contains":
            return re.escape(str(what).lower())
        case _:
            return _checked(what)


def _checked(regex: str) -> str:
    try:
        re.compile(regex)
    except re.error as error:
        raise BadInput(f"the regular expression {regex!r} is none ({error})") from error
    return f"(?:{regex})"
