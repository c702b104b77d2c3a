"""The book laid open: one model's prices in every lane, and what differs between two books."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Final

from lanewise.domain.lanes import LANES, LaneName
from lanewise.pricing.arithmetic import Rates, Vector
from lanewise.pricing.book import PriceBook, Resolved
from lanewise.pricing.dollars import plain

RATES: Final = tuple(item.name for item in fields(Vector))
_NANO_PER_MILLION: Final = 1_000  # pico-USD per token -> nano-USD per million tokens


def per_million(pico: int) -> str:
    """Pico-USD per token as USD per million tokens, exactly.

    >>> per_million(2_500_000), per_million(62_500), per_million(0)
    ('2.5', '0.0625', '0')
    """
    return plain(pico * _NANO_PER_MILLION)


@dataclass(frozen=True, slots=True)
class Change:
    """Prices that will hold in a lane from a day on."""

    day: str
    lane: LaneName
    before: Resolved
    after: Resolved


@dataclass(frozen=True, slots=True)
class Sheet:
    """One model's prices at one provider on one day, lane by lane, and what is known of later days."""

    provider: str
    model: str
    day: str
    lanes: tuple[tuple[LaneName, Resolved], ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    basis: str


def sheet(
    book: PriceBook,
    provider: str,
    model: str,
    at: datetime,
    *,
    lanes: Iterable[LaneName] = tuple(LANES),
    region: str | None = None,
) -> Sheet:
    """What the book says of a model."""
    wanted = tuple(lanes)
    _, ours, theirs = book.tables
    return Sheet(
        provider,
        model,
        at.astimezone(UTC).date().isoformat() if at.tzinfo else at.date().isoformat(),
        tuple((lane, book.resolve(provider, model, at, lane, region)) for lane in wanted),
        tuple(_changes(book, (provider, model, region), at, wanted)),
        tuple(text for file in (theirs, ours) for text in file.remarks(provider, model)),
        book.basis,
    )


def _changes(
    book: PriceBook,
    of: tuple[str, str, str | None],
    at: datetime,
    lanes: tuple[LaneName, ...],
) -> Iterator[Change]:
    (provider, model, region), before = of, at
    for day in book.changes(provider, model, at):
        then = _instant(day)
        for lane in lanes:
            was = book.resolve(provider, model, before, lane, region)
            will = book.resolve(provider, model, then, lane, region)
            if was.rates != will.rates:
                yield Change(day, lane, was, will)
        before = then


@dataclass(frozen=True, slots=True)
class Difference:
    """One price that two books have otherwise; pico-USD per token, None where it is unknown."""

    provider: str
    model: str
    lane: LaneName
    rate: str  # one of RATES
    above: int | None  # the long-context limit from which it holds, if it does from one
    old: int | None
    new: int | None


def differences(old: PriceBook, new: PriceBook, at: datetime) -> Iterator[Difference]:
    """Every price of a listed model on one day that differs, in the order of the lists."""
    for provider in dict.fromkeys((*old.providers, *new.providers)):
        for model in dict.fromkeys((*old.models(provider), *new.models(provider))):
            for lane in LANES:
                was = old.resolve(provider, model, at, lane).rates
                will = new.resolve(provider, model, at, lane).rates
                if was != will:
                    for rate, above, one, other in _between(was, will):
                        yield Difference(provider, model, lane, rate, above, one, other)


def _between(
    old: Rates | None, new: Rates | None
) -> Iterator[tuple[str, int | None, int | None, int | None]]:
    starts = {start for rates in (old, new) if rates is not None for start, _ in rates.tiers}
    for above in (None, *sorted(starts)):
        was, will = _at(old, above), _at(new, above)
        for rate in RATES:
            one, other = _rate(was, rate), _rate(will, rate)
            if one != other and not _as_its_parent(rate, was, will):
                yield rate, above, one, other


def _at(rates: Rates | None, above: int | None) -> Vector | None:
    if rates is None:
        return None
    return rates.base if above is None else rates.above(above)


def _rate(vector: Vector | None, rate: str) -> int | None:
    if vector is None:
        return None
    value: int = getattr(vector, rate)
    return value


def _as_its_parent(rate: str, *vectors: Vector | None) -> bool:
    """Whether a price of cached tokens is nothing of its own in either book, only that of input."""
    if not rate.startswith("cache_"):
        return False
    parents = ("cache_write_5m", "input") if rate.startswith("cache_write_") else ("input",)
    return any(
        parent != rate and all(_rate(item, rate) == _rate(item, parent) for item in vectors)
        for parent in parents
    )


def _instant(day: str) -> datetime:
    begin = date.fromisoformat(day)
    return datetime(begin.year, begin.month, begin.day, tzinfo=UTC)
