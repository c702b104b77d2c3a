"""`lanewise explain`: the story of one request."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.app import Engine
from lanewise.cli.options import engine_from, home_option
from lanewise.cli.show import when
from lanewise.domain.ids import parse_custom_id
from lanewise.domain.results import Verdict
from lanewise.errors import NotFound
from lanewise.pricing.dollars import dollars
from lanewise.store.nouns import RequestTrace, Trace


@click.command
@click.argument("request_id", metavar="REQUEST")
@click.option("--run", "name", help="The run it belongs to; without it, the newest that has it.")
@home_option
def explain(*, request_id: str, name: str | None, home: Path | None) -> None:
    """Tell what happened to one request.

    REQUEST is the custom_id of the input, or the one a provider saw (lw-...).
    """
    with engine_from(home) as engine:
        for trace in _find(engine, request_id, name):
            _tell(engine, trace)


def _find(engine: Engine, request_id: str, name: str | None) -> list[RequestTrace]:
    runs = [engine.run(name)] if name else engine.store.runs(limit=1_000)
    ours = parse_custom_id(request_id)
    for run in runs:
        if ours is not None:
            found = engine.store.trace_ours(run.id, *ours)
        else:
            found = engine.store.trace(run.id, request_id)
        if found:
            return found
    where = f"in run {name}" if name else "in any run whose bodies are kept"
    raise NotFound(f"there is no request {request_id!r} {where}")


def _tell(engine: Engine, trace: RequestTrace) -> None:
    run = trace.run
    click.echo(
        f"request {trace.caller_id!r}: line {trace.number} of {run.source}, {trace.length:,} bytes"
    )
    if trace.original:
        click.echo(f"  same content as {trace.original!r}: that is asked, and this gets its answer")
    elif trace.copies:
        click.echo(f"  {trace.copies:,} other requests of the same content get its answer")
    click.echo(f"  accepted {when(run.created_at)} in run {run.name}, workflow {run.workflow}")
    click.echo(f"  goes to providers as lw-{trace.segment}-{trace.ordinal}")
    for step in trace.tries:
        _tell_try(engine, step)
    if trace.waiting:
        click.echo("  waits to be packed")
    if trace.outcome is not None:
        outcome = trace.outcome
        click.echo(f"  ended: {outcome.verdict.name.lower()} ({outcome.code}: {outcome.message})")


def _tell_try(engine: Engine, step: Trace) -> None:
    row = step.batch
    click.echo(
        f"  try {step.tries + 1}: batch {row.batch.id} of {row.requests:,} requests, {row.lane} lane "
        f"of {row.key.account}"
    )
    for event in engine.store.events(subject=row.batch.id):
        click.echo(
            f"    {when(event.at)}  {event.kind.removeprefix('batch.')}  {event.detail}".rstrip()
        )
    record = step.record
    if record is None:
        return
    click.echo(
        f"    result: {Verdict(record.verdict).name.lower()}"
        + (f", HTTP {record.status}" if record.status else "")
    )
    if record.priced:
        used = record.usage
        click.echo(
            f"    {used.total_input:,} tokens in ({used.cache_read:,} from cache), {used.output:,} out: "
            f"cost {dollars(record.cost_nano)}, in real time {dollars(record.baseline_nano)}"
        )
