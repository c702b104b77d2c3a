"""Room in the provider's queue: tokens and requests not yet worked off, creations an hour.

What finds none waits here, and is let in by the lanes' own `lanewise.policy.quotas.admit`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from math import inf
from typing import Final

from lanewise.policy.quotas import ALL_MODELS, Quota, Unit, Wanting, admit
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
        self._inputs: dict[str, int] = {}  # tokens of each that is there, or held
        self._tokens = self._requests = 0
        self._served: Counter[str] = Counter()  # tokens of each workflow that are there
        self._held: dict[str, Flight] = {}

    def creations(self, now: float) -> float:
        """The share of the provider's creations per hour that is used up."""
        while self._created and self._created[0] <= now - _HOUR:
            self._created.popleft()
        return len(self._created) / self._menu.creations_per_hour

    def takes(self, flight: Flight) -> bool:
        """Whether the provider would take it now, before what is held."""
        admitted = self._admitted([*self._held.values(), flight])
        return any(one is flight for one in admitted)

    def took(self, flight: Flight) -> None:
        """It was created."""
        outcome, tokens = self._outcome, self._input(flight)
        self._tokens += tokens
        self._requests += len(flight.which)
        self._served[self._workflow(flight)] += tokens
        self._created.append(self._agenda.now)
        outcome.batches += 1
        outcome.most_created = max(outcome.most_created, len(self._created))
        outcome.most_tokens = max(outcome.most_tokens, self._tokens)
        outcome.most_requests = max(outcome.most_requests, self._requests)

    def hold(self, flight: Flight, depart: Callable[[Flight], None]) -> None:
        """It waits until it can `depart`."""
        if not self._held:
            self._agenda.at(self._agenda.now + _LOOK, lambda now: self._release(depart, now))
        self._held[flight.load.id] = flight
        self._outcome.most_held = max(self._outcome.most_held, len(self._held))

    def left(self, flight: Flight) -> None:
        """It ended or was given up, here or at the provider."""
        tokens = self._input(flight)
        del self._inputs[flight.load.id]
        if self._held.pop(flight.load.id, None) is None:
            self._tokens -= tokens
            self._requests -= len(flight.which)
            self._served[self._workflow(flight)] -= tokens

    def _release(self, depart: Callable[[Flight], None], now: float) -> None:
        for flight in self._admitted(list(self._held.values())):
            del self._held[flight.load.id]
            depart(flight)
        if self._held:
            self._agenda.at(now + _LOOK, lambda at: self._release(depart, at))

    def _admitted(self, flights: list[Flight]) -> list[Flight]:
        queue = [self._wanting(flight) for flight in flights]
        return admit(queue, self._quotas(), served=self._served)

    def _quotas(self) -> Iterator[Quota]:
        menu, now = self._menu, self._agenda.now
        self.creations(now)
        known = (
            (Unit.CREATIONS, menu.creations_per_hour, len(self._created)),
            (Unit.TOKENS, menu.queued_tokens, self._tokens),
            (Unit.REQUESTS, menu.queued_requests, self._requests),
        )
        return (
            Quota(ALL_MODELS, unit, limit, used) for unit, limit, used in known if limit is not None
        )

    def _wanting(self, flight: Flight) -> Wanting[Flight]:
        deadline = flight.load.deadline
        slack = None if deadline == inf else deadline - self._agenda.now
        tokens, requests = self._input(flight), len(flight.which)
        return Wanting(flight, self._menu.name, self._workflow(flight), slack, tokens, requests)

    def _workflow(self, flight: Flight) -> str:
        return self._arrivals.workflows[self._arrivals.workflow[flight.which[0]]]

    def _input(self, flight: Flight) -> int:
        known = self._inputs.get(flight.load.id)
        if known is None:
            known = self._inputs[flight.load.id] = self._arrivals.tokens(flight.which)[0]
        return known
