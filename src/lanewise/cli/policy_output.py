"""What `lanewise policy` prints."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from lanewise.app.rulings import Case
from lanewise.domain.deadlines import By, Deadline
from lanewise.policy.document import Document, Problem
from lanewise.policy.rules import Ruling
from lanewise.pricing.dollars import dollars, plain


def show_document(path: Path, document: Document) -> None:
    """Every problem on a line of its own; what is wrong goes to standard error."""
    for problem in document.errors:
        click.echo(f"error: {problem}", err=True)
    for problem in document.warnings:
        click.echo(f"warning: {problem}", err=True)
    if document.policy is None:
        return
    rules, warnings = len(document.policy.rules), len(document.warnings)
    count = f"{rules} rule{'' if rules == 1 else 's'}"
    doubts = f"{warnings} warning{'' if warnings == 1 else 's'}" if warnings else "ok"
    click.echo(f"{path}: {count}, hash {document.policy.hash}, {doubts}")


def document_json(path: Path, document: Document) -> dict[str, Any]:
    """The same for programs."""
    policy = document.policy
    return {
        "file": str(path),
        "ok": policy is not None,
        "hash": policy.hash if policy else None,
        "rules": [rule.name for rule in policy.rules] if policy else None,
        "errors": [_problem_json(problem) for problem in document.errors],
        "warnings": [_problem_json(problem) for problem in document.warnings],
    }


def _problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "line": problem.line,
        "place": problem.place,
        "key": problem.key,
        "what": problem.what,
    }


def show_case(case: Case, path: Path | None, request_id: str | None) -> None:
    """The story of one request and the policy."""
    traits, ruling = case.traits, case.ruling
    said = [f"workflow {traits.workflow}", traits.model, traits.endpoint, *traits.tags]
    said += [f"key {traits.key}"] if traits.key else []
    click.echo(f"{', '.join(said)}, accepted {_instant(case.at, ruling)}")
    click.echo(f"policy: {path}, hash {ruling.policy}" if path else "policy: none, all is allowed")
    if case.looks:
        click.echo("\nrules, the first that fits")
    _columns([(rule.name, f"no: {why}" if why else "fits") for rule, why in case.looks])
    click.echo(f"\nwhat holds, by {f'rule {ruling.rule!r}' if ruling.rule else 'the defaults'}")
    _columns(_said(case, request_id))
    click.echo(f"\nlanes of {case.provider}")
    _columns([(offer.lane, f"no: {why}" if why else "allowed") for offer, why in case.lanes])
    if not case.allowed:
        click.echo("\nno lane remains: such a request is refused")


def _said(case: Case, request_id: str | None) -> list[tuple[str, str]]:
    ruling = case.ruling
    rows = [("deadline", _due(case.due, ruling)), ("terms", str(ruling.terms))]
    rows.append(("rollout", _rollout(ruling, request_id)))
    if ruling.pin:
        rows.append(("pin", ruling.pin))
    if ruling.budget_nano is not None:
        rows.append(("budget", f"{dollars(ruling.budget_nano)} a month"))
    if ruling.provider:
        rows.append(("provider", ruling.provider))
    if ruling.model:
        rows.append(("use_model", ruling.model))
    if ruling.held:
        opens = _instant(ruling.held.opens(case.at), ruling)
        rows.append(("held", f"{ruling.held.text}; the next time is {opens}"))
    return [*rows, ("cache", ruling.cache), ("dedupe", "yes" if ruling.dedupe else "no")]


def _due(due: Deadline, ruling: Ruling) -> str:
    if isinstance(due, By):
        return f"by {_instant(due.at, ruling)}"
    return "none: whenever it is cheapest" if due.name == "none" else "now: somebody waits"


def _rollout(ruling: Ruling, request_id: str | None) -> str:
    real_time = "recorded, and sent in real time"
    match ruling.percent:
        case 0.0:
            return f"observe: what is decided is {real_time}"
        case 100.0:
            return "all: sent as decided"
        case percent if request_id is None:
            return f"{percent:g} % are sent as decided; give --id to see on which side a request is"
        case percent:
            side = "sent as decided" if ruling.acts(request_id) else real_time
            return f"{percent:g} %: {request_id} is {side}"


def _instant(at: float, ruling: Ruling) -> str:
    return datetime.fromtimestamp(at, ruling.zone).strftime("%a %Y-%m-%d %H:%M %Z")


def _columns(rows: list[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        click.echo(f"  {name:<{width}}  {text}")


def case_json(case: Case, request_id: str | None) -> dict[str, Any]:
    """The same for programs; times in seconds since the epoch."""
    ruling = case.ruling
    acts = ruling.acts(request_id) if request_id is not None else None
    return {
        "request": {**case.traits._asdict(), "id": request_id, "accepted_at": case.at},
        "policy": ruling.policy,
        "looked_at": [{"rule": rule.name, "fits": not why, "why": why} for rule, why in case.looks],
        "rule": ruling.rule,
        "deadline": case.due.at if isinstance(case.due, By) else case.due.name,
        "terms": str(ruling.terms),
        "percent": ruling.percent,
        "acts": {0.0: False, 100.0: True}.get(ruling.percent, acts),
        "pin": ruling.pin,
        "budget_usd": None if ruling.budget_nano is None else plain(ruling.budget_nano),
        "provider": case.provider,
        "use_model": ruling.model,
        "held": ruling.held.text if ruling.held else None,
        "cache": ruling.cache,
        "dedupe": ruling.dedupe,
        "lanes": [
            {"lane": offer.lane, "allowed": not why, "why": why} for offer, why in case.lanes
        ],
    }
