"""`lanewise cancel`: stop a run."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.cli.options import engine_from, home_option
from lanewise.cli.workers import warn_without_worker
from lanewise.domain.counts import counted


@click.command
@click.argument("name", metavar="RUN")
@home_option
def cancel(*, name: str, home: Path | None) -> None:
    """Stop a run; what is answered by then is kept.

    What was not sent yet ends at once. What a provider already works on is cancelled there, and its
    finished part, which is charged, is still collected.
    """
    with engine_from(home) as engine:
        run = engine.run(name)
        if run.state == "finished":
            click.echo(f"{run.name} is finished already", err=True)
            return
        run = engine.store.cancel_run(run.id, engine.clock.now())
        if run.state == "finished":
            click.echo(f"{run.name} is cancelled; nothing of it was under way", err=True)
            return
        click.echo(
            f"{run.name}: cancelling {counted(run.remaining, 'request')} at the provider", err=True
        )
        warn_without_worker(engine)
