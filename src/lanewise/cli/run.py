"""`lanewise run`: submit, drive, deliver, with a receipt at the end."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from lanewise.app import Engine, Receipt, receipt_of
from lanewise.app.outlooks import Standings
from lanewise.cli import show
from lanewise.cli.approving import Approval, approval_options
from lanewise.cli.options import echo_json, engine_from, home_option, input_options, json_option
from lanewise.cli.progress import Progress, progress_for
from lanewise.cli.taking import Order, known_run, take
from lanewise.cli.workers import warn_without_worker
from lanewise.cli.written import (
    STDOUT,
    force_option,
    is_there,
    refuse_other_results,
    refuse_overwriting,
    results_option,
    write_results,
)
from lanewise.domain.counts import counted
from lanewise.errors import BadInput
from lanewise.lanes.worker import raise_if_hopeless
from lanewise.store.nouns import Run


@click.command
@input_options
@results_option("Results file; - is standard output.")
@force_option
@click.option("--detach", is_flag=True, help="Accept and return; a worker does the rest.")
@approval_options
@json_option
@home_option
def run(
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
    dedupe: bool,
    output: Path | None,
    force: bool,
    detach: bool,
    yes: bool,
    max_usd: str | None,
    as_json: bool,
    home: Path | None,
) -> None:
    """Answer a file of requests through the batch lane and write the results.

    INPUT is JSONL in the form of OpenAI's or Anthropic's batch input, or bare request bodies with
    --endpoint; plain, .gz, .zst, or - for standard input. Results have one line for each request, in
    the order of the input, in the provider's own output form: to -o, or to standard output where that
    is no terminal.

    Before anything is sent, it says what that may cost; above a small amount (confirm_above_usd) it asks,
    and without a terminal it needs --yes or --max-usd.

    The same command again resumes after a crash, and after success writes the results again: it never
    pays twice. --again, or a new --run, asks anew. A FILE that holds anything but results of the same run
    is refused before anything is accepted, unless --force overwrites it.
    """
    if detach and output is not None:
        raise click.UsageError(
            "--detach returns before there are results: leave -o out, and fetch them when the run is done "
            "(lanewise results RUN -o FILE)"
        )
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
        dedupe,
    )
    with engine_from(home) as engine:
        _refuse_other_results(engine, order, output, force=force)
        progress = progress_for(quiet=as_json)
        with progress:
            accepted, new = take(
                engine,
                order,
                Approval(engine, inputs, yes, max_usd, progress.pause),
                progress.reading,
            )
        _say_what_is_known(accepted, new=new)
        if detach:
            _detach(engine, accepted, as_json=as_json)
            return
        _drive(engine, accepted, progress)
        finished = engine.run(accepted.id)
        _deliver(engine, finished, output, force=force, as_json=as_json)
        receipt = receipt_of(
            engine.store, [finished], name=finished.name, workflow=finished.workflow
        )
        _report(receipt, as_json=as_json)
    raise click.exceptions.Exit(0 if finished.answered == finished.requests else 1)


def _refuse_other_results(
    engine: Engine, order: Order, output: Path | None, *, force: bool
) -> None:
    """Before anything is accepted: afterwards it would be paid for, and have no place to go."""
    if output is None or force or not is_there(output):
        return
    if (run := known_run(engine, order)) is None:
        refuse_overwriting(output)
    else:
        refuse_other_results(output, engine.results(run.id), force=force)


def _say_what_is_known(run: Run, *, new: bool) -> None:
    if new:
        copies = f", {run.copies:,} of them copies" if run.copies else ""
        click.echo(f"accepted {counted(run.requests, 'request')} as {run.name}{copies}", err=True)
    elif run.state == "finished":
        when = show.when(run.finished_at or 0.0)
        click.echo(
            f"{run.name} finished {when}; writing its results again (--again asks anew)", err=True
        )
    else:
        click.echo(f"resuming {run.name}: {run.remaining:,} of {run.requests:,} to go", err=True)


def _detach(engine: Engine, run: Run, *, as_json: bool) -> None:
    warn_without_worker(engine)
    if as_json:
        echo_json(receipt_of(engine.store, [run], name=run.name, workflow=run.workflow).as_json())
    else:
        click.echo(f"lanewise results {run.name} -o results.jsonl   # when it is done", err=True)


def _drive(engine: Engine, run: Run, progress: Progress) -> None:
    """Work until the run is finished; leaving early loses nothing."""
    if run.state == "finished":
        return
    try:
        asyncio.run(_work(engine, run, progress))
    except KeyboardInterrupt:
        click.echo(f"\nleft {run.name} open; the same command goes on from here", err=True)
        warn_without_worker(engine)
        raise


async def _work(engine: Engine, run: Run, progress: Progress) -> None:
    worker = engine.worker()
    standings = Standings(engine.store)

    def finished() -> bool:
        now = engine.run(run.id)
        progress.working(now, lambda: standings.of([now], engine.clock.now())[0])
        raise_if_hopeless(worker.troubles)
        return now.state == "finished"

    with progress:
        await worker.run(until=finished)


def _deliver(engine: Engine, run: Run, output: Path | None, *, force: bool, as_json: bool) -> None:
    if output is None and not as_json and not sys.stdout.isatty():
        output = STDOUT
    if output is not None:
        try:  # it may have come there by now
            refuse_other_results(output, engine.results(run.id), force=force)
        except BadInput as error:
            raise BadInput(f"{error}; elsewhere: lanewise results {run.name} -o FILE") from error
        count = write_results(output, engine.results(run.id))
        if output != STDOUT:
            click.echo(f"wrote {counted(count, 'result')} to {output}", err=True)
    else:
        click.echo(f"results: lanewise results {run.name} -o results.jsonl", err=True)


def _report(receipt: Receipt, *, as_json: bool) -> None:
    if as_json:
        echo_json(receipt.as_json())
    else:
        show.receipts([receipt])
