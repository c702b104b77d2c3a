"""A what-if from end to end: policy files held against logs, and replayed on days of a completion model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lanewise.app.engine import Engine
from lanewise.app.forecasting import completion, model_seen
from lanewise.app.policies import load as load_policy
from lanewise.app.policies import zone_named
from lanewise.app.receipt import percent, usd
from lanewise.audit.database import database
from lanewise.audit.importing import Imported, Wishes, load
from lanewise.audit.whatif import (
    Curves,
    Plan,
    Range,
    Summary,
    difference,
    planned,
    replayed,
    summed,
    traffic,
)
from lanewise.domain.lanes import BATCH, LaneName
from lanewise.errors import BadInput
from lanewise.policy.completion import Completion
from lanewise.policy.outlook import Curve
from lanewise.policy.rules import Policy
from lanewise.pricing import PriceBook
from lanewise.settings import Settings
from lanewise.store.sqlite.connection import DATABASE

LEARNED = "learned"
_ALIKE = 1_000  # requests in a batch, of which the curve is asked


@dataclass(frozen=True, slots=True)
class Days:
    """On which days the traffic is replayed: `seeds` of them, from the seed `first` on."""

    model: str
    seeds: int = 10
    first: int = 0
    rolled_out: bool = False  # as if every rollout were complete


@dataclass(frozen=True, slots=True)
class Simulation:
    """One policy file and what it comes to."""

    file: Path
    hash: str
    summary: Summary


@dataclass(frozen=True, slots=True)
class Simulations:
    """One policy, or two on the same days."""

    imported: Imported
    days: Days
    basis: str  # of the prices
    learned: str  # what the learned model rests on; "" of the others
    of: tuple[Simulation, ...]

    def as_json(self) -> dict[str, Any]:
        """The fields of `--json`; money in USD, ranges as [low, middle, high] of nine seeds in ten."""
        found: dict[str, Any] = {
            "completion_model": self.days.model,
            "as_if_rolled_out": self.days.rolled_out,
            "learned_from": self.learned or None,
            "seeds": [self.days.first, self.days.first + self.days.seeds - 1],
            "rows": self.imported.rows,
            "unreadable_lines": self.imported.broken,
            "prices": self.basis,
            "policies": [_policy_json(one) for one in self.of],
        }
        if len(self.of) == 2:
            cost, late = difference(self.of[0].summary, self.of[1].summary)
            found["difference"] = {"cost_usd": _usd(cost), "missed": list(late)}
        return found


def simulate(
    files: Sequence[Path],
    paths: tuple[str, ...],
    days: Days,
    *,
    wishes: Wishes,
    settings: Settings,
    now: float,
) -> Simulations:
    """Replay logs under each of the policy files.

    Raises `BadInput` for files, logs or formats that cannot be used, and where nothing can be replayed.
    """
    policies = [load_policy(file, now).sound() for file in files]
    if days.rolled_out:
        policies = [policy.rolled_out() for policy in policies]
    book = PriceBook.of_home(settings.home)
    curves, basis = _learned(settings, now) if days.model == LEARNED else (None, "")
    with database() as connection:
        imported = load(connection, paths, wishes)
        plans = [planned(traffic(connection), policy, book, zone_named) for policy in policies]
    found = tuple(
        _simulated(file, policy, plan, days, curves)
        for file, policy, plan in zip(files, policies, plans, strict=True)
    )
    return Simulations(imported, days, book.basis, basis, found)


def _simulated(
    file: Path, policy: Policy, plan: Plan, days: Days, curves: Curves | None
) -> Simulation:
    if not plan.requests:
        told = "; ".join(f"{count:,} {why}" for why, count in plan.unfit.most_common())
        raise BadInput(f"no request in the logs can be replayed ({told}); give other logs")
    numbers = range(days.first, days.first + days.seeds)
    seeds = [replayed(plan, number, days.model, curves) for number in numbers]
    return Simulation(file, policy.hash, summed(plan, seeds))


def _learned(settings: Settings, now: float) -> tuple[Curves, str]:
    """Curves from the batches of this home, and what they rest on."""
    if (settings.home / DATABASE).exists():
        with Engine(settings) as engine:
            known = completion(engine.store, now)
    else:
        known = Completion((), now)

    def curve(provider: str, model: str, lane: LaneName) -> Curve:
        return known.curve(provider, lane, model_seen(provider, model), _ALIKE, now)

    return curve, "; ".join(
        f"{who}: {curve(who, '', BATCH).basis}" for who in ("openai", "anthropic")
    )


def _policy_json(one: Simulation) -> dict[str, Any]:
    found, plan = one.summary, one.summary.plan
    return {
        "policy": str(one.file),
        "hash": one.hash,
        "requests": plan.requests,
        "not_replayed": dict(sorted(plan.unfit.items())),
        "first": plan.first,
        "last": plan.last,
        "rules": dict(sorted(plan.rules.items())),
        "observed_only": plan.observed,
        "today_usd": usd(plan.today_nano),
        "all_in_real_time_usd": usd(plan.realtime_nano),
        "cost_usd": _usd(found.cost),
        "saving_usd": _usd(found.saving),
        "saving_percent": [percent(part, plan.today_nano) for part in found.saving],
        "lanes": _lanes_json(found),
        "workflows": _workflows_json(found),
        "waste_usd": _usd(found.waste),
        "deadlines": found.deadlines,
        "missed": list(found.late),
        "missed_because": {reason: list(count) for reason, count in found.reasons.items()},
        "rescued": list(found.rescued),
        "batches": list(found.batches),
        "batches_called_back": list(found.cancelled),
        "most_batches_created_in_an_hour": list(found.most_created),
        "most_batches_waiting_for_room": list(found.most_held),
        "most_requests_waiting_for_a_call": list(found.most_calls),
        "over_time": [hour._asdict() for hour in found.hours],
        "by_seed": [
            {"seed": seed.number, "cost_usd": usd(seed.cost_nano), "missed": seed.late.total()}
            for seed in found.seeds
        ],
    }


def _lanes_json(found: Summary) -> dict[str, Any]:
    plan = found.plan
    return {
        lane: {
            "requests": list(found.lanes[lane][0]) if lane in found.lanes else [0, 0, 0],
            "cost_usd": _usd(found.lanes[lane][1]) if lane in found.lanes else [0.0, 0.0, 0.0],
            "today_requests": plan.today_requests[LaneName(lane)],
            "today_usd": usd(plan.today[LaneName(lane)]),
        }
        for lane in sorted({*found.lanes, *plan.today_requests})
    }


def _workflows_json(found: Summary) -> dict[str, Any]:
    plan = found.plan
    return {
        name: {
            "requests": plan.workflow_requests[name],
            "today_usd": usd(plan.workflows[name]),
            "cost_usd": _usd(cost),
        }
        for name, cost in found.workflows.items()
    }


def _usd(found: Range) -> list[float]:
    return [usd(nano) for nano in found]
