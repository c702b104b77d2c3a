"""A ledger row as plain values, named for people and programs outside."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from lanewise.store.books import Entry

LEDGER_COLUMNS: Final = (
    "row", "booked_at", "charged_at", "run", "workflow", "provider", "account", "model", "lane", "kind",
    "answers", "input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "cache_write_other_tokens", "output_tokens", "reasoning_tokens", "tier_above", "cost_usd",
    "baseline_usd", "waste_usd", "price_status", "price_basis", "batch", "provider_id", "corrects", "note",
    "tags",
)  # fmt: skip


def row_of(entry: Entry) -> dict[str, Any]:
    """The columns of `LEDGER_COLUMNS`: money as exact decimals, None where unknown; instants in UTC."""
    row, used = entry.row, entry.row.usage
    return {
        "row": entry.id,
        "booked_at": datetime.fromtimestamp(entry.at, UTC),
        "charged_at": datetime.fromtimestamp(entry.charged_at, UTC),
        "run": entry.run_name,
        "workflow": row.workflow,
        "provider": row.provider,
        "account": row.account,
        "model": row.model,
        "lane": row.lane,
        "kind": row.kind,
        "answers": row.n,
        "input_tokens": used.input,
        "cache_read_tokens": used.cache_read,
        "cache_write_5m_tokens": used.cache_write_5m,
        "cache_write_1h_tokens": used.cache_write_1h,
        "cache_write_other_tokens": used.cache_write_other,
        "output_tokens": used.output,
        "reasoning_tokens": used.reasoning,
        "tier_above": row.tier,
        "cost_usd": _usd(row.cost_nano),
        "baseline_usd": _usd(row.baseline_nano),
        "waste_usd": _usd(row.waste_nano),
        "price_status": row.price_status,
        "price_basis": row.price_basis,
        "batch": entry.commit,
        "provider_id": row.provider_id,
        "corrects": row.corrects,
        "note": row.note,
        "tags": dict(entry.tags),
    }


def plain(value: Decimal | datetime) -> str:
    """As a text that says it exactly, instants to the second.

    >>> plain(Decimal("0.000000150")), plain(datetime(2026, 11, 24, tzinfo=UTC))
    ('0.00000015', '2026-11-24T00:00:00Z')
    """
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _usd(nano: int | None) -> Decimal | None:
    return None if nano is None else Decimal(nano).scaleb(-9)
