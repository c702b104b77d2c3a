"""Compare three public price sets, and print where they disagree: for whoever keeps overlay.toml.

    python scripts/compare_prices.py [--day 2026-11-24] [--wheels DIR] [--provider openai ...] [--all]

genai-prices is the installed one. litellm and model-prices are downloaded as wheels (about 41 MB) into a
temporary directory, or taken from DIR, and read as archives; neither is installed or imported.
Prices are USD per million tokens, for real time and batches, input and output; the last column is what
lanewise's own book says, overlay included. Without --all, only lines in which two stand against the base
or the book have a place; the counts are of everything.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from compile_prices import table

from lanewise.domain.lanes import BATCH, REALTIME, LaneName
from lanewise.pricing import PriceBook
from lanewise.pricing.sheets import per_million
from lanewise.pricing.table import Table

WHEELS = ("litellm", "model-prices==0.0.5")
LITELLM = {  # provider there -> here, and what its ids begin with there
    "openai": ("openai", ""),
    "text-completion-openai": ("openai", ""),
    "anthropic": ("anthropic", ""),
    "gemini": ("google", "gemini/"),
    "mistral": ("mistral", "mistral/"),
    "groq": ("groq", "groq/"),
    "xai": ("x-ai", "xai/"),
    "deepseek": ("deepseek", "deepseek/"),
    "azure": ("azure", "azure/"),
    "cohere": ("cohere", ""),
    "cohere_chat": ("cohere", ""),
    "moonshot": ("moonshotai", "moonshot/"),
    "together_ai": ("together", "together_ai/"),
    "voyage": ("voyageai", "voyage/"),
}
MODEL_PRICES = {"xai": "x-ai"}  # where its name for a provider is another
MODES = {"chat", "completion", "embedding", "responses", None}
PARTS = {"input": 0, "output": 5}  # place in a table's six prices


class Key(NamedTuple):
    """One price."""

    provider: str
    model: str
    lane: LaneName
    part: str


Prices = dict[Key, int]  # pico-USD per token


def wheel(folder: Path, name: str) -> zipfile.ZipFile:
    """The archive of a package, downloaded if it is not there."""
    pattern = name.partition("==")[0].replace("-", "_") + "-*.whl"
    if not any(folder.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*command, "--only-binary=:all:", "-d", str(folder), name], check=True)
    return zipfile.ZipFile(next(folder.glob(pattern)))


def from_litellm(archive: zipfile.ZipFile) -> Prices:
    """Current prices; it has no dates."""
    found: Prices = {}
    items = json.loads(
        archive.read("litellm/model_prices_and_context_window_backup.json"), parse_float=Decimal
    )
    for name, item in items.items():
        provider, prefix = LITELLM.get(item.get("litellm_provider"), (None, ""))
        if provider is None or item.get("mode") not in MODES or "/" in name.removeprefix(prefix):
            continue
        for lane, suffix in ((REALTIME, ""), (BATCH, "_batches")):
            for part in PARTS:
                price = item.get(f"{part}_cost_per_token{suffix}")
                if price is not None:
                    key = Key(provider, name.removeprefix(prefix).lower(), lane, part)
                    found[key] = round(Decimal(price) * 10**12)
    return found


def from_model_prices(archive: zipfile.ZipFile, day: date) -> Prices:
    """The prices of a day."""
    found: Prices = {}
    data = json.loads(archive.read("model_prices/snapshot.json"), parse_float=Decimal)
    for provider, models in data["prices"].items():
        for name, kinds in models.items():
            for lane, kind in ((REALTIME, "standard"), (BATCH, "batch")):
                for part, price in holding(kinds.get(kind, []), day).items():
                    key = Key(MODEL_PRICES.get(provider, provider), name.lower(), lane, part)
                    found[key] = round(Decimal(price) * 10**6)
    return found


def holding(entries: list[dict[str, Any]], day: date) -> dict[str, Decimal]:
    """Input and output of the last entry that has begun."""
    begun = [item for item in entries if (item["start"] or "")[:10] <= day.isoformat()]
    rates = begun[-1]["rates"] if begun else {}
    return {part: rates[part] for part in PARTS if isinstance(rates.get(part), Decimal | int)}


def from_base(base: Table, keys: set[Key], day: date) -> Prices:
    """What genai-prices lists for these, for the lane itself, by nobody's rule."""
    found: Prices = {}
    for key in keys:
        hit = base.find(key.provider, key.model)
        dated = None if hit is None else hit.model.on(key.lane, day.isoformat())
        if dated is not None and not (hit and hit.borrowed and key.lane != REALTIME):
            found[key] = dated.base[PARTS[key.part]]
    return found


def from_book(book: PriceBook, keys: set[Key], day: date) -> Prices:
    """What lanewise says."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    found: Prices = {}
    for key in keys:
        rates = book.resolve(key.provider, key.model, at, key.lane).rates
        if rates is not None:
            found[key] = getattr(rates.base, key.part)
    return found


def verdict(one: int | None, two: int | None, three: int | None) -> str:
    """How base, litellm and model-prices stand to each other."""
    match (one, two, three):
        case (None, None, _) | (None, _, None) | (_, None, None):
            return "only one says" if one is None else "only the base says"
        case (None, _, _):
            return (
                "base lacks it, the others agree" if two == three else "base lacks it, they differ"
            )
        case (_, None, _) | (_, _, None):
            return "two agree" if one in (two, three) else "two differ"
    if one == two == three:
        return "all agree"
    if two == three:
        return "the others agree against the base"
    return "base and one agree" if one in (two, three) else "all differ"


WORTH_READING = {
    "base lacks it, the others agree",
    "base lacks it, they differ",
    "the others agree against the base",
    "all differ",
    "two differ",
}


def lines(columns: list[Prices], keys: list[Key], everything: bool) -> Iterator[str]:
    """A line for each price about which something is to be said."""
    for key in keys:
        base, lite, models, ours = (column.get(key) for column in columns)
        how = verdict(base, lite, models)
        settled = ours is not None and ours in (lite, models) and how.startswith("base lacks")
        if everything or (how in WORTH_READING and not settled):
            cells = "".join(
                f"{'-' if value is None else per_million(value):>10}"
                for value in (base, lite, models, ours)
            )
            name = f"{key.provider} {key.model}"
            yield f"{name[:58]:<58} {key.lane:<8} {key.part:<6}{cells}  {how}"


def main() -> None:
    """Print the table and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--day", type=date.fromisoformat, default=datetime.now(UTC).date())
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--provider", action="append")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.wheels or Path(temporary)
        lite = from_litellm(wheel(folder, WHEELS[0]))
        models = from_model_prices(wheel(folder, WHEELS[1]), options.day)
    base = Table(table(options.day.isoformat()))
    known = {key for key in {*lite, *models} if key.provider in base.providers}
    keys = {key for key in known if not options.provider or key.provider in options.provider}
    columns = [
        from_base(base, keys, options.day), lite, models,
        from_book(PriceBook.load(), keys, options.day),
    ]  # fmt: skip
    print(f"{'':<73}{'base':>10}{'litellm':>10}{'models':>10}{'ours':>10}")
    print(*lines(columns, sorted(keys), options.all), sep="\n")
    counts: Counter[tuple[str, str, str]] = Counter()
    for key in keys:
        how = verdict(*(column.get(key) for column in columns[:3]))
        counts[key.provider, key.lane, how] += 1
    print()
    for (provider, lane, how), n in sorted(counts.items()):
        print(f"{n:>6}  {provider:<11} {lane:<9} {how}")


if __name__ == "__main__":
    main()
