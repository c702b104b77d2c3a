"""Compile the installed genai-prices into src/lanewise/pricing/table.json.

    python scripts/compile_prices.py [--check]

`--check` writes nothing and fails if the file is not what a fresh compile gives.

The library itself says what a model costs on a day in a lane; this script only asks it for every
day on which something changes, and refuses what would not fit into integers.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from genai_prices import data_snapshot
from genai_prices import types as gp

TARGET = Path(__file__).parents[1] / "src/lanewise/pricing/table.json"
PROVIDERS = (
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
LANES: dict[str, dict[str, str]] = {
    "realtime": {},
    "flex": {"service_tier": "flex"},
    "batch": {"processing": "batch"},
}
ALWAYS = ""  # sorts before every date
LONG_AGO = "2000-01-01"


def table() -> dict[str, Any]:
    """The whole table."""
    known = {provider.id: provider for provider in data_snapshot.get_snapshot().providers}
    return {
        "version": version("genai-prices"),
        "providers": {name: provider(known[name]) for name in PROVIDERS},
    }


def provider(source: gp.Provider) -> dict[str, Any]:
    """One provider: its own models, and whose it also sells."""
    borrows = [name for name in source.fallback_model_providers or () if name in PROVIDERS]
    return {
        "borrows": borrows,
        "models": [compiled(model) for model in source.models],
    }


def compiled(model: gp.ModelInfo) -> dict[str, Any]:
    """One model. Without a price by token it has no lanes, and keeps others from matching its ids."""
    lanes = {lane: list(dated(model, when)) for lane, when in LANES.items()}
    return {
        "id": model.id,
        "match": list(clauses(model.match)),
        "by_clock": any(isinstance(item, gp.TimeOfDateConstraint) for item in constraints(model)),
        "lanes": {lane: items for lane, items in lanes.items() if items},
    }


def dated(model: gp.ModelInfo, when: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The prices in one lane, by the day on which they begin."""
    last: dict[str, Any] = {}
    for since in days(model):
        prices = prices_on(model, since, when)
        if prices is None or (prices.input_mtok is None and prices.output_mtok is None):
            continue
        rates = vectors(prices)
        if rates != last:
            yield {"since": since, **rates}
        last = rates


def days(model: gp.ModelInfo) -> list[str]:
    """The days on which a price of this model may change."""
    starts = {
        item.start_date.isoformat()
        for item in constraints(model)
        if isinstance(item, gp.StartDateConstraint)
    }
    return sorted({ALWAYS, *starts})


def constraints(model: gp.ModelInfo) -> Iterator[Any]:
    """Every condition that one of its prices has."""
    prices = model.prices if isinstance(model.prices, list) else []
    yield from (item.constraint for item in (*prices, *(model.price_variants or ())))


def prices_on(model: gp.ModelInfo, since: str, when: dict[str, str]) -> gp.ModelPrice | None:
    """What the library says; the dearest hour where prices go by the clock. None: not in this lane."""
    start = datetime.fromisoformat(since or LONG_AGO).replace(tzinfo=UTC)
    if when and not any(
        variant.when == when and (variant.constraint is None or variant.constraint.active(start))
        for variant in model.price_variants or ()
    ):
        return None
    hours = (model.get_prices(start.replace(hour=hour), when) for hour in range(24))
    return max(hours, key=lambda prices: pico(prices.input_mtok or prices.output_mtok, 0))


def vectors(prices: gp.ModelPrice) -> dict[str, Any]:
    """The base prices and, for long contexts, the prices above each start."""
    values = vector_of(prices)
    starts = sorted({tier.start for value in values for tier in tiers_of(value)})
    return {
        "base": [pico(value, 0) for value in values],
        "tiers": [[start, [pico(value, start + 1) for value in values]] for start in starts],
    }


def vector_of(prices: gp.ModelPrice) -> list[Any]:
    """In the order of `Vector`; what has no price costs what it is a part of does."""
    plain = prices.input_mtok or Decimal(0)
    write = either(prices.cache_write_mtok, plain)
    return [
        plain,
        either(prices.cache_read_mtok, plain),
        write,
        either(prices.cache_write_1h_mtok, write),
        write,
        prices.output_mtok or Decimal(0),
    ]


def either(value: Any, parent: Any) -> Any:
    """A price, or its parent's where there is none."""
    return parent if value is None else value


def tiers_of(value: Any) -> list[Any]:
    """The tiers of a price, if it has any."""
    return list(value.tiers) if isinstance(value, gp.TieredPrices) else []


def pico(value: Any, total_input: int) -> int:
    """USD per million tokens as pico-USD per token, for a request of so much input."""
    for tier in reversed(tiers_of(value)):
        if total_input > tier.start:
            return whole(tier.price)
    return whole(value.base if isinstance(value, gp.TieredPrices) else value)


def whole(price: Decimal | None) -> int:
    """A price as an integer; a finer one than a pico-USD per token stops the compilation."""
    exact = (price or Decimal(0)) * 1_000_000
    if exact % 1:
        sys.exit(f"a price of {price} USD per million tokens is not a whole pico-USD per token")
    return int(exact)


KINDS = {
    gp.ClauseEquals: "equals",
    gp.ClauseStartsWith: "starts",
    gp.ClauseEndsWith: "ends",
    gp.ClauseContains: "contains",
}


def clauses(match: Any) -> Iterator[tuple[str, str]]:
    """The library's matching rules as alternatives, in lower case as the library compares them."""
    if isinstance(match, gp.ClauseOr):
        for part in match.or_:
            yield from clauses(part)
    elif kind := KINDS.get(type(match)):
        (text,) = vars(match).values()
        yield kind, text.lower()
    else:
        yield "regex", pattern(match)


def pattern(match: Any) -> str:
    """A rule as a regular expression to search for."""
    match match:
        case gp.ClauseAnd():
            return "^" + "".join(f"(?=.*?{pattern(part)})" for part in match.and_)
        case gp.ClauseOr():
            return f"(?:{'|'.join(map(pattern, match.or_))})"
        case gp.ClauseRegex():
            return f"(?:{match.regex})"
        case gp.ClauseEquals():
            return f"^{re.escape(match.equals.lower())}$"
        case gp.ClauseStartsWith():
            return f"^{re.escape(match.starts_with.lower())}"
        case gp.ClauseEndsWith():
            return f"{re.escape(match.ends_with.lower())}$"
        case gp.ClauseContains():
            return re.escape(match.contains.lower())
    sys.exit(f"a kind of matching rule that is new: {match}")


def render(data: dict[str, Any]) -> bytes:
    """One model a line, so that a new version of the library can be read as a diff."""
    providers = []
    for name, entry in data["providers"].items():
        models = ",\n".join(msgspec.json.encode(model).decode() for model in entry["models"])
        borrows = msgspec.json.encode(entry["borrows"]).decode()
        providers.append(f'"{name}":{{"borrows":{borrows},"models":[\n{models}]}}')
    version_line = f'{{"version":"{data["version"]}","providers":{{\n'
    return (version_line + ",\n".join(providers) + "}}\n").encode()


def main() -> None:
    """Write, or check."""
    fresh = render(table())
    if "--check" in sys.argv:
        sys.exit(0 if TARGET.read_bytes() == fresh else "table.json is not up to date")
    TARGET.write_bytes(fresh)
    print(f"{TARGET.name}: {len(fresh):,} bytes")


if __name__ == "__main__":
    main()
