"""The policy that an audit proposes, as a file that passes the check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from lanewise.app.policies import world
from lanewise.audit.levers.finding import Found, Group
from lanewise.audit.rollout import BACKGROUND, Classed, policy_text
from lanewise.audit.waiting import OFTEN, Facts
from lanewise.domain.lanes import Terms
from lanewise.policy.document import read
from lanewise.policy.rules import Policy


def classes(found: Found) -> tuple[Classed, ...]:
    """What an audit found, as a policy is written from it: groups with what moving each would save.

    Groups of one key that are all in the background are one: a rule can name the key, and no template.
    """
    savings = {
        lever.group: (lever.money.low, lever.money.high)
        for lever in found.levers
        if lever.kind == "lane"
    }
    by_key = _by_key(found.groups)
    alike = {key: groups for key, groups in by_key.items() if key and _all_may_wait(groups)}
    apart = [one for one in found.groups if one.facts.name or one.facts.key not in alike]
    return (
        *(_classed(group, savings.get(group.name), found.groups) for group in apart),
        *(_together(key, groups, savings) for key, groups in alike.items()),
    )


def _by_key(groups: Iterable[Group]) -> dict[str, list[Group]]:
    """Groups that were found where no workflow is logged, by the key that they share."""
    by_key: defaultdict[str, list[Group]] = defaultdict(list)
    for group in groups:
        if not group.facts.name:
            by_key[group.facts.key or ""].append(group)
    return by_key


def _all_may_wait(groups: Sequence[Group]) -> bool:
    return len(groups) > 1 and all(one.judged.waiting == BACKGROUND for one in groups)


def _together(key: str, groups: Sequence[Group], savings: Mapping[str, tuple[int, int]]) -> Classed:
    """A key's groups as one, as sure as the least of those that are large enough to be sure at all."""
    known = [savings[one.name] for one in groups if one.name in savings]
    saving = (sum(low for low, _ in known), sum(high for _, high in known)) if known else None
    sure = [one.judged.confidence for one in groups if one.facts.requests >= OFTEN]
    told = [
        f"{one.facts.requests:,} requests found as {one.name}: {'; '.join((one.looks, *_told(one)))}"
        for one in groups
    ]
    return Classed("", BACKGROUND, min(sure, default=0.0), tuple(told), saving, key)


def _classed(group: Group, saving: tuple[int, int] | None, groups: Sequence[Group]) -> Classed:
    facts, judged = group.facts, group.judged
    told = _told(group)
    if facts.elsewhere and not facts.live:
        done = ("went in a cheaper lane already: nothing to move",)
        return Classed(facts.name, "not in real time", 0.0, done, key=facts.key or "")
    if facts.name:
        return Classed(facts.name, judged.waiting, judged.confidence, told, saving)
    key, model = _only(facts, [other.facts for other in groups if other.id != group.id])
    found_as = f"found as {group.name}: {group.looks}"
    evidence = (found_as, *told)
    return Classed("", judged.waiting, judged.confidence, evidence, saving, key, model)


def _told(group: Group) -> tuple[str, ...]:
    judged = group.judged
    return (*judged.evidence, *(f"against it: {words}" for words in judged.against))


def _only(facts: Facts, others: Iterable[Facts]) -> tuple[str, str]:
    """The key, and where it takes that the model, by which a rule fits this group and none besides; else "".

    A policy knows no templates and no clients.
    """
    if not facts.key:
        return "", ""
    alike = [other for other in others if not other.name and other.key == facts.key]
    models = {model for other in alike for model in other.models}
    if not alike:
        return facts.key, ""
    if len(facts.models) == 1 and not models & set(facts.models):
        return facts.key, facts.models[0]
    return "", ""


def proposed(
    classes: Iterable[Classed], now: float, terms: Terms = Terms.ANY
) -> tuple[str, Policy]:
    """What may surely wait as rules that only observe yet: a file's text, and the policy that it is."""
    text = policy_text(classes, terms)
    return text, read(text, "the proposed policy", world(now)).sound()
