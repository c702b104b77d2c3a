"""Who waits and what would cost less, as fields of `--json`."""

from __future__ import annotations

from typing import Any

from lanewise.app.audit_json.figures import range_json
from lanewise.app.receipt import usd
from lanewise.audit.levers import Found, Group, Lever, Replayed, next_steps


def found_json(found: Found) -> dict[str, Any]:
    """Who waits, the levers and what to do next, for programs."""
    counted = {group.name: group.facts.counted is not None for group in found.groups}
    return {
        "who_waits": [_workflow_json(group) for group in found.groups],
        "workflows_found": found.count,
        "levers": [_lever_json(lever, counted.get(lever.group, True)) for lever in found.levers],
        "lever_total_usd": range_json(found.total),
        "data_terms": found.terms,
        "next_steps": list(next_steps(found)),
    }


def _workflow_json(group: Group) -> dict[str, Any]:
    facts, judged = group.facts, group.judged
    return {
        "workflow": group.name,
        "discovered": not facts.name,
        "looks": group.looks,
        "requests_in_real_time": facts.live,
        "requests_looked_at": facts.requests,
        "requests_in_other_lanes": facts.elsewhere,
        "realtime_usd": usd(group.now),
        "who_waits": judged.waiting,
        "confidence": judged.confidence,
        "confidence_level": judged.level,
        "evidence": list(judged.evidence),
        "evidence_against": list(judged.against),
        "to_log": list(judged.to_log),
    }


def _lever_json(lever: Lever, counted: bool) -> dict[str, Any]:
    """`counted`: whether the log says how many requests there are."""
    return {
        "lever": lever.kind,
        "workflow": lever.group,
        "does": lever.does,
        "requests": lever.requests if counted else None,
        "now_usd": usd(lever.now),
        "saves_usd": range_json(lever.money),
        "saves_usd_by_data_terms": {
            terms: range_json(money) for terms, money in lever.by_terms.items()
        },
        "confidence": lever.sure,
        "in_total": lever.counts,
        "evidence": list(lever.evidence),
        "rests_on": list(lever.rests_on),
    }


def together_json(replayed: Replayed) -> dict[str, Any]:
    """What levers save together, by replay."""
    found = replayed.together
    return {
        "requests_replayed": found.requests,
        "of_requests": replayed.sample.of,
        "stretches": replayed.sample.stretches,
        "texts_read": replayed.sample.texts,
        "now_usd": usd(found.now),
        "saves_alone_usd": {
            "lane": range_json(found.lanes),
            "cache": range_json(found.cache),
            "dedupe": range_json(found.dedupe),
        },
        "saves_together_usd": range_json(found.joint),
        "saves_step_by_step_usd": {name: range_json(step) for name, step in found.steps.items()},
        "whole_log_now_usd": usd(replayed.now),
        "whole_log_saves_together_usd": None
        if replayed.joint is None
        else range_json(replayed.joint),
    }
