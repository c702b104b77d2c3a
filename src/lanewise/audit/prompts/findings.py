"""What was found about how a workflow's prompts are made, and what that is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from lanewise.audit.money import Money
from lanewise.pricing.arithmetic import PICO_PER_NANO, Vector, divide

Count: TypeAlias = Callable[[str], int]  # the tokens of a text


class Worth(StrEnum):
    """What becomes of the tokens of a finding."""

    READ = "read"  # they could be read from the cache
    GONE = "gone"  # they would not be sent at all, whatever the answers
    TRIAL = "trial"  # they might not be needed: only a trial tells
    BOUND = "bound"  # nothing is saved; it bounds what could be spent


class Text(NamedTuple):
    """The prompt of one request and its input tokens, as logged or counted."""

    text: str
    tokens: int

    def part(self, characters: int) -> int:
        """The tokens of so many of its characters, taken to be equally dense."""
        return characters * self.tokens // len(self.text) if self.text else 0


@dataclass(frozen=True, slots=True)
class Finding:
    """Over the requests of one workflow that were looked at; `tokens` is of all those affected together."""

    kind: str
    says: str  # in a sentence, without any of the prompts' own text
    requests: int  # looked at
    affected: int
    input: int  # tokens of those looked at
    tokens: int
    worth: Worth

    @property
    def share(self) -> float:
        """Of the requests."""
        return self.affected / self.requests if self.requests else 0.0

    def money(self, prices: Vector, requests: int) -> Money:
        """What it is worth in `requests` of the workflow, those of a month say, at these prices.

        What could be read saves the difference to a read at the most, and nothing at the least: whether
        requests come while an entry lives is for the replay to tell. What would be gone saves at the least
        what a read costs, since it may be read from a cache today. What only a trial tells may be worth
        nothing.

        >>> prices = Vector(3_000_000, 300_000, 3_750_000, 6_000_000, 3_750_000, 15_000_000)
        >>> found = Finding("pretty JSON", "", 10, 5, 9_000, 1_000, Worth.GONE)
        >>> found.money(prices, 1_000)
        Money(low=30000000, high=300000000)
        """
        if not self.requests:
            return Money()
        low, high = {
            Worth.READ: (0, prices.input - prices.cache_read),
            Worth.GONE: (prices.cache_read, prices.input),
            Worth.TRIAL: (0, prices.input),
            Worth.BOUND: (0, 0),
        }[self.worth]
        scale = self.requests * PICO_PER_NANO
        return Money(*(divide(self.tokens * price * requests, scale) for price in (low, high)))


def common_beginning(one: str, other: str) -> int:
    """How many characters two texts begin with alike.

    >>> common_beginning("abcd", "abxd")
    2
    """
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low


def neighbours(texts: Sequence[Text]) -> list[tuple[Text, Text]]:
    """Each text beside the one before it, those that are the same left out."""
    return [(one, other) for one, other in pairwise(texts) if one.text != other.text]
