"""Logs in, normal rows out: which format each source is, and what could not be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from lanewise.audit import broken, mapping, reading
from lanewise.audit.checking import check
from lanewise.audit.database import place, spacious, unhurried
from lanewise.audit.formats import (
    Format,
    Recognised,
    all_formats,
    nearest,
    recased,
    recognise,
    unfound,
)
from lanewise.audit.layouts import Layout
from lanewise.audit.sources import Source, Unread, find
from lanewise.audit.staging import Stage
from lanewise.audit.statements import statements, text
from lanewise.errors import BadInput
from lanewise.intake.sources import blocks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLES: Final = ("csv", "parquet")
_AT_ONCE: Final = 500  # files that one statement reads


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to read, where the caller knows better than the files tell."""

    format: Format | None = None  # what every source is
    model: str | None = None  # of rows that name none


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of one source."""

    file: str
    format: str  # its name
    rows: int
    unread: int = 0  # lines of which nothing could be read
    samples: tuple[broken.Line, ...] = ()
    notes: tuple[str, ...] = ()  # what was left out or mended, and why


@dataclass(frozen=True, slots=True)
class Imported:
    """What an audit has before it."""

    read: tuple[Read, ...]
    unread: tuple[Unread, ...]
    sources: tuple[tuple[Source, Recognised], ...] = ()  # that can be read again

    @property
    def rows(self) -> int:
        """Normal rows in the table."""
        return sum(one.rows for one in self.read)

    @property
    def broken(self) -> int:
        """Lines of which nothing could be read."""
        return sum(one.unread for one in self.read)


def load(connection: DuckDBPyConnection, paths: tuple[str, ...], wishes: Wishes) -> Imported:
    """Read files, folders, globs and addresses into `requests`.

    Raises `BadInput` where nothing is, or where none of the sources is of a known format.
    """
    sources, others = find(paths, Stage(place(connection) / "staged"))
    told = {source: _told(connection, source, wishes) for source in sources}
    known = {one: what for one, what in told.items() if isinstance(what, Recognised)}
    unread = [*others, *(what for what in told.values() if isinstance(what, Unread))]
    rejects: dict[str, list[broken.Line]] = {}
    for batch in _batches(known):
        unread += _filled(connection, batch, known[batch[0]], wishes, rejects)
    read = _reported(connection, known, {one.file for one in unread}, rejects)
    if not read:
        raise BadInput(_nothing(unread))
    bad = {one.file for one in unread}
    again = tuple(one for one in known.items() if one[0].name not in bad)
    return Imported(tuple(read), tuple(unread), again)


def _told(connection: DuckDBPyConnection, source: Source, wishes: Wishes) -> Recognised | Unread:
    """What a source is, or why it cannot be told."""
    try:
        records = _records(connection, source, wishes, reading.SAMPLED)
        if wishes.format is not None:
            return _wished(source, records, wishes.format)
        found = recognise(records)
        if found is None and len(records) == reading.SAMPLED:
            found = recognise(_records(connection, source, wishes, reading.MORE))
    except _errors() as error:
        return Unread(source.name, _plain(error, source))
    if found is not None:
        return found
    if not records:
        return Unread(source.name, _no_record(source))
    return Unread(source.name, f"of no known format; {nearest(records)}")


def _no_record(source: Source) -> str:
    """Why nothing in a file is a record, by its first line."""
    if source.layout == "lines":
        line, start = broken.first(source), "no record in it could be read"
        return f"{start}; line {line.number}: {line.why}" if line else start
    return "there is no record in it"


def _records(
    connection: DuckDBPyConnection, source: Source, wishes: Wishes, most: int
) -> list[dict[str, Any]]:
    records = _parsed(_sampled(connection, source, most))
    if source.layout in _TABLES:
        return [recased(one, wishes.format) for one in records]
    return records


def _wished(source: Source, records: list[dict[str, Any]], format_: Format) -> Recognised | Unread:
    """What the caller says that a source is; fields that were named for it have to be there."""
    found = recognise(records, (format_,)) or Recognised(format_, None)
    if format_.name != mapping.NAME or not records:
        return found
    inner = [one for record in records for one in record[found.within]] if found.within else records
    missing = unfound([one for one in inner if isinstance(one, dict)], format_)
    return Unread(source.name, missing) if missing else found


def _sampled(connection: DuckDBPyConnection, source: Source, most: int) -> list[str]:
    try:
        return reading.sample(connection, source, most=most)
    except _errors():
        if source.layout in _TABLES:
            raise
    with spacious(connection):
        return reading.sample(connection, source, most=most, roomy=True)


def _parsed(texts: list[str]) -> list[dict[str, Any]]:
    """Records as values; in tables, JSON may stand in a column as a text."""
    records = map(_value, texts)
    return [
        {key: _value(value) for key, value in one.items()}
        for one in records
        if isinstance(one, dict)
    ]


def _value(value: object) -> object:
    """What a text of JSON says; of all else itself, also of JSON that Python does not take."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _batches(known: dict[Source, Recognised]) -> Iterator[list[Source]]:
    """Files of a kind by hundreds; tables one by one, as each has columns of its own."""
    groups: dict[tuple[str, str | None, Layout], list[Source]] = {}
    for source, what in known.items():
        groups.setdefault((what.format.name, what.within, source.layout), []).append(source)
    for (_, _, layout), sources in groups.items():
        size = 1 if layout in _TABLES else _AT_ONCE
        for start in range(0, len(sources), size):
            yield sources[start : start + size]


def _filled(
    connection: DuckDBPyConnection,
    sources: list[Source],
    what: Recognised,
    wishes: Wishes,
    rejects: dict[str, list[broken.Line]],
    *,
    roomy: bool = False,
) -> list[Unread]:
    """Read some sources; where that fails, one by one and with more memory: only what is bad is left out."""
    try:
        _fill(connection, sources, what, wishes, roomy=roomy)
    except _errors() as error:
        if len(sources) == 1 and not roomy and sources[0].layout not in _TABLES:
            with spacious(connection):
                return _filled(connection, sources, what, wishes, rejects, roomy=True)
        if len(sources) == 1:
            return [Unread(sources[0].name, _plain(error, sources[0]))]
        parts = [_filled(connection, [one], what, wishes, rejects) for one in sources]
        return [one for part in parts for one in part]
    if sources[0].layout == "csv":
        rejects[sources[0].path] = broken.rejected(connection)
    return []


def _fill(
    connection: DuckDBPyConnection,
    sources: list[Source],
    what: Recognised,
    wishes: Wishes,
    *,
    roomy: bool,
) -> None:
    rows = reading.statement(connection, sources, what.format, what.within, roomy=roomy)
    model = "NULL" if wishes.model is None else text(wishes.model)
    fill = statements("requests")["fill"]
    for mark, value in (("{rows}", rows), ("{format}", text(what.format.name)), ("{model}", model)):
        fill = fill.replace(mark, value)
    with unhurried(connection):
        connection.execute(fill)


def _reported(
    connection: DuckDBPyConnection,
    known: dict[Source, Recognised],
    failed: set[str],
    rejects: dict[str, list[broken.Line]],
) -> list[Read]:
    """What came of each source; lines that could not be read and rows that cannot stand leave the table."""
    asked = statements("requests")
    bad = dict(connection.execute(asked["unread"]).fetchall())
    if bad:
        connection.execute(asked["forget_unread"])
    told = check(connection)
    connection.execute(asked["finish"])
    rows = {file: count for file, _, count in connection.execute(asked["counted"]).fetchall()}
    found: list[Read] = []
    for source, what in known.items():
        if source.name in failed:
            continue
        file = source.path
        one = Read(source.name, what.format.name, rows.get(file, 0), notes=told.get(file, ()))
        if file in bad:
            one = replace(one, unread=bad[file], samples=broken.sampled(source, what))
        if file in rejects:
            lines = rejects[file]
            samples = tuple(lines[: broken.SHOWN])
            one = replace(one, unread=one.unread + len(lines), samples=samples)
        found.append(one)
    return sorted(found, key=lambda one: one.file)


def _errors() -> tuple[type[Exception], ...]:
    """What DuckDB raises for files, or for want of memory or an extension."""
    import duckdb

    return (duckdb.Error,)


def _ours() -> tuple[type[Exception], ...]:
    """What it raises for statements that it does not understand: our own mistakes, not to be hidden."""
    import duckdb

    return (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)


def _plain(error: Exception, source: Source) -> str:
    """Why DuckDB could not read a source, without anything that stands in it."""
    if isinstance(error, _ours()):
        raise error
    try:
        for _ in blocks(source.path):
            pass
    except BadInput as broken_off:
        return str(broken_off)
    kind = str(error).partition(":")[0].strip()
    return f"DuckDB could not read it ({kind}); check that it is whole and what its suffix says"


def _nothing(unread: list[Unread]) -> str:
    told = "\n".join(f"  {one.file}: {one.why}" for one in unread[:10]) or "  no files"
    more = f"\n  and {len(unread) - 10:,} more" if len(unread) > 10 else ""
    return (
        f"nothing to audit:\n{told}{more}\nKnown formats: "
        f"{', '.join(one.name for one in all_formats())}; say which with --format, or name the fields with "
        "--map model=FIELD,input_tokens=FIELD,..."
    )
