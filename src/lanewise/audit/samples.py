"""A few prompts of each workflow and model, read from the logs a second time.

They stay in memory, and only as long as they are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypeAlias

from lanewise.audit.again import again, lost
from lanewise.audit.logs.importing import Imported
from lanewise.audit.prompts import Text
from lanewise.audit.prompts.bodies import asks_nothing, plain
from lanewise.audit.statements import statements

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Unit: TypeAlias = tuple[int, str, str]  # id of a group, provider, model
MOST: Final = 60  # requests of a unit
SHORT: Final = 8  # prompts of a group, in which to look for empty ones
READ: Final = 1_000_000  # rows of files that are read again, at the most
_BYTES: Final = 2 << 20  # of the texts of a unit


@dataclass(frozen=True, slots=True)
class Looked:
    """How much was looked at: prompts of so many workflows and models, in files of so many rows (0: none)."""

    units: int
    prompts: int
    rows: int

    def __str__(self) -> str:
        """For people."""
        if not self.rows:
            return f"prompts were not looked at: no file of the log has at most {READ:,} rows"
        return f"prompts: {self.prompts:,} of {self.units:,} workflows and models were looked at"


@dataclass(frozen=True, slots=True)
class Samples:
    """`texts` by unit, those of one template side by side, by time. `empty`: hashes of prompts."""

    texts: dict[Unit, tuple[Text, ...]]
    empty: tuple[int, ...]
    looked: Looked


def gather(connection: DuckDBPyConnection, imported: Imported, units: Iterable[Unit]) -> Samples:
    """Draw at most `MOST` requests of each unit. Needs `grouped` and `kept`.

    Of a log of more than `READ` rows only so many whole files are read as have no more than that. What
    cannot be read again is left out.
    """
    asked = statements("samples")
    connection.execute(asked["looked"])
    chosen = _readable(imported)
    for unit in units:
        connection.execute("INSERT INTO looked VALUES (?, ?, ?)", unit)
    for file in chosen:
        connection.execute("INSERT INTO readable VALUES (?)", [file])
    connection.execute(asked["sampled"], {"most": MOST, "bytes": _BYTES})
    connection.execute(asked["shortest"], {"most": SHORT, "bytes": _BYTES // SHORT})
    connection.execute(asked["sought"])
    texts = _texts(connection, imported)
    short = (prompt for (prompt,) in connection.execute(asked["short"]).fetchall())
    empty = tuple(prompt for prompt in short if asks_nothing(texts.get(prompt, "?")))
    drawn = dict(_drawn(connection, texts))
    count = sum(map(len, drawn.values()))
    return Samples(drawn, empty, Looked(len(drawn), count, sum(chosen.values())))


def _readable(imported: Imported) -> dict[str, int]:
    """Files with the number of their rows: all, or of many as many as may be read again."""
    files = {one.file: one.rows for one in imported.read}
    if imported.rows <= READ:
        return files
    left, chosen = READ, dict[str, int]()
    for file, rows in sorted(files.items(), key=lambda one: _order(one[0])):
        if rows <= left:
            chosen[file] = rows
            left -= rows
    return chosen


def _order(file: str) -> bytes:
    """An order of files that has nothing to do with their names' own: names often tell the day."""
    from hashlib import blake2b

    return blake2b(file.encode(errors="replace"), digest_size=8).digest()


def _texts(connection: DuckDBPyConnection, imported: Imported) -> dict[int, str]:
    """What is sought, by the hash of it."""
    asked = statements("samples")
    files = {file for (file,) in connection.execute(asked["files"]).fetchall()}
    texts: dict[int, str] = {}
    for source, what in imported.sources:
        if source.path in files:
            with suppress(*lost()):
                texts.update(again(connection, source, what, asked["texts"]))
    return texts


def _drawn(
    connection: DuckDBPyConnection, texts: dict[int, str]
) -> Iterator[tuple[Unit, tuple[Text, ...]]]:
    rows = connection.execute(statements("samples")["drawn"]).fetchall()
    for unit, drawn in groupby(rows, key=lambda row: (row[0], row[1], row[2])):
        found = tuple(_known(list(drawn), texts))
        if found:
            yield unit, found


def _known(rows: Sequence[tuple[int, str, str, int, int]], texts: dict[int, str]) -> Iterator[Text]:
    for _, _, _, prompt, tokens in rows:
        if prompt in texts:
            yield Text(plain(texts[prompt]), tokens)
