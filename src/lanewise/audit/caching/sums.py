"""What a replay adds up: for each workflow, model, lane and price tier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from lanewise.pricing import Rates

RatesOf: TypeAlias = Callable[[str, str, str], Rates | None]  # of provider, model and lane


class Key(NamedTuple):
    """What is added up together. `tier` counts the long-context prices that a request is above."""

    workflow: str
    provider: str
    model: str
    lane: str
    tier: int


@dataclass(slots=True)
class Use:
    """What entries of one life would have given, in tokens."""

    read: int = 0
    written_shared: int = 0  # if no more is written than is read again before it expires
    written_whole: int = 0  # if every prompt is written to its end


@dataclass(slots=True)
class Sums:
    """Tokens, but for `requests` and `unlogged`, which count requests."""

    requests: int = 0
    input: int = 0
    repeated: dict[float, int] = field(default_factory=dict)  # by window in seconds
    uses: dict[str, Use] = field(default_factory=dict)  # by the name of the life
    unlogged: int = 0  # requests of which the log does not say what was cached
    cached: int = 0
    written_5m: int = 0
    written_1h: int = 0
    written_other: int = 0

    def add(self, other: Sums) -> None:
        """Part by part."""
        self.requests += other.requests
        self.input += other.input
        self.unlogged += other.unlogged
        self.cached += other.cached
        self.written_5m += other.written_5m
        self.written_1h += other.written_1h
        self.written_other += other.written_other
        for window, tokens in other.repeated.items():
            self.repeated[window] = self.repeated.get(window, 0) + tokens
        for name, use in other.uses.items():
            mine = self.uses.setdefault(name, Use())
            mine.read += use.read
            mine.written_shared += use.written_shared
            mine.written_whole += use.written_whole


Table: TypeAlias = Mapping[Key, Sums]


def tokens(table: Table) -> int:
    """All the input."""
    return sum(sums.input for sums in table.values())


def repeated(table: Table, window: float) -> int:
    """The tokens that repeat as a prefix within so many seconds."""
    return sum(sums.repeated.get(window, 0) for sums in table.values())


def total(tables: Iterable[Table]) -> dict[Key, Sums]:
    """The sum of several tables; they stay as they are."""
    summed: dict[Key, Sums] = {}
    for table in tables:
        for key, sums in table.items():
            summed.setdefault(key, Sums()).add(sums)
    return summed
