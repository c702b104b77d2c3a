"""Who may call a provider now: one gate for each model of an account, for everything that calls it.

Providers count the calls of an account and model together, whatever the lane and whoever in this process
makes them. So batches that lanewise sends itself share one `Pace` and one `Queue`: the earliest due goes
first, workflows take turns. Limits that answers state are kept in the home and primed from there.

What is asked from outside while batches are sent: `drain`, how quickly this model takes calls, and
`committed`, what is still to go through; a rescue is reckoned from the two.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Final

from lanewise.clock import Clock
from lanewise.domain.allowances import NOTHING_SAID, Allowance, Load, Measure, Rate
from lanewise.domain.ids import AccountId, BatchId
from lanewise.policy.pacing import Drain, Pace, Queue
from lanewise.store.protocol import Store

PATIENCE: Final = 10.0  # seconds that a call waits at a gate; for longer it is sent home


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    """A call that waits: it is let in (None), or told when to come back."""

    load: Load
    told: asyncio.Future[float | None]


class Gate:
    """Lets calls to one model of one account through. Belongs to one event loop."""

    def __init__(self, account: AccountId, model: str, store: Store, clock: Clock) -> None:
        self._account, self._model, self._store, self._clock = account, model, store, clock
        self._limits = self._learned()
        known = tuple(Rate(measure, limit) for measure, limit in self._limits.items())
        self.pace = Pace(Allowance(known))
        self._queue: Queue[_Ticket] = Queue()
        self._timer: asyncio.Task[None] | None = None
        self._closed = False

    async def enter(self, load: Load, *, due: float | None, workflow: str) -> float | None:
        """Wait for one's turn: None when the call may go, and must be `left`; else when to come back."""
        if self._closed:
            return self._clock.now()
        ticket = _Ticket(load, asyncio.get_running_loop().create_future())
        self._queue.put(ticket, now=self._clock.now(), due=due, workflow=workflow)
        self._let_in()
        try:
            return await ticket.told
        except asyncio.CancelledError:
            if ticket.told.done() and not ticket.told.cancelled() and ticket.told.result() is None:
                self.left()
            raise

    def left(self, allowance: Allowance = NOTHING_SAID, *, took: float | None = None) -> None:
        """A call that was let in has ended; `took`: seconds, if it was answered."""
        self.pace.ended(allowance, self._clock.now(), took=took)
        self._remember(allowance)
        self._let_in()

    def refused(self, allowance: Allowance) -> None:
        """A call that was let in met a rate limit."""
        self.pace.refused(allowance, self._clock.now())
        self._remember(allowance)
        self._let_in()

    def close(self) -> None:
        """Let nobody in any more."""
        self._closed = True
        self._send_home(0.0)
        if self._timer is not None:
            self._timer.cancel()

    def _let_in(self) -> None:
        """Whoever may go goes; whoever would wait for long is told so."""
        while (ticket := self._queue.head()) is not None:
            if ticket.told.done():  # given up meanwhile
                self._queue.take()
                continue
            wait = self.pace.reserve(ticket.load, self._clock.now())
            if wait == 0.0:
                self._queue.take().told.set_result(None)
            elif wait == math.inf:  # until a call in flight has ended
                return
            elif wait > PATIENCE:
                self._send_home(wait)
            else:
                self._look_in(wait)
                return

    def _send_home(self, wait: float) -> None:
        while len(self._queue):
            ticket = self._queue.take()
            if not ticket.told.done():
                ticket.told.set_result(self._clock.now() + wait)

    def _look_in(self, wait: float) -> None:
        if self._timer is None or self._timer.done():
            self._timer = asyncio.create_task(self._later(wait))

    async def _later(self, wait: float) -> None:
        await self._clock.sleep(wait)
        self._timer = None
        self._let_in()

    def _learned(self) -> dict[Measure, int]:
        learned = self._store.learned(self._account)
        names = ((measure, (self._model, _name(measure))) for measure in Measure)
        return {measure: learned[name] for measure, name in names if name in learned}

    def _remember(self, allowance: Allowance) -> None:
        """Keep limits in the home; only where they have changed, for most answers repeat them."""
        for rate in allowance.rates:
            if rate.limit and self._limits.get(rate.measure) != rate.limit:
                self._limits[rate.measure] = rate.limit
                name, now = _name(rate.measure), self._clock.now()
                self._store.learn(self._account, self._model, name, rate.limit, now)


class Paces:
    """The gates of one worker, kept while it lives."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._gates: dict[tuple[AccountId, str], Gate] = {}
        self._owed: dict[tuple[AccountId, str], dict[BatchId, Load]] = {}

    def gate(self, account: AccountId, model: str) -> Gate:
        """The gate that every call to this model of this account goes through."""
        found = self._gates.get((account, model))
        if found is None:
            found = self._gates[account, model] = Gate(account, model, self._store, self._clock)
        return found

    def drain(self, account: AccountId, model: str) -> Drain:
        """What goes through at a stretch, as far as is known."""
        return self.gate(account, model).pace.drain()

    def owe(self, account: AccountId, model: str, batch: BatchId, load: Load | None) -> None:
        """A batch that is being sent has so much to send yet; None: nothing more."""
        owed = self._owed.setdefault((account, model), {})
        if load is None:
            owed.pop(batch, None)
        else:
            owed[batch] = load

    def committed(self, account: AccountId, model: str) -> Load:
        """What the batches that are being sent have to send yet."""
        loads = self._owed.get((account, model), {}).values()
        return Load(
            input=sum(load.input for load in loads),
            output=sum(load.output for load in loads),
            requests=sum(load.requests for load in loads),
        )

    def close(self) -> None:
        """Let no more calls through: who waits comes back another time."""
        for gate in self._gates.values():
            gate.close()


def _name(measure: Measure) -> str:
    return f"{measure}_per_minute"
