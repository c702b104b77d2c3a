"""What `lanewise simulate` shows to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

import click

from lanewise.app.receipt import percent
from lanewise.app.simulating import Simulation, Simulations
from lanewise.app.simulation_json import range_said
from lanewise.audit.whatif import Aside, Hour, Plan, Quota, Range, Summary, difference
from lanewise.cli.printing import print_table
from lanewise.domain.lanes import LaneName
from lanewise.policy.rules import Policy
from lanewise.pricing.dollars import dollars

_ROWS: Final = 20
_DAYS: Final = 14
_NAMES: Final = 8
_LEAST: Final = 100_000  # nano-USD: what differs by less is not shown


def tell(found: Simulations) -> None:
    """Each policy, and how two differ."""
    for one in found.of:
        _tell_one(one, found)
        click.echo()
    if found.compared is not None:
        _tell_difference(found)
    if found.unread:
        click.echo(f"not held against the policy in force: {found.unread}", err=True)
    if found.imported.broken:
        click.echo(f"{found.imported.broken:,} lines of the logs could not be read", err=True)
    click.echo(f"ranges: {range_said(found.days.seeds)}; prices: {found.basis}")


def _tell_one(one: Simulation, found: Simulations) -> None:
    summary, plan = one.summary, one.summary.plan
    click.echo(f"{one.file} (hash {one.policy.hash}), batches as on days of {found.days.model!r}")
    click.echo(f"what the lanes believe of batches: {'; '.join(found.batches)}")
    for line in (*_replayed(plan), *_rules(one.policy, plan)):
        click.echo(line)
    click.echo(_money_said(summary))
    _lanes(summary)
    _workflows(summary)
    _tell_deadlines(summary)
    _tell_quotas(summary)


def _replayed(plan: Plan) -> Iterator[str]:
    """What is in the figures, and what is not."""
    yield f"{_counted(plan.requests)} replayed"
    if plan.copies:
        yield f"{_counted(plan.copies.total())} asked once with an equal one of the same run"
    for whose, one in sorted(plan.refused.items()):
        yield f"refused: {_aside(one)}, for which {whose} had no room"
    ranked = sorted(plan.unfit.items(), key=lambda item: (-item[1].requests, item[0]))
    for why, one in ranked[:_NAMES]:
        yield f"left out: {_aside(one)} {why}"
    if len(ranked) > _NAMES:
        yield f"left out for {len(ranked) - _NAMES:,} more reasons; --json has all"


def _aside(one: Aside) -> str:
    unknown = f", {one.unpriced:,} of unknown cost" if one.unpriced else ""
    return f"{_counted(one.requests)} ({dollars(one.nano)} as sent{unknown})"


def _rules(policy: Policy, plan: Plan) -> Iterator[str]:
    """What each rule fits; where one fits nothing, what there is to fit."""
    if not policy.rules:
        return
    counts = [(rule.name, plan.rules[rule.name]) for rule in policy.rules]
    told = [f"{name} {count:,}" for name, count in counts[:_ROWS]]
    if len(counts) > _ROWS:
        told.append(f"{len(counts) - _ROWS:,} more rules")
    yield f"requests by rule: {', '.join(told)}; no rule {plan.rules['']:,}"
    left_out = [repr(name) for name, count in counts if not count and plan.rules_left_out[name]]
    if left_out:
        yield f"all that {', '.join(left_out[:_NAMES])} would fit is left out"
    idle = [repr(name) for name, count in counts if not count + plan.rules_left_out[name]]
    if not idle:
        return
    yield f"no request fits {', '.join(idle[:_NAMES])}; workflows in the log: {_most(plan.workflow_requests)}"
    if plan.keys:
        yield f"keys in the log, of requests without a workflow: {_most(plan.keys)}"


def _most(found: Counter[str]) -> str:
    """Names, those with the most requests first."""
    names = sorted(found, key=lambda name: (-found[name], name))
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return f"{', '.join(names[:_NAMES])}{more}"


def _money_said(summary: Summary) -> str:
    plan, saved = summary.plan, summary.saving
    whole = plan.today_nano + plan.aside_nano
    told = f", {_percent(saved, plan.today_nano)}" if plan.today_nano else ""
    if plan.aside_nano:
        told += f" ({_percent(saved, whole)} of the {dollars(whole)} in the log)"
    cached = ""
    if summary.cached.middle:
        cached = f"\nup to {_money(summary.cached)} less if what waits reads from caches as it did"
    return (
        f"cost {_money(summary.cost)}; as it was sent {dollars(plan.today_nano)}; "
        f"saving {_money(saved)}{told}{cached}"
    )


def _percent(found: Range, whole: int) -> str:
    low, middle, high = (percent(part, whole) for part in found)
    return f"{middle} %" if low == high else f"{middle} % ({low} to {high})"


def _lanes(summary: Summary) -> None:
    plan, nothing = summary.plan, (Range(0, 0, 0), Range(0, 0, 0))
    rows = [
        (
            lane,
            f"{plan.today_requests[LaneName(lane)]:,}",
            dollars(plan.today[LaneName(lane)]),
            _count(summary.lanes.get(lane, nothing)[0]),
            _money(summary.lanes.get(lane, nothing)[1]),
        )
        for lane in sorted({*summary.lanes, *plan.today_requests})
    ]
    rows.append(("waste", "", "", "", _money(summary.waste)))
    _table(("lane", "requests as sent", "cost as sent", "requests", "cost"), rows)


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
    _table(("workflow", "requests", "cost as sent", "cost"), rows)
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
        f"{_count(summary.rescued)} requests sent again, rescued or left over by a batch"
    )
    if summary.plan.observed:
        click.echo(
            f"{summary.plan.observed:,} requests were decided on and sent in real time: the rollout"
        )


def _tell_quotas(summary: Summary) -> None:
    if summary.quotas:
        used = ("batches in an hour", "tokens in batches", "batches without room", "calls waiting")
        _table(("at most at once", *used), [_quota(quota) for quota in summary.quotas])
        told = (f"{name} {_count(created)}" for name, created in summary.created.items())
        click.echo(f"batches created in the busiest hour, of all models: {', '.join(told)}")
    lively = [hour for hour in summary.hours if any(hour[1:])]
    days = [list(day) for _, day in groupby(lively, lambda hour: hour.at // 86_400)]
    names = ("accepted", "answered", "waiting (*)", "batches", "tokens in them (*)")
    _table(("day (UTC)", *names), [_day(hours) for hours in days[:_DAYS]])
    click.echo("(*) the most of what there was at the ends of hours")
    if len(days) > _DAYS:
        click.echo(f"days after these: {len(days) - _DAYS:,}; --json has every hour")


def _quota(quota: Quota) -> tuple[str, ...]:
    limits = {limit.name: limit for limit in quota.limits}

    def of(used: Range, name: str) -> str:
        found = limits.get(name)
        return f"{_count(used)} of {f'{found.value:,} ({found.source})' if found else '?'}"

    return (
        f"{quota.stream.model}, {quota.stream.provider}",
        of(quota.created, "creations_per_hour"),
        of(quota.tokens, "enqueued_tokens"),
        _count(quota.held),
        _count(quota.calls),
    )


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


def _tell_difference(found: Simulations) -> None:
    assert found.compared is not None, "two are compared"
    one, other = found.compared
    differs = difference(one.summary, other.summary)
    whose = ", the policy in force" if found.in_force is not None else ""
    click.echo(
        f"{other.file} instead of {one.file}{whose}, on the same days: cost {_money(differs.cost)}, "
        f"deadlines missed {_count(differs.late)}"
    )
    if one.policy.hash == other.policy.hash:
        click.echo("both files say the same, so nothing differs")
    if differs.requests:
        click.echo(f"they are not of the same requests: it takes {differs.requests:+,} of them")
    ranked = sorted(differs.workflows.items(), key=lambda item: (-abs(item[1].middle), item[0]))
    for name, cost in ranked[:_NAMES]:
        if abs(cost.middle) >= _LEAST:
            click.echo(f"  {name}: {_money(cost)}")
    click.echo()


def _table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_edge=False, pad_edge=False)
    table.add_column(names[0], overflow="fold")
    for name in names[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    print_table(table)


def _counted(requests: int) -> str:
    return f"{requests:,} request" if requests == 1 else f"{requests:,} requests"


def _money(found: Range) -> str:
    return _span(found, dollars)


def _count(found: Range) -> str:
    return _span(found, "{:,}".format)


def _span(found: Range, said: Callable[[int], str]) -> str:
    """The middle, and the range where there is one."""
    low, middle, high = map(said, found)
    return middle if low == high else f"{middle} ({low} to {high})"
