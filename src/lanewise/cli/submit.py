"""`lanewise submit`: accept durably, do nothing else."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.cli.approving import Approval, approval_options
from lanewise.cli.options import echo_json, engine_from, home_option, input_options, json_option
from lanewise.cli.taking import Order, take
from lanewise.cli.workers import warn_without_worker


@click.command
@input_options
@approval_options
@json_option
@home_option
def submit(
    *,
    inputs: tuple[str, ...],
    workflow: str | None,
    provider: str | None,
    model: str | None,
    endpoint: str | None,
    name: str | None,
    again: bool,
    renumber: bool,
    skip_bad: bool,
    tags: tuple[str, ...],
    deadline: str | None,
    yes: bool,
    max_usd: str | None,
    as_json: bool,
    home: Path | None,
) -> None:
    """Accept a file of requests durably and return at once.

    Prints the name of the run. A worker answers it; `lanewise results RUN` hands the answers out.
    """
    order = Order(
        inputs,
        workflow,
        provider,
        model,
        endpoint,
        name,
        again,
        renumber,
        skip_bad,
        tags,
        deadline,
    )
    with engine_from(home) as engine:
        run, new = take(engine, order, Approval(engine, inputs, yes, max_usd))
        if as_json:
            echo_json({"run": run.name, "requests": run.requests, "new": new, "state": run.state})
        else:
            click.echo(run.name)
        warn_without_worker(engine)
