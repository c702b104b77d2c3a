"""Tables and figures for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from lanewise.app import Receipt
from lanewise.app.receipt import percent
from lanewise.pricing.dollars import dollars


def when(at: float) -> str:
    """An instant in local time, to the second.

    >>> when(0.0).startswith("19")
    True
    """
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def receipts(items: Sequence[Receipt], *, stdout: bool = False) -> None:
    """One column of figures for each receipt."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Receipt", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("")
    for item in items:
        table.add_column(item.run, justify="right")
    for label, values in _rows(items):
        table.add_row(label, *values)
    width = max(80, 26 + 30 * len(items))
    console = Console(stderr=not stdout, width=None if sys.stderr.isatty() else width)
    console.print()
    console.print(table)
    for note in _notes(items):
        console.print(note, style="dim")


def _rows(items: Sequence[Receipt]) -> list[tuple[str, list[str]]]:
    rows = [
        ("workflow", [item.workflow for item in items]),
        ("requests", [f"{item.requests:,}" for item in items]),
        ("answered", [f"{item.answered:,}" for item in items]),
        ("refused", [f"{item.refused:,}" for item in items]),
        ("unanswered", [f"{item.unanswered + item.remaining:,}" for item in items]),
        ("batches", [f"{item.batches:,}" for item in items]),
        ("lanes", [_lanes(item) for item in items]),
        ("cost", [_sum(item, item.money.cost_nano) for item in items]),
        ("in real time", [_sum(item, item.money.baseline_nano) for item in items]),
        ("saving", [_saving(item) for item in items]),
        ("waste", [dollars(item.money.waste_nano) for item in items]),
    ]
    if any(item.on_time is not None or item.late for item in items):
        rows += _deadlines(items)
    return rows


def _deadlines(items: Sequence[Receipt]) -> list[tuple[str, list[str]]]:
    return [
        ("deadline", ["-" if item.deadline is None else when(item.deadline) for item in items]),
        ("on time", ["-" if item.on_time is None else f"{item.on_time:,}" for item in items]),
        ("late", [f"{item.late:,}" for item in items]),
    ]


def _lanes(item: Receipt) -> str:
    return ", ".join(f"{lane} {count:,}" for lane, count in item.money.lanes.items()) or "-"


def _saving(item: Receipt) -> str:
    share = percent(item.saving_nano, item.money.baseline_nano)
    return _sum(item, item.saving_nano) + ("" if share is None else f" ({share:g} %)")


def _sum(item: Receipt, nano: int) -> str:
    """An amount; where no answer has a known price, nobody knows."""
    money = item.money
    return "unknown" if money.n and money.unpriced == money.n else dollars(nano)


def _notes(items: Sequence[Receipt]) -> list[str]:
    unpriced = [
        f"{item.run}: {item.money.unpriced:,} answers have no known price and are in no sum"
        for item in items
        if item.money.unpriced
    ]
    copies = [
        f"{item.run}: {item.copies:,} get the answer of another request of the same content; they cost "
        "nothing, and no saving is claimed for them"
        for item in items
        if item.copies
    ]
    return unpriced + copies
