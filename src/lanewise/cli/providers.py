"""`lanewise providers`: what each provider offers and limits."""

from __future__ import annotations

import click

from lanewise.cli.options import echo_json, json_option
from lanewise.providers import catalogue


@click.command
@json_option
def providers(*, as_json: bool) -> None:
    """Show providers, their lanes and their limits.

    Every limit is data beside its adapter, with its source and date.
    """
    if as_json:
        echo_json(catalogue.as_json())
    else:
        click.echo(catalogue.as_text())
