"""From files to `records`: the statement in front of a format's own, for every layout.

Whatever the layout, `records` has the format's columns, `file`, `broken` (nothing could be read of this line) and,
as `outer_NAME`, what of a page its records need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lanewise.audit.formats import Column, Format
from lanewise.audit.sources import Layout, Source
from lanewise.audit.statements import identifier, text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAMPLED: Final = 100  # records of a file by which its format is told
_JSON: Final[dict[Layout, str]] = {
    "lines": "newline_delimited",
    "array": "array",
    "document": "unstructured",
}
_FILE: Final = "lanewise_file"  # what DuckDB is told to call the name of the file


def sample(connection: DuckDBPyConnection, source: Source) -> list[str]:
    """The first records of a source, as JSON."""
    if source.layout in _JSON:
        read = (
            f"SELECT json::VARCHAR FROM read_json_objects({text(source.path)}, "
            f"format = '{_JSON[source.layout]}', ignore_errors = true) WHERE json IS NOT NULL"
        )
    else:
        read = f"SELECT to_json(t)::VARCHAR FROM {_table(source)} t"
    return [row[0] for row in connection.execute(f"{read} LIMIT {SAMPLED}").fetchall()]


def statement(
    connection: DuckDBPyConnection, sources: list[Source], format_: Format, within: str | None
) -> str:
    """The statement that makes normal rows of sources of one layout."""
    if sources[0].layout not in _JSON:
        records = " UNION ALL ".join(_table_records(connection, one, format_) for one in sources)
    elif within is None:
        records = _records(_json(sources, format_.columns), format_)
    else:
        records = _paged(sources, format_, within)
    rows = format_.rows
    if rows.startswith("WITH "):
        return f"WITH records AS ({records}),\n{rows.removeprefix('WITH ')}"
    return f"WITH records AS ({records})\n{rows}"


def _json(sources: list[Source], columns: tuple[Column, ...]) -> str:
    paths = ", ".join(text(source.path) for source in sources)
    kinds = ", ".join(f"{text(one.name)}: {text(one.type)}" for one in columns)
    return (
        f"read_json([{paths}], format = '{_JSON[sources[0].layout]}', columns = {{{kinds}}}, "
        f"ignore_errors = true, filename = '{_FILE}')"
    )


def _records(read: str, format_: Format) -> str:
    names = [identifier(one.name) for one in format_.columns]
    broken = " AND ".join(f"{name} IS NULL" for name in names)
    outer = "".join(f", NULL::{one.type} AS {_outer(one)}" for one in format_.outer)
    return f"SELECT {', '.join(names)}, {_FILE} AS file, {broken} AS broken{outer} FROM {read}"


def _paged(sources: list[Source], format_: Format, within: str) -> str:
    """Records that lie in pages: each page is one value, and its records are taken out of it."""
    record = ", ".join(f"{identifier(one.name)} {one.type}" for one in format_.columns)
    page = tuple(one for one in format_.outer if one.name != within)
    read = _json(sources, (Column(within, f"STRUCT({record})[]"), *page))
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
