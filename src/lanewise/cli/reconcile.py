"""`lanewise reconcile`: the ledger beside a provider's own figures."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import click

from lanewise.app.reconcile import Reconciliation, charges
from lanewise.app.reconcile import reconcile as compared
from lanewise.cli.options import echo_json, engine_from, home_option, json_option
from lanewise.errors import BadInput
from lanewise.pricing.dollars import dollars


@click.command
@click.argument(
    "files", metavar="COSTS...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--provider", required=True, type=click.Choice(["openai", "anthropic"]))
@json_option
@home_option
def reconcile(*, files: tuple[Path, ...], provider: str, as_json: bool, home: Path | None) -> None:
    """Compare the ledger with what a provider says it charged, day by day.

    COSTS is the answer of OpenAI's costs API or Anthropic's cost report, saved to a file, or a CSV with
    the columns date, amount (USD) and, if you like, model. Exit code 1 where a day differs.
    """
    theirs = [charge for path in files for charge in charges(_read(path), str(path))]
    if not theirs:
        raise BadInput(f"{', '.join(map(str, files))}: there is no charge in it")
    with engine_from(home) as engine:
        found = compared(engine.store.ledger(), theirs, provider)
    if as_json:
        echo_json(
            {
                "provider": provider,
                "days": [day.as_json() for day in found.days],
                "drift_usd": float(found.drift.scaleb(-9)),
                "even": found.even,
            }
        )
    else:
        _tell(found)
    raise click.exceptions.Exit(0 if found.even else 1)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error


def _tell(found: Reconciliation) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table(
        title=f"{found.provider}: the provider's figures and the ledger's, by day (UTC)",
        title_justify="left", show_edge=False, pad_edge=False,
    )  # fmt: skip
    table.add_column("day")
    for name in ("provider", "ledger", "drift"):
        table.add_column(name, justify="right")
    table.add_column("")
    for day in found.days:
        cells = _money(day.theirs), dollars(day.ours), _money(day.drift)
        table.add_row(day.day, *cells, "; ".join(day.causes))
    console.print(table)
    if found.models and not found.even:
        _models(console, found)
    verdict = "every day agrees" if found.even else f"drift over all days: {_money(found.drift)}"
    console.print(f"\n{verdict}", highlight=False)


def _models(console: object, found: Reconciliation) -> None:
    from rich.console import Console
    from rich.table import Table

    assert isinstance(console, Console)
    table = Table(title="By model", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("model")
    for name in ("provider", "ledger", "drift"):
        table.add_column(name, justify="right")
    for name, theirs, ours in found.models:
        table.add_row(name, _money(theirs), dollars(ours), _money(theirs - ours))
    console.print(table)


def _money(nano: Decimal) -> str:
    return dollars(round(nano))
