"""What `lanewise simulate --json` says: money in USD, ranges as [low, middle, high]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lanewise.app.receipt import percent, usd
from lanewise.app.simulating import Simulation, Simulations
from lanewise.audit.whatif import ENOUGH, Aside, Quota, Range, difference
from lanewise.domain.lanes import LaneName


def as_json(found: Simulations) -> dict[str, Any]:
    """Every figure. Where only one seed was replayed, low and high are null: it has no range."""
    days, told = found.days, _Told(found.days.seeds)
    return {
        "completion_model": days.model,
        "as_if_rolled_out": days.rolled_out,
        "batches_believed_to_take": list(found.batches),
        "seeds": [days.first, days.first + days.seeds - 1],
        "ranges": range_said(days.seeds),
        "rows": found.imported.rows,
        "unreadable_lines": found.imported.broken,
        "prices": found.basis,
        "policies": [told.policy(one) for one in found.of],
        "policy_in_force": None if found.in_force is None else told.policy(found.in_force),
        "policy_in_force_unread": found.unread or None,
        "difference": None if found.compared is None else told.difference(*found.compared),
    }


def range_said(seeds: int) -> str:
    """What low and high are."""
    if seeds == 1:
        return "none: one seed"
    if seeds < ENOUGH:
        return f"the least and the most of {seeds} seeds"
    return f"nine seeds in ten of {seeds}"


@dataclass(frozen=True, slots=True)
class _Told:
    seeds: int

    def policy(self, one: Simulation) -> dict[str, Any]:
        return {
            "policy": str(one.file),
            "hash": one.policy.hash,
            **_requests(one),
            **self.money(one),
            "lanes": self.lanes(one),
            "workflows": self.workflows(one),
            **self.deadlines(one),
            **self.batches(one),
            "over_time": [hour._asdict() for hour in one.summary.hours],
            "by_seed": [
                {"seed": seed.number, "cost_usd": usd(seed.cost_nano), "missed": seed.late.total()}
                for seed in one.summary.seeds
            ],
        }

    def money(self, one: Simulation) -> dict[str, Any]:
        found, plan = one.summary, one.summary.plan
        whole = plan.today_nano + plan.aside_nano
        return {
            "today_usd": usd(plan.today_nano),
            "all_in_real_time_usd": usd(plan.realtime_nano),
            "all_of_the_log_usd": usd(whole),
            "cost_usd": self.usd(found.cost),
            "saving_usd": self.usd(found.saving),
            "saving_percent": self.percent(found.saving, plan.today_nano),
            "saving_percent_of_the_log": self.percent(found.saving, whole),
            "cache_could_save_usd": self.usd(found.cached),
            "waste_usd": self.usd(found.waste),
        }

    def deadlines(self, one: Simulation) -> dict[str, Any]:
        found = one.summary
        return {
            "deadlines": found.deadlines,
            "missed": self.count(found.late),
            "missed_because": {why: self.count(late) for why, late in found.reasons.items()},
            "rescued": self.count(found.rescued),
        }

    def batches(self, one: Simulation) -> dict[str, Any]:
        found = one.summary
        return {
            "batches": self.count(found.batches),
            "batches_called_back": self.count(found.cancelled),
            "batches_created_in_the_busiest_hour": {
                provider: self.count(created) for provider, created in found.created.items()
            },
            "quotas": [self.quota(quota) for quota in found.quotas],
        }

    def lanes(self, one: Simulation) -> dict[str, Any]:
        found, plan = one.summary, one.summary.plan
        nothing = (Range(0, 0, 0), Range(0, 0, 0))
        return {
            lane: {
                "requests": self.count(found.lanes.get(lane, nothing)[0]),
                "cost_usd": self.usd(found.lanes.get(lane, nothing)[1]),
                "today_requests": plan.today_requests[LaneName(lane)],
                "today_usd": usd(plan.today[LaneName(lane)]),
            }
            for lane in sorted({*found.lanes, *plan.today_requests})
        }

    def workflows(self, one: Simulation) -> dict[str, Any]:
        plan = one.summary.plan
        return {
            name: {
                "requests": plan.workflow_requests[name],
                "today_usd": usd(plan.workflows[name]),
                "cost_usd": self.usd(cost),
            }
            for name, cost in one.summary.workflows.items()
        }

    def quota(self, quota: Quota) -> dict[str, Any]:
        return {
            "provider": quota.stream.provider,
            "model": quota.stream.model,
            "limits": {
                limit.name: {"limit": limit.value, "source": limit.source} for limit in quota.limits
            },
            "most_batches_created_in_an_hour": self.count(quota.created),
            "most_queued_tokens": self.count(quota.tokens),
            "most_queued_requests": self.count(quota.requests),
            "most_batches_waiting_for_room": self.count(quota.held),
            "most_requests_waiting_for_a_call": self.count(quota.calls),
        }

    def difference(self, one: Simulation, other: Simulation) -> dict[str, Any]:
        found = difference(one.summary, other.summary)
        return {
            "of": str(other.file),
            "instead_of": str(one.file),
            "requests": found.requests,
            "cost_usd": self.usd(found.cost),
            "missed": self.count(found.late),
            "workflows": {name: self.usd(cost) for name, cost in found.workflows.items()},
        }

    def usd(self, found: Range) -> list[float | None]:
        return [None if nano is None else usd(nano) for nano in self.count(found)]

    def percent(self, found: Range, whole: int) -> list[float | None]:
        return [None if part is None else percent(part, whole) for part in self.count(found)]

    def count(self, found: Range) -> list[int | None]:
        return [None, found.middle, None] if self.seeds == 1 else list(found)


def _requests(one: Simulation) -> dict[str, Any]:
    plan = one.summary.plan
    return {
        "requests": plan.requests,
        "asked_once_with_another": plan.copies.total(),
        "not_replayed": _asides(plan.unfit),
        "refused_over_budget": _asides(plan.refused),
        "first": plan.first,
        "last": plan.last,
        "rules": {rule.name: plan.rules[rule.name] for rule in one.policy.rules},
        "fit_by_no_rule": plan.rules[""],
        "observed_only": plan.observed,
    }


def _asides(found: dict[str, Aside]) -> dict[str, Any]:
    return {
        why: {
            "requests": one.requests,
            "sent_usd": usd(one.nano),
            "rows_of_unknown_cost": one.unpriced,
        }
        for why, one in sorted(found.items())
    }
