"""Bills for people and for programs. Plain text, because loading a library for tables takes too long."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from lanewise.domain.lanes import BATCH, LANES, REALTIME
from lanewise.pricing import PriceBook
from lanewise.pricing.calculator import DAYS, Bill, LaneBill, total
from lanewise.pricing.calculator.bills import nano, year
from lanewise.pricing.calculator.machines import BreakEven
from lanewise.pricing.dollars import dollars, plain


# -- for people ----------------------------------------------------------------------------------------
def as_text(
    when: datetime,
    bills: Sequence[Bill],
    *,
    compared: bool,
    machine: Sequence[BreakEven | None] | None,
) -> str:
    """A table, and under it what else there is to know."""
    head = f"A month of {DAYS} days at the prices of {when.date().isoformat()}\n"
    if compared:
        lines = [head, _columns(_COMPARED, [_compared_row(bill) for bill in bills])]
    elif len(bills) == 1:
        lines = [head + describe(bills[0]) + "\n", _columns(_LANES, list(_lane_rows(bills[0])))]
    else:
        rows = [_compared_row(bill) for bill in bills]
        lines = [head, _columns(_COMPARED, [*rows, _total_row(bills)])]
    for place, bill in enumerate(bills):
        if machine is not None:
            lines.append(_machine_line(bill, machine[place]))
        if not compared:
            lines += [f"{bill.workload.model}: {text}" for text in _remarks(bill)]
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines())


_LANES = ("lane", ">month", ">saved", ">", ">p50..p95", "price", "")
_COMPARED = (
    "model",
    "provider",
    ">real time",
    ">batch",
    "cheapest",
    ">month",
    ">saved",
    ">",
    "price",
)


def describe(bill: Bill) -> str:
    """The workload in one line."""
    work = bill.workload
    if work.requests is None:
        volume = f"{number(work.input.p50)} tokens in, {number(work.output.p50)} out"
    else:
        volume = (
            f"{number(work.requests)} requests of {_between(work.input)} tokens in, "
            f"{_between(work.output)} out"
        )
    parts = [f"{work.model} ({work.provider}): {volume}"]
    for share, what in (
        (work.cached, "of the input from a cache"),
        (1 - work.wait_share, "cannot wait"),
        (work.rescue, "of the rest rescued"),
        (work.waste, "wasted"),
    ):
        if share:
            parts.append(f"{_percent(share)} {what}")
    return ", ".join(parts)


def _lane_rows(bill: Bill) -> Iterator[tuple[str, ...]]:
    for item in bill.lanes:
        if item.month_nano is None:
            yield item.lane, "unknown", "", "", "", item.price.status, ""
            continue
        saved = None if item.lane == REALTIME else bill.saved_nano(item)
        ends = "" if item.low is None else f"{_money(item.low)}..{_money(item.high)}"
        yield (
            item.lane, dollars(item.month_nano), _saved(saved), _saved_percent(bill, saved), ends,
            item.price.status, _mark(bill, item),
        )  # fmt: skip


def _mark(bill: Bill, item: LaneBill) -> str:
    if not item.fits:
        window = (LANES[item.lane].window_seconds or 0) // 3_600
        return f"may take {window} h"
    cheapest = bill.cheapest
    if cheapest is not None and cheapest.lane == item.lane:
        return "cheapest that fits" + (", may refuse" if LANES[item.lane].may_refuse else "")
    return "may refuse" if LANES[item.lane].may_refuse else ""


def _compared_row(bill: Bill) -> tuple[str, ...]:
    best, work = bill.cheapest, bill.workload
    name = work.name or work.model
    if best is None or best.month_nano is None:
        return name, work.provider, "unknown", "unknown", "", "unknown", "", "", "unknown"
    saved = bill.saved_nano(best)
    return (
        name, work.provider, _lane_money(bill, REALTIME), _lane_money(bill, BATCH), best.lane,
        dollars(best.month_nano), _saved(saved), _saved_percent(bill, saved), best.price.status,
    )  # fmt: skip


def _total_row(bills: Sequence[Bill]) -> tuple[str, ...]:
    """Sums; unknown where any part is unknown."""
    best = [item for bill in bills if (item := bill.cheapest) is not None]
    realtime = [item for bill in bills if (item := bill.lane(REALTIME)) is not None]
    whole, most = total(best), total(realtime)
    if whole is None or most is None or len(best) < len(bills):
        return "total", "", "unknown", "", "", "unknown", "", "", ""
    saved = nano(most) - nano(whole)
    percent = "" if not most else _percent(Fraction(saved, nano(most) or 1))
    return "total", "", _money(most), "", "", _money(whole), dollars(saved), percent, ""


def _lane_money(bill: Bill, lane: str) -> str:
    found = bill.lane(lane)
    if found is None:
        return "-"
    return "unknown" if found.month_nano is None else dollars(found.month_nano)


def _saved(saved: int | None) -> str:
    """Nothing where the price in real time is unknown: a saving is against something."""
    return "" if saved is None else dollars(saved)


def _saved_percent(bill: Bill, saved: int | None) -> str:
    realtime = bill.lane(REALTIME)
    if saved is None or realtime is None or not realtime.month_nano:
        return ""
    return _percent(Fraction(saved, realtime.month_nano))


def _machine_line(bill: Bill, found: BreakEven | None) -> str:
    name = bill.workload.name or bill.workload.model
    if found is None:
        return f"{name}: no known price to compare the machine with"
    count = f"{found.machines:,} machines" if found.machines > 1 else "the machine"
    text = (
        f"{name} on {found.machine.name}: {_money(found.pico)} a month for {count} "
        f"({found.machine.allocation}), {_money(found.provider_pico)} at the provider"
    )
    if found.machine.allocation == "busy":
        return text + (", cheaper" if found.cheaper else ", dearer") + " at any volume"
    if found.factor is None:
        return text + "; it never breaks even: a full machine costs more for each token"
    daily = number(Fraction(round(found.tokens_per_day or 0)))
    return text + f"; breaks even at {_percent(found.factor)} of this volume, {daily} tokens a day"


def _remarks(bill: Bill) -> Iterator[str]:
    for day in bill.changes:
        yield f"other prices are known from {day}"
    realtime = bill.lane(REALTIME)
    rates = None if realtime is None else realtime.price.rates
    if bill.workload.requests is None and rates is not None and rates.tiers:
        start = rates.tiers[0][0]
        yield f"requests of more than {start:,} tokens cost more; give --n and their lengths to count that"
    if bill.workload.cached:
        yield "writing to a cache is not in the sum"


# -- for programs --------------------------------------------------------------------------------------
def as_json(
    book: PriceBook,
    when: datetime,
    bills: Sequence[Bill],
    machine: Sequence[BreakEven | None] | None,
) -> dict[str, Any]:
    """All figures; money in USD as numbers that are exact to the nano-dollar."""
    found = [_bill_json(bill) for bill in bills]
    if machine is not None:
        for row, compared in zip(found, machine, strict=True):
            row["self_hosted"] = None if compared is None else _machine_json(compared)
    best = total([item for bill in bills if (item := bill.cheapest) is not None])
    return {
        "at": when.date().isoformat(),
        "basis": book.basis,
        "days": DAYS,
        "workloads": found,
        "cheapest_total_usd": _usd(best) if all(bill.cheapest for bill in bills) else None,
    }


def _bill_json(bill: Bill) -> dict[str, Any]:
    work = bill.workload
    return {
        "name": work.name,
        "provider": work.provider,
        "model": work.model,
        "requests_per_month": None if work.requests is None else decimal(work.requests),
        "lanes": {item.lane: _lane_json(bill, item) for item in bill.lanes},
        "cheapest": None if bill.cheapest is None else bill.cheapest.lane,
        "price_changes": list(bill.changes),
    }


def _lane_json(bill: Bill, item: LaneBill) -> dict[str, Any]:
    requests, pico = bill.workload.requests, item.pico
    saved = bill.saved_nano(item)
    return {
        "status": item.price.status,
        "fits": item.fits,
        "request_usd": None if pico is None or not requests else _usd(pico / requests),
        "day_usd": None if pico is None else _usd(pico / DAYS),
        "month_usd": _usd(pico),
        "year_usd": None if pico is None else _usd(year(pico)),
        "saved_usd": None if saved is None else float(Decimal(saved).scaleb(-9)),
        "low_usd": _usd(item.low),
        "high_usd": _usd(item.high),
    }


def _machine_json(found: BreakEven) -> dict[str, Any]:
    return {
        "name": found.machine.name,
        "machines": found.machines,
        "month_usd": _usd(found.pico),
        "provider_month_usd": _usd(found.provider_pico),
        "breaks_even_at": None if found.factor is None else decimal(found.factor),
        "breaks_even_tokens_per_day": (
            None if found.tokens_per_day is None else decimal(found.tokens_per_day)
        ),
    }


def _rows(bills: Sequence[Bill]) -> Iterator[tuple[str, ...]]:
    for bill in bills:
        for item in bill.lanes:
            saved, best = bill.saved_nano(item), bill.cheapest
            yield (
                bill.workload.name, bill.workload.provider, bill.workload.model, item.lane,
                "" if item.month_nano is None else plain(item.month_nano),
                "" if saved is None else plain(saved), item.price.status,
                "yes" if item.fits else "no",
                "yes" if best is not None and best.lane == item.lane else "no",
            )  # fmt: skip


_HEADINGS = (
    "name", "provider", "model", "lane", "month_usd", "saved_usd", "price_status", "fits", "cheapest",
)  # fmt: skip


def as_csv(bills: Sequence[Bill]) -> str:
    """A row for each workload and lane; amounts are exact to the nano-dollar, empty where unknown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADINGS)
    writer.writerows(_rows(bills))
    return text.getvalue()


def as_markdown(bills: Sequence[Bill]) -> str:
    """The same rows as a table."""
    lines = ["| " + " | ".join(_HEADINGS) + " |", "|" + "---|" * len(_HEADINGS)]
    lines += [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in _rows(bills)
    ]
    return "\n".join(lines)


# -- texts ---------------------------------------------------------------------------------------------
def _columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns; a heading that begins with `>` is of numbers. Columns without any text go."""
    used = [place for place in range(len(headings)) if any(row[place] for row in rows)]
    cells = [[headings[place].lstrip(">") for place in used]]
    cells += [[row[place] for place in used] for row in rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(used))]
    right = [headings[place].startswith(">") for place in used]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    )


def _money(pico: Fraction | None) -> str:
    return "unknown" if pico is None else dollars(nano(pico))


def _usd(pico: Fraction | None) -> float | None:
    return None if pico is None else float(Decimal(nano(pico)).scaleb(-9))


def decimal(value: Fraction) -> float:
    """As a number of JSON."""
    return float(Decimal(value.numerator) / Decimal(value.denominator))


def number(value: Fraction) -> str:
    """With at most three digits after the point.

    >>> number(Fraction(1_200_000)), number(Fraction(1, 3))
    ('1,200,000', '0.333')
    """
    text = f"{round(value * 1_000) / Decimal(1_000):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _between(found: Any) -> str:
    if found.p50 == found.p95:
        return number(found.p50)
    return f"{number(found.p50)} (95 % up to {number(found.p95)})"


def _percent(value: Fraction) -> str:
    return f"{round(value * 1_000) / Decimal(10):f}".removesuffix(".0") + " %"
