"""`lanewise export`: the ledger for other people's tools."""

from __future__ import annotations

import csv
from pathlib import Path

import click

from lanewise.app.focus import COLUMNS, Export, focus, text_of
from lanewise.cli.options import engine_from, home_option
from lanewise.cli.spans import month as month_of
from lanewise.errors import BadInput


@click.group
def export() -> None:
    """Write the ledger for FinOps tools."""


@export.command("focus")
@click.option("--month", required=True, help="The month charged, such as 2026-11 (UTC).")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="A .csv or .parquet file.",
)  # fmt: skip
@home_option
def focus_command(*, month: str, output: Path, home: Path | None) -> None:
    """Write FOCUS 1.2 rows: one for each workflow, day, model, meter and lane.

    ListCost is the real-time price, so that FinOps tools show the saving; lane, baseline and saving are
    in x_ columns. Answers of unknown price are left out and counted.
    """
    if output.suffix not in (".csv", ".parquet"):
        raise BadInput(f"-o is {str(output)!r}; it takes a file that ends in .csv or .parquet")
    start, end = month_of(month)
    with engine_from(home) as engine:
        found = focus(engine.store.ledger(), start, end)
    _write(found, output)
    click.echo(f"wrote {len(found.rows):,} rows to {output}", err=True)
    if found.unpriced:
        click.echo(
            f"{found.unpriced:,} answers without a kept price are not in it: FOCUS has no way to say "
            "unknown. `lanewise prices doctor` names their models",
            err=True,
        )


def _write(found: Export, output: Path) -> None:
    part = output.with_name(output.name + ".part")
    if output.suffix == ".csv":
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in found.rows:
                writer.writerow([text_of(row[name]) for name in COLUMNS])
    else:
        from lanewise.app.arrow import focus_table

        table = focus_table(found.rows)
        import pyarrow.parquet

        pyarrow.parquet.write_table(table, part)
    part.replace(output)
