"""Compile the installed genai-prices into src/lanewise/pricing/table.json.

    python scripts/compile_prices.py [--check]

`--check` writes nothing and fails if the file is not what a fresh compile gives.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from genai_prices import data_snapshot
from genai_prices import types as gp

TARGET = Path(__file__).parents[1] / "src/lanewise/pricing/table.json"
PROVIDERS = ("openai", "anthropic", "google", "mistral", "groq", "x-ai", "deepseek", "azure")
LANES = {("processing", "batch"): "batch", ("service_tier", "flex"): "flex"}


def table() -> dict[str, Any]:
    """The whole table."""
    providers = {provider.id: provider for provider in data_snapshot.get_snapshot().providers}
    return {
        "version": version("genai-prices"),
        "providers": {
            name: [entry for model in providers[name].models if (entry := compiled(model))]
            for name in PROVIDERS
        },
    }


def compiled(model: Any) -> dict[str, Any] | None:
    """One model, if it is priced by tokens."""
    lanes = {"realtime": dated(model.prices)}
    for variant in model.price_variants or ():
        lane = next((LANES[item] for item in variant.when.items() if item in LANES), None)
        if lane and len(variant.when) == 1:
            lanes.setdefault(lane, []).extend(one(variant.prices, variant.constraint, model))
    lanes = {
        lane: sorted(items, key=lambda item: item["since"])
        for lane, items in lanes.items()
        if items
    }
    if "realtime" not in lanes:
        return None
    return {"id": model.id, "match": list(clauses(model.match)), "lanes": lanes}


def dated(prices: Any) -> list[dict[str, Any]]:
    """Standard prices, by the day they begin."""
    if not isinstance(prices, list):
        return list(one(prices, None, None))
    found: list[dict[str, Any]] = []
    for conditional in prices:
        if conditional.constraint is None or isinstance(
            conditional.constraint, gp.StartDateConstraint
        ):
            found += one(conditional.prices, conditional.constraint, None)
    return found


def one(prices: Any, constraint: Any, model: Any) -> Iterator[dict[str, Any]]:
    """One set of prices; nothing where there is no price by token."""
    since = (
        constraint.start_date.isoformat() if isinstance(constraint, gp.StartDateConstraint) else ""
    )
    if prices.input_mtok is None and prices.output_mtok is None:
        return
    full = newest(model.prices) if model is not None else None
    starts = sorted({tier.start for value in vector_of(prices, full) for tier in tiers_of(value)})
    yield {
        "since": since,
        "base": [pico(value, 0) for value in vector_of(prices, full)],
        "tiers": [
            [start, [pico(value, start + 1) for value in vector_of(prices, full)]]
            for start in starts
        ],
    }


def newest(prices: Any) -> Any:
    """The standard prices of today: for what a variant leaves out."""
    return prices[-1].prices if isinstance(prices, list) else prices


def vector_of(prices: Any, full: Any) -> list[Any]:
    """Input, cache read, cache write 5 m, 1 h, other, output. What a variant leaves out is as standard."""

    def value(name: str) -> Any:
        own = getattr(prices, name, None)
        return own if own is not None or full is None else getattr(full, name, None)

    base = value("input_mtok") or 0
    read = value("cache_read_mtok")
    write = value("cache_write_mtok")
    hour = getattr(prices, "cache_write_1h_mtok", None) or value("cache_write_1h_mtok")
    write = base if write is None else write
    return [
        base,
        base if read is None else read,
        write,
        write if hour is None else hour,
        write,
        value("output_mtok") or 0,
    ]


def tiers_of(value: Any) -> list[Any]:
    """The tiers of a price, if it has any."""
    return list(value.tiers) if isinstance(value, gp.TieredPrices) else []


def pico(value: Any, total_input: int) -> int:
    """USD per million tokens as pico-USD per token, for a request of so much input."""
    if isinstance(value, gp.TieredPrices):
        chosen = value.base
        for tier in value.tiers:
            if total_input > tier.start:
                chosen = tier.price
        value = chosen
    exact = Decimal(str(value)) * 1_000_000
    return int(exact.to_integral_value())


def clauses(match: Any) -> Iterator[tuple[str, str]]:
    """The library's matching rules, flattened; those that combine with `and` keep their first part exact."""
    match match:
        case gp.ClauseOr():
            for part in match.or_:
                yield from clauses(part)
        case gp.ClauseEquals():
            yield "equals", match.equals
        case gp.ClauseStartsWith():
            yield "starts", match.starts_with
        case gp.ClauseEndsWith():
            yield "ends", match.ends_with
        case gp.ClauseContains():
            yield "contains", match.contains
        case gp.ClauseRegex():
            yield "regex", match.regex
        case gp.ClauseAnd():
            yield (
                "regex",
                "".join(f"(?={'.*' + part})" for part in map(as_regex, match.and_)) or "(?!)",
            )


def as_regex(match: Any) -> str:
    """One clause as a pattern to look ahead for."""
    import re

    (kind, text), *_ = list(clauses(match))
    escaped = re.escape(text)
    return {
        "equals": f"^{escaped}$",
        "starts": f"^{escaped}",
        "ends": f"{escaped}$",
        "contains": escaped,
    }.get(kind, text)


def main() -> None:
    """Write, or check."""
    fresh = msgspec.json.format(msgspec.json.encode(table()), indent=0)
    if "--check" in sys.argv:
        sys.exit(
            0 if TARGET.read_bytes().strip() == fresh.strip() else "table.json is not up to date"
        )
    TARGET.write_bytes(fresh + b"\n")
    print(f"{TARGET.name}: {len(fresh):,} bytes")


if __name__ == "__main__":
    main()
