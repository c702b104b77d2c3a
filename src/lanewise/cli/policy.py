"""`lanewise policy`: check a policy file, explain what it says of a request, and begin one."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from lanewise.app import policies
from lanewise.app.rulings import Case, case, request_at
from lanewise.cli import policy_output as output
from lanewise.cli.options import echo_json, home_option, json_option, settings_from
from lanewise.cli.written import STDOUT, Target, force_option, free, write_text
from lanewise.clock import SystemClock
from lanewise.errors import BadInput
from lanewise.intake import ReadOptions
from lanewise.policy.keys import schema as policy_schema
from lanewise.policy.rules import NO_POLICY, Policy, Traits
from lanewise.pricing import PriceBook

file_option = click.option(
    "--policy",
    "file",
    type=click.Path(path_type=Path),
    help="The policy file. [LANEWISE_POLICY, ./policy.toml, then the home's]",
)


@click.group
def policy() -> None:
    """Check the policy file, and explain what it says of a request."""


@policy.command("check")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@json_option
@home_option
@click.pass_context
def check(context: click.Context, *, file: Path | None, as_json: bool, home: Path | None) -> None:
    """Check a policy file, by default the one in use; every problem is named with its line.

    Exit code 2 where there are errors; warnings alone are none.
    """
    settings, now = settings_from(home), SystemClock().now()
    path = file or _in_use(settings.home)
    if path is None:
        raise BadInput(
            "there is no policy.toml here or in the home; begin one: lanewise policy init"
        )
    document = policies.load(path, now, policies.priced_world(now, settings))
    if as_json:
        echo_json(output.document_json(path, document))
    else:
        output.show_document(path, document)
    if document.errors:
        context.exit(2)


@policy.command("explain")
@click.argument("request_line", metavar="[FILE:LINE | -]", required=False)
@click.option("--workflow", help="The workflow. [that of the settings]")
@click.option("--model", help="The model that the request names.")
@click.option("--endpoint", help="The endpoint. [chat completions, or messages for Claude]")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; repeatable.")
@click.option("--key", default="", help="The name of the caller's key.")
@click.option("--id", "request_id", help="Its custom_id: a rollout by percentage goes by it.")
@click.option("--at", metavar="TIME", help="When it is accepted, e.g. 2026-12-01T23:00. [now]")
@click.option("--deadline", metavar="TEXT", help="What is said of it, e.g. 8h, 06:00, none, now.")
@file_option
@json_option
@home_option
def explain(
    *,
    request_line: str | None,
    workflow: str | None,
    at: str | None,
    request_id: str | None,
    deadline: str | None,
    file: Path | None,
    as_json: bool,
    home: Path | None,
    **given: Any,
) -> None:
    """Explain what the policy says of a request: the rules, the one that fits, and the lanes that remain.

    Give a line of an input file, - for a request on standard input, or say what the request is like:

    lanewise policy explain requests.jsonl:3

    lanewise policy explain --workflow tickets --model gpt-4o-mini --at 2026-12-01T23:00
    """
    settings = settings_from(home, workflow=workflow)
    now = SystemClock().now()
    path = file or _in_use(settings.home)
    held = NO_POLICY if path is None else policies.load(path, now).sound()
    traits, caller_id = _traits(settings.workflow, request_line, **given)
    moment = now if at is None else _moment(at, held)
    found = case(held, PriceBook.of_home(settings.home), traits, moment, deadline)
    _show(found, path, request_id or caller_id, as_json=as_json)


def _show(found: Case, path: Path | None, request_id: str | None, *, as_json: bool) -> None:
    if as_json:
        echo_json(output.case_json(found, request_id))
    else:
        output.show_case(found, path, request_id)


def _traits(
    workflow: str,
    line: str | None,
    *,
    model: str | None,
    endpoint: str | None,
    tags: tuple[str, ...],
    key: str,
) -> tuple[Traits, str | None]:
    """What rules go by, and the request's id where it is known."""
    for tag in tags:
        if not all(tag.partition("=")):
            raise BadInput(f"--tag is {tag!r}; it takes KEY=VALUE such as team=search")
    named = tuple(sorted(tags))
    if line is not None:
        request = request_at(line, ReadOptions(endpoint, model))
        return Traits(workflow, request.model, request.endpoint, named, key), request.caller_id
    if model is None:
        raise BadInput("say which request: FILE:LINE, or --model and what else it is like")
    usual = "/v1/messages" if "claude" in model else "/v1/chat/completions"
    return Traits(workflow, model, endpoint or usual, named, key), None


def _moment(text: str, held: Policy) -> float:
    """An instant, on the policy's clocks where it names no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"--at is {text!r}; it takes a time such as 2026-12-01T23:00") from error
    return (found if found.tzinfo else found.replace(tzinfo=held.default.zone)).timestamp()


@policy.command("init")
@click.argument("file", type=Target(), default=policies.POLICY_FILE, callback=free)
@force_option
def init(*, file: Path, force: bool) -> None:
    """Write a policy file to begin with; it allows everything, and says how to allow less."""
    write_text(file, policies.starter(), force=force)
    if file != STDOUT:
        click.echo(f"wrote {file}; check it after each change: lanewise policy check")


@policy.command("schema")
def schema() -> None:
    """Print the JSON Schema of a policy file, for editors."""
    click.echo(json.dumps(policy_schema(), indent=2))


def _in_use(home: Path) -> Path | None:
    return next((path for path in policies.places(home) if path.is_file()), None)
