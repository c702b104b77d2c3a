"""Showing the estimate before money is spent, and asking where it is not small."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import click

from lanewise.app import Engine
from lanewise.cli import estimates
from lanewise.domain.counts import counted
from lanewise.errors import OverBudget
from lanewise.pricing.dollars import dollars, nano_usd
from lanewise.tokens import Estimate

F = TypeVar("F", bound=Callable[..., object])
_NOTES: Final = (
    12  # remarks on an estimate that are shown before a run; `lanewise estimate` shows all
)


def approval_options(command: F) -> F:
    """What says beforehand how much may be spent: shared by `run` and `submit`."""
    command = click.option(
        "--max-usd", metavar="USD", help="Refuse (exit code 4) what may cost more."
    )(command)
    return click.option("--yes", is_flag=True, help="Ask nothing, however much it may cost.")(
        command
    )


@dataclass(frozen=True, slots=True)
class Approval:
    """Shows the estimate, and asks or refuses where it may cost more than a small amount."""

    engine: Engine
    names: Sequence[str]  # of the inputs, for remarks
    yes: bool
    max_usd: str | None
    pause: Callable[[], None] = lambda: None  # frees the terminal before something is asked

    @property
    def max_nano(self) -> int | None:
        """The limit that was given."""
        return None if self.max_usd is None else nano_usd(self.max_usd, "--max-usd")

    def __call__(self, estimate: Estimate) -> None:
        """Raises `OverBudget` where it is not wanted."""
        self.pause()
        click.echo(estimates.summary(estimate), err=True)
        for line in list(estimates.notes(estimate, self.names))[:_NOTES]:
            click.echo(f"  {line}", err=True)
        if self.yes or self.max_usd is not None:
            return
        limit = int(self.engine.settings.confirm_above_usd.scaleb(9))
        if not estimate.unpriced and estimate.high_nano <= limit:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise OverBudget(_unasked(estimate, limit))
        if not click.confirm(_question(estimate), default=False, err=True):
            raise OverBudget("not wanted; nothing was accepted")


def _question(estimate: Estimate) -> str:
    if estimate.unpriced:
        return (
            f"Send {estimate.requests:,} requests, {estimate.unpriced:,} of them of unknown price?"
        )
    return (
        f"Send {counted(estimate.requests, 'request')} for at most {dollars(estimate.high_nano)}?"
    )


def _unasked(estimate: Estimate, limit: int) -> str:
    if estimate.unpriced:
        what = f"what {estimate.unpriced:,} requests cost is not known"
    else:
        what = (
            f"it may cost {dollars(estimate.high_nano)}, more than confirm_above_usd "
            f"({dollars(limit)})"
        )
    return (
        f"{what}, and there is no terminal to ask on: give --yes, or the most it may cost with --max-usd. "
        "Nothing was accepted"
    )
