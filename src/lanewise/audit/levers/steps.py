"""What to do next: at most three steps, by what is surely saved and then by what may be."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from lanewise.audit.levers.finding import Found
from lanewise.audit.levers.lever import SURE, Lever
from lanewise.audit.money import Money
from lanewise.audit.waiting import Waiting
from lanewise.domain.lanes import Terms
from lanewise.pricing.dollars import about

_STEPS: Final = 3
_NAMED: Final = 3  # workflows in a step
_TRUST: Final = {"high": 4, "medium": 2}  # quarters
_SURE: Final = {
    "lane": "Begin with what nobody waits for: {names} ({money}); a small share first, then all.",
    "dedupe": "Answer from the first answer what repeats in {names} ({money}).",
    "cache": "Cache the prompts of {names} ({money}){does}.",
    "prompt": "Change the prompts of {names} ({money}){does}.",
}


class _Step(NamedTuple):
    money: Money
    sure: str
    words: str


def next_steps(found: Found) -> tuple[str, ...]:
    """At most three. Which data terms hold is asked before any lane is recommended.

    The others are ranked by the middle of what they save, which counts whole with a high confidence, half
    with a medium one, and a quarter where only a trial or a question tells.
    """
    steps = sorted(_steps(found), key=_worth, reverse=True)
    return (*_terms(found), *(step.words for step in steps))[:_STEPS]


def _worth(step: _Step) -> int:
    return _TRUST.get(step.sure, 1) * (step.money.low + step.money.high)


def _terms(found: Found) -> Iterator[str]:
    if found.terms is None and any(one.counts for one in found.levers):
        yield (
            f"Say which data terms hold, with --terms: {found.under(Terms.ANY).about} is saved with any, "
            f"{found.under(Terms.ZDR).about} with zero data retention (zdr), "
            f"{found.under(Terms.EU).about} with processing in the EU (eu)."
        )


def _steps(found: Found) -> Iterator[_Step]:
    sure = [one for one in found.levers if one.sure in SURE and one.money.high]
    lesser = _lesser(sure)
    for kind in _SURE:
        same = [one for one in sure if one.kind == kind and (one.group, kind) not in lesser]
        if same:
            yield _sure(kind, same)
    trials = [one for one in found.levers if one.sure == "trial" and one.money.high]
    if trials:
        yield _trial(trials[0])
    asked = [one for one in found.levers if one.kind == "dedupe" and one.sure == "none"]
    if asked:
        words = f"Ask whether the first answer does where {asked[0].group} repeats itself"
        yield _Step(asked[0].money, asked[0].sure, f"{words} (up to {about(asked[0].money.high)}).")
    yield from _unlogged(found)
    yield from _unknown(found)


def _unlogged(found: Found) -> Iterator[_Step]:
    """What is read from caches, where the log does not say."""
    caches = [one for one in found.levers if one.kind == "cache" and one.sure == "none"][:_NAMED]
    if caches:
        money = sum((one.money for one in caches), Money())
        names = ", ".join(dict.fromkeys(one.group for one in caches))
        yield _Step(
            money,
            "none",
            f"Log when requests of {names} are sent, and how many tokens they read from a cache: if none "
            f"yet, caches save up to {about(money.high)}.",
        )


def _lesser(levers: Sequence[Lever]) -> set[tuple[str, str]]:
    """Group and kind of what saves less of a group, waiting or reading from caches: a batch reads none."""
    worth: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in levers:
        if one.kind in ("lane", "cache"):
            worth[one.group][one.kind] += one.money.low + one.money.high
    both = ((group, kinds) for group, kinds in worth.items() if len(kinds) > 1)
    return {(group, min(kinds, key=lambda kind: kinds[kind])) for group, kinds in both}


def _sure(kind: str, levers: Sequence[Lever]) -> _Step:
    """Those of a high confidence, or else those of a medium one. Prompts are changed one at a time."""
    sure = [one for one in levers if one.sure == "high"] or levers
    first = sure[: 1 if kind == "prompt" else _NAMED]
    money = sum((one.money for one in first), Money())
    names = ", ".join(dict.fromkeys(one.group for one in first))
    same = len({one.does for one in first}) == 1
    does = f": {first[0].does}" if same else "; the table says how"
    return _Step(
        money, first[0].sure, _SURE[kind].format(names=names, money=money.about, does=does)
    )


def _trial(lever: Lever) -> _Step:
    most = about(lever.money.high)
    words = f"Try on a few hundred requests of {lever.group}: {lever.does} (up to {most})."
    return _Step(lever.money, lever.sure, words)


def _unknown(found: Found) -> Iterator[_Step]:
    """Who waits for the dearest group of which nobody knows."""
    live = (group for group in found.groups if group.facts.requests or group.facts.aggregates)
    first = next((group for group in live if group.judged.waiting is Waiting.UNKNOWN), None)
    if first is None:
        return
    lanes = (one for one in found.levers if one.kind == "lane" and one.group == first.name)
    money = next((one.money for one in lanes), Money())
    yield _Step(
        money,
        "none",
        f"Find out who waits for {first.name}: log {'; '.join(first.judged.to_log[:3])}.",
    )
