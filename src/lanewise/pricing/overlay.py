"""What is laid over the base table: prices, rules, discounts, regions, aliases; ours, and then the user's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from lanewise.errors import BadInput
from lanewise.pricing.arithmetic import Rates
from lanewise.pricing.entries import Entry, entries, parse
from lanewise.pricing.names import closeness

FOREVER = "9999-12-31"
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """A model's prices in some lanes from a day on."""

    provider: str
    model: str  # an id, or a pattern with `*`
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
    models: tuple[str, ...]  # beginnings of ids; none: all
    without: tuple[str, ...]  # words in ids that it does not hold for
    cache_read: str  # "scaled", "input" (as plain input of the lane) or "standard"

    def applies(self, provider: str, model: str, lane: str, day: str) -> bool:
        """Whether this rule gives the price."""
        return (
            (self.provider, self.lane) == (provider, lane)
            and day >= self.since
            and (not self.models or model.startswith(self.models))
            and not any(word in model for word in self.without)
        )


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
class Region:
    """What processing in a region costs, as a fraction of the list; `*` is every region."""

    provider: str
    regions: tuple[str, ...]
    numerator: int
    denominator: int

    def applies(self, provider: str, region: str) -> bool:
        """Whether it says what this region costs."""
        return self.provider == provider and (region in self.regions or "*" in self.regions)


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody who looks at a price should know of it, such as that its sources disagree."""

    provider: str
    models: tuple[str, ...]  # beginnings of ids; none: all
    text: str

    def applies(self, provider: str, model: str) -> bool:
        """Whether it is about this model."""
        return self.provider == provider and (not self.models or model.startswith(self.models))


@dataclass(frozen=True, slots=True)
class SelfHosted:
    """A machine of one's own. `busy`: paid for by the second it works; `wall`: by the month, idle or not."""

    name: str
    pico_per_hour: Fraction  # all its GPUs, overhead included
    tokens_per_second: int  # in and out together, while it works
    allocation: str
    utilization: Fraction  # the share of a month that it works, for `wall`


@dataclass(frozen=True, slots=True)
class Overlay:
    """One file of additions."""

    version: str
    prices: tuple[Price, ...] = ()
    rules: tuple[Rule, ...] = ()
    discounts: tuple[Discount, ...] = ()
    regions: tuple[Region, ...] = ()
    aliases: tuple[tuple[str, str, str], ...] = ()  # provider, id, what it means
    notes: tuple[Note, ...] = ()
    machines: tuple[SelfHosted, ...] = ()

    def price(self, provider: str, model: str, day: str, lane: str) -> Rates | None:
        """The closest entry for this model and lane that has begun; of equals the newest."""
        fitting = [
            (closeness(item.model, model), item.since, item.rates)
            for item in self.prices
            if item.provider == provider and lane in item.lanes and item.since <= day
        ]
        best = max(fitting, key=lambda item: item[:2], default=None)
        return best[2] if best and best[0] else None

    def alias(self, provider: str, model: str) -> str | None:
        """What an id means, where this file says so."""
        meant = (to for who, name, to in self.aliases if (who, name.lower()) == (provider, model))
        return next(meant, None)

    def remarks(self, provider: str, model: str) -> tuple[str, ...]:
        """What this file says of a model in words."""
        return tuple(note.text for note in self.notes if note.applies(provider, model.lower()))


SECTIONS = ("price", "rule", "discount", "region", "alias", "note")
NONE = Overlay("")


@cache
def shipped() -> Overlay:
    """The overlay in this package; its version is its date and its content's hash."""
    raw = resources.files(__package__).joinpath("overlay.toml").read_bytes()
    table = parse(raw, "overlay.toml")
    return _overlay(raw, f"{table['version']}+{_digest(raw)}", "overlay.toml")


def user(path: Path) -> Overlay:
    """The user's file; its version is its content's hash. Raises `BadInput` naming line, entry and key."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
    return _overlay(raw, f"sha256:{_digest(raw)}", str(path))


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:8]


def _overlay(raw: bytes, version: str, where: str) -> Overlay:
    table = parse(raw, where)
    for section in table:
        if section not in ("version", "self_hosted", *SECTIONS):
            raise BadInput(
                f"{where}: unknown [[{section}]]; accepted are {', '.join(SECTIONS)} and [self_hosted.NAME]"
            )
    found = {section: entries(table, section, raw, where) for section in SECTIONS}
    return Overlay(
        version,
        prices=tuple(map(_price, found["price"])),
        rules=tuple(map(_rule, found["rule"])),
        discounts=tuple(map(_discount, found["discount"])),
        regions=tuple(map(_region, found["region"])),
        aliases=tuple(map(_alias, found["alias"])),
        notes=tuple(map(_note, found["note"])),
        machines=tuple(_machines(table.get("self_hosted", {}), where)),
    )


def _price(entry: Entry) -> Price:
    entry.only("provider", "model", "lanes", "since", "tiers", *Entry.PRICES)
    tiers = tuple((tier.count("above"), tier.vector("above")) for tier in entry.inner("tiers"))
    return Price(
        entry.text("provider"),
        entry.text("model"),
        entry.lanes("lanes"),
        entry.day("since", ""),
        Rates(entry.vector(), tuple(sorted(tiers, key=lambda tier: tier[0]))),
    )


def _rule(entry: Entry) -> Rule:
    entry.only("provider", "lane", "multiply", "since", "models", "without", "cache_read")
    return Rule(
        entry.text("provider"),
        entry.lane("lane"),
        *entry.fraction("multiply"),
        entry.day("since", ""),
        entry.texts("models"),
        entry.texts("without"),
        entry.choice("cache_read", ("scaled", "input", "standard")),
    )


def _discount(entry: Entry) -> Discount:
    entry.only("provider", "models", "percent", "since", "until")
    return Discount(
        entry.text("provider"),
        entry.texts("models"),
        100_000 - entry.percent("percent"),
        entry.day("since", ""),
        entry.day("until", FOREVER),
    )


def _region(entry: Entry) -> Region:
    entry.only("provider", "regions", "multiply")
    return Region(
        entry.text("provider"), entry.texts("regions") or ("*",), *entry.fraction("multiply")
    )


def _alias(entry: Entry) -> tuple[str, str, str]:
    entry.only("provider", "model", "means")
    return entry.text("provider"), entry.text("model"), entry.text("means")


def _note(entry: Entry) -> Note:
    entry.only("provider", "models", "text")
    return Note(entry.text("provider"), entry.texts("models"), entry.text("text"))


def _machines(table: Any, where: str) -> Iterator[SelfHosted]:
    if not isinstance(table, dict) or not all(isinstance(item, dict) for item in table.values()):
        raise BadInput(f"{where}: self_hosted is not a table of tables; write [self_hosted.NAME]")
    for name, item in table.items():
        yield _machine(name, Entry(item, f"{where}: self_hosted.{name}"))


def _machine(name: str, entry: Entry) -> SelfHosted:
    entry.only(
        "gpu_hour_usd", "gpus", "overhead_percent", "tokens_per_second", "allocation", "utilization"
    )
    overhead = Fraction(entry.micro("overhead_percent", 0), 100 * _MILLION)
    utilization = Fraction(entry.micro("utilization", _MILLION), _MILLION)
    if not 0 < utilization <= 1:
        raise entry.wrong(f"utilization is {entry.item['utilization']!r}; it takes 0.01 to 1")
    hourly = entry.micro("gpu_hour_usd") * _MILLION  # micro-USD -> pico-USD
    return SelfHosted(
        name,
        hourly * entry.whole("gpus", 1) * (1 + overhead),
        entry.whole("tokens_per_second"),
        entry.choice("allocation", ("wall", "busy")),
        utilization,
    )
