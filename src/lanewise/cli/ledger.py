"""`lanewise ledger`: the rows that every figure is added up from, and proof that they hold."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from lanewise.app.ledger_rows import LEDGER_COLUMNS, plain, row_of
from lanewise.cli.options import echo_json, engine_from, home_option, json_option
from lanewise.cli.spans import since as since_of
from lanewise.domain.counts import counted
from lanewise.lanes.verify import Verification, verify
from lanewise.pricing.dollars import dollars
from lanewise.providers import registry

_SHOWN = 20


@click.group
def ledger() -> None:
    """Show the ledger, or prove it from the stored results."""


@ledger.command("show")
@click.option("--since", help="30d, 12h, 4w or a day; without it, everything.")
@click.option("--workflow", help="Rows of one workflow.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@home_option
def show(
    *, since: str | None, workflow: str | None, as_csv: bool, as_json: bool, home: Path | None
) -> None:
    """List the rows, oldest first, with the ids that lead to the provider's invoice."""
    with engine_from(home) as engine:
        start = since_of(since, engine.clock.now())
        rows = [
            row_of(entry)
            for entry in engine.store.ledger(since=start)
            if workflow in (None, entry.row.workflow)
        ]
    if as_json:
        echo_json([_plain(row) for row in rows])
    elif as_csv:
        _write_csv(rows)
    else:
        _table(rows)


@ledger.command("verify")
@click.option("--correct", is_flag=True, help="Append corrections for what differs.")
@json_option
@home_option
def verify_(*, correct: bool, as_json: bool, home: Path | None) -> None:
    """Derive every row again from the stored results and the prices kept with it.

    Exit code 1 where a row differs. Rows are never edited: --correct appends rows that make up for the
    difference.
    """
    with engine_from(home) as engine:
        found = verify(engine.store, registry.unwrap)
        if correct and found.corrections:
            engine.store.correct(found.corrections, engine.clock.now())
    if as_json:
        echo_json(
            {
                "batches": found.batches,
                "rows": found.rows,
                "rows_without_results": found.beyond,
                "differences": found.differences,
                "corrected": len(found.corrections) if correct else 0,
            }
        )
    else:
        _tell(found, corrected=correct)
    raise click.exceptions.Exit(1 if found.differences else 0)


def _tell(found: Verification, *, corrected: bool) -> None:
    for line in found.differences[:_SHOWN]:
        click.echo(line)
    if len(found.differences) > _SHOWN:
        click.echo(f"... and {len(found.differences) - _SHOWN:,} more")
    batches = counted(found.batches, "batch", "batches")
    click.echo(
        f"{counted(found.rows, 'row')} of {batches} derived again from their stored results: "
        + (counted(len(found.differences), "difference") if found.differences else "all the same")
    )
    if found.beyond:
        click.echo(
            f"{counted(found.beyond, 'row')} not derived: their results are not kept (past retention, or "
            "of orphans)"
        )
    if corrected and found.corrections:
        click.echo(f"{counted(len(found.corrections), 'correction')} appended")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """For JSON and CSV: money as texts, because a spreadsheet or a program must not round it."""
    return {
        name: plain(value) if isinstance(value, Decimal | datetime) else value
        for name, value in row.items()
    }


def _write_csv(rows: list[dict[str, Any]]) -> None:
    writer = csv.DictWriter(sys.stdout, LEDGER_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        tags = ";".join(f"{key}={value}" for key, value in row["tags"].items())
        writer.writerow(_plain(row) | {"tags": tags})


def _table(rows: Iterable[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False)
    for name in ("row", "booked", "workflow", "model", "lane", "kind"):
        table.add_column(name)
    for name in ("answers", "tokens in", "out", "cost", "in real time"):
        table.add_column(name, justify="right")
    table.add_column("price")
    for row in rows:
        total = sum(row[name] for name in row if name.startswith(("input_", "cache_")))
        table.add_row(
            str(row["row"]), plain(row["booked_at"]), row["workflow"], row["model"], row["lane"],
            row["kind"], f"{row['answers']:,}", f"{total:,}", f"{row['output_tokens']:,}",
            _shown(row["cost_usd"]), _shown(row["baseline_usd"]), row["price_status"],
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _shown(amount: Decimal | None) -> str:
    return "unknown" if amount is None else dollars(int(amount.scaleb(9)))
