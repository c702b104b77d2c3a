"""Logs read a second time, for texts of which the import kept only hashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from lanewise.audit.database import of_database, spacious, unhurried
from lanewise.audit.formats import Recognised
from lanewise.audit.logs import reading
from lanewise.audit.logs.sources import Source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_AT_ONCE: Final = 200  # rows


def again(
    connection: DuckDBPyConnection,
    source: Source,
    what: Recognised,
    statement: str,
    values: Sequence[object] = (),
) -> Iterator[Any]:
    """The rows of a statement, in which `{rows}` stands for what is in a source. `values`: of its parameters.

    Very long records need more memory; what came before one of them then comes twice. Raises one of `lost()`
    where the source is gone, or is no longer what it was.
    """
    try:
        yield from _rows(connection, source, what, statement, values)
    except lost() as error:
        if of_database(error):
            raise
        with spacious(connection):
            yield from _rows(connection, source, what, statement, values, roomy=True)


def lost() -> tuple[type[Exception], ...]:
    """What is raised for files that are gone or changed, and for want of memory."""
    import duckdb

    return (
        duckdb.IOException,
        duckdb.OutOfMemoryException,
        duckdb.InvalidInputException,
        duckdb.ConversionException,
    )


def _rows(
    connection: DuckDBPyConnection,
    source: Source,
    what: Recognised,
    statement: str,
    values: Sequence[object],
    *,
    roomy: bool = False,
) -> Iterator[Any]:
    rows = reading.statement(connection, [source], what.format, what.within, roomy=roomy)
    with unhurried(connection):
        found = connection.execute(statement.replace("{rows}", rows), list(values))
        while batch := found.fetchmany(_AT_ONCE):
            yield from batch
    connection.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
