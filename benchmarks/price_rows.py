"""Seconds to price a million usage rows, each in its lane and in real time, with a warm price book.

    python benchmarks/price_rows.py [--rows 1000000] [--repeat 5]

Rows are of several models, lanes and days, in no order, so every row asks the book anew (`by row`).
Settling a batch asks once for each of its models (`by batch`). Prints medians, on one core.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from lanewise.domain.lanes import BATCH, FLEX, REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook, price

Row = tuple[str, str, datetime, LaneName, Usage]
MODELS = (
    ("openai", "gpt-5-mini-2025-08-07", FLEX),
    ("openai", "gpt-4o-mini", BATCH),
    ("openai", "gpt-5.4", BATCH),
    ("anthropic", "claude-haiku-4-5-20251001", BATCH),
    ("google", "gemini-2.5-pro", BATCH),
)


def rows(count: int) -> list[Row]:
    """Rows of a month, the same every time."""
    chance = random.Random(7)
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    return [
        (*model[:2], begin + timedelta(days=chance.randrange(30)), model[2], usage(chance))
        for model in chance.choices(MODELS, k=count)
    ]


def usage(chance: random.Random) -> Usage:
    return Usage(
        input=chance.randrange(4_000),
        cache_read=chance.choice((0, 0, 2_048)),
        output=chance.randrange(800),
    )


def by_row(book: PriceBook, many: list[Row]) -> int:
    """Cost and baseline of each row, looked up for each row."""
    saved = 0
    for provider, model, at, lane, used in many:
        actual = book.resolve(provider, model, at, lane).rates
        realtime = book.resolve(provider, model, at, REALTIME).rates
        if actual is not None and realtime is not None:
            saved += price(realtime, used) - price(actual, used)
    return saved


def by_batch(book: PriceBook, many: list[Row]) -> int:
    """Cost and baseline of each row, as if all were one model's."""
    provider, model, at, lane, _ = many[0]
    actual = book.pricer(provider, model, at, lane)
    realtime = book.pricer(provider, model, at, REALTIME)
    assert actual is not None
    assert realtime is not None
    return sum(realtime.cost(used) - actual.cost(used) for *_, used in many)


def median(work: Callable[[PriceBook, list[Row]], int], many: list[Row], repeat: int) -> float:
    """CPU seconds."""
    book = PriceBook.load()
    work(book, many[:10_000])
    taken = []
    for _ in range(repeat):
        begun = time.process_time()
        work(book, many)
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    many = rows(options.rows)
    for name, work in (("by row", by_row), ("by batch", by_batch)):
        seconds = median(work, many, options.repeat)
        print(
            f"{name:>9}: {seconds:.2f} s for {len(many):,} rows, two prices each "
            f"({seconds / len(many) * 1_000_000:.2f} µs a row)"
        )


if __name__ == "__main__":
    main()
