"""`lanewise quotas`: what providers have room for, as far as it is known, and what waits for it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from lanewise.app import Engine
from lanewise.app import quotas as accounts
from lanewise.app.quotas import PER_MINUTE, SOURCES, AccountQuotas, Held, Line
from lanewise.cli.forecast import lasting
from lanewise.cli.options import echo_json, home_option, json_option, settings_from
from lanewise.domain.counts import counted
from lanewise.policy.quotas import ALL_MODELS, HOLDS
from lanewise.settings import Settings
from lanewise.store.sqlite.connection import DATABASE

_WIDTH: Final = 80
_EMPTY: Final = (
    "Nothing was accepted in this home yet, so no account is known and nothing was learned. "
    "What providers document: lanewise providers"
)
_HOW: Final = (
    f"A learned limit is believed for {lasting(HOLDS)}; then one batch more than it allows is tried, and "
    "what is taken raises it. Tokens are counted as a fourth of the bytes."
)
_SAID: Final = {"batch_requests": "requests in a batch", "batch_bytes": "bytes in a batch"}


@click.command
@json_option
@home_option
def quotas(*, as_json: bool, home: Path | None) -> None:
    """Show what providers have room for, what is used, and what waits for it.

    Limits are documented, or learned from what providers refused and what they took after. Needs no
    network and no credential.
    """
    settings = settings_from(home)
    found, now = _known(settings)
    if as_json:
        echo_json([account.as_json() for account in found])
        return
    for account in found:
        for line in _account(account, now):
            click.echo(line)
        click.echo()
    click.echo(textwrap.fill(_note(found), _WIDTH))


def _known(settings: Settings) -> tuple[list[AccountQuotas], float]:
    """The accounts, and when that was; where there is no home, none is made."""
    if not (settings.home / DATABASE).is_file():
        return [], 0.0
    with Engine(settings) as engine:
        now = engine.clock.now()
        return accounts.quotas(engine.store, now), now


def _note(found: Sequence[AccountQuotas]) -> str:
    if not found:
        return _EMPTY
    learned = any(line.name in SOURCES and line.learned_at for of in found for line in of.lines)
    return _HOW if learned else "Nothing was refused yet for want of room."


def _account(account: AccountQuotas, now: float) -> Iterator[str]:
    yield f"{account.account:<30}{'limit':>12}{'used':>12}{'room':>12}  learned"
    subject = ""
    for line in account.lines:
        if line.subject != subject:
            subject = line.subject
            yield f"  {'all models' if subject == ALL_MODELS else subject}"
        yield _line(line, now)
    for held in account.waits:
        yield from textwrap.wrap(_waits(held, now), _WIDTH, subsequent_indent="    ")
    if not account.waits:
        yield "  nothing waits for room"


def _line(line: Line, now: float) -> str:
    limit = "not known" if line.limit is None else f"{line.limit:,}"
    figures = f"{limit:>12}{_count(line.used):>12}{_count(line.room):>12}"
    return f"    {_name(line.name):<26}{figures}  {_when(line, now)}".rstrip()


def _when(line: Line, now: float) -> str:
    if line.learned_at is not None:
        return _ago(now - line.learned_at)
    return "documented" if line.source else ""


def _name(name: str) -> str:
    """A limit in words.

    >>> _name("enqueued_tokens"), _name("requests_per_minute"), _name("batch_bytes")
    ('enqueued tokens', 'calls per minute', 'bytes in a batch')
    """
    if name.endswith(PER_MINUTE):
        measure = name.removesuffix(PER_MINUTE).replace("_", " ")
        return f"{'calls' if measure == 'requests' else measure} per minute"
    return _SAID.get(name, name.replace("_", " "))


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _ago(seconds: float) -> str:
    """How long ago, in one unit.

    >>> _ago(12), _ago(150), _ago(3 * 3_600), _ago(200_000)
    ('just now', '2 min ago', '3 h ago', '2 d ago')
    """
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def _waits(held: Held, now: float) -> str:
    model = f" {held.model}" if held.model else ""
    due = "nobody waits for them"
    if held.deadline is not None:
        left = held.deadline - now
        due = f"the first is due {'in ' + lasting(left) if left > 0 else 'now'}"
    return (
        f"  waits: {held.workflow},{model} {counted(held.batches, 'batch', 'batches')} with "
        f"{counted(held.requests, 'request')}, {counted(held.tokens, 'token')}; {due}"
    )
