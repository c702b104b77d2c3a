"""Whether anybody is there to do the work, and how to start somebody."""

from __future__ import annotations

import click

from lanewise.app import Engine

START = "lanewise worker"
CRON = "* * * * * lanewise worker --once"


def warn_without_worker(engine: Engine) -> None:
    """Say so on standard error while no worker is alive."""
    if engine.store.workers(engine.clock.now()):
        return
    click.echo(
        f"no worker is alive: nothing happens until one is started with `{START}` "
        f"(or from cron: `{CRON}`)",
        err=True,
    )
