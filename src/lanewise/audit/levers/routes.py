"""The lever of dear models that do cheap work. Whether a smaller one does as well, only a trial tells."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from lanewise.audit.costing import listed_as
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.audit.statements import statements
from lanewise.pricing.names import stem

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Sold: TypeAlias = tuple[str, str]  # provider, model

_IDS: Final = (
    re.compile(r"^(gpt)-(?P<version>\d+(?:\.\d+)?o?)(?:-(?:mini|nano|luna|sol|terra|pro))?$"),
    re.compile(r"^(claude)-(?:opus|sonnet|haiku)-(?P<version>\d(?:-\d)?)$"),
    re.compile(r"^(gemini)-(?P<version>\d(?:\.\d)?)-(?:pro|flash|flash-lite)(?:-preview)?$"),
    re.compile(r"^(o)(?P<version>\d)(?:-mini|-pro)?$"),
)
_SHORT: Final = 64  # tokens, of an answer and of how answers spread
_LABELS: Final = 20
_RARE: Final = 0.2  # labels for each answer, at the most
_MOST: Final = 0.95  # of the answers are such labels
_ENOUGH: Final = 50  # requests
_LESS: Final = 60  # per cent of the price, at the most


@dataclass(frozen=True, slots=True)
class Answers:
    """What the answers of one group and model are like, those that failed left out."""

    told: int = (
        0  # whose length is known in tokens: half at most, 95 in 100 at most, how they spread
    )
    half: float = 0
    long: float = 0
    spread: float = 0  # standard deviation
    texts: int = (
        0  # whose text is known: how many there are, and how often the twenty commonest come
    )
    distinct: int = 0
    common: int = 0


class Kin(NamedTuple):
    """What an id says of its model's family."""

    family: str
    version: str


def gather(connection: DuckDBPyConnection) -> dict[int, dict[Sold, Answers]]:
    """By the id of the group. Needs `live`."""
    found: defaultdict[int, dict[Sold, Answers]] = defaultdict(dict)
    rows = connection.execute(statements("levers")["answers"], {"labels": _LABELS}).fetchall()
    for id_, provider, model, *values in rows:
        found[id_][provider, model] = Answers(*values)
    return found


def route(
    group: str, used: Sequence[Used], answers: Mapping[Sold, Answers], prices: Prices
) -> Lever | None:
    """What smaller models of the same families would save, at the most; None where no work is cheap."""
    now = best = requests = 0
    does: list[str] = []
    evidence: list[str] = []
    for one in used:
        shows = cheap_work(answers.get((one.provider, one.model), Answers()))
        cost, found = prices.cost(one), candidates(one, prices)
        if shows and cost and found:
            now, requests, best = now + cost, requests + one.requests, best + cost - found[-1][1]
            does.append(f"{one.model} -> {' or '.join(name for name, _ in found)}")
            evidence.append(shows)
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
        evidence=tuple(dict.fromkeys(evidence)),
        rests_on=(
            "the same tokens at the price of the cheapest of these; a model may need more of them",
            "verify with a trial: nothing here says that answers stay as good, or that what is asked is easy",
        ),
    )


def cheap_work(answers: Answers) -> str | None:
    """What shows that answers are few, or short and much alike in length, in words.

    >>> cheap_work(Answers(told=90, half=4, long=9, spread=3))
    '95 of 100 answers have at most 9 tokens, half of them at most 4'
    >>> cheap_work(Answers(told=90, half=4, long=9, spread=400))  # some are long
    """
    few = min(answers.distinct, _LABELS)
    if answers.texts >= _ENOUGH and few <= _RARE * answers.texts:
        if answers.distinct <= _LABELS:
            return f"{answers.texts:,} answers are among {answers.distinct:,}"
        if answers.common >= _MOST * answers.texts:
            share = answers.common / answers.texts
            return f"{share:.0%} of {answers.texts:,} answers are among {_LABELS}"
    if answers.told >= _ENOUGH and 0 < answers.long <= _SHORT and answers.spread <= _SHORT:
        return (
            f"95 of 100 answers have at most {answers.long:.0f} tokens, "
            f"half of them at most {answers.half:.0f}"
        )
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
