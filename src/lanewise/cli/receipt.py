"""`lanewise receipt`: what it cost and what it saved."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.app import receipt_of
from lanewise.app.engine import runs_of
from lanewise.cli import show
from lanewise.cli.options import echo_json, engine_from, home_option, json_option
from lanewise.errors import NotFound


@click.command
@click.argument("name", metavar="[RUN]", required=False)
@click.option("--workflow", help="Every run of one workflow; without either, every workflow.")
@json_option
@home_option
def receipt(*, name: str | None, workflow: str | None, as_json: bool, home: Path | None) -> None:
    """Show what a run or a workflow cost and saved."""
    with engine_from(home) as engine:
        if name:
            run = engine.run(name)
            items = [receipt_of(engine.store, [run], name=run.name, workflow=run.workflow)]
        else:
            names = [workflow] if workflow else engine.store.workflows()
            items = [
                receipt_of(engine.store, list(runs), name=item, workflow=item)
                for item in names
                if (runs := runs_of(engine.store, item))
            ]
        if not items:
            raise NotFound(f"no run of workflow {workflow!r} yet" if workflow else "no run yet")
        if as_json:
            echo_json([item.as_json() for item in items])
        else:
            show.receipts(items, stdout=True)
