"""`lanewise doctor`: is everything in order?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from lanewise.app.doctor import Finding, Health, examine
from lanewise.cli.options import echo_json, engine_from, home_option, json_option


@click.command
@click.option("--live", is_flag=True, help="Also check assumptions about providers, with your key.")
@click.option("--max-usd", default=0.05, show_default=True, help="Refuse --live above this cost.")
@json_option
@home_option
def doctor(*, live: bool, max_usd: float, as_json: bool, home: Path | None) -> None:
    """Check the home, the settings and the credentials.

    With --live, tiny batches are created at each provider that has a credential, and cancelled at
    once, to see whether the provider does what lanewise assumes of it. What that can cost at most is
    reckoned first.

    Exit code 0: in order, or warnings; 1: an assumption does not hold; 3: something fails; 4: --live
    would cost more than --max-usd.
    """
    with engine_from(home) as engine:
        findings = examine(engine)
        if live:
            from lanewise.app.probes import probe

            findings += asyncio.run(probe(engine, max_usd=max_usd))
        if as_json:
            echo_json(
                [{"health": item.health, "what": item.what, "cure": item.cure} for item in findings]
            )
        else:
            for item in findings:
                _say(item)
    failed = [item for item in findings if item.health is Health.FAIL]
    assumed = failed and all(item.what.startswith("assumption") for item in failed)
    raise click.exceptions.Exit(0 if not failed else 1 if assumed else 3)


def _say(item: Finding) -> None:
    cure = f"  -> {item.cure}" if item.cure and item.health is not Health.OK else ""
    click.echo(f"{item.health.value:<5} {item.what}{cure}")
