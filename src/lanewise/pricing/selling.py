"""Who sells a model, and which ids somebody may have meant."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from lanewise.domain.lanes import LANES, REALTIME
from lanewise.errors import NotFound
from lanewise.pricing.book import PriceBook

MAKERS: Final = ("openai", "anthropic", "google", "mistral", "x-ai", "deepseek", "cohere")
_SURE: Final = ("listed", "override", "rule")


def sellers(book: PriceBook, model: str, at: datetime) -> tuple[str, ...]:
    """Who sells a model: those of whom it is known; else those whose list has something like it."""
    statuses = {
        name: {book.resolve(name, model, at, lane).status for lane in LANES}
        for name in book.providers
    }
    sure = [name for name, found in statuses.items() if found.intersection(_SURE)]
    return tuple(sure or [name for name, found in statuses.items() if found != {"unknown"}])


def maker(book: PriceBook, model: str, at: datetime) -> str:
    """The provider that is meant where none is named: the maker's own price, else the only seller's.

    Raises `NotFound` for a model that nobody sells, with ids that are near, or that several resell.
    """
    for provider in MAKERS:
        if book.resolve(provider, model, at, REALTIME).status in _SURE:
            return provider
    found = sold_by(book, model, None, at)
    if len(found) > 1:
        raise NotFound(f"{model!r} is sold by {', '.join(found)}; choose with --provider")
    return found[0]


def sold_by(book: PriceBook, model: str, provider: str | None, at: datetime) -> tuple[str, ...]:
    """Whose prices of a model to show. Raises `NotFound` with ids that are near, or providers there are."""
    if provider is None:
        found = sellers(book, model, at)
    else:
        require_known(book, provider)
        lanes = (book.resolve(provider, model, at, lane).rates for lane in LANES)
        found = (provider,) if any(rates is not None for rates in lanes) else ()
    if not found:
        at_whom = f" at {provider}" if provider else ""
        raise NotFound(f"no price of {model!r} is known{at_whom}; {near(book, model, provider)}")
    return found


def require_known(book: PriceBook, provider: str) -> None:
    """Raises `NotFound` for a provider without prices, naming those that have some."""
    if provider not in book.providers:
        known = ", ".join(sorted(book.providers))
        raise NotFound(f"no prices of provider {provider!r} are known; those known are: {known}")


def near(book: PriceBook, model: str, provider: str | None) -> str:
    """Ids that may have been meant, for the end of a message."""
    import difflib

    sellers_ = book.providers if provider is None else (provider,)
    ids = {name.lower(): name for who in sellers_ for name in book.models(who)}
    found = difflib.get_close_matches(model.lower(), ids, n=5)
    if found:
        return "near it: " + ", ".join(ids[name] for name in found)
    return "give an id as in the request's body, or add a [[price]] to prices.toml"
