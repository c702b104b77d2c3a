"""The numbers that a web page needs to calculate by itself: it multiplies and adds, and knows no prices.

`calculator.js` in this package evaluates them; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from importlib import resources
from typing import Any

from lanewise.domain.lanes import LANES
from lanewise.pricing.arithmetic import Rates, Vector
from lanewise.pricing.book import PriceBook
from lanewise.pricing.calculator.bills import unpriced
from lanewise.pricing.calculator.workloads import DAYS, WEIGHTS
from lanewise.pricing.dollars import plain

_NANO_PER_MILLION = 1_000  # pico-USD per token -> nano-USD per million tokens


def coefficients(
    book: PriceBook, models: Iterable[tuple[str, str]], at: datetime
) -> dict[str, Any]:
    """For (provider, model) pairs, at the prices of a day; JSON as it is, amounts as decimal texts.

    `models[name].lanes[lane].prices` is a list of `[above, input, cache_read, output]` in USD per million
    tokens, ascending: the last whose limit a request's input is above holds. `unknown` where a list has none.
    """
    return {
        "at": at.date().isoformat(),
        "basis": book.basis,
        "days": DAYS,
        "weights": [[weight.numerator, weight.denominator] for weight in WEIGHTS],
        "models": {
            f"{provider}/{model}": {"lanes": _lanes(book, provider, model, at)}
            for provider, model in models
        },
    }


def script() -> str:
    """The evaluator: a function `monthly(coefficients, scenario)` without dependencies."""
    return resources.files(__package__).joinpath("calculator.js").read_text(encoding="utf-8")


def _lanes(book: PriceBook, provider: str, model: str, at: datetime) -> dict[str, Any]:
    found = {lane: book.resolve(provider, model, at, lane) for lane in LANES}
    return {
        lane: {
            "status": price.status,
            "window_seconds": LANES[lane].window_seconds,
            "prices": _prices(price.rates),
        }
        for lane, price in found.items()
        if price.rates is not None
    }


def _prices(rates: Rates) -> list[list[Any]]:
    return [[above, *_vector(vector)] for above, vector in ((0, rates.base), *rates.tiers)]


def _vector(vector: Vector) -> list[str]:
    missing = unpriced(vector)
    return [
        "unknown" if what in missing else _usd(pico)
        for what, pico in (
            ("input", vector.input),
            ("input", vector.cache_read),
            ("output", vector.output),
        )
    ]


def _usd(pico: int) -> str:
    return plain(pico * _NANO_PER_MILLION)
