"""`lanewise status`: runs, batches, workers, and what happened."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from lanewise.app import Engine
from lanewise.app.outlooks import Standings
from lanewise.app.standing import Standing
from lanewise.cli import live
from lanewise.cli.options import echo_json, engine_from, home_option, json_option
from lanewise.cli.show import when
from lanewise.cli.standing import SHOWN, lines
from lanewise.cli.workers import warn_without_worker
from lanewise.errors import BadInput
from lanewise.store.nouns import Event, Run


@click.command
@click.argument("name", metavar="[RUN]", required=False)
@click.option("--events", is_flag=True, help="What happened, in order.")
@click.option(
    "--watch", is_flag=True, help="Look again every second, until Ctrl-C or RUN is finished."
)
@click.option("--limit", default=200, show_default=True, help="How many runs or events at most.")
@json_option
@home_option
def status(
    *,
    name: str | None,
    events: bool,
    watch: bool,
    limit: int,
    as_json: bool,
    home: Path | None,
) -> None:
    """Show runs, batches, workers and what happened.

    Of what is open: its deadline, the slack that is left before it must be sent in real time, and when it is
    expected to be done. With RUN, only that run and all its batches.
    """
    if watch and (events or as_json):
        raise BadInput("--watch is for people; give it without --events and --json")
    with engine_from(home) as engine:
        run = engine.run(name) if name else None
        if watch:
            live.watch(engine, name)
        elif events:
            _events(engine, run, limit, as_json=as_json)
        elif as_json:
            echo_json(_document(engine, run, limit))
        else:
            _tables(engine, run, limit)


def _tables(engine: Engine, run: Run | None, limit: int) -> None:
    runs = [run] if run else engine.store.runs(limit=limit + 1)
    older, runs = len(runs) > limit, runs[:limit]
    if not runs:
        click.echo("nothing was submitted yet: lanewise run requests.jsonl -o results.jsonl")
        return
    most = SHOWN if run is None else None
    for item in Standings(engine.store).of(runs, engine.clock.now()):
        for line in lines(item, most=most):
            click.echo(line)
    if older:
        click.echo(f"older runs are left out: --limit {2 * limit} shows more")
    for worker in engine.store.workers(engine.clock.now()):
        accounts = ", ".join(worker.accounts) or "no account"
        click.echo(f"worker {worker.id} since {when(worker.started_at)}, acts for {accounts}")
    for scope in sorted(engine.store.paused()):
        click.echo(f"paused: {scope} (lanewise resume)")
    if any(item.state != "finished" for item in runs):
        warn_without_worker(engine)


def _document(engine: Engine, run: Run | None, limit: int) -> dict[str, object]:
    runs = [run] if run else engine.store.runs(limit=limit)
    rows = engine.store.batches(run.id if run else None)
    now = engine.clock.now()
    return {
        "now": now,
        "runs": [_run(item) | item.as_json() for item in Standings(engine.store).of(runs, now)],
        "batches": dict(Counter(row.batch.state for row in rows)),
        "workers": [worker.id for worker in engine.store.workers(engine.clock.now())],
        "paused": sorted(engine.store.paused()),
    }


def _run(item: Standing) -> dict[str, object]:
    run = item.run
    return {
        "run": run.name,
        "id": run.id,
        "workflow": run.workflow,
        "state": run.state,
        "requests": run.requests,
        "answered": run.answered,
        "refused": run.refused,
        "unanswered": run.unanswered,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
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
