"""Logged requests, one after another, in an order that does not depend on that of the files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from lanewise.audit.statements import statements
from lanewise.domain.lanes import LaneName
from lanewise.domain.usage import Usage

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NOT_ANSWERED: Final = "not answered"
_AT_ONCE: Final = 10_000
_LIKE: Final = 14  # the columns before what the log says of costs, and hashes


class Logged(NamedTuple):
    """A request as a log has it. Tokens; `input` is all input."""

    at: float
    provider: str
    model: str
    lane: LaneName  # that it took
    workflow: str
    key: str
    tags: tuple[str, ...]
    input: int
    cached: int
    cache_write: int
    cache_write_1h: int
    output: int
    requests: int  # that the row stands for
    unfit: str  # why it cannot be replayed; "" where it can
    logged_nano: int = -1  # what the log says that it cost, nano-USD; -1 where it does not
    prompt: int = 0  # hash of the whole prompt; 0 where the log has no text

    @property
    def like(self) -> tuple[object, ...]:
        """What tells it from others of its time, as far as every version of an importer has it."""
        return self[:_LIKE]

    def as_called(self) -> Usage:
        """What it used when it was called, prompt caches and all."""
        return Usage(
            input=max(self.input - self.cached - self.cache_write, 0),
            cache_read=self.cached,
            cache_write_5m=self.cache_write - self.cache_write_1h,
            cache_write_1h=self.cache_write_1h,
            output=self.output,
        )

    def as_waiting(self) -> Usage:
        """What it is taken to use in a lane that waits: nothing from a cache, which may be cold by then."""
        return Usage(input=self.input, output=self.output)


def traffic(connection: DuckDBPyConnection) -> Iterator[Logged]:
    """All rows of `requests` in the order of time; those without one come last."""
    cursor = connection.cursor()
    cursor.execute(statements("whatif")["traffic"])
    while rows := cursor.fetchmany(_AT_ONCE):
        for at, provider, model, lane, workflow, key, tags, *rest in rows:
            yield Logged(at, provider, model, lane, workflow, key, tuple(tags), *rest)
