"""What the traffic costs by our own price book: the rates that its models, lanes and days need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
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
RELATIVE: Final = 1e8  # times below (before 1973) are seconds since a trace began
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


class _Asked(NamedTuple):
    """A model that was asked, from when to when."""

    provider: str
    model: str
    first: float
    last: float


def rate(connection: DuckDBPyConnection, book: PriceBook, now: float) -> None:
    """Fill `rates` with what the rows in `requests` need. Rows without a time, or with one since a
    trace began, are reckoned as of `now`.
    """
    asked = statements("sums")
    connection.execute(asked["rates"])
    rows: list[_Rate] = []
    for provider, model, lanes, first, last in connection.execute(asked["models"]).fetchall():
        told = first is not None and last is not None and last >= RELATIVE
        model_ = _Asked(provider, model, *((first, last) if told else (now, now)))
        for lane in lanes:
            rows += _rates(book, model_, LaneName(lane))
    if rows:
        connection.execute(asked["add_rates"], [list(column) for column in zip(*rows, strict=True)])


def listed_as(provider: str, model: str) -> tuple[str, str, bool]:
    """Under whom and which name a model's price is looked up, and whether it was asked of somebody else.

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


def _rates(book: PriceBook, asked: _Asked, lane: LaneName) -> Iterator[_Rate]:
    """The prices of a model in a lane, for each time over which they hold."""
    seller, name, other = listed_as(asked.provider, asked.model)
    days = book.changes(seller, name, datetime.fromtimestamp(asked.first, UTC))
    changes = [datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() for day in days]
    edges = [0.0, *(edge for edge in changes if edge <= asked.last), _EVER]
    found = [
        (
            since,
            until,
            book.resolve(seller, name, datetime.fromtimestamp(max(since, asked.first), UTC), lane),
        )
        for since, until in pairwise(edges)
    ]
    aboves = sorted({0, *(above for *_, one in found if one.rates for above, _ in one.rates.tiers)})
    for since, until, one in found:
        for above in aboves if one.rates else ():
            assert one.rates is not None
            vector = one.rates.above(above) if above else one.rates.base
            status = _ESTIMATED if other else one.status
            yield _Rate(
                asked.provider, asked.model, lane, since, until, above, status, *_texts(vector)
            )


def _texts(vector: Vector) -> tuple[str, str, str, str, str]:
    return (
        str(vector.input), str(vector.cache_read), str(vector.cache_write_5m), str(vector.cache_write_1h),
        str(vector.output),
    )  # fmt: skip
