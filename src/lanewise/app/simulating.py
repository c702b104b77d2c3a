"""A what-if from end to end: policy files held against logs, and replayed on days of a completion model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lanewise.app.knowledge import Knowledge, knowledge
from lanewise.app.policies import load as load_policy
from lanewise.app.policies import places, zone_named
from lanewise.app.progress import Progress, Watch, unwatched
from lanewise.audit.database import database
from lanewise.audit.logs.importing import Imported, Wishes, load
from lanewise.audit.whatif import (
    LEARNED,
    Numbers,
    Plan,
    Summary,
    planned,
    replayed,
    summed,
    traffic,
)
from lanewise.domain.lanes import BATCH
from lanewise.errors import BadInput, LanewiseError
from lanewise.intake import Dialect
from lanewise.policy.priors import ASSUMED
from lanewise.policy.rules import Policy
from lanewise.pricing import PriceBook
from lanewise.settings import Settings

_FEW: Final = 0.5  # of a curve: from here on it is mostly assumed


@dataclass(frozen=True, slots=True)
class Days:
    """On which days the traffic is replayed: `seeds` of them, from the seed `first` on."""

    model: str
    seeds: int = 10
    first: int = 0
    rolled_out: bool = False  # as if every rollout were complete


@dataclass(frozen=True, slots=True)
class Named:
    """A policy and the file that it is from."""

    file: Path
    policy: Policy


@dataclass(frozen=True, slots=True)
class Simulation:
    """One policy file and what it comes to."""

    file: Path
    policy: Policy
    summary: Summary


@dataclass(frozen=True, slots=True)
class Simulations:
    """One policy, or two on the same days.

    `in_force`: the policy that this home goes by, on the same days; None where there is none, where it says
    the same, and where two are compared.
    """

    imported: Imported
    days: Days
    basis: str  # of the prices
    batches: tuple[str, ...]  # how long they take, as the lanes believe, and what that rests on
    of: tuple[Simulation, ...]
    in_force: Simulation | None = None
    unread: str = ""  # why the policy in force is not held against it

    @property
    def compared(self) -> tuple[Simulation, Simulation] | None:
        """What is there and what would take its place."""
        if self.in_force is not None:
            return self.in_force, self.of[0]
        return (self.of[0], self.of[1]) if len(self.of) == 2 else None


def simulate(
    files: Sequence[Path],
    paths: tuple[str, ...],
    days: Days,
    *,
    wishes: Wishes,
    settings: Settings,
    now: float,
    limits: Numbers | None = None,
    watch: Watch = unwatched,
) -> Simulations:
    """Replay logs under each of the policy files.

    `limits`: those that the user states. `watch`: opened while the work lasts, it is told how far that is.
    Raises `BadInput` for files, logs or formats that cannot be used, and where nothing can be replayed.
    """
    if len({file.resolve() for file in files}) < len(files):
        raise BadInput(f"--compare names {files[0]} twice; give it two policy files")
    policies = [Named(file, load_policy(file, now).sound()) for file in files]
    if days.rolled_out:
        policies = [Named(one.file, one.policy.rolled_out()) for one in policies]
    in_force, unread = (None, "") if len(files) == 2 else _in_force(settings, policies[0], now)
    book = PriceBook.of_home(settings.home)
    known = knowledge(settings, limits or {}, now)
    every = [*policies, *([in_force] if in_force else [])]
    with watch() as progress:
        with database() as connection:
            progress.at("reading the logs", connection)
            imported = load(connection, paths, wishes)
            progress.at("holding the requests against the policy")
            plans = [
                planned(traffic(connection), one.policy, book, zone_named, known.known)
                for one in every
            ]
        pairs = zip(every, plans, strict=True)
        found = [_simulated(one, plan, days, progress) for one, plan in pairs]
    proposed, held = found[: len(policies)], found[len(policies) :]
    return Simulations(
        imported,
        days,
        book.basis,
        _batches(known, plans, days),
        tuple(proposed),
        held[0] if held else None,
        unread,
    )


def _in_force(settings: Settings, proposed: Named, now: float) -> tuple[Named | None, str]:
    """The policy that this home goes by where it says something else, or why it cannot be read."""
    try:
        file = next((path for path in places(settings.home) if path.is_file()), None)
        found = None if file is None else Named(file, load_policy(file, now).sound())
    except LanewiseError as error:
        return None, str(error)
    same = found is not None and found.policy.hash == proposed.policy.hash
    return (None, "") if same else (found, "")


def _simulated(named: Named, plan: Plan, days: Days, progress: Progress) -> Simulation:
    if not plan.requests:
        raise BadInput(f"no request in the logs can be replayed{_why_not(plan)}")
    seeds = []
    for done in range(days.seeds):
        progress.at(f"replaying day {done + 1:,} of {days.seeds:,} under {named.file.name}")
        seeds.append(replayed(plan, days.first + done, days.model))
    return Simulation(named.file, named.policy, summed(plan, seeds))


def _why_not(plan: Plan) -> str:
    if not plan.unfit and not plan.refused:
        return ": they hold none; give other files"
    reasons = {**plan.unfit, **{f"over {whose}": one for whose, one in plan.refused.items()}}
    ranked = sorted(reasons.items(), key=lambda item: (-item[1].requests, item[0]))
    told = "; ".join(f"{one.requests:,} {why}" for why, one in ranked)
    return (
        f" ({told}); what can be is a single request with a time, tokens and a model of "
        f"{' or '.join(Dialect)} whose price is known (prices.toml in the home can name one)"
    )


def _batches(known: Knowledge, plans: Sequence[Plan], days: Days) -> tuple[str, ...]:
    """On what the belief in batches rests, for each model that may wait: once where all rest on the same."""
    streams = sorted({work.stream for plan in plans for work in plan.work})
    curves = {one: known.known.curves(one.provider, one.model, BATCH) for one in streams}
    told = {
        f"{one.model} at {one.provider}: {curve.basis}{_too_few(curve.assumed)}"
        for one, curve in curves.items()
        if curve.sample.finished + curve.sample.censored
    }
    nothing = [one for one, curve in curves.items() if curve.basis == ASSUMED]
    lines = sorted(told)
    if nothing and (lines or days.model == LEARNED):
        names = ", ".join(sorted({one.model for one in nothing}))
        lines.append(f"{names}: no own batch, so only the {ASSUMED}")
    if known.sandboxed and days.model == LEARNED:
        lines.append(f"not counted: batches of the built-in sandbox ({known.sandboxed:,})")
    return tuple(lines) or (ASSUMED,)


def _too_few(assumed: float) -> str:
    return ": too few for a curve of their own" if assumed >= _FEW else ""
