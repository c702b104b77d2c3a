"""Gathers the story of a request from the store, and works out what would have happened otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from lanewise.app.forecasting import completion, curve_of
from lanewise.app.story import Otherwise, Story, Try
from lanewise.domain.batches import Ending
from lanewise.domain.lanes import BATCH, REALTIME, LaneName
from lanewise.domain.results import Verdict
from lanewise.domain.usage import Usage
from lanewise.policy.completion import Completion
from lanewise.pricing import PriceBook
from lanewise.store.nouns import RequestTrace, Trace
from lanewise.store.protocol import Store
from lanewise.store.records import Record

_EVENTS: Final = 10_000  # of one batch or run: all of them
_BY_ITSELF: Final = (Ending.COMPLETED, Ending.EXPIRED)


def story_of(store: Store, book: Callable[[], PriceBook], trace: RequestTrace, now: float) -> Story:
    """Gather it. `book` is asked for only where something has a price."""
    prices = _Prices(store, book, trace)
    tries = tuple(
        Try(
            item,
            tuple(store.events(subject=item.batch.batch.id, limit=_EVENTS)),
            prices.waste(item),
        )
        for item in trace.tries
    )
    events = tuple(store.events(subject=trace.run.id, limit=_EVENTS))
    plain = Story(trace, tries, events, ())
    otherwise = _Alternatives(plain, prices, lambda: completion(store, now), now)
    return Story(trace, tries, events, tuple(otherwise.all()))


class _Model(msgspec.Struct, frozen=True):
    model: str = ""


class _Line(msgspec.Struct, frozen=True):
    body: _Model = _Model()
    params: _Model = _Model()


class _Prices:
    """What the tokens of this request cost in a lane, at the prices of a day."""

    def __init__(self, store: Store, book: Callable[[], PriceBook], trace: RequestTrace) -> None:
        self._store, self._book, self._trace = store, book, trace

    def cost(self, provider: str, lane: LaneName, usage: Usage, at: float) -> int | None:
        """Nano-USD; None where the price is not known."""
        when = datetime.fromtimestamp(at, UTC)
        pricer = self._book().pricer(provider, self._model(), when, lane)
        return None if pricer is None else pricer.cost(usage)

    def waste(self, item: Trace) -> int | None:
        """What an answer that came second cost."""
        if item.record is None or item.record.verdict != Verdict.SURPLUS:
            return None
        at = item.ended_at or item.batch.created_at
        return self.cost(item.batch.key.provider, item.batch.lane, item.record.usage, at)

    def _model(self) -> str:
        """The model that was asked; a packing key does not name it where a batch holds several."""
        line = self._store.line(self._trace.segment, self._trace.ordinal)
        found = msgspec.json.decode(line, type=_Line)
        return found.body.model or found.params.model


class _Alternatives:
    """What would have happened otherwise."""

    def __init__(
        self, story: Story, prices: _Prices, known: Callable[[], Completion], now: float
    ) -> None:
        self._story, self._prices, self._known, self._now = story, prices, known, now

    def all(self) -> Iterator[Otherwise]:
        """At once; left where it was; in the lane that was not taken."""
        answer, decision = self._story.answer, self._story.trace.decision
        waited = len(self._story.tries) > 1
        if answer is not None and (waited or answer.trace.batch.lane != REALTIME):
            record = _record(answer)
            cost = record.baseline_nano if record.priced else None
            basis = "the same tokens at the prices of real time"
            yield Otherwise("at_once", REALTIME, cost_nano=cost, known=True, basis=basis)
        for item in self._story.tries:
            if item.called_back_at is not None and item is not answer:
                yield self._left_alone(item, item.called_back_at)
        if decision is None or not self._story.tries:
            return
        lane = decision.wanted if decision.wanted != decision.lane else BATCH
        taken = {item.trace.batch.lane for item in self._story.tries}
        if lane in decision.lanes and lane not in taken:
            yield self._other_lane(lane)

    def _left_alone(self, item: Try, at: float) -> Otherwise:
        """The batch as it would have gone on, or as it did go on."""
        row = item.trace.batch
        cost = self._cost(row.lane)
        ended = item.trace.ended_at or next(
            (event.at for event in item.events if event.kind == "batch.ended"), None
        )
        if ended is not None and getattr(row.batch, "ending", None) in _BY_ITSELF:
            basis = "it went on, and ended"
            late = self._late(ended)
            lane, batch = row.lane, row.batch.id
            return Otherwise("left_alone", lane, batch, cost, ended, late, known=True, basis=basis)
        seen = self._now if row.rescued_at is not None and row.cancel_asked_at is None else at
        curve = curve_of(self._known(), row.key, row.lane, row.requests, row.created_at)
        curve = curve.given(max(seen - row.created_at, 0.0))
        due = self._story.deadline
        chance = None if due is None else curve.done_within(due - seen)
        receipt = getattr(row.batch, "receipt", None)
        latest = None if receipt is None else receipt.expires_at
        return Otherwise(
            "left_alone", row.lane, row.batch.id, cost, latest, chance=chance, basis=curve.basis
        )

    def _other_lane(self, lane: LaneName) -> Otherwise:
        first = self._story.tries[0].trace.batch
        accepted = self._story.trace.run.created_at
        curve = curve_of(self._known(), first.key, lane, first.requests, accepted)
        due = self._story.deadline
        chance = None if due is None else curve.done_within(due - accepted)
        return Otherwise(
            "other_lane", lane, cost_nano=self._cost(lane), chance=chance, basis=curve.basis
        )

    def _cost(self, lane: LaneName) -> int | None:
        answer = self._story.answer
        if answer is None or answer.settled_at is None:
            return None
        provider = answer.trace.batch.key.provider
        return self._prices.cost(provider, lane, _record(answer).usage, answer.settled_at)

    def _late(self, at: float) -> float | None:
        due = self._story.deadline
        return None if due is None else at - due


def _record(item: Try) -> Record:
    assert item.trace.record is not None, "what is answered has a record"
    return item.trace.record
