"""What `lanewise audit` tells of who waits, of the levers, and of what to do next."""

from __future__ import annotations

from typing import Final

import click

from lanewise.audit.levers import Found, Group, Lever, Replayed, next_steps
from lanewise.audit.levers.caches import rested
from lanewise.audit.waiting import Waiting
from lanewise.pricing.dollars import dollars

_SHOWN: Final = 20
_REASONS: Final = 3


def tell_levers(found: Found, replayed: Replayed | None) -> None:
    """Two tables, the dearest first, what levers save together, and three steps."""
    _tell_who_waits(found)
    _tell_levers(found)
    if replayed is not None:
        _tell_together(replayed)
    steps = next_steps(found)
    if steps:
        click.echo("\nnext steps")
    for number, step in enumerate(steps, 1):
        click.echo(f"{number}. {step}")
    click.echo()


def _tell_who_waits(found: Found) -> None:
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False)
    table.add_column("workflow", overflow="fold")
    table.add_column("in real time", justify="right", no_wrap=True)
    table.add_column("who waits", no_wrap=True)
    table.add_column("evidence, the strongest first", overflow="fold")
    for group in found.groups[:_SHOWN]:
        table.add_row(
            group.name, dollars(group.now) if group.now else "", _class(group), _why(group)
        )
    click.echo("\nwho waits for the answers?")
    _print(table)
    _tell_more(len(found.groups), "workflows")
    if found.count > len(found.groups):
        click.echo(f"{found.count - len(found.groups):,} more have too few rows to be looked at")
    looked, live = (sum(count) for count in zip(*map(_counts, found.groups), strict=True))
    if looked < live:
        click.echo(f"looked at: the latest {looked:,} of {live:,} requests in real time")


def _tell_levers(found: Found) -> None:
    from rich.table import Table

    if not found.levers:
        click.echo("\nno lever was found")
        return
    table = Table(show_edge=False, pad_edge=False)
    for name in ("lever", "workflow", "what"):
        table.add_column(name, overflow="fold")
    for name in ("costs now", "saves"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("confidence", no_wrap=True)
    for lever in found.levers[:_SHOWN]:
        table.add_row(*_cells(lever))
    click.echo("\nwhat would cost less, over the span of this log")
    _print(table)
    _tell_more(len(found.levers), "levers")
    click.echo(
        f"together {found.total}: what has a high or medium confidence, each request counted once; "
        "trials and what is not known are not in it. --json has what each figure rests on"
    )


def _tell_together(replayed: Replayed) -> None:
    """They interact: what is moved, cached and not asked again is not the sum of the three."""
    found = replayed.together
    alone = f"lanes {found.lanes}, repeats {found.dedupe}"
    if replayed.sample.texts and not replayed.sample.timeless:
        alone += f", prompt caches {found.cache}"
    click.echo(
        f"replayed over {rested(replayed.sample)}, which cost {dollars(found.now)}: "
        f"alone, {alone}; together {found.joint}"
    )
    if replayed.joint is not None:
        click.echo(
            f"of the whole log, which cost {dollars(replayed.now)}: together {replayed.joint} "
            "(nine of ten draws of these stretches lie within)"
        )


def _class(group: Group) -> str:
    if not group.facts.requests and group.facts.elsewhere:
        return "not in real time"
    if group.judged.waiting is Waiting.UNKNOWN:
        return "unknown"
    return f"{group.judged.waiting} ({group.judged.level})"


def _counts(group: Group) -> tuple[int, int]:
    return group.facts.requests, group.facts.live


def _why(group: Group) -> str:
    """The evidence, and what it lacks."""
    if not group.facts.requests and group.facts.elsewhere:
        return "went in a cheaper lane already: nothing to move"
    judged = group.judged
    parts = list(judged.evidence[:_REASONS])
    if judged.against:
        parts.append(f"against it: {judged.against[0]}")
    if judged.waiting is Waiting.UNKNOWN:
        parts.append(f"log {'; '.join(judged.to_log[:_REASONS])}")
    return "; ".join(parts)


def _cells(lever: Lever) -> tuple[str, ...]:
    says = {"trial": "verify with a trial", "none": "ask first"}.get(lever.sure, lever.sure)
    does = f"{lever.does}: {lever.evidence[0]}" if lever.kind == "route" else lever.does
    return lever.kind, lever.group, does, dollars(lever.now), str(lever.money), says


def _print(table: object) -> None:
    from rich.console import Console

    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(width=160, markup=False, emoji=False)
    console.print(table)


def _tell_more(count: int, noun: str) -> None:
    if count > _SHOWN:
        click.echo(f"and {count - _SHOWN:,} more {noun}; --json has all")
