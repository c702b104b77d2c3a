"""What was found about how a workflow's prompts are made, and what that is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple, TypeAlias

Count: TypeAlias = Callable[[str], int]  # the tokens of a text


class Worth(StrEnum):
    """What becomes of the tokens of a finding."""

    READ = "read"  # they could be read from the cache
    GONE = "gone"  # they would not be sent at all, and what is said stays the same
    TRIAL = "trial"  # they might not be needed: only a trial tells


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
    does: str  # what to change
    says: str  # what was seen, without any of the prompts' own text
    requests: int  # looked at
    affected: int
    input: int  # tokens of those looked at
    tokens: int
    worth: Worth
    trial: bool = False  # whether answers may change


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
