"""Logs read a second time, for what is in their texts; of these only hashes of pieces are kept."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lanewise.audit import reading
from lanewise.audit.database import spacious, unhurried
from lanewise.audit.formats import Recognised
from lanewise.audit.importing import Imported
from lanewise.audit.sources import Source
from lanewise.audit.statements import statements

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PIECE: Final = 64  # characters


def cut(connection: DuckDBPyConnection, imported: Imported) -> None:
    """Fill `pieces` with the pieces of each prompt in `wanted`, by the hash of its text.

    Only files that hold such prompts are read. What cannot be read again is left out: its prompts have none.
    """
    import duckdb

    asked = statements("texts")
    connection.execute(asked["pieces"])
    files = {row[0] for row in connection.execute(asked["files"]).fetchall()}
    for source, what in imported.sources:
        if source.name in files or "*" in source.path:
            try:
                _cut(connection, source, what)
            except (duckdb.OutOfMemoryException, duckdb.InvalidInputException):  # very long records
                with suppress(duckdb.Error), spacious(connection):
                    _cut(connection, source, what, roomy=True)


def _cut(
    connection: DuckDBPyConnection, source: Source, what: Recognised, *, roomy: bool = False
) -> None:
    rows = reading.statement(connection, [source], what.format, what.within, roomy=roomy)
    fill = statements("texts")["cut"].replace("{rows}", rows).replace("{piece}", str(PIECE))
    with unhurried(connection):
        connection.execute(fill)
    connection.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
