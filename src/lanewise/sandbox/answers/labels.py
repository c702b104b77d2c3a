"""Find the labels a prompt allows, and choose those that fit a text best."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from math import log1p, sqrt

from lanewise.sandbox.answers.lexicon import HINTS
from lanewise.sandbox.answers.text import STOPWORDS, WORD, stem

_NOUN = r"(?:labels?|categor(?:y|ies)|tags?|class(?:es)?|options?|topics?|intents?|values?|choices?|genres?)"
_ITEM = r"[\"'`*]*[\w&/+ .-]{1,40}[\"'`*]*"
_LISTED = re.compile(
    rf"(?:{_NOUN}|\bone of|\bamong|\bfrom(?: the)?(?: fixed| following)? list)[^:\n\[]{{0,60}}[:\[][\s\[]*"
    rf"((?:{_ITEM}\s*[,;|]\s*(?:and\s+|or\s+)?)+{_ITEM})",
    re.IGNORECASE,
)
_INLINE = re.compile(
    r"\b(?:as|one of|into|either|with|whether (?:it|this|the \w+) is)\s+(?:one of\s+|either\s+|being\s+)?"
    r"((?:[\"'`]?[\w-]+[\"'`]?,\s+)*[\"'`]?[\w-]+[\"'`]?,?\s+or\s+[\"'`]?[\w-]+[\"'`]?)",
    re.IGNORECASE,
)
_BULLETS = re.compile(
    rf"(?:{_NOUN}|one of)[^\n]{{0,80}}:[ \t]*\n+((?:[ \t]*(?:[-*•]|\d+[.)])[ \t]*[^\n]+\n?){{2,}})",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"\s*[,;|]\s*(?:and\s+|or\s+)?|\s+(?:or|and)\s+|\n")
_EDGE = re.compile(r"^[\s\-*•\"'`(\[]*(?:\d+[.)]\s*)?[\"'`*]*|[\"'`*)\].\s]+$")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MANY = re.compile(
    r"\b(?:up to|at most|max(?:imum)?(?: of)?|between \w+ and|\w+ to)\s+(\w+)\s+(?:\w+\s+)?"
    + _NOUN,
    re.IGNORECASE,
)
_PLURAL = re.compile(
    r"\b(?:tags|labels|all that apply|categories that apply|multiple)\b", re.IGNORECASE
)
_SINGLE = re.compile(
    r"\b(?:one of|exactly one|a single|one (?:label|category|word)|classify)\b", re.IGNORECASE
)
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}
# words that occur in texts of any kind and so say little
_COMMON = "data file time system structure type read write open close word line case form"
_VAGUE = frozenset(map(stem, _COMMON.split()))
_FALLBACKS = ("other", "others", "misc", "miscellaneous", "none", "neutral", "unknown", "general")


@lru_cache(maxsize=512)
def labels_in(instructions: str) -> tuple[str, ...]:
    """The labels that instructions list, in their order and spelling; none found is ()."""
    bulleted = _BULLETS.search(instructions)
    if bulleted:
        return _clean(line.split(":", 1)[0] for line in bulleted[1].splitlines())
    for pattern in (_LISTED, _INLINE):
        found = pattern.search(instructions)
        if found:
            return _clean(_SPLIT.split(found[1]))
    return ()


def _clean(items: Iterable[str]) -> tuple[str, ...]:
    names = (_EDGE.sub("", item) for item in items)
    return tuple(dict.fromkeys(name for name in names if name))


@lru_cache(maxsize=512)
def how_many(instructions: str) -> int:
    """How many labels instructions ask for at most: "up to three tags" is 3; one by default."""
    counted = _MANY.search(instructions)
    if counted:
        number = counted[1].lower()
        return _NUMBERS.get(number) or (int(number) if number.isdecimal() else 3)
    plural = _PLURAL.search(instructions) and not _SINGLE.search(instructions)
    return 3 if plural else 1


@lru_cache(maxsize=4096)
def _clues(label: str) -> tuple[frozenset[str], frozenset[str]]:
    """The stems of a label's own words, and those of words that speak for them."""
    spaced = WORD.findall(_CAMEL.sub(" ", label).lower())
    own = {stem(word) for word in spaced if word not in STOPWORDS or len(spaced) == 1}
    hinted = {stem(hint) for word in own for hint in HINTS.get(word, ())}
    return frozenset(own), frozenset(hinted - own)


def fit(label: str, bag: Counter[str]) -> float:
    """How well a label fits a bag of stems; 0 when nothing speaks for it."""
    own, hinted = _clues(label)
    named = [_weight(clue, bag) for clue in own if clue in bag]
    meant = sum(_weight(clue, bag) for clue in hinted if clue in bag)
    share = len(named) / (max(len(own), 1) * sqrt(max(len(own), 1)))
    return sum(named) * share + min(meant, 4.5) / 3.0


def _weight(clue: str, bag: Counter[str]) -> float:
    return log1p(bag[clue]) * (0.35 if clue in _VAGUE else 1.0)


def choose(
    labels: tuple[str, ...], bag: Counter[str], at_most: int, at_least: int = 1
) -> list[str]:
    """The best fitting labels, best first; without any evidence, the catch-all or the first."""
    scored = sorted(
        ((fit(label, bag), -place, label) for place, label in enumerate(labels)), reverse=True
    )
    best = scored[0][0] if scored else 0.0
    fitting = [label for score, _, label in scored if score > 0.3 * best][:at_most]
    ranked = fitting if best > 0 else _catch_all(labels)[:at_most]
    rest = (label for _, _, label in scored if label not in ranked)
    return ranked + [label for label, _ in zip(rest, range(at_least - len(ranked)), strict=False)]


def _catch_all(labels: tuple[str, ...]) -> list[str]:
    return [label for label in labels if label.lower() in _FALLBACKS][:1] or list(labels[:1])
