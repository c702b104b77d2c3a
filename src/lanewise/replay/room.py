"""Room in the provider's queue: tokens not yet worked off, creations an hour. What finds none waits here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final

from lanewise.policy.packing import Queued, order
from lanewise.replay.agenda import Agenda
from lanewise.replay.flights import Flight
from lanewise.replay.nouns import Arrivals, Menu, Outcome

_HOUR: Final = 3_600.0
_LOOK: Final = 30.0  # seconds between looks for room


class Room:
    """Batches leave as `depart` when there is room, by slack and workflow by workflow."""

    def __init__(self, arrivals: Arrivals, menu: Menu, agenda: Agenda, outcome: Outcome) -> None:
        self._arrivals, self._menu, self._agenda, self._outcome = arrivals, menu, agenda, outcome
        self._created: deque[float] = deque()
        self._tokens = 0
        self._held: list[Flight] = []

    def creations(self, now: float) -> float:
        """The share of the provider's creations per hour that is used up."""
        while self._created and self._created[0] <= now - _HOUR:
            self._created.popleft()
        return len(self._created) / self._menu.creations_per_hour

    def takes(self, flight: Flight) -> bool:
        """Whether the provider would take it now."""
        quota = self._menu.queued_tokens
        room = quota is None or self._tokens + self._input(flight) <= quota
        return room and self.creations(self._agenda.now) < 1.0

    def took(self, flight: Flight) -> None:
        """It was created."""
        self._tokens += self._input(flight)
        self._created.append(self._agenda.now)
        self._outcome.batches += 1
        self._outcome.most_created = max(self._outcome.most_created, len(self._created))

    def hold(self, flight: Flight, depart: Callable[[Flight], None]) -> None:
        """It waits until it can `depart`."""
        if not self._held:
            self._agenda.at(self._agenda.now + _LOOK, lambda now: self._release(depart, now))
        self._held.append(flight)
        self._outcome.most_held = max(self._outcome.most_held, len(self._held))

    def left(self, flight: Flight) -> None:
        """It ended or was given up, here or at the provider."""
        if flight in self._held:
            self._held.remove(flight)
        else:
            self._tokens -= self._input(flight)

    def _release(self, depart: Callable[[Flight], None], now: float) -> None:
        queue = [
            Queued(one, self._workflow(one), _slack(one, now), one.load.tokens)
            for one in self._held
        ]
        for queued in order(queue):
            if not self.takes(queued.what):
                break
            self._held.remove(queued.what)
            depart(queued.what)
        if self._held:
            self._agenda.at(now + _LOOK, lambda at: self._release(depart, at))

    def _workflow(self, flight: Flight) -> str:
        return self._arrivals.workflows[self._arrivals.workflow[flight.which[0]]]

    def _input(self, flight: Flight) -> int:
        return self._arrivals.tokens(flight.which)[0]


def _slack(flight: Flight, now: float) -> float | None:
    deadline = flight.load.deadline
    return None if deadline == inf else deadline - now
