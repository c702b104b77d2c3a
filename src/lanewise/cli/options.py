"""Options that several commands share, and what every command begins with."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lanewise.app import Engine
from lanewise.app.example import example_log
from lanewise.errors import BadInput
from lanewise.settings import Settings, load

F = TypeVar("F", bound=Callable[..., Any])

home_option = click.option(
    "--home", type=click.Path(path_type=Path), help="Where everything is kept. [LANEWISE_HOME]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


example_option = click.option(
    "--example", is_flag=True, help="Read the log that comes with lanewise: a made-up week."
)


def logs_from(paths: tuple[str, ...], *, example: bool) -> tuple[str, ...]:
    """The logs that were named, or the example. Raises `BadInput` for both, and for neither."""
    if example and paths:
        raise BadInput(f"--example stands in for logs; leave it out to read {paths[0]}")
    if not example and not paths:
        raise BadInput("name the logs to read (PATH...), or try it with --example")
    return (example_log(),) if example else paths


def reading_options(command: F) -> F:
    """What describes an input, and how it is read: of every command that takes requests in."""
    for option in (
        click.option("--skip-bad", is_flag=True, help="Leave out lines that are no requests."),
        click.option("--renumber", is_flag=True, help="Make repeated custom_ids unique."),
        click.option("--endpoint", help="What bare bodies are, e.g. /v1/chat/completions."),
        click.option("--model", help="The model for requests that name none."),
        click.option(
            "--provider",
            type=click.Choice(["openai", "anthropic", "sandbox"]),
            help="Whom to ask; without it, the form of each request tells.",
        ),
        click.option("--workflow", help="The name under which it is accounted."),
        click.argument("inputs", metavar="INPUT...", nargs=-1, required=True),
    ):
        command = option(command)
    return command


def input_options(command: F) -> F:
    """What else describes a run: shared by `run` and `submit`."""
    for option in (
        click.option("--again", is_flag=True, help="Ask anew what was asked before."),
        click.option("--run", "name", help="Name the run; without it, its content does."),
        click.option(
            "--tag",
            "tags",
            multiple=True,
            metavar="KEY=VALUE",
            help="A tag to account by; repeatable.",
        ),
        click.option(
            "--dedupe",
            is_flag=True,
            help="Ask requests of the same content once; each gets the answer.",
        ),
        click.option(
            "--deadline",
            metavar="WHEN",
            help="When the answers are needed: 8h, 06:00, tomorrow 06:00, an instant, none or now.",
        ),
    ):
        command = option(command)
    return reading_options(command)


def settings_from(home: Path | None, **flags: Any) -> Settings:
    """Settings from all sources, and the log set up accordingly."""
    settings = load(home=home, **flags)
    _log(settings)
    return settings


def engine_from(home: Path | None, **flags: Any) -> Engine:
    """An engine over the home that was asked for."""
    return Engine(settings_from(home, **flags))


def echo_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False))


def _log(settings: Settings) -> None:
    """Structured lines on standard error; never a body, never a credential."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonLines()
        if settings.log_format == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    root = logging.getLogger("lanewise")
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    _EXTRA = ("batch", "account", "state", "run")

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message, and what the record is about."""
        line: dict[str, object] = {
            "at": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in self._EXTRA if hasattr(record, name)}
        line |= getattr(record, "call", {})
        return json.dumps(line)
