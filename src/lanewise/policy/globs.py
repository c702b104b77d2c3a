"""Patterns in which `*` stands for any text, and what two of them have in common."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(65_536)  # each pattern of a long policy meets all the others
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def fits(pattern: str, text: str) -> bool:
    """Whether a text is one that the pattern means.

    >>> fits("tickets*", "tickets-night"), fits("tickets*", "night-tickets")
    (True, False)
    """
    if "*" not in pattern:
        return pattern == text
    return pattern == "*" or _compiled(pattern).fullmatch(text) is not None


def holds(wide: str, narrow: str) -> bool:
    """Whether every text of the narrow pattern is one of the wide pattern.

    >>> holds("gpt-*", "gpt-5*"), holds("gpt-5*", "gpt-*"), holds("*", "*")
    (True, False, True)
    """
    return fits(
        wide, narrow
    )  # the star of `narrow` is a character that only a star of `wide` means


def meet(one: str, other: str) -> bool:
    """Whether some text is of both patterns.

    >>> meet("gpt-*", "*-mini"), meet("gpt-*", "claude-*")
    (True, False)
    """
    if "*" not in one:
        return fits(other, one)
    if "*" not in other:
        return fits(one, other)
    heads, tails = zip(
        *((p.partition("*")[0], p.rpartition("*")[2]) for p in (one, other)), strict=True
    )
    return _begins(*heads) and _begins(*(tail[::-1] for tail in tails))


def _begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
