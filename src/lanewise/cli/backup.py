"""`lanewise backup`: a consistent copy."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.cli.options import engine_from, home_option


@click.command
@click.argument("target", type=click.Path(path_type=Path))
@home_option
def backup(*, target: Path, home: Path | None) -> None:
    """Copy the home consistently while workers go on.

    To restore, use the copy as the home: LANEWISE_HOME=TARGET. It is the same home, so work from only
    one of the two.
    """
    with engine_from(home) as engine:
        engine.store.backup(target.absolute())
        click.echo(f"copied {engine.settings.home} to {target}", err=True)
