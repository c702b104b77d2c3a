"""Prices as tables for people and as JSON for programs. Amounts are texts: nobody may round them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from lanewise.app.doctor import Finding, Health
from lanewise.app.price_doctor import Doubt
from lanewise.app.prices import Update
from lanewise.pricing import Resolved
from lanewise.pricing.arithmetic import Rates, Vector
from lanewise.pricing.sheets import RATES, Difference, Sheet, per_million

_HEADINGS: Final = {
    "input": "input",
    "cache_read": "cache read",
    "cache_write_5m": "write 5m",
    "cache_write_1h": "write 1h",
    "output": "output",
}
_SHOWN: Final = 20  # differences of an update


# -- show -----------------------------------------------------------------------------------------
def show_sheet(item: Sheet, region: str | None) -> None:
    """One table: a line for each lane, and one for each long-context price of it."""
    from rich.table import Table

    where = f", region {region}" if region else ""
    click.echo(f"{item.model} at {item.provider}{where}, {item.day} (UTC), USD per million tokens")
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("lane")
    for heading in _HEADINGS.values():
        table.add_column(heading, justify="right")
    table.add_column("status")
    for lane, found in item.lanes:
        for label, vector in _lines(lane, found.rates):
            status = found.status if label == lane else ""
            table.add_row(label, *_cells(vector), status)
    _print(table)
    for change in item.changes:
        click.echo(
            f"from {change.day}, {change.lane}: {_moves(change.before, change.after)} "
            f"({change.after.status})"
        )
    for note in item.notes:
        click.echo(f"note: {note}")
    click.echo(f"basis: {item.basis}")


def _lines(lane: str, rates: Rates | None) -> list[tuple[str, Vector | None]]:
    if rates is None:
        return [(lane, None)]
    return [
        (lane, rates.base),
        *((f"  input above {above:,}", vector) for above, vector in rates.tiers),
    ]


def _cells(vector: Vector | None) -> list[str]:
    if vector is None:
        return ["-"] * len(_HEADINGS)
    return [per_million(getattr(vector, name)) for name in _HEADINGS]


def _moves(before: Resolved, after: Resolved) -> str:
    """The prices that will be others, as `input 1 -> 2`."""
    if after.rates is None:
        return "unknown"
    if before.rates is None:
        return f"input {per_million(after.rates.base.input)}"
    moved = [_moved(before.rates.base, after.rates.base)]
    starts = {start for rates in (before.rates, after.rates) for start, _ in rates.tiers}
    for start in sorted(starts):
        text = _moved(before.rates.above(start), after.rates.above(start))
        moved.append(f"above {start:,}: {text}" if text else "")
    return "; ".join(filter(None, moved))


def _moved(old: Vector, new: Vector) -> str:
    return ", ".join(
        f"{heading} {per_million(getattr(old, name))} -> {per_million(getattr(new, name))}"
        for name, heading in _HEADINGS.items()
        if getattr(old, name) != getattr(new, name)
    )


def sheet_json(item: Sheet, region: str | None) -> dict[str, Any]:
    """A sheet for programs."""
    return {
        "provider": item.provider,
        "model": item.model,
        "day": item.day,
        "region": region,
        "unit": "USD per million tokens",
        "lanes": {lane: _resolved_json(found) for lane, found in item.lanes},
        "changes": [
            {"from": change.day, "lane": change.lane, **_resolved_json(change.after)}
            for change in item.changes
        ],
        "notes": list(item.notes),
        "basis": item.basis,
    }


def _resolved_json(found: Resolved) -> dict[str, Any]:
    rates = found.rates
    return {
        "status": found.status,
        "rates": None if rates is None else _vector_json(rates.base),
        "tiers": []
        if rates is None
        else [{"above": above, "rates": _vector_json(vector)} for above, vector in rates.tiers],
    }


def _vector_json(vector: Vector) -> dict[str, str]:
    return {name: per_million(getattr(vector, name)) for name in RATES}


# -- diff -----------------------------------------------------------------------------------------
def show_differences(found: Sequence[Difference], before: str, after: str) -> None:
    """A line for each price that differs."""
    click.echo(f"from {before}\nto   {after}")
    _differences(found)
    click.echo(_counted(found))


def _differences(found: Sequence[Difference]) -> None:
    from rich.table import Table

    if not found:
        return
    table = Table(show_edge=False, pad_edge=False)
    for name in ("provider", "model", "lane", "price"):
        table.add_column(name)
    table.add_column("old", justify="right")
    table.add_column("new", justify="right")
    for item in found:
        above = "" if item.above is None else f" above {item.above:,}"
        table.add_row(
            item.provider, item.model, item.lane, f"{item.rate}{above}",
            _price(item.old), _price(item.new),
        )  # fmt: skip
    _print(table)


def _price(pico: int | None) -> str:
    return "unknown" if pico is None else per_million(pico)


def _counted(found: Sequence[Difference]) -> str:
    models = {(item.provider, item.model) for item in found}
    if not models:
        return "no price differs"
    new = sum(item.old is None for item in found)
    gone = sum(item.new is None for item in found)
    whose = "1 model" if len(models) == 1 else f"{len(models):,} models"
    return (
        f"{len(found):,} prices of {whose} differ: {new:,} were unknown, {gone:,} are unknown now, "
        f"{len(found) - new - gone:,} are others"
    )


def difference_json(item: Difference) -> dict[str, Any]:
    """A difference for programs."""
    return {
        "provider": item.provider,
        "model": item.model,
        "lane": item.lane,
        "rate": item.rate,
        "above": item.above,
        "old": None if item.old is None else per_million(item.old),
        "new": None if item.new is None else per_million(item.new),
    }


# -- doctor ---------------------------------------------------------------------------------------
def show_doctor(doubts: Sequence[Doubt], findings: Sequence[Finding], models: int) -> None:
    """What is in doubt, with entries to copy."""
    for item in findings:
        cure = f"  -> {item.cure}" if item.cure and item.health is not Health.OK else ""
        click.echo(f"{item.health.value:<5} {item.what}{cure}")
    if not models:
        click.echo("ok    nothing is in the ledger yet")
    elif not doubts:
        click.echo(f"ok    models in the ledger: {models}, every one at listed prices")
    for doubt in doubts:
        health = "warn" if doubt.snippet else "ok"
        answers = "1 answer" if doubt.requests == 1 else f"{doubt.requests:,} answers"
        click.echo(
            f"{health:<5} {doubt.model} at {doubt.provider}, {doubt.lane}: {answers} booked as "
            f"{doubt.status}  -> {doubt.cure}"
        )
        if doubt.snippet:
            click.echo(
                "\n" + "\n".join(f"      {line}" for line in doubt.snippet.splitlines()) + "\n"
            )


def doctor_json(
    basis: str, doubts: Sequence[Doubt], findings: Sequence[Finding]
) -> dict[str, object]:
    """The same for programs."""
    return {
        "basis": basis,
        "models": [
            {
                "provider": item.provider,
                "model": item.model,
                "lane": item.lane,
                "status": item.status,
                "requests": item.requests,
                "basis": item.basis,
                "status_today": item.today.status,
                "cure": item.cure,
                "snippet": item.snippet,
            }
            for item in doubts
        ],
        "findings": [
            {"health": item.health, "what": item.what, "cure": item.cure} for item in findings
        ],
    }


# -- update ---------------------------------------------------------------------------------------
def show_update(ready: Update, path: Path | None) -> None:
    """What changes, the first lines of it, and where it was written."""
    _differences(ready.differences[:_SHOWN])
    if len(ready.differences) > _SHOWN:
        click.echo(f"... and {len(ready.differences) - _SHOWN:,} more")
    click.echo(_counted(ready.differences))
    if path is None:
        click.echo(f"nothing was written; prices rest on {ready.before}")
    else:
        click.echo(f"wrote {path}; prices rest on {ready.after}")


def update_json(ready: Update, path: Path | None) -> dict[str, Any]:
    """The same for programs."""
    return {
        "version": ready.version,
        "written": None if path is None else str(path),
        "before": ready.before,
        "after": ready.after,
        "differences": [difference_json(item) for item in ready.differences],
    }


def _print(table: object) -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 140).print(table)
