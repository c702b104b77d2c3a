"""`lanewise webhooks`: who is told when what can wait has ended."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from lanewise.app import Engine
from lanewise.app import webhooks as app
from lanewise.app.webhooks import ShownWebhook
from lanewise.cli.options import echo_json, engine_from, home_option, json_option
from lanewise.secret import Secret

_NAME = click.argument("name", metavar="NAME")
_KEY = click.option(
    "--key", default="", metavar="NAME",
    help="Whose it is: the name of a virtual key; without it, of a gateway that has no keys.",
)  # fmt: skip
_ONCE = "its secret is shown this once"


@click.group
def webhooks() -> None:
    """Say where to call when requests and batches that can wait have ended."""


@webhooks.command("add")
@_NAME
@click.argument("url", metavar="URL")
@_KEY
@click.option("--all", "all_of_it", is_flag=True, help="Tell it of everything that can wait.")
@json_option
@home_option
def add(
    *, name: str, url: str, key: str, all_of_it: bool, as_json: bool, home: Path | None
) -> None:
    """Register an address, and print the secret that its notices are signed with.

    Without --all it is told of calls that name it: x-lanewise-webhook: NAME.
    """
    new = app.new_webhook({"name": name, "url": url, "all": all_of_it})
    with engine_from(home) as engine:
        secret = app.add(engine, key, new)
        _tell_made(engine, key, name, secret, as_json=as_json)


@webhooks.command("list")
@click.option("--key", metavar="NAME", help="Those of one key; without it, all.")
@json_option
@home_option
def list_(*, key: str | None, as_json: bool, home: Path | None) -> None:
    """List webhooks, and what they have not taken."""
    with engine_from(home) as engine:
        found = app.shown(engine.store, engine.store.webhooks(key), engine.clock.now())
    if as_json:
        echo_json([msgspec.to_builtins(one) for one in found])
        return
    if not found:
        click.echo("there are no webhooks")
    for one in found:
        click.echo(_line(one))


@webhooks.command("remove")
@_NAME
@_KEY
@home_option
def remove(*, name: str, key: str, home: Path | None) -> None:
    """Forget a webhook, and what it was to be told."""
    with engine_from(home) as engine:
        app.remove(engine.store, key, name)
        click.echo(f"{name} is removed", err=True)


@webhooks.command("rotate")
@_NAME
@_KEY
@click.option(
    "--grace", default=app.GRACE, show_default=True, metavar="SPAN",
    help="How long notices are signed with the old secret too; now: no longer.",
)  # fmt: skip
@json_option
@home_option
def rotate(*, name: str, key: str, grace: str, as_json: bool, home: Path | None) -> None:
    """Put another secret in the place of one, and print it."""
    with engine_from(home) as engine:
        secret = app.rotate(engine, key, name, grace=grace)
        _tell_made(engine, key, name, secret, as_json=as_json)


@webhooks.command("test")
@_NAME
@_KEY
@json_option
@home_option
def test(*, name: str, key: str, as_json: bool, home: Path | None) -> int:
    """Tell a webhook that this is a test, and say what it answers; exit code 1 if it does not take it."""
    with engine_from(home) as engine:
        tested = app.try_out(engine, key, name)
    if as_json:
        echo_json(msgspec.to_builtins(tested))
    else:
        click.echo(f"{name} {'took it' if tested.taken else 'did not take it'}: {tested.said}")
    return 0 if tested.taken else 1


def _tell_made(engine: Engine, key: str, name: str, secret: Secret, *, as_json: bool) -> None:
    """The secret alone on standard output, so that a program can take it from there."""
    found = app.find(engine.store, key, name)
    about = app.shown(engine.store, [found], engine.clock.now())[0]
    if as_json:
        echo_json({"secret": secret.reveal(), "about": msgspec.to_builtins(about)})
        return
    click.echo(secret.reveal())
    old = "" if about.old_until is None else f"; the old one signs too until {_at(about.old_until)}"
    click.echo(f"{name}: {_ONCE}{old}", err=True)


def _line(one: ShownWebhook) -> str:
    whose = f" of {one.key}" if one.key else ""
    told_of = "of everything" if one.all else "of what names it"
    said = f"{one.name}{whose}: {one.url} is told {told_of}"
    if one.state == "disabled":
        return f"{said}; disabled: {one.trouble}"
    said += f"; {one.waiting:,} to be told, {one.given_up:,} given up"
    return f"{said}; last trouble: {one.trouble}" if one.trouble else said


def _at(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M UTC")
