"""What `lanewise audit` tells of who waits, of the levers, and of what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from lanewise.audit.levers import Found, Group, Lever, Replayed, Shown, next_steps
from lanewise.audit.levers.caches import rested
from lanewise.audit.samples import Looked
from lanewise.audit.waiting import Waiting
from lanewise.cli.printing import print_table
from lanewise.pricing.dollars import about

_SHOWN: Final = 20
_REASONS: Final = 3
_WIDTH: Final = 120  # where the output goes into a file or another program


def tell_levers(found: Found, replayed: Replayed | None, looked: Looked) -> None:
    """Two tables, the dearest first, what levers save together, and three steps."""
    _tell_who_waits(found)
    _tell_levers(found)
    if looked.prompts or not looked.rows:
        click.echo(str(looked))
    _tell_total(found, replayed)
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
        table.add_row(group.name, about(group.now) if group.now else "", group.waits, _why(group))
    click.echo("\nwho waits for the answers?")
    print_table(table, _WIDTH)
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
    for name in ("lever", "workflow"):
        table.add_column(name, overflow="fold")
    table.add_column("what, and what shows it", overflow="fold", ratio=1)
    table.add_column("costs now", justify="right", no_wrap=True)
    table.add_column("saves alone", justify="right", no_wrap=True)
    table.add_column("confidence", no_wrap=True)
    for lever in found.levers[:_SHOWN]:
        table.add_row(*_cells(lever))
    click.echo("\nwhat would cost less, over the span of this log")
    print_table(table, _WIDTH)
    _tell_more(len(found.levers), "levers")
    click.echo(
        "each by itself: levers take from one another, and do not add up. --json has what each rests on"
    )
    if any(lever.sure == "trial" for lever in found.levers):
        click.echo(
            "trial: verify with a trial, for nothing here says that the answers stay as good"
        )


def _tell_total(found: Found, replayed: Replayed | None) -> None:
    """What adds up, and what comes of lanes, caches and repeats together."""
    if any(lever.counts for lever in found.levers):
        click.echo(
            f"lanes {found.total.about}: those of a high or medium confidence, no request in two of them"
        )
    if replayed is None or not found.levers:
        return
    one = replayed.together
    if not one.joint.high:
        click.echo(
            "together nothing: no lane, repeat or prompt cache saves without a question first"
        )
        return
    alone = f"lanes {one.lanes.about}, repeats {one.dedupe.about}"
    if replayed.sample.texts and not replayed.sample.timeless:
        alone += f", prompt caches {one.cache.about}"
    click.echo(
        f"together {one.joint.about}: replayed over {rested(replayed.sample)}, which cost {about(one.now)}; "
        f"alone, {alone}. Changes of prompts, trials and repeats to ask about first are in none of these"
    )
    if replayed.joint is not None:
        click.echo(
            f"of the whole log, which cost {about(replayed.now)}: together {replayed.joint.about} "
            "(nine of ten draws of these stretches lie within)"
        )


def tell_samples(shown: Sequence[Shown]) -> None:
    """A few prompts, where somebody asked to see them."""
    if shown:
        click.echo("prompts, shortened, with what looks like a secret masked")
    for one in shown:
        click.echo(f"{one.workflow}, {one.model}")
        for prompt in one.prompts:
            click.echo(f"  | {prompt}")
    if shown:
        click.echo()


def _counts(group: Group) -> tuple[int, int]:
    return group.facts.requests, group.facts.live


def _why(group: Group) -> str:
    """The evidence, and what it lacks."""
    if group.elsewhere:
        return "went in a cheaper lane already: nothing to move"
    judged = group.judged
    parts = [group.looks] if group.looks and not group.facts.name else []
    parts += judged.evidence[:_REASONS]
    if judged.against:
        parts.append(f"against it: {judged.against[0]}")
    if judged.waiting is Waiting.UNKNOWN:
        parts.append(f"log {'; '.join(judged.to_log[:_REASONS])}")
    return "; ".join(parts)


def _cells(lever: Lever) -> tuple[str, ...]:
    shows = f": {lever.evidence[0]}" if lever.evidence and lever.kind != "lane" else ""
    saves = lever.money.about if lever.money.high else "nothing by itself"
    return lever.kind, lever.group, lever.does + shows, about(lever.now), saves, lever.needs


def _tell_more(count: int, noun: str) -> None:
    if count > _SHOWN:
        click.echo(f"and {count - _SHOWN:,} more {noun}; --json has all")
