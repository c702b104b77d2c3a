"""`lanewise keys`: who may call the gateway, for what, and how much."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from lanewise.app import Engine
from lanewise.app import keys as app
from lanewise.app.keys import ShownKey
from lanewise.app.zones import local_zone
from lanewise.cli.options import echo_json, engine_from, home_option, json_option
from lanewise.secret import Secret

_NAME = click.argument("name", metavar="NAME")
_ONCE = "this is the only time that it is shown"


@click.group
def keys() -> None:
    """Give out keys to the gateway, and say what each may do."""


@keys.command("create")
@_NAME
@click.option("--owner", default="", help="Who has it.")
@click.option("--workflow", default="default", show_default=True, help="What it is accounted to.")
@click.option("--model", "models", multiple=True, metavar="PATTERN", help="Allowed, e.g. gpt-5*.")
@click.option("--lane", "lanes", multiple=True, help="Allowed, e.g. batch.")
@click.option("--endpoint", "endpoints", multiple=True, metavar="PATTERN", help="Allowed paths.")
@click.option("--deadline", metavar="WHEN", help="Of requests that name none, e.g. 8h.")
@click.option("--requests-per-minute", type=click.IntRange(1, 10**9))
@click.option("--tokens-per-minute", type=click.IntRange(1, 10**9))
@click.option("--monthly-usd", metavar="USD", help="The most it may spend in a month (UTC).")
@click.option("--expires", metavar="WHEN", help="90d, or an instant; without it, never.")
@click.option("--admin", is_flag=True, help="It manages keys over HTTP, and calls no model.")
@json_option
@home_option
def create(*, as_json: bool, home: Path | None, **wanted: Any) -> None:
    """Make a key and print it: the only time that it is shown.

    What is not said sets no limit; --model, --lane and --endpoint may be repeated.
    """
    new = app.new_key(wanted)
    with engine_from(home) as engine:
        made = app.create(engine.store, new, engine.clock.now(), local_zone(engine.environ))
        _tell_made(engine, new.name, made, as_json=as_json)


@keys.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path | None) -> None:
    """List the keys there are, and were."""
    with engine_from(home) as engine:
        store = engine.store
        found = app.shown(store, store.virtual_keys(), engine.clock.now())
    if as_json:
        echo_json([msgspec.to_builtins(key) for key in found])
    elif not found:
        click.echo("there are no keys; on loopback, everybody may call")
    else:
        _table(found)


@keys.command("show")
@_NAME
@json_option
@home_option
def show(*, name: str, as_json: bool, home: Path | None) -> None:
    """Show what a key may do, and what it has drawn of its budget."""
    with engine_from(home) as engine:
        key = _shown(engine, name)
    if as_json:
        echo_json(msgspec.to_builtins(key))
        return
    for what, value in _lines(key):
        click.echo(f"{what:<20}{value}")


@keys.command("rotate")
@_NAME
@click.option(
    "--grace", default=app.GRACE, show_default=True, metavar="SPAN",
    help="How long the old one is valid as well; now: no longer.",
)  # fmt: skip
@json_option
@home_option
def rotate(*, name: str, grace: str, as_json: bool, home: Path | None) -> None:
    """Put another key in the place of one, and print it: the only time that it is shown.

    Name, limits and everything that was asked with the old key stay with it.
    """
    with engine_from(home) as engine:
        made = app.rotate(engine.store, name, engine.clock.now(), grace=grace)
        _tell_made(engine, name, made, as_json=as_json)


@keys.command("revoke")
@_NAME
@home_option
def revoke(*, name: str, home: Path | None) -> None:
    """End a key for good; gateways that run refuse it within a second."""
    with engine_from(home) as engine:
        app.revoke(engine.store, name, engine.clock.now())
        click.echo(f"{name} is revoked", err=True)


def _shown(engine: Engine, name: str) -> ShownKey:
    store = engine.store
    return app.shown(store, [app.find(store, name)], engine.clock.now())[0]


def _tell_made(engine: Engine, name: str, made: Secret, *, as_json: bool) -> None:
    """The key alone on standard output, so that a program can take it from there."""
    about = _shown(engine, name)
    if as_json:
        echo_json({"key": made.reveal(), "about": msgspec.to_builtins(about)})
        return
    click.echo(made.reveal())
    old = "" if about.old_until is None else f"; the old one is valid until {_at(about.old_until)}"
    click.echo(f"{name}: {_ONCE}{old}", err=True)


def _table(found: list[ShownKey]) -> None:
    widths = (max(4, *(len(key.name) for key in found)), max(8, *(len(k.workflow) for k in found)))
    click.echo(f"{'name':<{widths[0]}}  key           state    {'workflow':<{widths[1]}}  owner")
    for key in found:
        name, workflow = f"{key.name:<{widths[0]}}", f"{key.workflow:<{widths[1]}}"
        line = f"{name}  {key.prefix + '...':<12}  {key.state:<7}  {workflow}  {key.owner}"
        click.echo(line.rstrip())


def _lines(key: ShownKey) -> Iterator[tuple[str, str]]:
    yield "key", f"{key.prefix}... ({key.state})"
    yield "made", _at(key.created_at)
    for what, at in (
        ("expires", key.expires_at),
        ("revoked", key.revoked_at),
        ("old one until", key.old_until),
    ):
        if at is not None:
            yield what, _at(at)
    if key.admin:
        yield "for", "managing keys over HTTP"
        return
    yield "owner", key.owner or "not said"
    yield "workflow", key.workflow
    for what in ("models", "lanes", "endpoints"):
        yield what, ", ".join(getattr(key, what)) or "all"
    yield "deadline", key.deadline or "as requests and policy say"
    for name in ("requests", "tokens"):
        limit = getattr(key, f"{name}_per_minute")
        yield f"{name} a minute", "no limit" if limit is None else f"{limit:,}"
    yield "budget", _budget(key)


def _budget(key: ShownKey) -> str:
    if key.monthly_usd is None:
        return "no limit"
    return f"${key.monthly_usd} a month, ${key.drawn_usd} of it spent or set aside"


def _at(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M UTC")
