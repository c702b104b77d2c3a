"""The sandbox's own books: what it would have charged, to the nano-dollar.

Computed from its own rate card with its own arithmetic (exact fractions), so that the ledger of
whoever uses it can be checked against it. Completed requests are billed, others are free.
"""

from __future__ import annotations

import tomllib
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any, Final

from lanewise.sandbox.answers import Tokens

_LANE_SHARE: Final = {"background_2h": Fraction(7, 10), "background_8h": Fraction(6, 10)}


@cache
def card() -> dict[str, Any]:
    """The rate card."""
    text = (resources.files(__package__) / "rate_card.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def models(provider: str) -> tuple[str, ...]:
    """The models that the sandbox serves."""
    return tuple(card()[provider])


@cache
def base_model(provider: str, model: str) -> str | None:
    """The card's entry for an id, dated snapshots included; None where there is no such model."""
    known = card()[provider]
    if model in known:
        return model
    undated = [
        name for name in known if model.startswith(f"{name}-") and _is_date(model[len(name) + 1 :])
    ]
    return undated[0] if undated else None


def _is_date(text: str) -> bool:
    return text.replace("-", "").isdigit() and len(text.replace("-", "")) == 8


def charge(provider: str, model: str, lane: str, tokens: Tokens) -> int:
    """What one answered request costs in nano-USD: exact, rounded once, half to even."""
    exact = sum(
        (
            count * rate
            for count, rate in zip(_counts(tokens), _rates(provider, model, lane), strict=True)
        ),
        Fraction(0),
    )
    return round(exact * 1_000)  # USD per million tokens times tokens is micro-USD


def _counts(tokens: Tokens) -> tuple[int, int, int, int, int]:
    return (
        tokens.input,
        tokens.cache_read,
        tokens.cache_write_5m,
        tokens.cache_write_1h,
        tokens.output,
    )


@cache
def _rates(provider: str, model: str, lane: str) -> tuple[Fraction, ...]:
    """Input, cache read, write 5 m, write 1 h, output."""
    name = base_model(provider, model)
    prices = [Fraction(text) for text in card()[provider][name]]
    if provider == "anthropic":
        share = Fraction(1, 2) if lane == "batch" else Fraction(1)
        return tuple(price * share for price in prices)
    real = (prices[0], prices[1], prices[0], prices[0], prices[2])
    half = (prices[3], prices[4], prices[3], prices[3], prices[5])
    if lane in ("batch", "flex"):
        return half
    share = _LANE_SHARE.get(lane, Fraction(1))
    return tuple(price * share for price in real)
