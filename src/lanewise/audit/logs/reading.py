"""From files to `records`: the statement in front of a format's own, for every layout.

Whatever the layout, `records` has the format's columns, `file`, `broken` (nothing could be read of this
line) and, as `outer_NAME`, what of a page its records need.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from lanewise.audit.formats import Column, Format
from lanewise.audit.logs.layouts import Layout
from lanewise.audit.logs.sources import Source
from lanewise.audit.statements import identifier, text
from lanewise.intake.sources import blocks
from lanewise.intake.splitting import Oversized, split

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LARGEST: Final = 64 << 20  # bytes of a record that is read at all
_PIECE: Final = 2 << 20  # bytes of whole records that are taken at once
SAMPLED: Final = 100  # records of a file by which its format is told,
MORE: Final = 10_000  # and where these tell nothing
_SAMPLED_BYTES: Final = 8 << 20
_JSON: Final[dict[Layout, str]] = {
    "lines": "newline_delimited",
    "array": "array",
    "document": "unstructured",
}
_LINE: Final = 16 << 20  # bytes of a row of CSV
_NOTHING: Final = (
    "",
    "NULL",
    "null",
    "None",
    "nan",
    "NaN",
    "NaT",
    "<NA>",
    "(null)",
)  # as tables say it
_PATHS: Final = (
    "hive_partitioning = false"  # else `model=x` in a path would go before the file's own model
)
_FILE: Final = "lanewise_file"  # what DuckDB is told to call the name of the file
_ROW: Final = "lanewise_row"  # a name that no column has


def sample(
    connection: DuckDBPyConnection, source: Source, *, most: int = SAMPLED, roomy: bool = False
) -> list[str]:
    """The first records of a source, as JSON."""
    size = f", maximum_object_size = {LARGEST}" if roomy else ""
    if source.layout == "lines":
        return list(_first_lines(source.path, most))
    if source.layout in _JSON:
        read = (
            f"SELECT json::VARCHAR FROM read_json_objects({text(source.path)}, "
            f"format = '{_JSON[source.layout]}', ignore_errors = true{size}) WHERE json IS NOT NULL"
        )
    else:
        read = f"SELECT to_json({_ROW})::VARCHAR FROM {_table(source)} {_ROW}"
    return [row[0] for row in connection.execute(f"{read} LIMIT {most}").fetchall()]


def _first_lines(path: str, most: int) -> Iterator[str]:
    """The first lines that are JSON, of which 8 MB are enough."""
    size = count = 0
    for line in split(blocks(path), LARGEST):
        if size > _SAMPLED_BYTES or count == most:
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
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
        f"columns = {{{kinds}}}, ignore_errors = true, filename = '{_FILE}', {_PATHS}{size})"
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
    none = " AND ".join(f"r.{identifier(one.name)} IS NULL" for one in format_.columns)
    return (
        f"SELECT r.*, * EXCLUDE (r) REPLACE (broken OR ({none}) AS broken) FROM (SELECT {_FILE} AS file, "
        f"{name} IS NULL AS broken{outer}, unnest(CASE WHEN {name} IS NULL THEN [NULL] ELSE {name} END) AS r "
        f"FROM {read})"
    )


def _outer(column: Column) -> str:
    return identifier(f"outer_{column.name}")


def _table(source: Source) -> str:
    """A CSV or Parquet file as a table."""
    if source.layout == "parquet":
        return f"read_parquet({text(source.path)}, binary_as_string = true, {_PATHS})"
    form = source.table
    assert form is not None
    columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in form.columns)
    nothing = ", ".join(map(text, _NOTHING))
    return (
        f"read_csv({text(source.path)}, auto_detect = false, header = true, delim = {text(form.delimiter)}, "
        f"quote = '\"', escape = {text(form.escape)}, skip = {form.skipped}, columns = {{{columns}}}, "
        f"nullstr = [{nothing}], max_line_size = {_LINE}, buffer_size = {2 * _LINE}, "
        f"store_rejects = true, {_PATHS})"
    )


def _table_records(connection: DuckDBPyConnection, source: Source, format_: Format) -> str:
    """Each column of the format from the table's column of that name, as well as it can be cast."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {_table(source)}").fetchall()
    there = {str(name).lower(): (str(name), str(kind)) for name, kind, *_ in described}
    casts = [_cast(one, there.get(one.name.lower())) for one in format_.columns]
    outer = [f"NULL::{one.type} AS {_outer(one)}" for one in format_.outer]
    picked = ", ".join([*casts, *outer])
    names = [
        identifier(there[one.name.lower()][0])
        for one in format_.columns
        if one.name.lower() in there
    ]
    broken = " AND ".join(f"{name} IS NULL" for name in names) or "false"
    return f"SELECT {picked}, {text(source.path)} AS file, {broken} AS broken FROM {_table(source)}"


def _cast(column: Column, there: tuple[str, str] | None) -> str:
    name = identifier(column.name)
    if there is None:
        return f"NULL::{column.type} AS {name}"
    found, kind = identifier(there[0]), there[1]
    if column.type == "JSON" or _nested(column.type):
        json = f"to_json({found})"
        if kind == "VARCHAR":
            json = f"coalesce(CASE WHEN {found}[1] IN ('{{', '[') THEN parsed({found}) END, {json})"
        return f"TRY_CAST({json} AS {column.type}) AS {name}"
    if _nested(kind):
        return f"TRY_CAST(to_json({found}) AS {column.type}) AS {name}"
    if column.type == "BIGINT" and kind == "VARCHAR":
        return f"count_of({found}) AS {name}"
    return f"TRY_CAST(nullif({found}::VARCHAR, '') AS {column.type}) AS {name}"


def _nested(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))
