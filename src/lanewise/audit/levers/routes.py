"""The lever of dear models that do cheap work. Whether a smaller one does as well, only a trial tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from lanewise.audit.costing import listed_as
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.audit.waiting import Facts
from lanewise.pricing.names import stem

_IDS: Final = (
    re.compile(r"^(gpt)-(?P<version>\d+(?:\.\d+)?o?)(?:-(?:mini|nano|luna|sol|terra|pro))?$"),
    re.compile(r"^(claude)-(?:opus|sonnet|haiku)-(?P<version>\d(?:-\d)?)$"),
    re.compile(r"^(gemini)-(?P<version>\d(?:\.\d)?)-(?:pro|flash|flash-lite)(?:-preview)?$"),
    re.compile(r"^(o)(?P<version>\d)(?:-mini|-pro)?$"),
)
_SHORT: Final = 64  # tokens
_LABELS: Final = 20
_ENOUGH: Final = 50  # requests
_LESS: Final = 60  # per cent of the price, at the most


class Kin(NamedTuple):
    """What an id says of its model's family."""

    family: str
    version: str


def route(group: str, used: Sequence[Used], facts: Facts, prices: Prices) -> Lever | None:
    """What smaller models of the same families would save, at the most; None where answers are long."""
    evidence = cheap_work(facts)
    if evidence is None:
        return None
    now = best = requests = 0
    does: list[str] = []
    for one in used:
        cost = prices.cost(one)
        found = candidates(one, prices)
        if cost and found:
            now, requests, best = now + cost, requests + one.requests, best + cost - found[-1][1]
            does.append(f"{one.model} -> {' or '.join(name for name, _ in found)}")
    if not best:
        return None
    return Lever(
        kind="route",
        group=group,
        does="; ".join(dict.fromkeys(does)),
        requests=requests,
        now=now,
        money=Money(0, best),
        sure="trial",
        evidence=(evidence,),
        rests_on=(
            "the same tokens at the price of the cheapest of these; a model may need more of them",
            "verify with a trial: nothing here says that the answers stay as good",
        ),
    )


def cheap_work(facts: Facts) -> str | None:
    """What shows that answers are short or few, in words."""
    if facts.answers >= _ENOUGH and facts.distinct_answers <= min(_LABELS, 0.2 * facts.answers):
        return f"{facts.answers:,} answers are among {facts.distinct_answers:,}"
    if facts.output_told >= _ENOUGH and 0 < facts.long_output <= _SHORT:
        return f"95 of 100 answers have at most {facts.long_output:.0f} tokens"
    return None


def candidates(used: Used, prices: Prices) -> list[tuple[str, int]]:
    """Cheaper models of the same family, at most two, the dearest first, with what they would have cost.

    Of the same version where there are any, else of the newest of the same major version.
    """
    seller, model, _ = listed_as(used.provider, used.model)
    mine, now = kin(model), prices.cost(used)
    if mine is None or not now:
        return []
    alike = {name: found for name in prices.book.models(seller) if (found := kin(name))}
    family = {name: found for name, found in alike.items() if _related(found, mine)}
    costs = {name: prices.cost(used, model=name) for name in family}
    cheap = {name: cost for name, cost in costs.items() if cost and 100 * cost <= _LESS * now}
    same = {name for name in cheap if family[name].version == mine.version}
    newest = max((family[name].version for name in cheap), default="")
    chosen = same or {name for name in cheap if family[name].version == newest}
    ranked = sorted(((name, cheap[name]) for name in chosen), key=lambda pair: (-pair[1], pair[0]))
    return ranked if len(ranked) < 3 else [ranked[0], ranked[-1]]


def kin(model: str) -> Kin | None:
    """The family and version of a model; None of an id of another form.

    >>> kin("gpt-5-mini"), kin("claude-haiku-4-5-20251001"), kin("gpt-image-1")
    (Kin(family='gpt', version='5'), Kin(family='claude', version='4-5'), None)
    """
    found = (pattern.match(stem(model)) for pattern in _IDS)
    return next((Kin(match[1], match["version"]) for match in found if match), None)


def _related(one: Kin, other: Kin) -> bool:
    return one.family == other.family and one.version[:1] == other.version[:1]
