"""`lanewise estimate`: what requests would cost, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from lanewise.app import Engine
from lanewise.app.estimating import estimator
from lanewise.cli import estimates
from lanewise.cli.options import (
    echo_json,
    home_option,
    json_option,
    reading_options,
    settings_from,
)
from lanewise.cli.spans import day as day_of
from lanewise.cli.taking import no_requests, source
from lanewise.errors import BadInput, StoreUnusable
from lanewise.intake import Accepted, Broken, ReadOptions, Source, describe, name_of, read
from lanewise.lanes.shift import Rules
from lanewise.pricing import PriceBook
from lanewise.pricing.dollars import nano_usd
from lanewise.settings import Settings
from lanewise.store.sqlite.connection import DATABASE
from lanewise.tokens import Estimate, Estimator, History

_KEPT: Final = 10  # broken lines that are named


@click.command
@reading_options
@click.option("--max-usd", metavar="USD", help="Exit with code 4 if the batch lane may cost more.")
@click.option(
    "--at", metavar="DATE", help="Prices of this day (UTC), e.g. 2026-12-01; else today's."
)
@json_option
@home_option
def estimate(
    *,
    inputs: tuple[str, ...],
    workflow: str | None,
    provider: str | None,
    model: str | None,
    endpoint: str | None,
    renumber: bool,
    skip_bad: bool,
    max_usd: str | None,
    at: str | None,
    as_json: bool,
    home: Path | None,
) -> None:
    """Say what requests would cost in each lane, before anything is sent.

    INPUT is as for `lanewise run`. Tokens are counted on this machine; no network, no credential. Every
    figure is a range: at least, likely, at most. What earlier answers of the workflow teach is used.
    """
    most = None if max_usd is None else nano_usd(max_usd, "--max-usd")
    settings = settings_from(home, workflow=workflow)
    taking = estimator(
        PriceBook.of_home(settings.home),
        day_of(at),
        history=_history(settings),
        rules=Rules(batch_requests=settings.batch_requests, batch_bytes=settings.batch_bytes),
    )
    sources = [source(item) for item in inputs]
    options = ReadOptions(endpoint, model, renumber)
    found = _estimated(taking, sources, read(sources, options), provider, skip_bad=skip_bad)
    if as_json:
        echo_json(found.as_json())
    else:
        estimates.show(found, [name_of(item) for item in sources])
    if most is not None:
        found.hold(most, "--max-usd")


def _estimated(
    taking: Estimator,
    sources: list[Source],
    lines: Iterator[Accepted | Broken],
    provider: str | None,
    *,
    skip_bad: bool,
) -> Estimate:
    """Add up all lines; raises `BadInput` for those that are no requests, unless they are to be skipped."""
    broken: list[Broken] = []
    count = 0
    for line in lines:
        if isinstance(line, Broken):
            count += 1
            broken += [line] if len(broken) < _KEPT else []
            continue
        if provider not in (None, "sandbox", line.dialect):
            raise BadInput(
                f"--provider {provider} was given, but the input holds requests in "
                f"{line.dialect}'s form"
            )
        taking.add(line)
    found = taking.finish()
    if count:
        told = describe(broken, sources, count)
        if not skip_bad:
            hint = "Mend them, or leave them out with --skip-bad"
            raise BadInput(f"{no_requests(count)}:\n{told}\n{hint}")
        click.echo(f"left out what cannot be sent: {no_requests(count)}:\n{told}", err=True)
    if not found.requests:
        raise BadInput("no request in the input; expected JSONL, one request a line")
    return found


def _history(settings: Settings) -> History | None:
    """What the workflow's earlier answers teach; None where there is no home, or none that opens."""
    if not (settings.home / DATABASE).is_file():
        return None
    try:
        with Engine(settings) as engine:
            return engine.history(settings.workflow)
    except StoreUnusable as error:
        click.echo(f"estimating without the workflow's history: {error}", err=True)
        return None
