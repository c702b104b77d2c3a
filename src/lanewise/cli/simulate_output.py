"""What `lanewise simulate` shows to people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

import click

from lanewise.app.receipt import percent
from lanewise.app.simulating import Simulation, Simulations
from lanewise.audit.whatif import Hour, Range, Summary, difference
from lanewise.domain.lanes import LaneName
from lanewise.pricing.dollars import dollars

_ROWS: Final = 20
_DAYS: Final = 14


def tell(found: Simulations) -> None:
    """Each policy, and how two differ."""
    for one in found.of:
        _tell_one(one, found)
        click.echo()
    if len(found.of) == 2:
        _tell_difference(*found.of)
    if found.imported.broken:
        click.echo(f"{found.imported.broken:,} lines of the logs could not be read", err=True)
    click.echo(f"ranges: nine seeds in ten of {found.days.seeds}; prices: {found.basis}")


def _tell_one(one: Simulation, found: Simulations) -> None:
    summary, plan = one.summary, one.summary.plan
    learned = f" ({found.learned})" if found.learned else ""
    click.echo(f"{one.file} (hash {one.hash}), batches as on days of {found.days.model!r}{learned}")
    click.echo(f"{plan.requests:,} requests replayed{_unfit(summary)}")
    low, middle, high = (percent(part, plan.today_nano) for part in summary.saving)
    told = "" if middle is None else f", {middle} % ({low} to {high})"
    click.echo(
        f"cost {_money(summary.cost)}; as it was sent {dollars(plan.today_nano)}; "
        f"saving {_money(summary.saving)}{told}"
    )
    _lanes(summary)
    _workflows(summary)
    _tell_deadlines(summary)
    _tell_quotas(summary)


def _unfit(summary: Summary) -> str:
    told = "; ".join(f"{count:,} {why}" for why, count in summary.plan.unfit.most_common(5))
    return f"; left out: {told}" if told else ""


def _lanes(summary: Summary) -> None:
    plan = summary.plan
    rows = [
        (
            lane,
            f"{plan.today_requests[LaneName(lane)]:,}",
            dollars(plan.today[LaneName(lane)]),
            _span(summary.lanes[lane][0], "{:,}".format) if lane in summary.lanes else "0",
            _money(summary.lanes[lane][1]) if lane in summary.lanes else "$0",
        )
        for lane in sorted({*summary.lanes, *plan.today_requests})
    ]
    rows.append(("waste", "", "", "", _money(summary.waste)))
    _table(("lane", "requests today", "cost today", "requests", "cost"), rows)


def _workflows(summary: Summary) -> None:
    plan = summary.plan
    names = sorted(plan.workflows, key=lambda name: (-plan.workflows[name], name))
    rows = [
        (
            name,
            f"{plan.workflow_requests[name]:,}",
            dollars(plan.workflows[name]),
            _money(summary.workflows[name]),
        )
        for name in names[:_ROWS]
    ]
    _table(("workflow", "requests", "cost today", "cost"), rows)
    if len(names) > _ROWS:
        click.echo(f"and {len(names) - _ROWS:,} more workflows; --json has all")


def _tell_deadlines(summary: Summary) -> None:
    met = Range(*(summary.deadlines - late for late in reversed(summary.late)))
    click.echo(
        f"deadlines: {summary.deadlines:,}, met {_count(met)}, missed {_count(summary.late)}"
    )
    for reason, count in summary.reasons.items():
        click.echo(f"  missed {_count(count)}: {reason}")
    click.echo(
        f"{_count(summary.batches)} batches, {_count(summary.cancelled)} called back; "
        f"{_count(summary.rescued)} requests rescued"
    )
    if summary.plan.observed:
        click.echo(
            f"{summary.plan.observed:,} requests were decided on and sent in real time: the rollout"
        )


def _tell_quotas(summary: Summary) -> None:
    click.echo(
        f"at most {_count(summary.most_created)} batches created in an hour, "
        f"{_count(summary.most_held)} batches waiting for room, "
        f"{_count(summary.most_calls)} requests waiting for a call"
    )
    lively = [hour for hour in summary.hours if any(hour[1:])]
    days = [list(day) for _, day in groupby(lively, lambda hour: hour.at // 86_400)]
    _table(
        (
            "day (UTC)",
            "accepted",
            "answered",
            "waiting at most",
            "batches",
            "tokens in them at most",
        ),
        [_day(hours) for hours in days[:_DAYS]],
    )
    if len(days) > _DAYS:
        click.echo(f"and {len(days) - _DAYS:,} more days; --json has every hour")


def _day(hours: Sequence[Hour]) -> tuple[str, ...]:
    """A day of the seed whose cost is in the middle."""
    return (
        f"{datetime.fromtimestamp(hours[0].at, UTC):%Y-%m-%d}",
        f"{sum(hour.accepted for hour in hours):,}",
        f"{sum(hour.answered for hour in hours):,}",
        f"{max(hour.waiting for hour in hours):,}",
        f"{sum(hour.batches for hour in hours):,}",
        f"{max(hour.queued_tokens for hour in hours):,}",
    )


def _tell_difference(one: Simulation, other: Simulation) -> None:
    cost, late = difference(one.summary, other.summary)
    click.echo(
        f"{other.file} instead of {one.file}, on the same days: cost {_money(cost)}, "
        f"deadlines missed {_count(late)}"
    )


def _table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False)
    table.add_column(names[0], overflow="fold")
    for name in names[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(table)


def _money(found: Range) -> str:
    return _span(found, dollars)


def _count(found: Range) -> str:
    return _span(found, "{:,}".format)


def _span(found: Range, said: Callable[[int], str]) -> str:
    """The middle, and the range where there is one."""
    if found.low == found.high:
        return said(found.middle)
    return f"{said(found.middle)} ({said(found.low)} to {said(found.high)})"
