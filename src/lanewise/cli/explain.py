"""`lanewise explain`: the story of one request."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from lanewise.app import Engine
from lanewise.app.telling import story_of
from lanewise.cli.options import echo_json, engine_from, home_option, json_option
from lanewise.cli.story import lines
from lanewise.domain.ids import RunId, parse_custom_id, parse_request_name
from lanewise.errors import NotFound
from lanewise.store.nouns import RequestTrace
from lanewise.store.protocol import Store

_ALL: Final = 1_000_000_000  # runs
_KNOWN: Final = (
    "known are the custom_id of the input, lw-... as providers see it, and req_... or resp_lw_... as the "
    "gateway names what waits (of calls that it passed on in real time, `lanewise ledger show` tells)"
)


@click.command
@click.argument("request_id", metavar="REQUEST")
@click.option("--run", "name", help="The run it belongs to; without it, the newest that has it.")
@json_option
@home_option
def explain(*, request_id: str, name: str | None, as_json: bool, home: Path | None) -> None:
    """Tell what happened to one request.

    When and why it was decided on, each time it was asked, what it cost and saved, and what would have
    happened otherwise. Never shows a body. REQUEST is the custom_id of the input, the one a provider saw
    (lw-...), or the name that the gateway gave (req_..., resp_lw_...).
    """
    with engine_from(home) as engine:
        now = engine.clock.now()
        stories = [
            story_of(engine.store, lambda: engine.book, trace, now)
            for trace in _find(engine, request_id, name)
        ]
    if as_json:
        echo_json([story.as_json() for story in stories])
        return
    for number, story in enumerate(stories):
        if number:
            click.echo()
        for line in lines(story):
            click.echo(line)


def _find(engine: Engine, request_id: str, name: str | None) -> list[RequestTrace]:
    named = parse_request_name(request_id)
    if found := _found_at(engine.store, *named) if named is not None else []:
        return found
    ours = parse_custom_id(request_id)
    for run in [engine.run(name)] if name else engine.store.runs(limit=_ALL):
        if ours is not None:
            found = engine.store.trace_ours(run.id, *ours)
        else:
            found = engine.store.trace(run.id, request_id)
        if found:
            return found
    where = f"in run {name}" if name else "in any run whose bodies are kept"
    raise NotFound(f"there is no request {request_id!r} {where}; {_KNOWN}")


def _found_at(store: Store, run: RunId, sequence: int) -> list[RequestTrace]:
    place = store.place(run, sequence)
    return [] if place is None else store.trace_ours(run, *place)
