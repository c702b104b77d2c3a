"""`lanewise results`: answers in the order of the input."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lanewise.cli.options import engine_from, home_option


@click.command
@click.argument("name", metavar="RUN")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File; else standard output.",
)
@home_option
def results(*, name: str, output: Path | None, home: Path | None) -> None:
    """Write the results of a run, in the order of its input.

    One line for each request that has its final result, in the provider's own output form, under the
    ids of the input. A run that is still open gives what there is, and exit code 1.
    """
    with engine_from(home) as engine:
        run = engine.run(name)
        if output is not None:
            count = engine.write_results(run.id, output)
            click.echo(f"wrote {count:,} results to {output}", err=True)
        else:
            for line in engine.results(run.id):
                sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        if run.remaining:
            click.echo(f"{run.remaining:,} of {run.requests:,} have no result yet", err=True)
    raise click.exceptions.Exit(0 if run.answered == run.requests else 1)
