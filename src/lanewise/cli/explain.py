"""`lanewise explain`: the story of one request."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.app import Engine
from lanewise.app.telling import story_of
from lanewise.cli.options import echo_json, engine_from, home_option, json_option
from lanewise.cli.story import lines
from lanewise.domain.ids import parse_custom_id
from lanewise.errors import NotFound
from lanewise.store.nouns import RequestTrace


@click.command
@click.argument("request_id", metavar="REQUEST")
@click.option("--run", "name", help="The run it belongs to; without it, the newest that has it.")
@json_option
@home_option
def explain(*, request_id: str, name: str | None, as_json: bool, home: Path | None) -> None:
    """Tell what happened to one request.

    When and why it was decided on, each time it was asked, what it cost and saved, and what would have
    happened otherwise. Never shows a body. REQUEST is the custom_id of the input, or the one a provider saw
    (lw-...).
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
    runs = [engine.run(name)] if name else engine.store.runs(limit=1_000)
    ours = parse_custom_id(request_id)
    for run in runs:
        if ours is not None:
            found = engine.store.trace_ours(run.id, *ours)
        else:
            found = engine.store.trace(run.id, request_id)
        if found:
            return found
    where = f"in run {name}" if name else "in any run whose bodies are kept"
    raise NotFound(f"there is no request {request_id!r} {where}")
