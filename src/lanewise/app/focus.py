"""The ledger as FOCUS 1.2 rows, the FinOps Foundation's format for cost and usage.

One row for each workflow, day, model, meter, lane and price. ListCost is the real-time list price of the
same tokens, so that FinOps tools show the saving by themselves as ListCost minus EffectiveCost; lane,
baseline, saving and basis stand in `x_` columns besides. ListCost and ContractedCost are the exact products
of quantity and unit price; BilledCost and EffectiveCost are the ledger's, where each request was rounded
to a nano-dollar. An answer that nobody used has no real-time price to be compared with: its list price is
what was paid.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from lanewise.domain.lanes import REALTIME
from lanewise.pricing.kept import Metered, by_meter
from lanewise.store.books import Entry, LedgerRow

Value: TypeAlias = str | Decimal | datetime | None
Kind: TypeAlias = Literal["text", "number", "time"]

COLUMNS: Final[dict[str, Kind]] = {
    "BilledCost": "number",
    "BillingAccountId": "text",
    "BillingAccountName": "text",
    "BillingCurrency": "text",
    "BillingPeriodEnd": "time",
    "BillingPeriodStart": "time",
    "ChargeCategory": "text",
    "ChargeClass": "text",
    "ChargeDescription": "text",
    "ChargeFrequency": "text",
    "ChargePeriodEnd": "time",
    "ChargePeriodStart": "time",
    "CommitmentDiscountStatus": "text",
    "ConsumedQuantity": "number",
    "ConsumedUnit": "text",
    "ContractedCost": "number",
    "ContractedUnitPrice": "number",
    "EffectiveCost": "number",
    "InvoiceId": "text",
    "InvoiceIssuerName": "text",
    "ListCost": "number",
    "ListUnitPrice": "number",
    "PricingCategory": "text",
    "PricingQuantity": "number",
    "PricingUnit": "text",
    "ProviderName": "text",
    "PublisherName": "text",
    "ServiceCategory": "text",
    "ServiceName": "text",
    "ServiceSubcategory": "text",
    "SkuId": "text",
    "SkuMeter": "text",
    "SkuPriceDetails": "text",
    "SkuPriceId": "text",
    "Tags": "text",
    "x_Lane": "text",
    "x_Workflow": "text",
    "x_Kind": "text",
    "x_BaselineCost": "number",
    "x_SavingsAmount": "number",
    "x_SavingsConfidence": "text",
    "x_WasteCost": "number",
    "x_PriceBasis": "text",
}
NULLABLE: Final = frozenset(
    {"BillingAccountName", "ChargeClass", "CommitmentDiscountStatus", "InvoiceId"}
)

_METERS: Final = {
    "input": "Input Tokens",
    "cache_read": "Cached Input Tokens",
    "cache_write_5m": "Cache Write Tokens (5 minutes)",
    "cache_write_1h": "Cache Write Tokens (1 hour)",
    "cache_write_other": "Cache Write Tokens",
    "output": "Output Tokens",
}
_NAMES: Final = {"openai": "OpenAI", "anthropic": "Anthropic"}
_MILLION: Final = 1_000_000
_DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class _Line:
    """One FOCUS row in the making: what it is grouped by, and its sums."""

    entry: Entry  # any of its rows: they agree in what the group is made by
    meter: str
    rate: int
    list_rate: int
    tokens: int = 0
    nano: int = 0
    baseline_nano: int = 0
    waste_nano: int = 0


@dataclass(frozen=True, slots=True)
class Export:
    """The rows, and how many answers are missing in them because nobody knows their price."""

    rows: tuple[dict[str, Value], ...]
    unpriced: int


def focus(entries: Iterable[Entry], start: float, end: float) -> Export:
    """The rows for charges from `start` to `end` (excluded), in the order of their groups."""
    lines: dict[tuple[object, ...], _Line] = {}
    unpriced = 0
    for entry in entries:
        if not start <= entry.charged_at < end:
            continue
        if entry.row.cost_nano is None or entry.row.price is None:
            unpriced += entry.row.n
            continue
        for part, listed in _parts(entry.row):
            _add(lines, entry, part, listed)
    return Export(tuple(_row(lines[key]) for key in sorted(lines, key=str)), unpriced)


def _parts(row: LedgerRow) -> Iterator[tuple[Metered, Metered]]:
    """Each meter as it was paid and as it would have been in real time."""
    assert row.price is not None, "checked before"
    assert row.cost_nano is not None, "checked before"
    paid = by_meter(row.price.rates, row.tier, row.usage, row.cost_nano)
    if row.baseline_price is None:
        return zip(paid, paid, strict=True)
    listed = by_meter(row.baseline_price.rates, row.tier, row.usage, row.baseline_nano or 0)
    return zip(paid, listed, strict=True)


def _add(
    lines: dict[tuple[object, ...], _Line], entry: Entry, part: Metered, listed: Metered
) -> None:
    row = entry.row
    key = (
        _day(entry.charged_at), row.workflow, row.provider, row.account, row.model, row.lane,
        row.kind, part.meter, part.rate, listed.rate, row.price_status, row.price_basis,
        tuple(sorted(entry.tags.items())),
    )  # fmt: skip
    line = lines.get(key)
    if line is None:
        line = lines[key] = _Line(entry, part.meter, part.rate, listed.rate)
    line.tokens += part.tokens
    line.nano += part.nano
    line.baseline_nano += 0 if row.baseline_price is None else listed.nano
    line.waste_nano += part.nano if row.kind == "waste" else 0


def _row(line: _Line) -> dict[str, Value]:
    row, day = line.entry.row, _day(line.entry.charged_at)
    month = day.replace(day=1)
    maker = _NAMES.get(row.provider, row.provider)
    provider = _provider(row, maker)
    quantity = Decimal(line.tokens) / _MILLION
    unit, list_unit = Decimal(line.rate) / _MILLION, Decimal(line.list_rate) / _MILLION
    cost = Decimal(line.nano).scaleb(-9)
    baseline = Decimal(line.baseline_nano).scaleb(-9)
    sku = f"{row.provider}/{row.model}/{line.meter}"
    found: dict[str, Value] = {
        "BilledCost": cost,
        "BillingAccountId": row.account,
        "BillingCurrency": "USD",
        "BillingPeriodStart": month,
        "BillingPeriodEnd": (month + timedelta(days=32)).replace(day=1),
        "ChargeCategory": "Usage",
        "ChargeClass": "Correction" if row.kind == "correction" else None,
        "ChargeDescription": f"{row.model} {_METERS[line.meter]}, {row.lane} lane",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": day,
        "ChargePeriodEnd": day + _DAY,
        "ConsumedQuantity": Decimal(line.tokens),
        "ConsumedUnit": "Tokens",
        "ContractedCost": quantity * unit,
        "ContractedUnitPrice": unit,
        "EffectiveCost": cost,
        "InvoiceIssuerName": provider,
        "ListCost": quantity * list_unit,
        "ListUnitPrice": list_unit,
        "PricingCategory": "Standard" if row.lane == REALTIME else "Other",
        "PricingQuantity": quantity,
        "PricingUnit": f"{_MILLION} Tokens",
        "ProviderName": provider,
        "PublisherName": maker,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": f"{maker} API",
        "ServiceSubcategory": "Generative AI",
        "SkuId": sku,
        "SkuMeter": _METERS[line.meter],
        "SkuPriceDetails": _json({"x_Lane": row.lane, "x_ModelId": row.model}),
        "SkuPriceId": f"{sku}/{row.lane}" + (f"/above-{row.tier}" if row.tier else ""),
        "Tags": _json({**line.entry.tags, "workflow": row.workflow}),
        "x_Lane": row.lane,
        "x_Workflow": row.workflow,
        "x_Kind": row.kind,
        "x_BaselineCost": baseline,
        "x_SavingsAmount": baseline - cost,
        "x_SavingsConfidence": row.price_status,
        "x_WasteCost": Decimal(line.waste_nano).scaleb(-9),
        "x_PriceBasis": row.price_basis,
    }
    return {name: found.get(name) for name in COLUMNS}


def _provider(row: LedgerRow, maker: str) -> str:
    """Who sells and bills it. The sandbox charges nobody; whoever reads this should see that."""
    return "lanewise sandbox" if row.account.endswith("-sandbox") else maker


def _day(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _json(values: dict[str, str]) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True)


def text_of(value: Value) -> str:
    """A value as FOCUS wants it in CSV: no exponents, UTC, empty for null.

    >>> text_of(Decimal("0.10")), text_of(Decimal("12")), text_of(datetime(2026, 11, 1, tzinfo=UTC))
    ('0.1', '12.0', '2026-11-01T00:00:00Z')
    """
    match value:
        case None:
            return ""
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        case Decimal():
            text = f"{value:f}"
            whole, _, digits = text.partition(".")
            return f"{whole}.{digits.rstrip('0') or '0'}"
        case _:
            return value
