"""Logs in, normal rows out: which format each source is, and what could not be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from lanewise.audit import broken, reading
from lanewise.audit.database import folder_of, of_database, spacious, unhurried
from lanewise.audit.formats import Format, Recognised, all_formats, nearest, recognise
from lanewise.audit.narrowing import narrowed
from lanewise.audit.sources import Layout, Source, Unread, find, is_wide
from lanewise.audit.statements import statements, text
from lanewise.errors import BadInput

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_AT_ONCE: Final = 500  # files that one statement reads
_WITHIN: Final = frozenset(name for one in all_formats() for name in one.within)


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
    sources, others = find(paths)
    told = dict(_told(connection, source, wishes) for source in sources)
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


def _told(
    connection: DuckDBPyConnection, source: Source, wishes: Wishes
) -> tuple[Source, Recognised | Unread]:
    """What a source is, or why it cannot be told; with it the source, or its records in a file of ours."""
    source, records = _sampled(connection, source)
    if isinstance(records, Unread):
        return source, records
    what = _recognised(source, records, wishes)
    if isinstance(what, Recognised) and _takes_apart(source, what):
        return narrowed(source, folder_of(connection), _WITHIN) or source, what
    return source, what


def _takes_apart(source: Source, what: Recognised) -> bool:
    """Whether many records lie in each long line."""
    many = what.within is not None or what.format.name == "otlp"
    return many and source.layout == "lines" and not source.remote and is_wide(source.path)


def _recognised(
    source: Source, records: list[dict[str, Any]], wishes: Wishes
) -> Recognised | Unread:
    if wishes.format is not None:
        found = recognise(records, (wishes.format,))
        return found or Recognised(wishes.format, None)
    found = recognise(records)
    if found is not None:
        return found
    if not records:
        return Unread(source.name, "no record in it could be read")
    return Unread(source.name, f"of no known format; {nearest(records)}")


def _sampled(
    connection: DuckDBPyConnection, source: Source
) -> tuple[Source, list[dict[str, Any]] | Unread]:
    """The first records; a page that is too large for DuckDB is taken apart before."""
    try:
        records = _parsed(reading.sample(connection, source))
        if records or source.layout != "lines" or source.remote or not is_wide(source.path):
            return source, records
    except _errors() as error:
        if source.layout in ("csv", "parquet"):
            return source, Unread(source.name, _plain(error, source))
    if source.layout in ("lines", "document") and not source.remote:
        source = replace(source, layout="document")
        found = narrowed(source, folder_of(connection), _WITHIN)
        if found is not None:
            return _sampled(connection, found)
    try:
        with spacious(connection):
            return source, _parsed(reading.sample(connection, source, roomy=True))
    except _errors() as error:
        return source, Unread(source.name, _plain(error, source))


def _parsed(texts: list[str]) -> list[dict[str, Any]]:
    """Records as values; in tables, JSON may stand in a column as a text."""
    records = [json.loads(one) for one in texts]
    return [
        {key: _value(value) for key, value in one.items()}
        for one in records
        if isinstance(one, dict)
    ]


def _value(value: object) -> object:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _batches(known: dict[Source, Recognised]) -> Iterator[list[Source]]:
    """Files of a kind by hundreds; tables one by one, as each has columns of its own."""
    groups: dict[tuple[str, str | None, Layout, str], list[Source]] = {}
    for source, what in known.items():
        groups.setdefault(
            (what.format.name, what.within, source.layout, source.part_of), []
        ).append(source)
    for (_, _, layout, _), sources in groups.items():
        size = 1 if layout in ("csv", "parquet") else _AT_ONCE
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
        if of_database(error):
            raise
        if len(sources) == 1 and not roomy and sources[0].layout not in ("csv", "parquet"):
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
    """What came of each source; lines that could not be read leave the table again."""
    asked = statements("requests")
    bad = dict(connection.execute(asked["unread"]).fetchall())
    if bad:
        connection.execute(asked["forget_unread"])
    if connection.execute(asked["nested"]).fetchall() != [(0,)]:
        connection.execute(asked["forget_parents"])
    connection.execute(asked["finish"])
    found = {
        file: Read(file, format_, rows)
        for file, format_, rows in connection.execute(asked["counted"]).fetchall()
    }
    kinds = {source.name: what for source, what in known.items() if source.path not in failed}
    for file, what in kinds.items():
        if not ("://" in file and "*" in file):
            found.setdefault(file, Read(file, what.format.name, 0))
    for file, count in bad.items():
        samples = broken.sampled(file, kinds[file]) if file in kinds else ()
        found[file] = replace(found[file], unread=count, samples=samples)
    for file, lines in rejects.items():
        found[file] = replace(found[file], unread=len(lines), samples=tuple(lines[: broken.SHOWN]))
    return sorted(found.values(), key=lambda one: one.file)


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
    said = str(error)
    if source.remote and "httpfs" in said:
        return (
            "reading an address needs DuckDB's extension httpfs, which is not here and could not be fetched; "
            "install it (INSTALL httpfs in DuckDB) or copy the files here"
        )
    kind = said.partition(":")[0].strip()
    return f"DuckDB could not read it ({kind}); check that it is whole and what its suffix says"


def _nothing(unread: list[Unread]) -> str:
    told = "\n".join(f"  {one.file}: {one.why}" for one in unread[:10]) or "  no files"
    more = f"\n  and {len(unread) - 10:,} more" if len(unread) > 10 else ""
    return (
        f"nothing to audit:\n{told}{more}\nKnown formats: "
        f"{', '.join(one.name for one in all_formats())}; say which with --format, or name the fields with "
        "--map model=FIELD,input_tokens=FIELD,..."
    )
