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
_DENSEST: Final = 2  # more tokens than this no byte has, by any ratio
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

    def like(self, requests: int, size: int) -> tuple[Range, Range]:
        """Input and output of requests of `size` bytes in all: by the byte, and by the request."""
        total, count = max(self.bytes, 1), max(self.requests, 1)
        taken = Range(*((tokens * size + total // 2) // total for tokens in self.input))
        return taken, Range(*((tokens * requests + count // 2) // count for tokens in self.output))


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
    schemas: int = 0
    window: Window = field(default_factory=Window)
    pending: tuple[int, int] = (0, 0)  # requests and bytes that are like the window, not booked yet

    def guess(self, size: int, writes: int) -> None:
        """Take a request for like those counted around it; a long one is looked at by itself."""
        if writes or (self.starts and size * _DENSEST > self.starts[0]):
            self.book(*self.window.like(1, size), writes)
        else:
            requests, total = self.pending
            self.pending = requests + 1, total + size

    def settle(self) -> None:
        """Book what is pending, before the window moves on."""
        requests, size = self.pending
        if requests:
            self.pending = (0, 0)
            taken, given = self.window.like(requests, size)
            self._book(taken, given, (0, 0, 0), 0)

    def count(self, size: int, measured: Measured) -> None:
        """Note what a counted request rests on, and what it teaches about its neighbours."""
        self.settle()
        self.counted += 1
        self.schemas += measured.schemas
        self.window.add(size, measured)
        source = measured.output_from
        self.output_from[source] = self.output_from.get(source, 0) + 1
        for part, count in measured.parts.items():
            self.parts[part] = self.parts.get(part, 0) + count

    def book(self, taken: Range, given: Range, writes: int) -> None:
        """Add tokens of one request. Prices depend on its own size, so sums are kept by tier."""
        tiers = (0, 0, 0)
        if self.starts and taken.high > self.starts[0]:
            low, likely, high = (sum(tokens > start for start in self.starts) for tokens in taken)
            tiers = low, likely, high
        self._book(taken, given, tiers, writes)

    def _book(self, taken: Range, given: Range, tiers: tuple[int, int, int], writes: int) -> None:
        for place, cells in enumerate(self.cells):
            tokens, output = taken[place], given[place]
            self.input[place] += tokens
            self.output[place] += output
            cell = cells.get((tiers[place], writes))
            if cell is None:
                cells[tiers[place], writes] = [tokens, output]
            else:
                cell[0] += tokens
                cell[1] += output
