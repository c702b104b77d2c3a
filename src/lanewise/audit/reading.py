"""From files to `records`: the statement in front of a format's own, for every layout.

Whatever the layout, `records` has the format's columns, `file`, `broken` (nothing could be read of this
line) and, as `outer_NAME`, what of a page its records need.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from lanewise.audit.formats import Column, Format
from lanewise.audit.sources import Layout, Source
from lanewise.audit.statements import identifier, text
from lanewise.intake.sources import blocks
from lanewise.intake.splitting import Oversized, split

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LARGEST: Final = 64 << 20  # bytes of a record that is read at all
_PIECE: Final = 2 << 20  # bytes of whole records that are taken at once
SAMPLED: Final = 100  # records of a file by which its format is told
_SAMPLED_BYTES: Final = 8 << 20
_JSON: Final[dict[Layout, str]] = {
    "lines": "newline_delimited",
    "array": "array",
    "document": "unstructured",
}
_FILE: Final = "lanewise_file"  # what DuckDB is told to call the name of the file


def sample(connection: DuckDBPyConnection, source: Source, *, roomy: bool = False) -> list[str]:
    """The first records of a source, as JSON."""
    size = f", maximum_object_size = {LARGEST}" if roomy else ""
    if source.layout == "lines" and not source.remote:
        return list(_first_lines(source.path))
    if source.layout in _JSON:
        read = (
            f"SELECT json::VARCHAR FROM read_json_objects({text(source.path)}, "
            f"format = '{_JSON[source.layout]}', ignore_errors = true{size}) WHERE json IS NOT NULL"
        )
    else:
        read = f"SELECT to_json(t)::VARCHAR FROM {_table(source)} t"
    return [row[0] for row in connection.execute(f"{read} LIMIT {SAMPLED}").fetchall()]


def _first_lines(path: str) -> Iterator[str]:
    """The first lines that are JSON, of which 8 MB are enough."""
    size = count = 0
    for line in split(blocks(path), LARGEST):
        if size > _SAMPLED_BYTES or count == SAMPLED:
            return
        size += line.size if isinstance(line, Oversized) else len(line)
        record = None if isinstance(line, Oversized) else _record(line)
        if record is not None:
            count += 1
            yield record


def _record(line: bytes) -> str | None:
    """A line as text; None where it is no JSON."""
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
        return line.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def statement(
    connection: DuckDBPyConnection,
    sources: list[Source],
    format_: Format,
    within: str | None,
    *,
    roomy: bool = False,
) -> str:
    """The statement that makes normal rows of sources of one layout.

    roomy: for records of many megabytes each, with the memory that takes.
    """
    if sources[0].layout not in _JSON:
        records = " UNION ALL ".join(_table_records(connection, one, format_) for one in sources)
    elif format_.whole:
        records = _whole(sources, roomy=roomy)
    elif within is None:
        records = _records(_json(sources, format_.columns, roomy=roomy), format_)
    else:
        records = _paged(sources, format_, within, roomy=roomy)
    rows = format_.rows
    if sources[0].part_of:
        records = f"SELECT * REPLACE ({text(sources[0].name)} AS file) FROM ({records})"
    if rows.startswith("WITH "):
        return f"WITH records AS ({records}),\n{rows.removeprefix('WITH ')}"
    return f"WITH records AS ({records})\n{rows}"


def _whole(sources: list[Source], *, roomy: bool) -> str:
    """Records as they stand. Lines are taken as texts, in pieces of few megabytes: DuckDB's JSON reader takes
    32 at a time, and what is extracted of them then needs many times that.
    """
    if sources[0].layout == "lines" and not roomy:
        return (
            f"SELECT TRY_CAST(line AS JSON) AS json, {_FILE} AS file, json IS NULL AS broken FROM read_csv("
            f"[{_paths(sources)}], auto_detect = false, header = false, delim = '\x01', quote = '', "
            f"escape = '', new_line = '\\n', columns = {{'line': 'VARCHAR'}}, filename = '{_FILE}', "
            f"buffer_size = {_PIECE}, max_line_size = {_PIECE})"
        )
    return (
        f"SELECT json, {_FILE} AS file, json IS NULL AS broken FROM read_json_objects([{_paths(sources)}], "
        f"format = '{_JSON[sources[0].layout]}', ignore_errors = true, filename = '{_FILE}', "
        f"maximum_object_size = {LARGEST})"
    )


def _paths(sources: list[Source]) -> str:
    return ", ".join(text(source.path) for source in sources)


def _json(sources: list[Source], columns: tuple[Column, ...], *, roomy: bool) -> str:
    kinds = ", ".join(f"{text(one.name)}: {text(one.type)}" for one in columns)
    size = f", maximum_object_size = {LARGEST}" if roomy else ""
    return (
        f"read_json([{_paths(sources)}], format = '{_JSON[sources[0].layout]}', records = true, "
        f"columns = {{{kinds}}}, ignore_errors = true, filename = '{_FILE}'{size})"
    )


def _records(read: str, format_: Format) -> str:
    names = [identifier(one.name) for one in format_.columns]
    broken = " AND ".join(f"{name} IS NULL" for name in names)
    outer = "".join(f", NULL::{one.type} AS {_outer(one)}" for one in format_.outer)
    return f"SELECT {', '.join(names)}, {_FILE} AS file, {broken} AS broken{outer} FROM {read}"


def _paged(sources: list[Source], format_: Format, within: str, *, roomy: bool) -> str:
    """Records that lie in pages: each page is one value, and its records are taken out of it."""
    record = ", ".join(f"{identifier(one.name)} {one.type}" for one in format_.columns)
    page = tuple(one for one in format_.outer if one.name != within)
    read = _json(sources, (Column(within, f"STRUCT({record})[]"), *page), roomy=roomy)
    name = identifier(within)
    outer = "".join(f", {identifier(one.name)} AS {_outer(one)}" for one in page)
    return (
        f"SELECT r.*, * EXCLUDE (r) FROM (SELECT {_FILE} AS file, {name} IS NULL AS broken{outer}, "
        f"unnest(CASE WHEN {name} IS NULL THEN [NULL] ELSE {name} END) AS r FROM {read})"
    )


def _outer(column: Column) -> str:
    return identifier(f"outer_{column.name}")


def _table(source: Source) -> str:
    """A CSV or Parquet file as a table."""
    if source.layout == "parquet":
        return f"read_parquet({text(source.path)})"
    return f"read_csv({text(source.path)}, all_varchar = true, header = true, store_rejects = true)"


def _table_records(connection: DuckDBPyConnection, source: Source, format_: Format) -> str:
    """Each column of the format from the table's column of that name, as well as it can be cast."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {_table(source)}").fetchall()
    there = {str(name).lower(): (str(name), str(kind)) for name, kind, *_ in described}
    casts = [_cast(one, there.get(one.name.lower())) for one in format_.columns]
    outer = [f"NULL::{one.type} AS {_outer(one)}" for one in format_.outer]
    picked = ", ".join([*casts, *outer])
    return f"SELECT {picked}, {text(source.path)} AS file, false AS broken FROM {_table(source)}"


def _cast(column: Column, there: tuple[str, str] | None) -> str:
    name = identifier(column.name)
    if there is None:
        return f"NULL::{column.type} AS {name}"
    found, kind = identifier(there[0]), there[1]
    nested = column.type.endswith("]") or column.type.startswith(("STRUCT", "MAP"))
    if column.type == "JSON" or nested:
        json = f"to_json({found})"
        if kind == "VARCHAR":
            json = f"coalesce(CASE WHEN {found}[1] IN ('{{', '[') THEN TRY_CAST({found} AS JSON) END, {json})"
        return f"TRY_CAST({json} AS {column.type}) AS {name}"
    return f"TRY_CAST(nullif({found}::VARCHAR, '') AS {column.type}) AS {name}"
