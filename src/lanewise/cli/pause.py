"""`lanewise pause` and `lanewise resume`: the kill switch."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.app import Engine
from lanewise.cli.options import engine_from, home_option
from lanewise.errors import NotFound

_SCOPE = click.argument("account", metavar="[ACCOUNT]", required=False)
_ALL = click.option("--all", "everything", is_flag=True, help="Every account.")


@click.command
@_SCOPE
@_ALL
@home_option
def pause(*, account: str | None, everything: bool, home: Path | None) -> None:
    """Stop sending: the kill switch.

    Nothing new is packed, uploaded or created, in any process that shares the home. What providers
    already work on is still polled and collected: it is paid for.
    """
    with engine_from(home) as engine:
        scope = _scope(engine, account, everything=everything)
        engine.store.pause(scope, engine.clock.now())
        click.echo(f"paused {scope}; go on with `lanewise resume`", err=True)


@click.command
@_SCOPE
@_ALL
@home_option
def resume(*, account: str | None, everything: bool, home: Path | None) -> None:
    """Go on sending after a pause.

    Without ACCOUNT, everything that is paused goes on.
    """
    with engine_from(home) as engine:
        paused = engine.store.paused()
        scopes = [account] if account and not everything else sorted(paused)
        for scope in scopes:
            engine.store.resume(scope)
            click.echo(f"{scope} goes on", err=True)
        if not scopes:
            click.echo("nothing is paused", err=True)


def _scope(engine: Engine, account: str | None, *, everything: bool) -> str:
    if everything:
        return "all"
    known = [row.id for row in engine.store.accounts_with_work()]
    if account is None or account not in known:
        raise NotFound(
            f"name an account with open work ({', '.join(known) or 'there is none'}), or use --all"
        )
    return account
