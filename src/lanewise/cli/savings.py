"""`lanewise savings`: what was spent and what was saved."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import click

from lanewise.app.budgets import BudgetStanding, budget_caps, budgets_of
from lanewise.app.savings import Saving, Savings
from lanewise.app.savings import savings as added_up
from lanewise.app.savings_page import HEADINGS, cells, period, remarks, rests_on, savings_page
from lanewise.cli.options import echo_json, engine_from, home_option, json_option
from lanewise.cli.pages import html_option, write_page
from lanewise.cli.spans import since as since_of
from lanewise.cli.written import force_option
from lanewise.pricing.dollars import dollars

_BAR = 20


@click.command
@click.option(
    "--by", default="workflow", show_default=True,
    help="workflow, model, provider, lane, day or tag:KEY.",
)  # fmt: skip
@click.option("--since", default="30d", show_default=True, help="30d, 12h, 4w, a day, or all.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@html_option
@force_option
@json_option
@home_option
def savings(
    *,
    by: str,
    since: str,
    as_csv: bool,
    html: Path | None,
    force: bool,
    as_json: bool,
    home: Path | None,
) -> None:
    """Show what was spent, what it would have cost in real time, and what was saved."""
    with engine_from(home) as engine:
        now = engine.clock.now()
        start = since_of(since, now)
        entries = list(engine.store.ledger(since=start))
        report = added_up(entries, by=by, since=start, until=now)
        standings = engine.store.standing(budget_caps(engine.settings, now))
        budgets = list(budgets_of(engine.settings, standings))
    if html is not None:
        days = added_up(entries, by="day", since=start, until=now)
        write_page(html, savings_page(report, days, budgets), force=force)
    elif as_json:
        echo_json(report.as_json() | {"budgets": [item.as_json() for item in budgets]})
    elif as_csv:
        _write_csv(report)
    else:
        _tell(report, budgets)


def _write_csv(report: Savings) -> None:
    rows = [_flat(group) for group in (*report.groups, report.total)]
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _flat(group: Saving) -> dict[str, object]:
    fields = group.as_json()
    split = fields.pop("saved_by_price_status_usd")
    assert isinstance(split, dict)
    fields |= {
        f"saved_{status}_usd": split.get(status, 0.0)
        for status in ("listed", "override", "rule", "estimated")
    }
    return {
        name: f"{Decimal(str(value)):f}" if name.endswith("_usd") else value
        for name, value in fields.items()
    }


def _tell(report: Savings, budgets: Sequence[BudgetStanding]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"Savings by {report.by}. {period(report)}", title_justify="left", show_edge=False,
        pad_edge=False, show_footer=len(report.groups) > 1,
    )  # fmt: skip
    total = cells(report.total)
    table.add_column(report.by, footer="total")
    for heading, footer in zip(HEADINGS, total, strict=True):
        table.add_column(heading, footer=footer, justify="right")
    table.add_column("")
    most = max([1, *(group.saved_nano for group in report.groups)])
    for group in report.groups:
        table.add_row(group.name, *cells(group), _bar(group.saved_nano, most))
    console = Console(width=None if sys.stdout.isatty() else 150)
    if not report.groups:
        console.print(f"nothing was booked. {period(report)}")
        return
    console.print(table)
    console.print("\nThe saving rests on prices that are " + _resting(report.total))
    for text in remarks(report.total):
        console.print(text)
    for budget in budgets:
        console.print(("WARNING: " if budget.warns else "") + budget.sentence(), highlight=False)


def _bar(saved: int, most: int) -> str:
    """Eighths of a block, so that small savings can be told apart."""
    eighths = max(0, saved) * _BAR * 8 // most
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _resting(total: Saving) -> str:
    parts = [f"{status}: {dollars(nano)}" for status, nano in rests_on(total)]
    return ", ".join(parts) or "unknown"
