"""The class of a group from its signs, how sure that is, and what to log where it is not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lanewise.audit.waiting.facts import Facts
from lanewise.audit.waiting.kinds import (
    ALSO_OF_SERVING,
    CHAINED,
    NAMED,
    OF_THE_START,
    SERVING_MOST,
    Kind,
    Sign,
    Waiting,
)
from lanewise.audit.waiting.signs import ALL

HIGH: Final = 0.9
MEDIUM: Final = 0.75
_MOST_SURE: Final = 0.97
_NOT_HIGH: Final = 0.85
_STRONG: Final = 2.0  # a scheduler's clock, or many at once
_FAIR: Final = 1.0  # that somebody waits may be said more easily: nothing is moved then
_AGAINST: Final = 0.5  # more than this against it, and a name with a job's account is not enough
_FEW: Final = 20  # requests; below, nothing is said with high confidence
_TOO_FEW: Final = 5


@dataclass(frozen=True, slots=True)
class Judged:
    """Who waits, and why that is thought.

    `confidence` is between 0 and 1 and ranks; it is not a measured frequency.
    """

    waiting: Waiting
    confidence: float
    evidence: tuple[str, ...]  # that speaks for it, the strongest first
    against: tuple[str, ...] = ()
    to_log: tuple[str, ...] = ()  # what would settle it

    @property
    def level(self) -> str:
        """The confidence in a word."""
        if self.waiting is Waiting.UNKNOWN:
            return "none"
        return "high" if self.confidence >= HIGH else "medium"


def judge(facts: Facts) -> Judged:
    """Weigh all signs. What is not at least three to one for a class is unknown.

    >>> judge(Facts()).waiting
    <Waiting.UNKNOWN: 'unknown'>
    >>> judge(Facts(requests=90, stream_told=90, streamed=90)).level
    'medium'
    """
    signs = [sign for look in ALL for sign in look(facts)] if facts.requests >= _TOO_FEW else []
    weighed = _weighed(signs)
    waiting, margin = _best(weighed)
    confidence = min(1 / (1 + math.exp(-margin)), _MOST_SURE, _bound(waiting, weighed, facts))
    mine = [sign for sign in signs if _alike(sign.towards, waiting)]
    if confidence < MEDIUM or all(sign.kind in NAMED for sign in mine):
        return Judged(Waiting.UNKNOWN, 0.0, _said(signs), (), tuple(_to_log(facts)))
    others = [sign for sign in signs if not _alike(sign.towards, waiting)]
    to_log = tuple(_to_log(facts)) if confidence < HIGH else ()
    return Judged(waiting, round(confidence, 2), _said(mine), _said(others), to_log)


def _weighed(signs: list[Sign]) -> list[Sign]:
    """Of a chain of steps not those that tell of its start: each waits for the one before, by night too."""
    chained = any(sign.kind in CHAINED for sign in signs)
    return [sign for sign in signs if not (chained and sign.kind in OF_THE_START)]


def _best(signs: list[Sign]) -> tuple[Waiting, float]:
    """The class, and by how much somebody waits rather than nobody, or the other way round."""
    scores = dict.fromkeys(Waiting, 0.0)
    for sign in signs:
        scores[sign.towards] += sign.weight
    serving = sum(sign.weight for sign in signs if sign.kind in ALSO_OF_SERVING)
    scores[Waiting.BACKGROUND] -= max(serving - SERVING_MOST, 0.0)
    waits = max(Waiting.INTERACTIVE, Waiting.BLOCKING, key=lambda one: scores[one])
    waited = scores[Waiting.INTERACTIVE] + scores[Waiting.BLOCKING]
    margin = waited - scores[Waiting.BACKGROUND]
    return (waits, margin) if margin > 0 else (Waiting.BACKGROUND, -margin)


def _bound(waiting: Waiting, signs: list[Sign], facts: Facts) -> float:
    """The most that can be claimed; for a high confidence more than a name and weak signs."""
    mine = [sign for sign in signs if _alike(sign.towards, waiting)]
    strongest = max((sign.weight for sign in mine if sign.kind not in NAMED), default=0.0)
    if waiting is Waiting.BACKGROUND:
        telling = any(sign.kind not in ALSO_OF_SERVING for sign in mine)
        if 2 * facts.timed < facts.requests or not telling:
            return 0.0
        high = strongest >= _STRONG or _agreed(signs)
    else:
        high = strongest >= _FAIR
    return 1.0 if high and facts.requests >= _FEW else _NOT_HIGH


def _agreed(signs: list[Sign]) -> bool:
    """Its team calls it so, what works off a list asks, and next to nothing is against it.

    The account of a service is not enough: what a button or a check in front of a chat asks has one too.
    """
    kinds = {sign.kind for sign in signs}
    against = sum(sign.weight for sign in signs if sign.towards is not Waiting.BACKGROUND)
    by_job = kinds & {Kind.JOBS, Kind.JOB_CLIENT}
    return Kind.NAMED_FOR_NOBODY in kinds and bool(by_job) and against <= _AGAINST


def _alike(one: Waiting, other: Waiting) -> bool:
    return (one is Waiting.BACKGROUND) == (other is Waiting.BACKGROUND)


def _said(signs: list[Sign]) -> tuple[str, ...]:
    return tuple(sign.says for sign in sorted(signs, key=lambda sign: -sign.weight))


def _to_log(facts: Facts) -> Iterator[str]:
    """What this group's requests do not say, what helps most first."""
    if facts.aggregates and not facts.requests:
        yield "single requests rather than buckets"
    if facts.requests and facts.requests < _FEW:
        yield f"{_FEW} requests or more (there are {facts.requests:,} here)"
    if not facts.name:
        yield "the workflow, as a tag or in the metadata"
    for told, words in (
        (facts.stream_told, "whether answers are streamed"),
        (facts.timed, "when requests came"),
        (facts.in_session, "the session or conversation"),
        (facts.callers_told, "who asks: the user or the service"),
    ):
        if 2 * told <= facts.requests:
            yield words
    yield "ask those who run it whether anybody waits for the answers"
