"""Ledger, savings and FOCUS rows as Arrow tables; needs the extra `lanewise[arrow]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lanewise.app.focus import COLUMNS, Value
from lanewise.app.ledger_rows import LEDGER_COLUMNS, row_of
from lanewise.app.savings import Savings
from lanewise.errors import BadSettings
from lanewise.store.books import Entry

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


def ledger_table(entries: Iterable[Entry]) -> pa.Table:
    """Ledger rows, with the columns of `LEDGER_COLUMNS`."""
    pa = arrow()
    kinds = {"row": pa.int64(), "corrects": pa.int64(), "tags": pa.map_(pa.string(), pa.string())}
    schema = pa.schema([(name, kinds.get(name) or _kind(pa, name)) for name in LEDGER_COLUMNS])
    rows = [row_of(entry) for entry in entries]
    columns = {name: [row[name] for row in rows] for name in LEDGER_COLUMNS}
    columns["tags"] = [list(tags.items()) for tags in columns["tags"]]
    return pa.table(columns, schema=schema)


def savings_table(report: Savings) -> pa.Table:
    """A row for each group; amounts in US dollars."""
    pa = arrow()
    money = ("spent", "baseline", "saved", "waste", "uncertain")
    counts = ("answers", "moved", "unpriced")
    columns: dict[str, Any] = {report.by: [group.name for group in report.groups]}
    for name in counts:
        columns[name] = pa.array([getattr(group, name) for group in report.groups], pa.int64())
    for name in money:
        amounts = [Decimal(getattr(group, f"{name}_nano")).scaleb(-9) for group in report.groups]
        columns[f"{name}_usd"] = pa.array(amounts, pa.decimal128(38, 9))
    return pa.table(columns)


def _kind(pa: Any, name: str) -> Any:
    if name.endswith("_usd"):
        return pa.decimal128(38, 9)
    if name.endswith("_at"):
        return pa.timestamp("us", tz="UTC")
    return (
        pa.int64() if name.endswith("_tokens") or name in ("answers", "tier_above") else pa.string()
    )
