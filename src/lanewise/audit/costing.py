"""What the traffic costs by our own price book: the rates that its models, lanes and days need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from lanewise.audit.statements import statements
from lanewise.domain.lanes import LaneName
from lanewise.pricing import PriceBook
from lanewise.pricing.arithmetic import Vector

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SELLERS: Final = {"gemini": "google", "vertex": "google", "bedrock": "", "openrouter": ""}
_MAKERS: Final = (
    ("claude", "anthropic"), ("gpt", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"),
    ("gemini", "google"), ("mistral", "mistral"), ("deepseek", "deepseek"), ("command", "cohere"),
)  # fmt: skip
_VERSION_FIRST: Final = re.compile(r"^claude-(\d)\.?(\d)?-(opus|sonnet|haiku)(.*)$")
_EVER: Final = 4e9  # an instant beyond every log
_ESTIMATED: Final = "estimated"


class _Rate(NamedTuple):
    """A row of the table `rates`."""

    provider: str
    model: str
    lane: str
    since: float
    until: float
    above: int
    status: str
    plain: str
    read: str
    write: str
    write_1h: str
    output: str


def rate(connection: DuckDBPyConnection, book: PriceBook, now: float) -> None:
    """Fill `rates` with what the rows in `requests` need. Rows without a time are reckoned as of `now`."""
    asked = statements("sums")
    connection.execute(asked["rates"])
    rows: list[_Rate] = []
    for provider, model, lanes, first, last in connection.execute(asked["models"]).fetchall():
        for lane in lanes:
            rows += _rates(book, provider, model, lane, first, last, now)
    if rows:
        connection.execute(asked["add_rates"], [list(column) for column in zip(*rows, strict=True)])


def listed_as(provider: str, model: str) -> tuple[str, str, bool]:
    """Under whom and which name a model's price is looked up, and whether that is another than it was asked of.

    >>> listed_as("bedrock", "claude-sonnet-4-20250514")
    ('anthropic', 'claude-sonnet-4-20250514', True)
    >>> listed_as("anthropic", "claude-4.5-sonnet-20250929")
    ('anthropic', 'claude-sonnet-4-5-20250929', False)
    """
    found = _VERSION_FIRST.match(model)
    if found:
        name = f"claude-{found[3]}-{found[1]}{f'-{found[2]}' if found[2] else ''}{found[4]}"
        model = name if int(found[1]) >= 4 else model
    seller = _SELLERS.get(provider, provider)
    if seller == "" or (provider == "vertex" and model.startswith("claude")):
        maker = next((who for start, who in _MAKERS if model.startswith(start)), provider)
        return maker, model, True
    return seller, model, provider == "vertex"


def _rates(
    book: PriceBook, provider: str, model: str, lane: str, first: float | None, last: float | None, now: float
) -> Iterator[_Rate]:
    """The prices of a model in a lane, for each time over which they hold."""
    seller, name, other = listed_as(provider, model)
    starts = _aboves(book, seller, name, lane, now if first is None else first)
    for since, until, at in _spans(book, seller, name, first, last, now):
        found = book.resolve(seller, name, datetime.fromtimestamp(at, UTC), LaneName(lane))
        if found.rates is None:
            continue
        status = _ESTIMATED if other else found.status
        for above in starts:
            vector = found.rates.above(above) if above else found.rates.base
            yield _Rate(provider, model, lane, since, until, above, status, *_texts(vector))


def _spans(
    book: PriceBook, seller: str, name: str, first: float | None, last: float | None, now: float
) -> Iterator[tuple[float, float, float]]:
    """From when to when a price holds, and an instant in it. The first holds from ever, the last for ever."""
    start = now if first is None else first
    days = book.changes(seller, name, datetime.fromtimestamp(start, UTC))
    changes = [datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() for day in days]
    edges = [0.0, *(edge for edge in changes if last is not None and edge <= last), _EVER]
    for since, until in zip(edges, edges[1:], strict=False):
        yield since, until, max(since, start)


def _aboves(book: PriceBook, seller: str, name: str, lane: str, at: float) -> list[int]:
    """Every size of input at which a price of the model becomes another; 0 first."""
    days = book.changes(seller, name, datetime.fromtimestamp(at, UTC))
    when = [datetime.fromtimestamp(at, UTC), *(datetime.fromisoformat(d).replace(tzinfo=UTC) for d in days)]
    found = [book.resolve(seller, name, day, LaneName(lane)).rates for day in when]
    return sorted({0, *(above for rates in found if rates for above, _ in rates.tiers)})


def _texts(vector: Vector) -> tuple[str, str, str, str, str]:
    return (
        str(vector.input), str(vector.cache_read), str(vector.cache_write_5m), str(vector.cache_write_1h),
        str(vector.output),
    )  # fmt: skip
