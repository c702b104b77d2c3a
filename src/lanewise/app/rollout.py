"""The policy that an audit proposes, as a file that passes the check."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lanewise.app.policies import world
from lanewise.audit.levers.finding import Found, Group
from lanewise.audit.rollout import Classed, policy_text
from lanewise.domain.lanes import Terms
from lanewise.errors import BadInput
from lanewise.policy.document import read
from lanewise.policy.rules import Policy
from lanewise.store.disk import explained


def classes(found: Found) -> tuple[Classed, ...]:
    """What an audit found, as a policy is written from it: groups with what moving each would save."""
    savings = {
        lever.group: (lever.money.low, lever.money.high)
        for lever in found.levers
        if lever.kind == "lane"
    }
    return tuple(_classed(group, savings.get(group.name)) for group in found.groups)


def _classed(group: Group, saving: tuple[int, int] | None) -> Classed:
    facts, judged = group.facts, group.judged
    alone = facts.name or (
        facts.agent is None and facts.shape is None
    )  # else a rule would take more
    return Classed(
        facts.name,
        judged.waiting,
        judged.confidence,
        judged.evidence if facts.name else (f"found as {group.name}", *judged.evidence),
        saving,
        facts.key if alone and not facts.name and facts.key else "",
    )


def write_policy(
    path: Path, classes: Iterable[Classed], now: float, terms: Terms = Terms.ANY
) -> Policy:
    """Write what may surely wait as rules that only observe yet; returns the policy as it was checked.

    Raises `BadInput` where the file is there already: a policy in use is not overwritten.
    """
    text = policy_text(classes, terms)
    policy = read(text, str(path), world(now)).sound()
    with explained(f"writing {path}", path.parent):
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            raise BadInput(
                f"--write-policy names {path}, which is there already; name another file"
            ) from error
    return policy
