"""`lanewise worker`: drive everything that is open."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click

from lanewise.app import Engine
from lanewise.cli.options import engine_from, home_option
from lanewise.lanes.worker import raise_if_hopeless


@click.command
@click.option("--once", is_flag=True, help="One pass over what is due, for cron and timers.")
@click.option("--idle-exit", is_flag=True, help="Stop when nothing is open any more.")
@home_option
def worker(*, once: bool, idle_exit: bool, home: Path | None) -> None:
    """Drive everything that is open until it is answered.

    Any number of workers may share a home: one at a time acts for each account, and another takes
    over when it dies. A worker acts for the accounts whose credentials it finds in its environment.
    """
    with engine_from(home) as engine:
        _say_whom_it_cannot_serve(engine)
        if once:
            _once(engine)
        else:
            asyncio.run(_forever(engine, idle_exit=idle_exit))


def _once(engine: Engine) -> None:
    loop = engine.worker()
    taken = asyncio.run(loop.run_once())
    click.echo(f"{taken} steps taken", err=True)
    raise_if_hopeless(loop.troubles)


async def _forever(engine: Engine, *, idle_exit: bool) -> None:
    """Until a signal, or with `idle_exit` until no run is open."""
    stopping = False

    def stop() -> None:
        nonlocal stopping
        stopping = True

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)

    def done() -> bool:
        return stopping or (idle_exit and not engine.store.runs(limit=1, open_only=True))

    click.echo("working; Ctrl-C to stop, nothing is lost", err=True)
    await engine.worker().run(until=done)


def _say_whom_it_cannot_serve(engine: Engine) -> None:
    for row in engine.cannot_act_for():
        click.echo(
            f"{row.id} has open work, but its credential is not in this environment "
            f"({row.provider.upper()}_API_KEY, {row.base_url})",
            err=True,
        )
