"""How far an audit or a what-if is; asked by another thread than the one that works."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(slots=True)
class Progress:
    """What is being done now."""

    doing: str = "beginning"
    connection: DuckDBPyConnection | None = None  # whose query is timed; None: no share is known

    def at(self, doing: str, connection: DuckDBPyConnection | None = None) -> None:
        """Say what begins now."""
        self.doing, self.connection = doing, connection

    def words(self) -> str:
        """For people: `reading 12 files, 14.2 GB: 34 %`. DuckDB knows the share of long queries only."""
        share = -1.0 if self.connection is None else self.connection.query_progress()
        return f"{self.doing}: {share:.0f} %" if share >= 0 else f"{self.doing} ..."


Watch: TypeAlias = Callable[[], AbstractContextManager[Progress]]


def unwatched() -> AbstractContextManager[Progress]:
    """Nobody looks on."""
    return nullcontext(Progress())
