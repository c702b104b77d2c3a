"""What happens when: events in the order of their time, and of their making where times are equal."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Agenda:
    """Virtual time. An action is called with the time for which it was set."""

    def __init__(self) -> None:
        self.now = 0.0
        self._made = 0
        self._events: list[tuple[float, int, Callable[[float], None]]] = []

    def at(self, when: float, action: Callable[[float], None]) -> None:
        """Set an action, for now at the earliest."""
        self._made += 1
        heappush(self._events, (max(when, self.now), self._made, action))

    def until(self, when: float) -> None:
        """Do everything that is due by then."""
        events = self._events
        while events and events[0][0] <= when:
            self.now, _, action = heappop(events)
            action(self.now)
        self.now = max(self.now, when) if when != float("inf") else self.now
