"""`lanewise retry`: ask again."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.cli.options import engine_from, home_option
from lanewise.cli.workers import warn_without_worker
from lanewise.domain.counts import counted


@click.command
@click.argument("name", metavar="RUN")
@click.option("--refused", is_flag=True, help="Also those the provider refused.")
@home_option
def retry(*, name: str, refused: bool, home: Path | None) -> None:
    """Ask again what a finished run left unanswered.

    What is answered stays as it is and is not paid for again.
    """
    with engine_from(home) as engine:
        run = engine.run(name)
        if run.state != "finished":
            click.echo(f"{run.name} is still open: what fails is asked again by itself", err=True)
            return
        count = engine.retry(run, refused=refused)
        click.echo(f"{run.name}: {counted(count, 'request')} to be asked again", err=True)
        if count:
            warn_without_worker(engine)
