"""What would have happened to a request otherwise: at once, left where it was, in another lane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from lanewise.app.estimating import estimator
from lanewise.app.forecasting import completion, curve_of
from lanewise.app.story import Otherwise, Story, Try
from lanewise.domain.batches import Ending
from lanewise.domain.decisions import Decision
from lanewise.domain.lanes import BATCH, HELD, REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.intake import Accepted, ReadOptions, read
from lanewise.lanes.menus import opening
from lanewise.policy.completion import Completion
from lanewise.pricing import PriceBook
from lanewise.store.nouns import RequestTrace
from lanewise.store.protocol import Store
from lanewise.store.records import Record

_BY_ITSELF: Final = (Ending.COMPLETED, Ending.EXPIRED)
_SURE: Final = 0.9  # by when so many of its like are done is told where there is no deadline
_SAME: Final = "the same tokens at the prices of real time"
_ESTIMATED: Final = "its tokens as they are estimated"
_REFUSED: Final = "the provider refused the request, not its lane"


def alternatives(
    store: Store, book: Callable[[], PriceBook], story: Story, now: float
) -> Iterator[Otherwise]:
    """At least one of every request. `book` is asked only for what has a price."""
    found = _Alternatives(store, _Prices(store, book, story.trace), story, now)
    yield from found.all()


class _Model(msgspec.Struct, frozen=True):
    model: str = ""


class _Line(msgspec.Struct, frozen=True):
    body: _Model = _Model()
    params: _Model = _Model()


class _Prices:
    """What this request costs in a lane, in nano-USD; None where that is not known."""

    def __init__(self, store: Store, book: Callable[[], PriceBook], trace: RequestTrace) -> None:
        self._line = store.line(trace.segment, trace.ordinal)
        self._book, self._accepted_at = book, trace.run.created_at

    def cost(self, provider: str, lane: LaneName, usage: Usage, at: float) -> int | None:
        """Of these tokens, at the prices of a day."""
        found = msgspec.json.decode(self._line, type=_Line)
        # a packing key does not name the model where a batch holds several
        model = found.body.model or found.params.model
        pricer = self._book().pricer(provider, model, datetime.fromtimestamp(at, UTC), lane)
        return None if pricer is None else pricer.cost(usage)

    def likely(self, lane: LaneName) -> int | None:
        """Of what has no answer: by an estimate of its tokens, on the day it was accepted."""
        taking = estimator(self._book(), datetime.fromtimestamp(self._accepted_at, UTC))
        for request in read([[self._line]], ReadOptions()):
            if isinstance(request, Accepted):
                taking.add(request)
        costs = [group.cost(lane) for group in taking.finish().groups]
        return next((cost.likely for cost in costs if cost is not None), None)


class _Alternatives:
    def __init__(self, store: Store, prices: _Prices, story: Story, now: float) -> None:
        self._story, self._prices, self._now = story, prices, now
        self._store = store
        self._decision = story.trace.decision
        tried = {item.trace.batch.lane for item in story.tries}
        self._taken = tried or ({self._decision.lane} if self._decision else set())

    def all(self) -> Iterator[Otherwise]:
        """At once; left where it was; in the lane that was not taken."""
        story, decision = self._story, self._decision
        if story.state == "refused" and story.tries:
            lane = story.tries[-1].trace.batch.lane
            yield Otherwise("any_lane", lane, cost_nano=0, basis=_REFUSED)
            return
        if story.answer is not None:
            yield from self._at_once(story.answer)
        elif REALTIME not in self._taken:
            cost = self._prices.likely(REALTIME)
            yield Otherwise("at_once", REALTIME, cost_nano=cost, basis=_ESTIMATED)
        for item in story.tries:
            if item.called_back_at is not None and item is not story.answer:
                yield self._left_alone(item, item.called_back_at)
        if decision is not None:
            yield from self._elsewhere(decision)

    def _at_once(self, answer: Try) -> Iterator[Otherwise]:
        if {item.trace.batch.lane for item in self._story.tries} != {REALTIME}:
            record = _record(answer)
            cost = record.baseline_nano if record.priced else None
            yield Otherwise("at_once", REALTIME, cost_nano=cost, known=True, basis=_SAME)

    def _elsewhere(self, decision: Decision) -> Iterator[Otherwise]:
        others = [lane for lane in decision.lanes if lane not in self._taken]
        if decision.wanted != decision.lane:
            if decision.wanted not in self._taken:
                yield self._other_lane(decision.wanted)
        elif len(decision.lanes) == 1:
            basis = "the lanes that were allowed"
            yield Otherwise("no_other", decision.lane, known=True, basis=basis)
        elif BATCH in others:
            yield self._other_lane(BATCH)
        elif BATCH not in self._taken:  # of what waited in batch, real time is told already
            slower = [lane for lane in others if lane != REALTIME]
            yield from map(self._other_lane, slower[:1])

    def _left_alone(self, item: Try, at: float) -> Otherwise:
        """The batch as it would have gone on, or as it did go on."""
        row = item.trace.batch
        cost, estimated = self._cost(row.lane)
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
        basis = _joined(curve.basis, estimated)
        return Otherwise(
            "left_alone", row.lane, row.batch.id, cost, latest, chance=chance, basis=basis
        )

    def _other_lane(self, lane: LaneName) -> Otherwise:
        cost, estimated = self._cost(lane)
        if lane == HELD:
            assert self._decision is not None, "the lanes are those of a decision"
            opens = opening(self._decision.held, self._story.trace.run.created_at)
            basis = _joined("the hours of held requests", estimated)
            return Otherwise("other_lane", lane, cost_nano=cost, at=opens, basis=basis)
        if not self._story.tries:
            return Otherwise("other_lane", lane, cost_nano=cost, basis=estimated)
        first = self._story.tries[0].trace.batch
        accepted, due = self._story.trace.run.created_at, self._story.deadline
        curve = curve_of(self._known(), first.key, lane, first.requests, accepted)
        basis = _joined(curve.basis, estimated)
        if due is not None:
            chance = curve.done_within(due - accepted)
            return Otherwise("other_lane", lane, cost_nano=cost, chance=chance, basis=basis)
        within = curve.quantile(_SURE)
        at, sure = (None, None) if within is None else (accepted + within, _SURE)
        return Otherwise("other_lane", lane, cost_nano=cost, at=at, chance=sure, basis=basis)

    def _cost(self, lane: LaneName) -> tuple[int | None, str]:
        """In nano-USD, and what it rests on where that is an estimate."""
        answer = self._story.answer
        if answer is None or answer.settled_at is None:
            return self._prices.likely(lane), _ESTIMATED
        provider = answer.trace.batch.key.provider
        return self._prices.cost(provider, lane, _record(answer).usage, answer.settled_at), ""

    def _known(self) -> Completion:
        return completion(self._store, self._now)

    def _late(self, at: float) -> float | None:
        due = self._story.deadline
        return None if due is None else at - due


def _record(item: Try) -> Record:
    assert item.trace.record is not None, "what is answered has a record"
    return item.trace.record


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
