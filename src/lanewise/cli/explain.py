"""`lanewise explain`: the story of one request."""

from __future__ import annotations

from itertools import islice
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
_LOOKED_AT: Final = 100  # older runs, for another request of that id
_NAMED: Final = 3  # of them in a message
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
        traces, others = _find(engine, request_id, name)
        stories = [story_of(engine.store, lambda: engine.book, trace, now) for trace in traces]
    if as_json:
        echo_json([story.as_json() for story in stories])
        return
    for number, story in enumerate(stories):
        if number:
            click.echo()
        for line in lines(story):
            click.echo(line)
    if others:
        click.echo(
            f"\nolder runs have a request {request_id!r}, too: {_named(others)}; --run tells of one"
        )


def _find(
    engine: Engine, request_id: str, name: str | None
) -> tuple[list[RequestTrace], list[str]]:
    """What is known of it, and the older runs that have another of that id."""
    store, named = engine.store, parse_request_name(request_id)
    if named is not None and name is not None and engine.run(name).id != named[0]:
        named = None
    if found := _found_at(store, *named) if named is not None else []:
        return found, []
    ours = parse_custom_id(request_id)
    runs = iter([engine.run(name)] if name else store.runs(limit=_ALL))
    for run in runs:
        found = (
            store.trace_ours(run.id, *ours) if ours is not None else store.trace(run.id, request_id)
        )
        if found:
            older = [] if ours is not None else islice(runs, _LOOKED_AT)
            return found, [one.name for one in older if store.trace(one.id, request_id)]
    raise NotFound(_unknown(engine, request_id, name))


def _unknown(engine: Engine, request_id: str, name: str | None) -> str:
    """Why nothing is told, and what would be."""
    run = engine.run(name) if name else engine.store.run_named(request_id)
    if run is not None and engine.store.place(run.id, 0) is None:
        return (
            f"the requests and answers of {run.name} were deleted (past their retention, or with lanewise "
            f"forget): nothing can be told of one. What the run cost is kept: lanewise receipt {run.name}"
        )
    if name is None and run is not None:
        return (
            f"{request_id!r} is a run, and this tells of one request: lanewise explain CUSTOM_ID --run "
            f"{run.name}. Of the whole run: lanewise status {run.name}"
        )
    where = f"in {name}" if name else "in any run whose bodies are kept"
    return f"there is no request {request_id!r} {where}; {_KNOWN}"


def _named(runs: list[str]) -> str:
    more = f" and {len(runs) - _NAMED:,} more" if len(runs) > _NAMED else ""
    return f"{', '.join(runs[:_NAMED])}{more}"


def _found_at(store: Store, run: RunId, sequence: int) -> list[RequestTrace]:
    place = store.place(run, sequence)
    return [] if place is None else store.trace_ours(run, *place)
