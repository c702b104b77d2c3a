"""Windows of real arrivals with deadlines, and menus at the price book's prices."""

from __future__ import annotations

import csv
import gzip
import random
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

from lanewise.domain.lanes import BACKGROUND_2H, BACKGROUND_8H, BATCH, REALTIME, LaneName
from lanewise.pricing import PriceBook
from lanewise.providers.offers import offers
from lanewise.replay.nouns import Arrival, Arrivals, Menu, Sold

DATA = Path(__file__).parents[3] / "shared" / "data"
DAY = datetime(2026, 11, 24, tzinfo=UTC)
HOUR = 3_600.0
Row = tuple[float, int, int]  # seconds, input and output tokens


def servegen() -> list[Row] | None:
    """ServeGen m-small, two weeks at 0.4 requests a second; None where it is absent."""
    path = DATA / "servegen_sample_m-small.parquet"
    if not path.exists():
        return None
    from pyarrow import parquet

    table = parquet.read_table(path)
    columns = [table[name].to_pylist() for name in ("t_s", "input_tokens", "output_tokens")]
    return list(zip(*columns, strict=True))


def azure() -> list[Row] | None:
    """Azure conversation, one hour at 5 requests a second; None where it is absent."""
    path = DATA / "azure2023_conv.csv.gz"
    if not path.exists():
        return None
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [
            (datetime.fromisoformat(at[:26]).timestamp(), int(inputs), int(outputs))
            for at, inputs, outputs in list(csv.reader(file))[1:]
        ]
    return [(at - rows[0][0], inputs, outputs) for at, inputs, outputs in rows]


def generated(count: int = 60_000) -> list[Row]:
    """A stand-in of our own: two requests a second in bursts, lengths lognormal."""
    dice = random.Random(20261124)
    gaps = (dice.expovariate(2.0 if dice.random() < 0.9 else 0.3) for _ in range(count))
    return [
        (at, min(int(dice.lognormvariate(6, 1)), 60_000) + 1, min(int(dice.lognormvariate(4, 1)), 4_000) + 1)
        for at in accumulate(gaps)
    ]  # fmt: skip


def window(rows: list[Row], seed: int, size: int) -> Arrivals:
    """`size` arrivals in a row from a place that the seed chooses; 30 % due in 1 h, 40 % in 8, 30 % in 24."""
    dice = random.Random(f"window:{seed}")
    first = dice.randrange(max(len(rows) - size, 0) + 1)
    slacks = dice.choices((1 * HOUR, 8 * HOUR, 24 * HOUR), (0.3, 0.4, 0.3), k=size)
    chosen = rows[first : first + size]
    begin = chosen[0][0]
    return Arrivals.of(
        Arrival(at - begin, at - begin + slack, inputs, outputs)
        for (at, inputs, outputs), slack in zip(chosen, slacks, strict=False)
    )


def menu(name: str, provider: str, model: str, *, only: tuple[LaneName, ...] = ()) -> Menu:
    """The lanes of a model that have a price, 5,000 requests and 2 M tokens a minute in real time."""
    book = PriceBook.load()
    sold = []
    for offer in offers(provider):
        rates = book.resolve(provider, model, DAY, offer.lane).rates
        if rates is not None and (not only or offer.lane in only):
            sold.append(Sold(offer, rates.base.input, rates.base.output))
    return Menu(name, tuple(sold), 5_000 / 60, 2_000_000 / 60)


def menus() -> tuple[Menu, ...]:
    """Two menus: batch and real time only, and all of OpenAI's lanes."""
    return (
        menu("batch and real time (gpt-4o)", "openai", "gpt-4o", only=(BATCH, REALTIME)),
        menu("all lanes (gpt-5)", "openai", "gpt-5"),
    )


def harder_menus() -> tuple[Menu, ...]:
    """Lanes that are not free to wait in, and a limit that an hour of arrivals nearly fills."""
    plain = menus()[0]
    thrown_away = tuple(
        replace(sold, offer=replace(sold.offer, partial_on_cancel=False)) for sold in plain.lanes
    )
    lanes = (BATCH, BACKGROUND_8H, BACKGROUND_2H, REALTIME)
    return (
        menu("background without flex (gpt-5)", "openai", "gpt-5", only=lanes),
        replace(plain, name="cancelling throws away what is done (gpt-4o's prices)", lanes=thrown_away),
        replace(plain, name="500 requests a minute (gpt-4o)", requests_per_second=500 / 60),
    )  # fmt: skip
