"""The database that an audit works in: a file in a temporary folder, with little memory and no network."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lanewise.audit.statements import script, statements
from lanewise.errors import BadInput

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY: Final = "280MB"
LESS: Final = "180MB"  # once all is read and Python holds what was replayed
ROOM: Final = "2GB"  # where single records are so large that they do not fit
THREADS: Final = 2  # each has buffers of its own: four do not fit into this memory
_INTERRUPTED: Final = "Query interrupted"  # what DuckDB makes of Ctrl-C while it runs a statement
_places: Final[set[Path]] = set()  # folders of databases that are open
_PREFIX: Final = "lanewise-audit-"
_OURS: Final = re.compile(rf"{_PREFIX}[^/\\]*[/\\](audit\.duckdb|spill)|max_temp_directory_size")


@contextmanager
def database(folder: Path | None = None, *, ordered: bool = False) -> Iterator[DuckDBPyConnection]:
    """An empty `requests` table with all that reading needs; gone, with its file, at the end.

    folder: where the temporary folder is made; without it, where the system puts such. ordered: keep rows in
    the order of the log, which takes longer. Raises `BadInput` where it cannot be made, or has no room left;
    `KeyboardInterrupt` where a query was interrupted.
    """
    import duckdb

    with _place(folder) as place:
        try:
            connection = duckdb.connect(str(place / "audit.duckdb"))
            try:
                _prepare(connection, place / "spill")
                if ordered:
                    connection.execute("SET preserve_insertion_order = true; SET threads = 1")
                yield connection
            finally:
                connection.close()
        except duckdb.Error as error:
            if of_database(error):
                raise BadInput(_no_room(place)) from error
            raise
        except RuntimeError as error:  # what DuckDB makes of a signal
            if str(error) == _INTERRUPTED:
                raise KeyboardInterrupt from None
            raise


def folder_of(connection: DuckDBPyConnection) -> Path:
    """The temporary folder of a database."""
    found = connection.execute(
        "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchall()
    return Path(found[0][0]).parent


def of_database(error: Exception) -> bool:
    """Whether DuckDB could not write its own files, rather than read those of somebody else."""
    return _OURS.search(str(error)) is not None


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    wanted = folder or os.environ.get("TMPDIR") or None  # Python would go elsewhere without a word
    try:
        made = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=wanted, ignore_cleanup_errors=True)
    except OSError as error:
        raise BadInput(
            f"making the audit's temporary database in {wanted or 'the temporary folder'}: "
            f"{error.strerror or error}; set TMPDIR to a folder that can be written"
        ) from None
    with made as place:
        _places.add(Path(place))
        try:
            yield Path(place)
        finally:
            _places.discard(Path(place))


def put_away() -> None:
    """Delete the files of all open databases, for a process that ends at once and uses none of them again."""
    for place in _places:
        for _ in range(3):  # a query that still runs may add a file
            shutil.rmtree(place, ignore_errors=True)


def _no_room(place: Path) -> str:
    return (
        f"writing the audit's temporary database in {place.parent}: no room is left there, or it cannot be "
        "written; make room (about a tenth of the logs' plain size) or set TMPDIR to another folder"
    )


def _prepare(connection: DuckDBPyConnection, spill: Path) -> None:
    _limit(connection, MEMORY, min(THREADS, os.cpu_count() or 1))
    connection.execute("SET temp_directory = ?", [str(spill)])
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = true")  # to be asked for; printed by nobody
    connection.execute("SET enable_progress_bar_print = false")
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


def make_room(connection: DuckDBPyConnection) -> None:
    """Keep less in memory from here on, where only sums are to come."""
    connection.execute(f"SET memory_limit = '{LESS}'")


def _limit(connection: DuckDBPyConnection, memory: str, threads: int) -> None:
    connection.execute(f"SET memory_limit = '{memory}'")
    connection.execute(f"SET threads = {threads}")
