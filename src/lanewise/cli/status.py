"""`lanewise status`: runs, batches, workers, and what happened."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from lanewise.app import Engine
from lanewise.cli.options import echo_json, engine_from, home_option, json_option
from lanewise.cli.show import when
from lanewise.cli.workers import warn_without_worker
from lanewise.store.nouns import BatchRow, Event, Run


@click.command
@click.argument("name", metavar="[RUN]", required=False)
@click.option("--events", is_flag=True, help="What happened, in order.")
@click.option("--limit", default=200, show_default=True, help="How many runs or events at most.")
@json_option
@home_option
def status(*, name: str | None, events: bool, limit: int, as_json: bool, home: Path | None) -> None:
    """Show runs, batches, workers and what happened.

    With RUN, only that run and its batches.
    """
    with engine_from(home) as engine:
        run = engine.run(name) if name else None
        if events:
            _events(engine, run, limit, as_json=as_json)
        elif as_json:
            echo_json(_document(engine, run, limit))
        else:
            _tables(engine, run, limit)


def _tables(engine: Engine, run: Run | None, limit: int) -> None:
    runs = [run] if run else engine.store.runs(limit=limit)
    if not runs:
        click.echo("nothing was submitted yet: lanewise run requests.jsonl -o results.jsonl")
        return
    for item in runs:
        click.echo(_run_line(item))
    for row in engine.store.batches(run.id if run else None, live_only=run is None):
        click.echo(f"  {_batch_line(row)}")
    for worker in engine.store.workers(engine.clock.now()):
        accounts = ", ".join(worker.accounts) or "no account"
        click.echo(f"worker {worker.id} since {when(worker.started_at)}, acts for {accounts}")
    for scope in sorted(engine.store.paused()):
        click.echo(f"paused: {scope} (lanewise resume)")
    if any(item.state != "finished" for item in runs):
        warn_without_worker(engine)


def _run_line(run: Run) -> str:
    counts = f"{run.answered:,} answered, {run.refused:,} refused, {run.unanswered:,} unanswered"
    return f"{run.name}  {run.state}  {counts} of {run.requests:,}  since {when(run.created_at)}"


def _batch_line(row: BatchRow) -> str:
    receipt = getattr(row.batch, "receipt", None)
    where = f" as {receipt.provider_id}" if receipt else ""
    reason = getattr(row.batch, "why", "")
    why = f" ({reason})" if reason else ""
    model = f" {row.key.model}" if row.key.model else ""
    return (
        f"batch {row.batch.id}  {row.batch.state}{why}  {row.requests:,} requests, "
        f"{row.key.provider} {row.key.endpoint}{model}{where}"
    )


def _document(engine: Engine, run: Run | None, limit: int) -> dict[str, object]:
    runs = [run] if run else engine.store.runs(limit=limit)
    rows = engine.store.batches(run.id if run else None)
    return {
        "runs": [
            {
                "run": item.name,
                "id": item.id,
                "workflow": item.workflow,
                "state": item.state,
                "requests": item.requests,
                "answered": item.answered,
                "refused": item.refused,
                "unanswered": item.unanswered,
                "created_at": item.created_at,
                "finished_at": item.finished_at,
            }
            for item in runs
        ],
        "batches": dict(Counter(row.batch.state for row in rows)),
        "workers": [worker.id for worker in engine.store.workers(engine.clock.now())],
        "paused": sorted(engine.store.paused()),
    }


def _events(engine: Engine, run: Run | None, limit: int, *, as_json: bool) -> None:
    wanted = None
    if run is not None:
        wanted = {str(run.id), *(str(row.batch.id) for row in engine.store.batches(run.id))}
    found = [
        event
        for event in engine.store.events(limit=1_000_000)
        if wanted is None or event.subject in wanted
    ][-limit:]
    for event in found:
        if as_json:
            echo_json(
                {
                    "id": event.id,
                    "at": event.at,
                    "kind": event.kind,
                    "subject": event.subject,
                    "detail": event.detail,
                }
            )
        else:
            click.echo(_event_line(event))


def _event_line(event: Event) -> str:
    return f"{when(event.at)}  {event.kind:<18} {event.subject}  {event.detail}".rstrip()
