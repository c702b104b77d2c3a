"""The savings as a page for finance: what was spent, what it would have cost, and what that rests on."""

from __future__ import annotations

from collections.abc import Sequence

from lanewise.app.budgets import BudgetStanding
from lanewise.app.receipt import percent
from lanewise.app.savings import Saving, Savings, instant
from lanewise.pricing.dollars import dollars, plain
from lanewise.reports import (
    Bar,
    Bars,
    Block,
    Column,
    Columns,
    Figure,
    Figures,
    Note,
    Page,
    Table,
    ticks,
)

_BARS = 20  # groups in a chart; the table has all
HEADINGS = (
    "answers", "off real time", "spent", "in real time", "saved", "share", "waste", "price unknown",
)  # fmt: skip
_RESTS = {
    "listed": "a source names the price",
    "override": "your own price file names it",
    "rule": "it follows from a listed price by the provider's rule for the lane or region",
    "estimated": "the model is only like a listed one, or another provider's",
}


def savings_page(report: Savings, days: Savings, budgets: Sequence[BudgetStanding]) -> Page:
    """The page; `days` is the same time by day."""
    total = report.total
    blocks: list[Block] = [
        Figures(
            (
                Figure("saved", dollars(total.saved_nano), _share(total)),
                Figure("spent", dollars(total.spent_nano)),
                Figure(
                    "in real time", dollars(total.baseline_nano), "same answers, same day's prices"
                ),
                Figure(
                    "off real time", _percent(percent(total.moved, total.answers)), "of the answers"
                ),
                Figure("waste", dollars(total.waste_nano), "paid for, not used"),
            )
        ),
        _bars(report),
        _table(report),
    ]
    if len(days.groups) > 1:
        blocks.append(_days(days))
    blocks.append(_rests(total))
    if budgets:
        blocks.append(_budgets(budgets))
    blocks += [Note(text) for text in remarks(total)]
    return Page(f"Savings by {report.by}", period(report), tuple(blocks), _FOOTER)


_FOOTER = (
    "Real time is what the same tokens would have cost without waiting, at the prices of the same day. Every "
    "amount is a sum of requests that were each rounded to a billionth of a dollar; `lanewise ledger show` "
    "lists the rows and `lanewise ledger verify` derives them again."
)


def period(report: Savings) -> str:
    """The time that a report is about."""
    start = "the first entry" if report.since is None else instant(report.since)
    return f"From {start} to {instant(report.until)}"


def cells(group: Saving) -> tuple[str, ...]:
    """A group's figures in the order of `HEADINGS`."""
    return (
        f"{group.answers:,}",
        _percent(percent(group.moved, group.answers)),
        *_sums(group),
        _share(group),
        dollars(group.waste_nano),
        f"{group.unpriced:,}",
    )


def _sums(group: Saving) -> tuple[str, str, str]:
    """Spent, in real time, saved; where no answer has a known price, nobody knows."""
    if group.unpriced and not group.by_status:
        return ("unknown",) * 3
    return dollars(group.spent_nano), dollars(group.baseline_nano), dollars(group.saved_nano)


def remarks(total: Saving) -> list[str]:
    """What a reader has to know beside the figures."""
    found = []
    if total.unpriced:
        found.append(
            f"{total.unpriced:,} answers have no known price: they are in no sum. `lanewise prices doctor` "
            "names their models."
        )
    if total.uncertain_nano:
        found.append(
            f"{dollars(total.uncertain_nano)} of what was spent is an upper bound: the provider may have "
            "charged less."
        )
    if total.marked_nano:
        did = "saved" if total.marked_nano > 0 else "cost"
        found.append(
            f"Prompt cache marks that lanewise set {did} {dollars(abs(total.marked_nano))}, on top of the "
            "saving: the same tokens at the plain input price, less what was paid."
        )
    if total.cached_nano:
        did = "saved" if total.cached_nano > 0 else "cost"
        found.append(
            f"Prompt caching that providers or callers saw to themselves {did} "
            f"{dollars(abs(total.cached_nano))} in the same way; it is not counted as lanewise's."
        )
    return found


def rests_on(total: Saving) -> list[tuple[str, int]]:
    """The saving by price status, surest first."""
    return [(status, total.by_status[status]) for status in _RESTS if status in total.by_status]


def _bars(report: Savings) -> Bars:
    bars = tuple(
        Bar(
            group.name,
            (group.spent_nano, group.baseline_nano),
            f"saved {dollars(group.saved_nano)} ({_share(group)})",
        )
        for group in report.groups[:_BARS]
    )
    return Bars(f"Spent, and in real time, by {report.by}", ("spent", "in real time"), bars)


def _table(report: Savings) -> Table:
    rows = tuple((group.name, *cells(group)) for group in report.groups)
    return Table(f"By {report.by}", (report.by, *HEADINGS), rows, ("total", *cells(report.total)))


def _days(days: Savings) -> Columns:
    columns = tuple(
        Column(
            group.name[5:],
            (group.spent_nano, max(0, group.saved_nano)),
            f"{group.name}: spent {dollars(group.spent_nano)}, saved {dollars(group.saved_nano)}",
        )
        for group in days.groups
    )
    highest = max(group.spent_nano + max(0, group.saved_nano) for group in days.groups)
    at = ticks(highest, lambda nano: f"${plain(nano)}")
    return Columns("By day", ("spent", "saved"), columns, at)


def _rests(total: Saving) -> Table:
    rows = tuple(
        (status, dollars(nano), _percent(percent(nano, total.saved_nano)), _RESTS[status])
        for status, nano in rests_on(total)
    )
    return Table(
        "What the saving rests on", ("price", "saved", "share", "meaning"), rows, left=("meaning",)
    )


def _budgets(budgets: Sequence[BudgetStanding]) -> Table:
    rows = tuple(
        (
            item.workflow, dollars(item.limit_nano), dollars(item.spent_nano),
            dollars(item.reserved_nano), f"{item.used_percent:g} %", "yes" if item.warns else "",
        )
        for item in budgets
    )  # fmt: skip
    columns = ("workflow", "budget", "spent", "reserved", "used", "near its end")
    return Table("Budgets of this month", columns, rows)


def _share(group: Saving) -> str:
    return _percent(percent(group.saved_nano, group.baseline_nano))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:g} %"
