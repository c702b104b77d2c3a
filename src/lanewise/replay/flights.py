"""Batches and parcels that a provider has: they end, are reviewed, cancelled and rescued."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from lanewise.domain.lanes import BATCH, LaneName
from lanewise.policy.choosing import Ladder, Option
from lanewise.policy.rescuing import (
    Drain,
    Live,
    Load,
    Move,
    Stay,
    latest_starts,
    review,
    stuck,
)
from lanewise.replay.agenda import Agenda
from lanewise.replay.beliefs import Belief
from lanewise.replay.books import Books
from lanewise.replay.calls import Calls
from lanewise.replay.nouns import Sold
from lanewise.replay.worlds import Timing

Send = Callable[[tuple[LaneName, ...], Sequence[int], float], None]
_LOOK_AGAIN = 30.0  # after a new batch, all are looked at together within so many seconds


@dataclass(slots=True)
class Flight:
    """One batch or parcel; `timing` is None while it waits here for room."""

    load: Load
    sold: Sold
    option: Option
    which: Sequence[int]
    started_at: float
    timing: Timing | None = None
    cancelling_since: float | None = None
    start: float = inf  # the latest start of its rescue when it was last reviewed
    review_at: float = -inf
    ended_at: float = inf  # or when it was given up

    def live(self, now: float) -> Live:
        """As the policy sees it."""
        return Live(
            self.load,
            self.option,
            self.started_at,
            unsent=self.timing is None,
            cancelling_since=self.cancelling_since,
            stuck=self._stuck(now),
        )

    def _stuck(self, now: float) -> str | None:
        if self.timing is None or self.sold.offer.lane != BATCH:
            return None
        worked = self.started_at + self.timing.worked
        moving = now > self.started_at + self.timing.begins and self.timing.share > 0
        return stuck(
            Live(self.load, self.option, self.started_at),
            now,
            moved_at=min(now, worked) if moving else self.started_at,
            finalizing_since=worked if now > worked else None,
        )

    def due(self, start: float) -> float:
        """When it is to be reviewed, if its rescue must start by then: sooner if that has come nearer."""
        return self.review_at - max(self.start - start, 0.0) if self.start < inf else -inf


@dataclass(slots=True)
class Flights:
    """Everything that is not answered and not in a faster lane's queue."""

    agenda: Agenda
    books: Books
    calls: Calls
    belief: Belief
    faster: Callable[[Flight], Ladder | None]  # the lanes that its work may move to
    send: Send
    others: Callable[[], list[Load]]  # what is not at a provider and needs its place all the same
    ended: Callable[[Flight], None]
    learned: Callable[[], None]  # what is believed of a lane has changed
    live: dict[str, Flight] = field(default_factory=dict)
    log: list[Flight] = field(default_factory=list)  # all that were handed to the provider
    crowd: float = 0.0  # seconds by which work at hand makes a rescue begin sooner
    _next_look: float = inf

    def launch(self, flight: Flight, timing: Timing | None) -> None:
        """It is handed to the provider now, or waits for room in its queue."""
        now = self.agenda.now
        self.live[flight.load.id] = flight
        if timing is not None:
            flight.timing, flight.started_at = timing, now
            flight.start = inf
            self.log.append(flight)
            self.agenda.at(now + timing.ends, lambda at: self._end(flight, at))
        self.look_by(now + _LOOK_AGAIN)

    def look_by(self, when: float) -> None:
        """Review by then what is due."""
        if when < self._next_look:
            self._next_look = max(when, self.agenda.now)
            self.agenda.at(when, self._look)

    def starts(self) -> dict[str, float]:
        """The latest start of the rescue of each."""
        waiting = [flight.load for flight in self.live.values() if flight.load.deadline < inf]
        return latest_starts([*waiting, *self.others()], self.calls.drain())

    def _look(self, now: float) -> None:
        if now < self._next_look:  # an earlier look took this one's place
            return
        self._next_look = inf
        drain = self.calls.drain()
        starts = self.starts()
        again = inf
        self.crowd = 0.0
        for name, flight in list(self.live.items()):
            start = starts.get(name)
            if start is None:
                continue
            self.crowd = max(self.crowd, flight.load.deadline - start - drain.lead)
            if flight.due(start) <= now:
                flight.start = start
                self._review(flight, drain, now)
            if name in self.live:
                again = min(again, flight.due(start))
        if again < inf:
            self.look_by(max(again, now + 1.0))

    def _review(self, flight: Flight, drain: Drain, now: float) -> None:
        faster = self.faster(flight)
        if faster is None:
            flight.review_at = inf
            return
        match review(flight.live(now), faster, flight.start, drain, now):
            case Stay(until=until):
                flight.review_at = until
            case Move() as verdict:
                self._move(flight, verdict, now)

    def _move(self, flight: Flight, verdict: Move, now: float) -> None:
        if flight.timing is not None:
            self._learn(flight, now - flight.started_at, finished=False)
        if verdict.cancel and flight.timing is not None:
            flight.cancelling_since = now
            self.books.outcome.cancelled += 1
            lets_go = flight.timing.cancelled(now - flight.started_at)
            self.agenda.at(
                flight.started_at + lets_go, lambda at: self._let_go(flight, verdict.order, at)
            )
        if verdict.waits:
            flight.review_at = flight.start
        else:
            self._forget(flight)
            self._rescue(verdict.order, flight)

    def _let_go(self, flight: Flight, order: tuple[LaneName, ...], now: float) -> None:
        """The cancellation has ended: what was done is ours, the rest is sent."""
        assert flight.timing is not None
        since = flight.cancelling_since
        assert since is not None
        done = flight.timing.done(len(flight.which), since - flight.started_at)
        self.books.answer(flight.which[:done], flight.sold.offer.lane, now)
        if self._forget(flight):
            self._rescue(order, flight)

    def _rescue(self, order: tuple[LaneName, ...], flight: Flight) -> None:
        missing = self.books.missing(flight.which)
        self.books.outcome.rescued += len(missing)
        if missing:
            self.send(order, missing, flight.load.deadline)

    def _end(self, flight: Flight, now: float) -> None:
        """It ended by itself; results of one that was rescued beside it are paid for all the same."""
        assert flight.timing is not None
        if flight.cancelling_since is not None:
            return
        done = flight.timing.done(len(flight.which), flight.timing.ends)
        self.books.answer(flight.which[:done], flight.sold.offer.lane, now)
        self._learn(flight, now - flight.started_at, finished=done == len(flight.which))
        if self._forget(flight):
            self._rescue((), flight)

    def _learn(self, flight: Flight, seconds: float, *, finished: bool) -> None:
        if self.belief.saw(flight.sold.offer.lane, seconds, finished=finished):
            self.learned()

    def _forget(self, flight: Flight) -> bool:
        """No longer live; False where it was not any more."""
        found = self.live.pop(flight.load.id, None) is not None
        if found:
            flight.ended_at = self.agenda.now
            self.ended(flight)
        return found
