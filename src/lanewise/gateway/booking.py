"""Calls that were passed through, in the ledger: gathered, added up, and written together.

A call is booked within `ledger_flush_ms` of its end, by a thread, so that no other call waits for the
disk. What was gathered and not written is what a power cut loses: of the ledger, never of an answer.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from lanewise.clock import Clock
from lanewise.domain.ids import AccountId, RunId
from lanewise.domain.lanes import FLEX, REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.errors import StoreUnusable
from lanewise.gateway.usage import Told
from lanewise.lanes.booking import Sums
from lanewise.pricing import PriceBook
from lanewise.pricing.kept import Quote, quote
from lanewise.pricing.quotes import Quotes
from lanewise.settings import DAY
from lanewise.store.books import LedgerRow
from lanewise.store.protocol import Store

logger: Final = logging.getLogger("lanewise.gateway")
_MOST_HELD: Final = 100_000  # calls that wait for a home that cannot be written
_RETRY_SECONDS: Final = 5.0


class Call(NamedTuple):
    """One call that was charged, or may have been."""

    tenant: str
    workflow: str
    provider: str
    account: AccountId
    asked: str  # the model that the request named
    told: Told
    whole: bool  # the answer was read to its end, rather than given up or broken off
    at: float
    said: Sequence[tuple[bytes, bytes]] = ()  # the headers of its answer


class _Key(NamedTuple):
    """What the calls of one ledger row have in common."""

    tenant: str
    workflow: str
    provider: str
    account: AccountId
    model: str
    lane: LaneName
    kind: Literal["answer", "waste"]
    tier: int
    priced: int  # which quote: those of one model, lane and day are one object


@dataclass(slots=True)
class _Row:
    quote: Quote
    at: float
    sums: Sums = field(default_factory=Sums)


class Pricing:
    """Turns calls into ledger rows."""

    def __init__(self, book: PriceBook, regions: dict[AccountId, str | None]) -> None:
        self._unknown = quote(None, None, book.basis)
        self._quotes = {account: Quotes(book, region=region) for account, region in regions.items()}

    def rows(self, calls: Iterable[Call]) -> Iterator[LedgerRow]:
        """One row for calls that differ in tokens only."""
        rows: dict[_Key, _Row] = {}
        for call in calls:
            found, usage = self._quote(call), call.told.usage or Usage()
            cost, baseline, tier = found.of(usage)
            key = _key(call, found, tier)
            row = rows.get(key)
            if row is None:
                row = rows[key] = _Row(found, call.at)
            row.sums.add(usage, cost, baseline)
            row.at = call.at
        for key, row in rows.items():
            yield _ledger_row(key, row)

    def cost(self, call: Call) -> int | None:
        """What a call cost, nano-USD; None where nobody knows."""
        return self._quote(call).of(call.told.usage or Usage())[0]

    def _quote(self, call: Call) -> Quote:
        """Unknown where the answer does not say what it used: nobody knows what that costs."""
        if call.told.usage is not None:
            day = _day(int(call.at // DAY))
            for name in dict.fromkeys((call.told.model or call.asked, call.asked)):
                found = self._quotes[call.account].of(call.provider, name, _lane(call), day)
                if found.known:
                    return found
        return self._unknown


@lru_cache(4)
def _day(number: int) -> str:
    """A day since the epoch (UTC), as quotes name it.

    >>> _day(20_000)
    '2024-10-04'
    """
    return datetime.fromtimestamp(number * DAY, UTC).date().isoformat()


def _lane(call: Call) -> LaneName:
    return FLEX if call.told.tier == "flex" else REALTIME


def _key(call: Call, found: Quote, tier: int) -> _Key:
    return _Key(
        call.tenant,
        call.workflow,
        call.provider,
        call.account,
        call.told.model or call.asked,
        _lane(call),
        "answer" if call.whole else "waste",
        tier,
        id(found),
    )


def _ledger_row(key: _Key, row: _Row) -> LedgerRow:
    sums, known, wasted = row.sums, row.quote.known, key.kind == "waste"
    return LedgerRow(
        run=run_of(key.tenant),
        workflow=key.workflow,
        provider=key.provider,
        account=key.account,
        model=key.model,
        lane=key.lane,
        kind=key.kind,
        n=sums.n,
        usage=Usage(*sums.usage),
        cost_nano=sums.cost_nano if known else None,
        baseline_nano=(0 if wasted else sums.baseline_nano) if known else None,
        waste_nano=sums.cost_nano if wasted else 0,
        price_basis=row.quote.basis,
        price_status=row.quote.status,
        tier=key.tier,
        price=row.quote.cost,
        baseline_price=None if wasted else row.quote.baseline,
        charged_at=row.at,
    )


def run_of(tenant: str) -> RunId:
    """The name under which a tenant's calls stand in the ledger, where requests have a run.

    >>> run_of(""), run_of("acme")
    ('calls', 'calls:acme')
    """
    return RunId(f"calls:{tenant}" if tenant else "calls")


class Ledger:
    """Gathers calls and has them written every `flush_seconds`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        pricing: Pricing,
        flush_seconds: float,
        *,
        booked: Callable[[Sequence[LedgerRow]], None] = lambda _: None,
        heard: Callable[[Sequence[Call]], None] = lambda _: None,
    ) -> None:
        """`booked` is told what was written, and `heard` of which calls, by the thread that wrote it."""
        self._booked, self._heard = booked, heard
        self._store, self._clock, self._pricing = store, clock, pricing
        self._flush_seconds = flush_seconds
        self._held: deque[Call] = deque(maxlen=_MOST_HELD)
        self._some = asyncio.Event()
        self._writing = threading.Lock()

    @property
    def held(self) -> int:
        """How many calls are not written yet."""
        return len(self._held)

    def add(self, call: Call) -> None:
        """Have a call booked."""
        self._held.append(call)
        self._some.set()

    async def _run(self) -> None:
        """Write what is gathered, until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(self._flush_seconds)
            if not await self.flush():
                await asyncio.sleep(_RETRY_SECONDS)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write while this lasts; at its end everything is written."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.flush()  # after a write that was under way when the task ended

    async def flush(self) -> bool:
        """Write what is gathered; False, and all of it is kept, where the home cannot be written."""
        self._some.clear()
        try:
            await asyncio.to_thread(self._write)
        except StoreUnusable as error:
            logger.error("booking calls failed, tried again: %s", error)  # noqa: TRY400
            self._some.set()
            return False
        return True

    def _write(self) -> None:
        """Write what is held: taken here, so a write that is given up before it began loses nothing."""
        with self._writing:
            calls = [self._held.popleft() for _ in range(len(self._held))]
            if not calls:
                return
            rows = list(self._pricing.rows(calls))
            try:
                # first what may be written twice: where it fails, nothing is booked yet
                if made := [(c.told.response, c.tenant) for c in calls if c.told.response]:
                    self._store.keep_responses(made, self._clock.now())
                self._store.book_calls(rows, self._clock.now())
            except StoreUnusable:
                # the next answers state their limits again: what waits for long is kept small
                self._held.extendleft(call._replace(said=()) for call in reversed(calls))
                raise
            self._booked(rows)
            self._heard(calls)
