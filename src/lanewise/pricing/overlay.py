"""Our own dated additions to the base table, and the user's on top: prices, rules, discounts, aliases."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from lanewise.errors import BadInput
from lanewise.pricing.arithmetic import Rates, Vector

_MICRO_DIGITS: Final = 6  # USD per million tokens -> pico-USD per token
_LANES: Final = ("realtime", "flex", "background_2h", "background_8h", "batch")


@dataclass(frozen=True, slots=True)
class Price:
    """A model's prices in some lanes from a day on."""

    provider: str
    model: str
    lanes: tuple[str, ...]
    since: str
    rates: Rates


@dataclass(frozen=True, slots=True)
class Rule:
    """How a lane's prices follow from the standard prices of the same day."""

    provider: str
    lane: str
    numerator: int
    denominator: int
    since: str
    models: tuple[str, ...]  # prefixes; none: all
    cache_read: str  # "scaled", "input" (as plain input of the lane) or "standard"

    def applies(self, provider: str, model: str, lane: str, day: str) -> bool:
        """Whether this rule gives the price."""
        fits = not self.models or model.startswith(self.models)
        return (self.provider, self.lane) == (provider, lane) and fits and day >= self.since


@dataclass(frozen=True, slots=True)
class Discount:
    """A negotiated percentage off everything of a provider (or of some models)."""

    provider: str
    models: tuple[str, ...]
    numerator: int  # what remains, in thousandths of a percent
    since: str
    until: str

    def applies(self, provider: str, model: str, day: str) -> bool:
        """Whether it holds for this model on this day (`until` is the last day)."""
        fits = not self.models or model.startswith(self.models)
        return self.provider == provider and fits and self.since <= day <= self.until


@dataclass(frozen=True, slots=True)
class Overlay:
    """One file of additions."""

    version: str
    prices: tuple[Price, ...]
    rules: tuple[Rule, ...]
    discounts: tuple[Discount, ...]
    aliases: dict[tuple[str, str], str]


@cache
def shipped() -> Overlay:
    """The overlay in this package."""
    text = resources.files(__package__).joinpath("overlay.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return _overlay(table, str(table["version"]), "overlay.toml")


def user(path: Path) -> Overlay:
    """The user's file; its version is its content's hash. Raises `BadInput` naming entry and key."""
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path}: {error}") from error
    return _overlay(table, f"sha256:{hashlib.sha256(raw).hexdigest()[:8]}", str(path))


NONE: Final = Overlay("", (), (), (), {})


def _overlay(table: dict[str, Any], version: str, where: str) -> Overlay:
    for section in table:
        if section not in ("version", "price", "rule", "discount", "alias"):
            raise BadInput(
                f"{where}: unknown [[{section}]]; accepted are price, rule, discount, alias"
            )
    return Overlay(
        version,
        tuple(_price(item, f"{where}: price {n}") for n, item in _items(table, "price")),
        tuple(_rule(item, f"{where}: rule {n}") for n, item in _items(table, "rule")),
        tuple(_discount(item, f"{where}: discount {n}") for n, item in _items(table, "discount")),
        {
            (_text(item, "provider", where), _text(item, "model", where)): _text(
                item, "means", where
            )
            for _, item in _items(table, "alias")
        },
    )


def _items(table: dict[str, Any], section: str) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(table.get(section, []), start=1))


def _price(item: dict[str, Any], where: str) -> Price:
    base = micro(_text(item, "input", where), where)
    read = _optional(item, "cache_read", where, base)
    write = _optional(item, "cache_write", where, base)
    vector = Vector(
        input=base,
        cache_read=read,
        cache_write_5m=write,
        cache_write_1h=_optional(item, "cache_write_1h", where, write),
        cache_write_other=write,
        output=_optional(item, "output", where, 0),
    )
    lanes = tuple(item.get("lanes", ["realtime"]))
    for lane in lanes:
        if lane not in _LANES:
            raise BadInput(f"{where}: unknown lane {lane!r}; accepted are {', '.join(_LANES)}")
    return Price(
        _text(item, "provider", where),
        _text(item, "model", where),
        lanes,
        str(item.get("since", "")),
        Rates(vector),
    )


def _rule(item: dict[str, Any], where: str) -> Rule:
    numerator, _, denominator = _text(item, "multiply", where).partition("/")
    if not (numerator.isdigit() and (denominator or "1").isdigit() and int(denominator or "1")):
        raise BadInput(
            f"{where}: multiply is {item['multiply']!r}; it takes a fraction such as '1/2'"
        )
    return Rule(
        _text(item, "provider", where),
        _text(item, "lane", where),
        int(numerator),
        int(denominator or "1"),
        str(item.get("since", "")),
        tuple(item.get("models", ())),
        str(item.get("cache_read", "scaled")),
    )


def _discount(item: dict[str, Any], where: str) -> Discount:
    off = micro(str(item.get("percent", "")), f"{where}: percent") // 1_000
    if not 0 <= off <= 100_000:
        raise BadInput(f"{where}: percent is {item.get('percent')!r}; it takes 0 to 100")
    return Discount(
        _text(item, "provider", where),
        tuple(item.get("models", ())),
        100_000 - off,
        str(item.get("since", "")),
        str(item.get("until", "9999-12-31")),
    )


def _optional(item: dict[str, Any], key: str, where: str, default: int) -> int:
    return micro(str(item[key]), f"{where}: {key}") if key in item else default


def _text(item: dict[str, Any], key: str, where: str) -> str:
    value = item.get(key)
    if value is None:
        raise BadInput(f"{where}: {key!r} is missing")
    return str(value)


def micro(text: str, where: str) -> int:
    """A decimal text times a million, exactly.

    >>> micro("0.0625", "")
    62500
    """
    whole, _, digits = text.strip().partition(".")
    if not (whole + digits).isdigit() or len(digits) > _MICRO_DIGITS:
        raise BadInput(
            f"{where} is {text!r}; it takes a price such as '0.15', six decimals at most"
        )
    return int(whole + digits.ljust(_MICRO_DIGITS, "0"))
