"""`lanewise ledger`: the rows that every figure is added up from, and proof that they hold."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from lanewise.app.savings import instant
from lanewise.cli.options import echo_json, engine_from, home_option, json_option
from lanewise.cli.spans import since as since_of
from lanewise.lanes.verify import Verification, verify
from lanewise.pricing.dollars import dollars, plain
from lanewise.providers import registry
from lanewise.store.books import Entry

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
            _fields(entry)
            for entry in engine.store.ledger(since=start)
            if workflow in (None, entry.row.workflow)
        ]
    if as_json:
        echo_json(rows)
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
    click.echo(
        f"{found.rows:,} rows of {found.batches:,} batches derived again from their stored results: "
        + (f"{len(found.differences):,} differences" if found.differences else "all the same")
    )
    if found.beyond:
        click.echo(
            f"{found.beyond:,} rows rest on results that are not kept (past retention, or of orphans)"
        )
    if corrected and found.corrections:
        click.echo(f"{len(found.corrections):,} corrections appended")


def _fields(entry: Entry) -> dict[str, Any]:
    row, used = entry.row, entry.row.usage
    return {
        "row": entry.id,
        "booked_at": instant(entry.at),
        "charged_at": instant(entry.charged_at),
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


def _usd(nano: int | None) -> str | None:
    """As a text: a spreadsheet or a program must not round it."""
    return None if nano is None else plain(nano)


def _write_csv(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        tags = ";".join(f"{key}={value}" for key, value in row["tags"].items())
        writer.writerow(row | {"tags": tags})


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
        total = sum(
            row[name]
            for name in row
            if name.endswith("_tokens") and name not in ("output_tokens", "reasoning_tokens")
        )
        table.add_row(
            str(row["row"]), row["booked_at"], row["workflow"], row["model"], row["lane"],
            row["kind"], f"{row['answers']:,}", f"{total:,}", f"{row['output_tokens']:,}",
            _shown(row["cost_usd"]), _shown(row["baseline_usd"]), row["price_status"],
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _shown(text: str | None) -> str:
    from decimal import Decimal

    return "unknown" if text is None else dollars(int(Decimal(text).scaleb(9)))
