"""Compile the installed genai-prices into src/lanewise/pricing/table.json.

    python scripts/compile_prices.py [--check] [--dated 2026-11-10] [--data data.json]

`--check` writes nothing and fails if the file is not what a fresh compile gives. `--dated` is the day on
which the installed version was published; needed where that is not the table's version. `--data` writes
the library's data as JSON, as its project publishes it, and compiles nothing.

The library has its data as Python objects; this writes them as the JSON that its project publishes, which
`lanewise.pricing.compiling` compiles.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date, time
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from genai_prices import data_snapshot
from genai_prices import types as library

from lanewise.pricing.compiling import compiled
from lanewise.pricing.table import Table

TARGET = Path(__file__).parents[1] / "src/lanewise/pricing/table.json"
UNPUBLISHED = {"extractors", "api_pattern"}  # how usage is read, not what it costs


def data() -> bytes:
    """The library's data in the form that its project publishes (`v2`)."""
    providers = data_snapshot.get_snapshot().providers
    return msgspec.json.encode([published(provider) for provider in providers])


def published(value: Any) -> Any:
    """An object of the library as JSON has it: no key without a value, exact numbers."""
    if isinstance(value, library.ModelPrice):
        items: Iterator[tuple[str, Any]] = iter(vars(value).items())
    elif is_dataclass(value):
        items = ((item.name.rstrip("_"), getattr(value, item.name)) for item in fields(value))
    elif isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list | tuple):
        return [published(item) for item in value]
    elif isinstance(value, Decimal):
        return msgspec.Raw(f"{value:f}".encode())
    elif isinstance(value, date | time):
        return value.isoformat()
    else:
        return value
    return {
        key: published(item) for key, item in items if item is not None and key not in UNPUBLISHED
    }


def table(dated: str) -> bytes:
    """The whole table."""
    name = f"genai-prices {version('genai-prices')}"
    return compiled(data(), version=version("genai-prices"), dated=dated, where=name)


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--dated")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    if options.data:
        options.data.write_bytes(data())
        return
    there = Table(TARGET.read_bytes())
    if not options.dated and there.version != version("genai-prices"):
        sys.exit(
            "another version than the table's is installed; say when it was published: --dated"
        )
    fresh = table(options.dated or there.dated)
    if options.check:
        sys.exit(0 if TARGET.read_bytes() == fresh else "table.json is not up to date")
    TARGET.write_bytes(fresh)
    print(f"{TARGET.name}: {len(fresh):,} bytes")


if __name__ == "__main__":
    main()
