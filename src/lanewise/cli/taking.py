"""Taking an input in: what `run` and `submit` have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from lanewise.app import Engine, RunRequest
from lanewise.app.policies import zone_named
from lanewise.app.zones import zone_of
from lanewise.cli.approving import Approval
from lanewise.domain.deadlines import UNLESS, deadline
from lanewise.errors import BadInput
from lanewise.intake import ReadOptions, Source, describe, read
from lanewise.lanes.accept import Received, fingerprint
from lanewise.store.nouns import Run


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for on the command line."""

    inputs: tuple[str, ...]
    workflow: str | None
    provider: str | None
    model: str | None
    endpoint: str | None
    name: str | None
    again: bool
    renumber: bool
    skip_bad: bool
    tags: tuple[str, ...] = ()
    deadline: str | None = None
    dedupe: bool = False


def take(
    engine: Engine,
    order: Order,
    approval: Approval,
    progress: Callable[[int], None] | None = None,
) -> tuple[Run, bool]:
    """Accept the input, or find the run it is already; False if it was known.

    Raises `BadInput` with the broken lines, and accepts nothing then.
    """
    sources = [source(item) for item in order.inputs]
    options = ReadOptions(order.endpoint, order.model, order.renumber)
    request = RunRequest(
        workflow=order.workflow or engine.settings.workflow,
        source=_described(order.inputs),
        provider=order.provider,
        name=order.name,
        again=order.again,
        skip_bad=order.skip_bad,
        tags=_tags(order.tags),
        deadline=order.deadline,
        dedupe=order.dedupe,
    )
    if (known := _known(engine, request, order, sources, options)) is not None:
        _check_deadline(engine, order, known)
        return known, False
    received = engine.accept(
        read(sources, options),
        request,
        progress=progress,
        max_nano=approval.max_nano,
        approve=approval,
    )
    run, new = _accepted(received, sources, order)
    budget = engine.budget_of(run.workflow)
    if budget is not None and budget.warns:
        click.echo(f"warning: {budget.sentence()}", err=True)
    return run, new


def known_run(engine: Engine, order: Order) -> Run | None:
    """The run that this order would go on with, found by reading only; None also where that cannot be."""
    if order.name is not None:
        return engine.store.run_named(order.name)
    if order.again or "-" in order.inputs:
        return None
    lines = read(
        [source(item) for item in order.inputs],
        ReadOptions(order.endpoint, order.model, order.renumber),
    )
    return engine.store.run_like(order.workflow or engine.settings.workflow, fingerprint(lines))


def _accepted(received: Received, sources: Sequence[Source], order: Order) -> tuple[Run, bool]:
    if received.run is not None:
        if received.broken_count:
            click.echo(
                f"left out what cannot be sent: {no_requests(received.broken_count)}:\n"
                + describe(received.broken, sources, received.broken_count),
                err=True,
            )
        return received.run, received.new
    if not received.broken_count:
        names = ", ".join(order.inputs)
        raise BadInput(f"{names}: no request in it; expected JSONL, one request a line")
    hint = (
        ""
        if order.skip_bad
        else "\nNothing was accepted. Mend them, or leave them out with --skip-bad"
    )
    raise BadInput(
        f"{no_requests(received.broken_count)}:\n"
        + describe(received.broken, sources, received.broken_count)
        + hint
    )


def no_requests(count: int) -> str:
    """How many lines of an input are wrong."""
    return "1 line is no request" if count == 1 else f"{count:,} lines are no requests"


def _known(
    engine: Engine,
    request: RunRequest,
    order: Order,
    sources: Sequence[Source],
    options: ReadOptions,
) -> Run | None:
    """The run of the same content, found by reading only; tried where files look unchanged."""
    if order.again or order.name or "-" in order.inputs:
        return None
    if not any(
        run.workflow == request.workflow and run.source == request.source
        for run in engine.store.runs(limit=1_000)
    ):
        return None
    return engine.find(read(sources, options), request)


def _check_deadline(engine: Engine, order: Order, known: Run) -> None:
    """A run keeps the deadline that it was accepted with: say so where another is named.

    The same words again are no news, also when their time has passed: the command resumes.
    """
    said = order.deadline
    words = known.asked.removesuffix(UNLESS)
    if said is None or said == words:
        return
    now = engine.clock.now()
    zone = zone_of(engine.policy.current(now), engine.environ)
    deadline(said, now, zone, zones=zone_named)
    first = f'"{words}"' if words else "what policy says"
    click.echo(
        f"--deadline {said} changes nothing: {known.name} keeps {first} (--again asks anew)",
        err=True,
    )


def _tags(items: Sequence[str]) -> dict[str, str]:
    """From `team=search` and the like."""
    found: dict[str, str] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise BadInput(f"--tag is {item!r}; it takes KEY=VALUE such as team=search")
        found[key.strip()] = value.strip()
    return found


def source(item: str) -> Source:
    """A file, or standard input for `-`."""
    if item == "-":
        return sys.stdin.buffer
    return item


def _described(inputs: Sequence[str]) -> str:
    """The inputs with their sizes, for people and to notice files that look unchanged."""
    return ", ".join(_one(item) for item in inputs)


def _one(item: str) -> str:
    if item == "-":
        return "standard input"
    path = Path(item)
    return f"{item} ({path.stat().st_size:,} bytes)" if path.is_file() else item
