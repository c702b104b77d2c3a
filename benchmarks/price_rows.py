"""Seconds to price a million usage rows, each in its lane and in real time, with a warm price book.

    python benchmarks/price_rows.py [--rows 1000000] [--repeat 5]

Rows are of several models, lanes and days, in no order: provider, model, lane, day and usage, as the ledger
holds them. `ledger` gives each its cost, baseline and long-context tier; `records` reads the usages from a
batch's stored result records besides; `by row` asks the book anew for each; `one batch` is a batch of one
model, as settling sees it. `decimal` is the baseline: the sums of `ledger`, worked out in decimals with the
prices at hand. Processor seconds of one core, medians of measures taken in turn.
"""

from __future__ import annotations

import argparse
import gc
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from measuring import paired

from lanewise.domain.lanes import BATCH, FLEX, REALTIME, LaneName
from lanewise.domain.results import Verdict
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook, Rates, price
from lanewise.pricing.quotes import Quotes
from lanewise.store.records import Records, RecordTable

Row = tuple[str, str, LaneName, str, Usage]
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
    begin = date(2026, 11, 1)
    days = [(begin + timedelta(days=n)).isoformat() for n in range(30)]
    return [
        (*model, chance.choice(days), usage(chance)) for model in chance.choices(MODELS, k=count)
    ]


def usage(chance: random.Random) -> Usage:
    return Usage(
        input=chance.randrange(4_000),
        cache_read=chance.choice((0, 0, 2_048)),
        output=chance.randrange(800),
    )


class Work:
    """The same rows, priced in several ways; each returns the sum of cost and of baseline in nano-USD."""

    def __init__(self, many: list[Row], folder: Path) -> None:
        self.many, self.book = many, PriceBook.load()
        self.file = folder / "records.res"
        stored(many, self.file)
        self.quotes = Quotes(self.book)
        self.instants = {row[3]: datetime.fromisoformat(row[3]).replace(tzinfo=UTC) for row in many}

    def ledger(self) -> tuple[int, int]:
        """Cost, baseline and tier of each row."""
        spent = baseline = 0
        quotes = self.quotes.of
        for provider, model, lane, day, used in self.many:
            cost, standard, _tier = quotes(provider, model, lane, day).of(used)
            if cost is not None and standard is not None:
                spent += cost
                baseline += standard
        return spent, baseline

    def records(self) -> tuple[int, int]:
        """The same from a batch's result records, read from their file."""
        spent = baseline = 0
        quotes = self.quotes.of
        for (provider, model, lane, day, _), record in zip(
            self.many, Records(self.file), strict=True
        ):
            cost, standard, _tier = quotes(provider, model, lane, day).of(record)
            if cost is not None and standard is not None:
                spent += cost
                baseline += standard
        return spent, baseline

    def by_row(self) -> tuple[int, int]:
        """Cost and baseline of each row, looked up in the book for each row."""
        spent = baseline = 0
        for provider, model, lane, day, used in self.many:
            at = self.instants[day]
            actual = self.book.resolve(provider, model, at, lane).rates
            standard = self.book.resolve(provider, model, at, REALTIME).rates
            if actual is not None and standard is not None:
                spent += price(actual, used)
                baseline += price(standard, used)
        return spent, baseline

    def one_batch(self) -> tuple[int, int]:
        """Cost and baseline of each row, as if all were one model's of one day."""
        quoted = self.quotes.of(*self.many[0][:4])
        spent = baseline = 0
        for *_, used in self.many:
            cost, standard, _tier = quoted.of(used)
            spent += cost or 0
            baseline += standard or 0
        return spent, baseline

    def decimal(self) -> tuple[int, int]:
        """The same sums as `ledger` by decimals, with a dictionary of prices at hand."""
        spent = baseline = Decimal(0)
        at_hand = {row[:4]: self._decimals(row) for row in self.many[:10_000]}
        for provider, model, lane, day, used in self.many:
            actual, standard = at_hand[provider, model, lane, day]
            spent += decimal_price(actual, used)
            baseline += decimal_price(standard, used)
        return int(spent), int(baseline)

    def _decimals(self, row: Row) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        quoted = self.quotes.of(*row[:4])
        assert quoted.cost is not None
        assert quoted.baseline is not None
        return decimals(quoted.cost.rates), decimals(quoted.baseline.rates)


def stored(many: list[Row], file: Path) -> None:
    """Write the usages as settling does."""
    table = RecordTable(len(many))
    for position, (*_, used) in enumerate(many):
        table.put(
            position, Verdict.ANSWERED, file=0, status=200, offset=0, length=1, usage=used,
            cost_nano=None, baseline_nano=None,
        )  # fmt: skip
    table.write(file)


def decimals(rates: Rates) -> dict[str, Decimal]:
    base = rates.base
    return {
        name: Decimal(getattr(base, name)).scaleb(-3) for name in ("input", "cache_read", "output")
    }


def decimal_price(prices: dict[str, Decimal], used: Usage) -> Decimal:
    exact = (
        used.input * prices["input"]
        + used.cache_read * prices["cache_read"]
        + used.output * prices["output"]
    )
    return exact.quantize(Decimal(1), ROUND_HALF_EVEN)


def timed(work: Callable[[], tuple[int, int]]) -> Callable[[], float]:
    def run() -> float:
        begun = time.process_time()
        work()
        return time.process_time() - begun

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    names = ("ledger", "records", "by_row", "one_batch", "decimal")
    with tempfile.TemporaryDirectory() as folder:
        work = Work(rows(options.rows), Path(folder))
        sums = {name: getattr(work, name)() for name in names if name != "one_batch"}
        assert len(set(sums.values())) == 1, f"not the same nano-dollars: {sums}"
        gc.freeze()  # the rows that wait here are no part of the work
        medians = paired(options.repeat, *(timed(getattr(work, name)) for name in names))
    for name, seconds in zip(names, medians, strict=True):
        print(
            f"{name.replace('_', ' '):>10}: {seconds:.2f} s for {options.rows:,} rows, two prices each "
            f"({seconds / options.rows * 1_000_000:.2f} µs a row, {medians[-1] / seconds:.1f} times "
            "as fast as decimal)"
        )


if __name__ == "__main__":
    main()
