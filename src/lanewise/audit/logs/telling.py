"""What a source is: its format by its first records, or why that cannot be told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lanewise.audit.database import spacious
from lanewise.audit.formats import Format, Recognised, near, nearest, recased, recognise, unfound
from lanewise.audit.logs import broken, mapping, reading
from lanewise.audit.logs.sources import Source, Unread
from lanewise.errors import BadInput
from lanewise.intake.sources import blocks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES: Final = ("csv", "parquet")


class Failed(Unread):
    """A file that DuckDB could not read."""


def told(
    connection: DuckDBPyConnection, source: Source, wished: Format | None
) -> Recognised | Unread:
    """What a source is, or why it cannot be told. `wished`: what the caller says that it is."""
    try:
        records = _records(connection, source, wished, reading.SAMPLED)
        if wished is not None:
            return _wished(connection, source, records, wished)
        found = recognise(records)
        if found is None and len(records) == reading.SAMPLED:
            found = recognise(_records(connection, source, wished, reading.MORE))
    except errors() as error:
        return Failed(source.name, plain(error, source))
    except BadInput as broken_off:  # it cannot be unpacked even so far
        return Failed(source.name, str(broken_off))
    if found is not None:
        return found
    if not records:
        return _no_record(source)
    return Unread(source.name, f"of no known format; {nearest(records)}")


def _no_record(source: Source) -> Unread:
    """Why nothing in a file is a record, by its first line. Lists can be taken apart."""
    line = broken.first(source) if source.layout == "lines" else None
    if line is None:
        return Unread(source.name, "there is no record in it")
    kind = Failed if line.why == broken.LIST else Unread
    return kind(source.name, f"no record in it could be read; line {line.number}: {line.why}")


def _records(
    connection: DuckDBPyConnection, source: Source, wished: Format | None, most: int
) -> list[dict[str, Any]]:
    records = _parsed(_sampled(connection, source, most))
    if source.layout in TABLES:
        return [recased(one, wished) for one in records]
    return records


def _wished(
    connection: DuckDBPyConnection, source: Source, records: list[dict[str, Any]], format_: Format
) -> Recognised | Unread:
    """What the caller says that a source is.

    A table has each column that is mapped. Other records may lack some; but not all, nor one that surely is
    meant by another name.
    """
    found = recognise(records, (format_,)) or Recognised(format_, None)
    if format_.name != mapping.NAME or not records:
        return found
    lacks = unfound(_inner(records, found.within), format_)
    if lacks and source.layout not in TABLES:
        more = _inner(_records(connection, source, format_, reading.MORE), found.within)
        lacks = unfound(more, format_)
        every, sure = format_.finds
        wrong = any(format_.misses(more, path) and near(more, path) for path in sure)
        if not wrong and not all(format_.misses(more, path) for path in every):
            return replace(found, lacks=lacks)
    return Unread(source.name, lacks) if lacks else found


def _inner(records: list[dict[str, Any]], within: str | None) -> list[dict[str, Any]]:
    """Records, or those that lie in them as pages."""
    if within is None:
        return records
    pages = [record[within] for record in records if isinstance(record.get(within), list)]
    return [one for page in pages for one in page if isinstance(one, dict)]


def _sampled(connection: DuckDBPyConnection, source: Source, most: int) -> list[str]:
    try:
        return reading.sample(connection, source, most=most)
    except errors():
        if source.layout in TABLES:
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


def plain(error: Exception, source: Source) -> str:
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


def errors() -> tuple[type[Exception], ...]:
    """What DuckDB raises for files, or for want of memory or an extension."""
    import duckdb

    return (duckdb.Error,)


def _ours() -> tuple[type[Exception], ...]:
    """What it raises for statements that it does not understand: our own mistakes, not to be hidden."""
    import duckdb

    return (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)
