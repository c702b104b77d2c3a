"""Ledger, savings and FOCUS rows as Arrow tables; needs the extra `lanewise[arrow]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lanewise.app.focus import COLUMNS, Value
from lanewise.errors import BadSettings

if TYPE_CHECKING:
    import pyarrow as pa


def arrow() -> Any:
    """The library, or how to get it."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise BadSettings(
            "Arrow and Parquet need pyarrow: pip install 'lanewise[arrow]'"
        ) from error
    return pa


def focus_table(rows: Sequence[Mapping[str, Value]]) -> pa.Table:
    """FOCUS rows: decimals with twelve digits after the point, instants in UTC."""
    pa = arrow()
    types = {
        "text": pa.string(),
        "number": pa.decimal128(38, 12),
        "time": pa.timestamp("s", tz="UTC"),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    return pa.table(columns, schema=schema)


def table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows of plain values, a column for each key."""
    return arrow().Table.from_pylist([dict(row) for row in rows])
