"""Gathers the story of a request from the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from lanewise.app.otherwise import alternatives
from lanewise.app.story import Bound, Story, Try
from lanewise.domain.batches import GONE, Settled
from lanewise.domain.lanes import LaneName
from lanewise.domain.results import ResultLine, Verdict
from lanewise.lanes.settle import delivered_by
from lanewise.pricing import PriceBook
from lanewise.pricing.arithmetic import price
from lanewise.providers import registry
from lanewise.store.books import Kind, LedgerRow
from lanewise.store.nouns import RequestTrace, Trace
from lanewise.store.protocol import Store
from lanewise.store.records import Record

_EVENTS: Final = 10_000  # of one batch or run: all of them


def story_of(store: Store, book: Callable[[], PriceBook], trace: RequestTrace, now: float) -> Story:
    """Gather it. `book` is asked for only where something has a price."""
    tries = tuple(
        Try(
            item,
            tuple(store.events(subject=item.batch.batch.id, limit=_EVENTS)),
            _waste(store, trace, item),
            _bound(store, trace, item),
        )
        for item in trace.tries
    )
    events = tuple(store.events(subject=trace.run.id, limit=_EVENTS))
    plain = Story(trace, tries, events, ())
    return replace(plain, otherwise=tuple(alternatives(store, book, plain, now)))


def _waste(store: Store, trace: RequestTrace, item: Trace) -> int | None:
    """What an answer that came second cost, at the prices that the ledger booked it with."""
    record = item.record
    if record is None or record.verdict != Verdict.SURPLUS:
        return None
    rows = _booked(store, trace, item, "waste")
    if len(rows) > 1:
        rows = _of_its_kind(rows, _kind(store, item, record))
    if not rows or (kept := rows[0].price) is None:
        return None
    return price(kept.rates, record.usage)


def _bound(store: Store, trace: RequestTrace, item: Trace) -> Bound | None:
    """What is booked for it and its like where results are gone, or a call was cut off."""
    record, batch = item.record, item.batch.batch
    if record is None or record.verdict != Verdict.MISSING or not isinstance(batch, Settled):
        return None
    cut_off = bool(item.calls) and item.calls[-1].what in ("sent", "lost")
    rows = (
        _booked(store, trace, item, "unknown_upper_bound") if cut_off or GONE in batch.files else []
    )
    return (
        Bound(sum(row.cost_nano or 0 for row in rows), sum(row.n for row in rows)) if rows else None
    )


def _booked(store: Store, trace: RequestTrace, item: Trace, kind: Kind) -> list[LedgerRow]:
    """The ledger's rows of this kind for its batch and its run."""
    batch = item.batch.batch
    assert isinstance(batch, Settled), "only what is settled has a record"
    booked = store.ledger(since=batch.settled_at, until=batch.settled_at + 1.0)
    return [
        entry.row
        for entry in booked
        if entry.commit == batch.id and entry.row.kind == kind and entry.row.run == trace.run.id
    ]


def _of_its_kind(rows: list[LedgerRow], kind: tuple[str, LaneName] | None) -> list[LedgerRow]:
    return [row for row in rows if (row.model, row.lane) == kind]


def _kind(store: Store, item: Trace, record: Record) -> tuple[str, LaneName] | None:
    """The model that answered and the lane it is billed by, as its line says; None where that is gone."""
    key, batch = item.batch.key, item.batch.batch
    assert isinstance(batch, Settled), "only what is settled has a record"
    if batch.files[record.file] == GONE:
        return None
    lines = store.result_lines(batch.id, record.file)
    line = next((line for offset, line in lines if offset == record.offset), None)
    found = None if line is None else registry.unwrap(key.provider)(line)
    if not isinstance(found, ResultLine):
        return None
    return found.model or key.model, delivered_by(item.batch.lane, found.service_tier)
