"""`lanewise export`: the ledger for other people's tools."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import IO

import click

from lanewise.app.focus import COLUMNS, Export, focus, text_of
from lanewise.cli.options import engine_from, home_option
from lanewise.cli.spans import month as month_of
from lanewise.cli.written import STDOUT, force_option, target_option, writing
from lanewise.domain.counts import counted
from lanewise.errors import BadInput


@click.group
def export() -> None:
    """Write the ledger for FinOps tools."""


@export.command("focus")
@click.option("--month", required=True, help="The month charged, such as 2026-11 (UTC).")
@target_option(
    "-o", "--output", required=True, says="A .csv or .parquet file; - is CSV on standard output."
)
@force_option
@home_option
def focus_command(*, month: str, output: Path, force: bool, home: Path | None) -> None:
    """Write FOCUS 1.2 rows: one for each workflow, day, model, meter and lane.

    ListCost is the real-time price, so that FinOps tools show the saving; lane, baseline and saving are
    in x_ columns. Answers of unknown price are left out and counted.
    """
    if output != STDOUT and output.suffix not in (".csv", ".parquet"):
        raise BadInput(
            f"-o is {str(output)!r}; it takes a file that ends in .csv or .parquet, or - for CSV"
        )
    start, end = month_of(month)
    with engine_from(home) as engine:
        found = focus(engine.store.ledger(), start, end)
    with writing(output) as file:
        _write(found, file, parquet=output.suffix == ".parquet")
    if output != STDOUT:
        click.echo(f"wrote {counted(len(found.rows), 'row')} to {output}", err=True)
    if found.unpriced:
        click.echo(
            f"{found.unpriced:,} answers without a kept price are not in it: FOCUS has no way to say "
            "unknown. `lanewise prices doctor` names their models",
            err=True,
        )


def _write(found: Export, file: IO[bytes], *, parquet: bool) -> None:
    if not parquet:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in found.rows:
            writer.writerow([text_of(row[name]) for name in COLUMNS])
        text.detach()
        return
    from lanewise.app.arrow import focus_table

    table = focus_table(found.rows)
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, file)
