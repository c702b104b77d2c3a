"""What of the rows can stand, once all files are in: each left out or mended for a reason that is told."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from lanewise.audit.statements import statements

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CHECKS: Final = (  # what is looked for, what is done about it, what is said: of one row, and of many
    (
        "impossible",
        "forget_impossible",
        "row has a number that no request has (below nothing, or absurdly large) and is left out",
        "rows have numbers that no request has (below nothing, or absurdly large) and are left out",
    ),
    (
        "twice",
        "forget_twice",
        "row has the id of another and is left out: the same request stands there twice",
        "rows have the ids of others and are left out: the same requests stand there twice",
    ),
    (
        "apart",
        "put_together",
        "row has cached tokens that its input leaves out; they are added to it",
        "rows have cached tokens that their input leaves out; they are added to it",
    ),
)


def check(connection: DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """Leave out rows that cannot be, that are there twice, or that repeat others; what was done, by file."""
    asked = statements("checks")
    told: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for look, act, one, many in _CHECKS:
        connection.execute(asked[look])
        counts = connection.execute(f"SELECT file, count(*) FROM {look} GROUP BY file").fetchall()
        if counts:
            connection.execute(asked[act])
        for file, count in counts:
            told[file] += (f"{count:,} {one if count == 1 else many}",)
        connection.execute(f"DROP TABLE {look}")
    if connection.execute(
        "SELECT 1 FROM requests WHERE bare AND parent IS NULL LIMIT 1"
    ).fetchall():
        connection.execute(asked["beside"])
        connection.execute(asked["forget_beside"])
    _forget_parents(connection)
    return told


def _forget_parents(connection: DuckDBPyConnection) -> None:
    """Spans and runs repeat the tokens of those within them, in whichever file these are."""
    asked = statements("checks")
    nested = "SELECT 1 FROM requests WHERE parent IS NOT NULL LIMIT 1"
    if not connection.execute(nested).fetchall():
        return
    connection.execute(asked["above"])
    step, added = 0, 1
    while added:
        step += 1
        ((added,),) = connection.execute(asked["further_above"], {"step": step}).fetchall()
    connection.execute(asked["forget_above"])
    connection.execute("DROP TABLE above")
