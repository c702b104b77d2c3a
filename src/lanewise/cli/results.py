"""`lanewise results`: answers in the order of the input."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.cli.options import engine_from, home_option
from lanewise.cli.written import (
    STDOUT,
    force_option,
    refuse_other_results,
    results_option,
    write_results,
)
from lanewise.domain.counts import counted


@click.command
@click.argument("name", metavar="RUN")
@results_option("File; else, and for -, standard output.")
@force_option
@home_option
def results(*, name: str, output: Path | None, force: bool, home: Path | None) -> None:
    """Write the results of a run, in the order of its input.

    One line for each request that has its final result, in the provider's own output form, under the
    ids of the input. A run that is still open gives what there is, and exit code 1. FILE is written anew
    where it holds earlier results of the run; what holds anything else stays, without --force.
    """
    with engine_from(home) as engine:
        run = engine.run(name)
        refuse_other_results(output, engine.results(run.id), force=force)
        count = write_results(output or STDOUT, engine.results(run.id))
        if output not in (None, STDOUT):
            click.echo(f"wrote {counted(count, 'result')} to {output}", err=True)
        if run.remaining:
            click.echo(f"{run.remaining:,} of {run.requests:,} have no result yet", err=True)
    raise click.exceptions.Exit(0 if run.answered == run.requests else 1)
