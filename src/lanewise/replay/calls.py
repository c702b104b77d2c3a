"""Calls answered on the connection: what is due first is sent first, at the rate that the limits allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

from lanewise.domain.lanes import FLEX, LaneName
from lanewise.policy.rescuing import Drain, Load
from lanewise.replay.agenda import Agenda
from lanewise.replay.books import Books
from lanewise.replay.nouns import Arrivals, Menu

_PIECE: Final = 5.0  # seconds of sending after which something more urgent may go first
MARGIN: Final = 30.0  # kept free before every deadline
_FLEX_SECONDS: Final = 300.0
FLEX_CALL: Final = 600.0  # one flex call, at a high quantile


@dataclass(slots=True)
class _Group:
    deadline: float
    requests: int
    tokens: int


class Calls:
    """All work on one model's real-time limits, flex included."""

    def __init__(self, arrivals: Arrivals, menu: Menu, agenda: Agenda, books: Books) -> None:
        self._arrivals, self._menu, self._agenda, self._books = arrivals, menu, agenda, books
        self._queue: list[tuple[float, int, int, LaneName, Sequence[int], int]] = []
        self._groups: dict[int, _Group] = {}
        self._made = 0
        self._busy = False
        self._waiting = 0

    def drain(self) -> Drain:
        """What the limits allow and what has its place already."""
        menu = self._menu
        committed = tuple(
            Load(f"~{number:09}", group.deadline, group.requests, group.tokens)
            for number, group in self._groups.items()
        )
        return Drain(
            menu.requests_per_second,
            menu.tokens_per_second,
            menu.call_seconds,
            MARGIN,
            committed=committed,
        )

    @property
    def lead(self) -> float:
        """Seconds before its deadline at which a request must be sent."""
        return MARGIN + self._menu.call_seconds

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not self._busy

    def wait(self) -> float:
        """Seconds of sending that are queued."""
        requests = sum(group.requests for group in self._groups.values())
        tokens = sum(group.tokens for group in self._groups.values())
        return self._seconds(requests, tokens)

    def send(self, lane: LaneName, which: Sequence[int], deadline: float) -> None:
        """Send these one by one."""
        self._made += 1
        group = self._made
        tokens = sum(self._arrivals.tokens(which))
        self._groups[group] = _Group(deadline, len(which), tokens)
        pieces = max(int(self._seconds(len(which), tokens) / _PIECE), 1)
        size = -(-len(which) // pieces)
        for first in range(0, len(which), size):
            piece = which[first : first + size]
            tokens = sum(self._arrivals.tokens(piece))
            heappush(self._queue, (deadline, self._made, group, lane, piece, tokens))
            self._made += 1
        self._waiting += len(which)
        self._books.outcome.most_queued = max(self._books.outcome.most_queued, self._waiting)
        if not self._busy:
            self._next(self._agenda.now)

    def _seconds(self, requests: int, tokens: int) -> float:
        menu = self._menu
        return max(requests / menu.requests_per_second, tokens / menu.tokens_per_second)

    def _next(self, now: float) -> None:
        self._busy = bool(self._queue)
        if not self._busy:
            return
        _, _, number, lane, piece, tokens = heappop(self._queue)
        sent = now + self._seconds(len(piece), tokens)
        group = self._groups[number]
        group.requests -= len(piece)
        group.tokens -= tokens
        if group.requests == 0:
            del self._groups[number]
        self._waiting -= len(piece)
        seconds = _FLEX_SECONDS if lane == FLEX else self._menu.call_seconds
        self._books.answer(piece, lane, sent + seconds)
        self._agenda.at(sent, self._next)
