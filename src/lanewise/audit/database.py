"""The database that an audit works in: a file in a temporary folder, with little memory and no network."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lanewise.audit.statements import script, statements

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY: Final = "280MB"
ROOM: Final = "2GB"  # where single records are so large that they do not fit
THREADS: Final = 4
_INTERRUPTED: Final = "Query interrupted"  # what DuckDB makes of Ctrl-C while it runs a statement


@contextmanager
def database(folder: Path | None = None, *, ordered: bool = False) -> Iterator[DuckDBPyConnection]:
    """An empty `requests` table with all that reading needs; gone, with its file, at the end.

    folder: where the temporary folder is made; without it, where the system puts such. ordered: keep rows in
    the order of the log, which takes longer.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="lanewise-audit-", dir=folder) as place:
        base = Path(place)
        connection = duckdb.connect(str(base / "audit.duckdb"))
        try:
            _prepare(connection, base / "spill")
            if ordered:
                connection.execute("SET preserve_insertion_order = true; SET threads = 1")
            yield connection
        except RuntimeError as error:
            if str(error) == _INTERRUPTED:
                raise KeyboardInterrupt from error
            raise
        finally:
            connection.close()


def place(connection: DuckDBPyConnection) -> Path:
    """The temporary folder that the database lies in, and is deleted with."""
    found = connection.execute("SELECT current_setting('temp_directory')").fetchone()
    assert found is not None
    return Path(found[0]).parent


def _prepare(connection: DuckDBPyConnection, spill: Path) -> None:
    _limit(connection, MEMORY, min(THREADS, os.cpu_count() or 1))
    connection.execute("SET temp_directory = ?", [str(spill)])
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(script("macros"))
    for name in ("table", "read"):
        connection.execute(statements("requests")[name])


@contextmanager
def unhurried(connection: DuckDBPyConnection) -> Iterator[None]:
    """Leave filters where a statement has them; moved down, they take fields out of JSON a second time."""
    connection.execute("SET disabled_optimizers = 'filter_pushdown'")
    try:
        yield
    finally:
        connection.execute("SET disabled_optimizers = ''")


@contextmanager
def spacious(connection: DuckDBPyConnection) -> Iterator[None]:
    """One thread with the memory that records of many megabytes need."""
    _limit(connection, ROOM, 1)
    try:
        yield
    finally:
        _limit(connection, MEMORY, min(THREADS, os.cpu_count() or 1))


def _limit(connection: DuckDBPyConnection, memory: str, threads: int) -> None:
    connection.execute(f"SET memory_limit = '{memory}'")
    connection.execute(f"SET threads = {threads}")
