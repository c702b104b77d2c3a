"""`lanewise simulate`: what a policy would have made of traffic that is in the logs."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.app.auditing import wishes
from lanewise.app.knowledge import stated_limits
from lanewise.app.simulating import Days
from lanewise.app.simulating import simulate as simulated
from lanewise.app.simulation_json import as_json as simulation_json
from lanewise.audit.whatif import MODELS
from lanewise.cli.audit_progress import shown
from lanewise.cli.ending import ending
from lanewise.cli.options import (
    echo_json,
    example_option,
    home_option,
    json_option,
    logs_from,
    settings_from,
)
from lanewise.cli.simulate_output import tell
from lanewise.clock import SystemClock
from lanewise.errors import BadInput


@click.command
@click.argument("paths", metavar="[POLICY] PATH...", nargs=-1)
@example_option
@click.option(
    "--compare", nargs=2, type=click.Path(path_type=Path), metavar="A B",
    help="Two policy files, instead of POLICY.",
)  # fmt: skip
@click.option(
    "--completion", type=click.Choice(MODELS), default="typical", show_default=True,
    help="How long batches take: a kind of day, or as this home has seen it.",
)  # fmt: skip
@click.option(
    "--seeds", type=click.IntRange(1, 1_000), default=10, show_default=True, help="Days to replay."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The first.")
@click.option(
    "--limit", "limits", multiple=True, metavar="[MODEL:]NAME=NUMBER",
    help="What a provider allows, instead of what this home learned: enqueued_tokens, creations_per_hour, "
    "requests_per_minute, ...; repeatable.",
)  # fmt: skip
@click.option("--rolled-out", is_flag=True, help="As if the rollout of every rule were complete.")
@click.option("--format", "format_", metavar="NAME", help="What the logs are; else they tell.")
@click.option("--map", "map_", metavar="NAME=FIELD,...", help="As of lanewise audit.")
@click.option("--model", help="The model of requests that name none.")
@json_option
@home_option
@ending()
def simulate(
    *,
    paths: tuple[str, ...],
    example: bool,
    compare: tuple[Path, Path] | None,
    completion: str,
    seeds: int,
    seed: int,
    limits: tuple[str, ...],
    rolled_out: bool,
    format_: str | None,
    map_: str | None,
    model: str | None,
    as_json: bool,
    home: Path | None,
) -> None:
    """Replay logs under a policy: what it would have cost, and which deadlines it would have missed.

    lanewise simulate policy.toml logs/*.jsonl

    lanewise simulate --compare today.toml tomorrow.toml logs/

    Requests come when the log says. The lanes' own policy decides on each, in virtual time, while batches
    take as long as --completion has it. The same seed gives the same to the last digit.
    """
    if not (compare or paths):
        raise BadInput("name a policy file and logs (POLICY PATH...), or --compare two policies")
    files, named = (compare, paths) if compare else ((Path(paths[0]),), paths[1:])
    if files is not compare and not (named or example):
        raise BadInput(f"{paths[0]} is taken as the policy; name the logs too: POLICY PATH...")
    logs = logs_from(named, example=example)
    found = simulated(
        files, logs, Days(completion, seeds, seed, rolled_out), wishes=wishes(format_, map_, model),
        settings=settings_from(home), now=SystemClock().now(), limits=stated_limits(limits),
        watch=shown,
    )  # fmt: skip
    if as_json:
        echo_json(simulation_json(found))
    else:
        tell(found)
