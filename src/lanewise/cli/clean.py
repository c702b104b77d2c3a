"""`lanewise clean` and `lanewise forget`: bodies and answers go, books stay."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.app.engine import runs_of
from lanewise.cli.options import engine_from, home_option
from lanewise.domain.counts import counted
from lanewise.errors import BadInput, NotFound
from lanewise.settings import DAY


@click.command
@click.option("--older-than", type=float, metavar="DAYS", help="Instead of the retention setting.")
@home_option
def clean(*, older_than: float | None, home: Path | None) -> None:
    """Delete bodies and answers past their retention.

    Runs that finished longer ago than `retention_days` lose their bodies and answers; counts, costs
    and events stay. Files that crashed processes left behind go as well.
    """
    with engine_from(home) as engine:
        days = engine.settings.retention_days if older_than is None else older_than
        now = engine.clock.now()
        freed, count = engine.store.sweep_files(now), 0
        for run in engine.store.runs(limit=1_000_000):
            if run.finished_at is not None and now - run.finished_at >= days * DAY:
                try:
                    bytes_freed = engine.store.delete_bodies(run.id)
                except BadInput as kept:
                    click.echo(f"{run.name} is kept: {kept}", err=True)
                    continue
                freed += bytes_freed
                count += bool(bytes_freed)
        click.echo(
            f"runs whose bodies and answers were deleted: {count:,}; {freed:,} bytes", err=True
        )


@click.command
@click.argument("workflow")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@home_option
def forget(*, workflow: str, yes: bool, home: Path | None) -> None:
    """Delete every body and answer of a workflow.

    Its counts, costs and events stay. Its runs must be finished.
    """
    with engine_from(home) as engine:
        runs = runs_of(engine.store, workflow)
        if not runs:
            raise NotFound(f"no run of workflow {workflow!r}")
        if still_open := [run.name for run in runs if run.state != "finished"]:
            raise BadInput(
                f"{', '.join(still_open)} is not finished: `lanewise cancel` it first; nothing was deleted"
            )
        if not yes:
            click.confirm(
                f"Delete bodies and answers of {counted(len(runs), 'run')} for good?",
                abort=True,
                err=True,
            )
        freed = sum(engine.store.delete_bodies(run.id) for run in runs)
        click.echo(
            f"deleted bodies and answers of {counted(len(runs), 'run')}, {freed:,} bytes", err=True
        )
