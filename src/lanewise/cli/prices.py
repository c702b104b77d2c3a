"""`lanewise prices`: what is charged, since when, who says so, and how to keep it current."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from lanewise.app import price_doctor
from lanewise.app import prices as keeping
from lanewise.cli import price_tables as tables
from lanewise.cli.options import echo_json, engine_from, home_option, json_option, settings_from
from lanewise.cli.spans import day as day_of
from lanewise.clock import SystemClock
from lanewise.domain.lanes import LANES, LaneName
from lanewise.errors import BadInput
from lanewise.pricing import PriceBook
from lanewise.pricing.selling import sold_by
from lanewise.pricing.sheets import differences, sheet

at_option = click.option("--at", metavar="DATE", help="Prices of this day (UTC). [today]")


@click.group
def prices() -> None:
    """Show what models cost in each lane, and keep the price book current."""


@prices.command("show")
@click.argument("model")
@click.option("--provider", help="Whose price; without it, all who sell the model.")
@at_option
@click.option("--lane", type=click.Choice(list(LANES)), help="One lane only.")
@click.option("--region", help="Where the provider is asked to process.")
@json_option
@home_option
def show(
    *,
    model: str,
    provider: str | None,
    at: str | None,
    lane: str | None,
    region: str | None,
    as_json: bool,
    home: Path | None,
) -> None:
    """Show a model's prices in every lane, in USD per million tokens, and on what they rest."""
    book = PriceBook.of_home(settings_from(home).home)
    when = day_of(at)
    lanes = tuple(LANES) if lane is None else (LaneName(lane),)
    found = [
        sheet(book, seller, model, when, lanes=lanes, region=region)
        for seller in sold_by(book, model, provider, when)
    ]
    if as_json:
        echo_json([tables.sheet_json(item, region) for item in found])
    else:
        for place, item in enumerate(found):
            click.echo("\n" if place else "", nl=False)
            tables.show_sheet(item, region)


@prices.command("diff")
@click.option("--from", "old", type=click.Path(path_type=Path), help="The older: FILE, to yours.")
@click.option("--against", type=click.Path(path_type=Path), help="The newer: yours, to FILE.")
@at_option
@json_option
@home_option
def diff(
    *, old: Path | None, against: Path | None, at: str | None, as_json: bool, home: Path | None
) -> None:
    """Show which prices differ between the book in use and another.

    Without a FILE: from what lanewise ships to what is in use here. FILE is a compiled table,
    genai-prices' data (JSON), or a prices.toml to try. Long-context prices are those `above` a limit.
    """
    if old is not None and against is not None:
        raise BadInput("--from and --against were both given; one file is compared with yours")
    folder = settings_from(home).home
    mine = PriceBook.of_home(folder)
    other = keeping.other_book(folder, old or against, SystemClock().now())
    before, after = (mine, other) if against else (other, mine)
    found = list(differences(before, after, day_of(at)))
    if as_json:
        echo_json(
            {
                "from": before.basis,
                "to": after.basis,
                "differences": [tables.difference_json(item) for item in found],
            }
        )
    else:
        tables.show_differences(found, before.basis, after.basis)


@prices.command("doctor")
@json_option
@home_option
def doctor(*, as_json: bool, home: Path | None) -> None:
    """List models in the ledger without a listed price, and what is old or useless in the book.

    For each there is an entry to put into prices.toml. Exit code 0, with warnings or without.
    """
    with engine_from(home) as engine:
        at = datetime.fromtimestamp(engine.clock.now(), UTC)
        book, entries = engine.book, list(engine.store.ledger())
    doubts = price_doctor.doubts(book, entries, at)
    seen = {(entry.row.provider, entry.row.model) for entry in entries}
    findings = price_doctor.examine(book, seen, at, engine.settings.home)
    if as_json:
        echo_json(tables.doctor_json(book.basis, doubts, findings))
    else:
        tables.show_doctor(doubts, findings, len(seen))


@prices.command("update")
@click.option("--from", "source", metavar="FILE|URL", help="genai-prices' data, JSON, version 2.")
@click.option("--as-of", metavar="DATE", help="The day of the data. [when FILE was written; today]")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--reset", is_flag=True, help="Go back to the prices that lanewise ships.")
@json_option
@home_option
def update(
    *,
    source: str | None,
    as_of: str | None,
    dry_run: bool,
    reset: bool,
    as_json: bool,
    home: Path | None,
) -> None:
    """Put newer list prices into the home, where they are used until lanewise ships newer ones.

    Reads FILE, or fetches URL (https) once; nothing is ever fetched otherwise. Data that cannot be used
    changes nothing. What is booked stays as it was booked; workers take new prices when they start.
    """
    if (source is None) is not reset:
        raise BadInput(
            "say where the prices are: --from FILE or --from URL (or --reset to go back)"
        )
    folder = settings_from(home).home
    if reset:
        _reset(folder, as_json=as_json)
        return
    assert source is not None
    now = SystemClock().now()
    dated = None if as_of is None else day_of(as_of, "--as-of").date()
    ready = keeping.prepare(folder, keeping.read(source, now, dated), now)
    path = None if dry_run else keeping.put(folder, ready)
    if as_json:
        echo_json(tables.update_json(ready, path))
    else:
        tables.show_update(ready, path)


def _reset(home: Path, *, as_json: bool) -> None:
    there = keeping.reset(home)
    basis = PriceBook.of_home(home).basis
    if as_json:
        echo_json({"removed": there, "basis": basis})
    else:
        what = "the home's table was removed" if there else "the home had no table of its own"
        click.echo(f"{what}; prices rest on {basis}")
