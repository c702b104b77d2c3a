"""The sums of the requests for one model at one endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from lanewise.domain.lanes import LaneName
from lanewise.pricing import Resolved
from lanewise.tokens.measuring import Measured, OutputFrom, Range, Subject
from lanewise.tokens.packs import Filling

_WINDOW: Final = 256  # counted requests after which those before weigh half
Cell: TypeAlias = tuple[int, int]  # price tier, minutes of caching asked for


@dataclass(slots=True)
class Window:
    """The latest counted requests, the older the less: what those in between are taken to be like."""

    requests: int = 0
    bytes: int = 0
    input: list[int] = field(default_factory=lambda: [0, 0, 0])
    output: list[int] = field(default_factory=lambda: [0, 0, 0])

    def add(self, size: int, measured: Measured) -> None:
        """Take a counted request in."""
        if self.requests >= _WINDOW:
            self.requests //= 2
            self.bytes //= 2
            self.input = [tokens // 2 for tokens in self.input]
            self.output = [tokens // 2 for tokens in self.output]
        self.requests += 1
        self.bytes += size
        for place in range(3):
            self.input[place] += measured.input[place]
            self.output[place] += measured.output[place]

    def like(self, size: int) -> tuple[Range, Range]:
        """Input and output of a request of `size` bytes: input by its bytes, output as the mean."""
        total, count = max(self.bytes, 1), max(self.requests, 1)
        taken = Range(*((tokens * size + total // 2) // total for tokens in self.input))
        return taken, Range(*((tokens + count // 2) // count for tokens in self.output))


@dataclass(slots=True)
class Sums:
    """Token sums at the least, likely and at the most; `cells` keeps them apart by what they cost."""

    provider: str
    subject: Subject
    prices: Mapping[LaneName, Resolved]
    starts: tuple[int, ...]  # where long-context prices begin, ascending
    filling: Filling
    requests: int = 0
    counted: int = 0
    bytes: int = 0
    input: list[int] = field(default_factory=lambda: [0, 0, 0])
    output: list[int] = field(default_factory=lambda: [0, 0, 0])
    cells: tuple[dict[Cell, list[int]], ...] = field(default_factory=lambda: ({}, {}, {}))
    output_from: dict[OutputFrom, int] = field(default_factory=dict)  # counted requests
    parts: dict[str, int] = field(default_factory=dict)
    window: Window = field(default_factory=Window)

    def count(self, size: int, measured: Measured) -> None:
        """Note what a counted request rests on, and what it teaches about its neighbours."""
        self.counted += 1
        self.window.add(size, measured)
        source = measured.output_from
        self.output_from[source] = self.output_from.get(source, 0) + 1
        for part, count in measured.parts.items():
            self.parts[part] = self.parts.get(part, 0) + count

    def book(self, taken: Range, given: Range, writes: int) -> None:
        """Add tokens of one request. Prices depend on its own size, so sums are kept by tier."""
        for place, cells in enumerate(self.cells):
            tokens, output = taken[place], given[place]
            self.input[place] += tokens
            self.output[place] += output
            tier = 0
            for start in self.starts:
                tier += tokens > start
            cell = cells.get((tier, writes))
            if cell is None:
                cells[tier, writes] = [tokens, output]
            else:
                cell[0] += tokens
                cell[1] += output
