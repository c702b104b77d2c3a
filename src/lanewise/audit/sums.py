"""What the traffic adds up to by workflow, model and lane, and what the log tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lanewise.audit.costing import rate
from lanewise.audit.statements import identifier, statements
from lanewise.pricing import PriceBook

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST: Final = 1_000  # groups that are kept; the total has all of them
FIELDS: Final = (
    "at", "provider", "model", "input", "cached", "cache_write", "output", "seconds", "first_token_seconds",
    "stream", "lane", "workflow", "user_name", "session", "key_name", "agent", "tags", "cost_nano", "ok",
    "prompt", "answer",
)  # fmt: skip
_MISSED: Final = (
    ("at", "when requests came: no hour of the week, no bursts, no windows"),
    ("input", "tokens: what money there is rests on lengths of texts"),
    ("cached", "how much of the input was read from a prompt cache"),
    ("seconds", "how long answers took"),
    ("stream", "whether answers were streamed, a strong sign that somebody waits"),
    ("lane", "whether requests were in batch or flex already; all count as real time"),
    ("workflow", "which workflow a request belongs to; log one, as a tag or in the metadata"),
    ("user_name", "who asked"),
    ("session", "which requests belong to one conversation"),
    ("prompt", "what was asked, in words: no repeats, no templates"),
    ("cost_nano", "what was paid; money is reckoned by our own price book"),
)
_PRIORITY: Final = (
    "what the priority tier costs: levers reckon its requests at the lower price of real time"
)


@dataclass(frozen=True, slots=True)
class Group:
    """Requests of one workflow, model and lane. Money in nano-USD; None where nothing is known of it."""

    workflow: str | None
    provider: str | None
    model: str | None
    lane: str | None
    rows: int
    requests: int | None  # None where only buckets without a count are known
    uncounted: int  # rows that do not say how many requests they stand for
    untold: int  # rows without tokens
    input: int
    cached: int
    cache_write: int
    output: int
    logged_nano: int | None
    logged_rows: int  # rows that say what they cost
    reckoned_nano: int | None
    unpriced: int  # rows with tokens whose price nobody knows
    failed: int
    first: float | None  # seconds since the epoch
    last: float | None
    statuses: tuple[str, ...]  # what the prices rest on


@dataclass(frozen=True, slots=True)
class Sums:
    """All groups, the dearest first (at most `MOST`), their total, and what the log tells."""

    groups: tuple[Group, ...]
    count: int  # groups, also those that are not in `groups`
    total: Group
    coverage: dict[str, float]  # field -> share of the rows that have it
    aggregates: int  # rows that are buckets
    untold_bytes: tuple[int, int]  # of prompts and of answers in rows without tokens

    @property
    def missing(self) -> tuple[str, ...]:
        """What cannot be said from this log, in words."""
        told = tuple(words for name, words in _MISSED if not self.coverage[name])
        dearer = any(group.lane == "priority" and group.unpriced for group in self.groups)
        return (*told, _PRIORITY) if dearer else told


def sums(connection: DuckDBPyConnection, book: PriceBook, now: float) -> Sums:
    """Add `requests` up. Leaves the tables `rates`, `sums` (by day) and `groups` to look closer at."""
    asked = statements("sums")
    rate(connection, book, now)
    connection.execute(asked["sums"])
    connection.execute(asked["reckoned"])
    groups = connection.execute(asked["groups"], [MOST]).fetchall()
    *total, count = _one(connection, asked["total"])
    rows, *shares, aggregates = _one(connection, asked["coverage"].replace("{counts}", _counts()))
    return Sums(
        groups=tuple(_group(row) for row in groups),
        count=count,
        total=_group(total),
        coverage={name: there / rows for name, there in zip(FIELDS, shares, strict=True)},
        aggregates=aggregates,
        untold_bytes=_one(connection, asked["text_bytes"]),
    )


def _one(connection: DuckDBPyConnection, statement: str) -> Any:
    return connection.execute(statement).fetchall()[0]


def _group(row: Any) -> Group:
    *fields, statuses = row
    values = (*fields, tuple(statuses or ()))
    return Group(**dict(zip(Group.__slots__, values, strict=True)))


def _counts() -> str:
    """Of the rows that say it themselves: what was estimated is not in the log."""
    return ", ".join(
        f"count({identifier(name)}) FILTER ({'estimated IS NULL' if name in ('input', 'output') else 'true'})"
        for name in FIELDS
    )
