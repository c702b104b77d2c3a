"""Who may call a provider now: one gate for each model of an account, for everything that calls it.

Providers count the calls of an account and model together, whatever the lane and whoever in this process
makes them. So batches that lanewise sends itself share one `Pace` and one `Queue`: the earliest due goes
first, workflows take turns. Limits that answers state are kept in the home and primed from there.

What is asked from outside while batches are sent: `drain`, how quickly this model takes calls, and
`committed`, what is still to go through. A rescue is reckoned from the limits, the `share` of them that
refusals leave us, and how long calls in real time took, which is kept in the home as well.

A server of one's own (an account without a batch API) states no limits: how many calls at once it gains from
is found out, and room is left to the calls in real time that the gateway beside us passes on to it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lanewise.clock import Clock
from lanewise.domain.allowances import NOTHING_SAID, Allowance, Load, Measure, Rate
from lanewise.domain.ids import AccountId, BatchId
from lanewise.lanes.traffic import Traffic
from lanewise.policy import yielding
from lanewise.policy.breadth import Breadth
from lanewise.policy.draining import call_times, limit_name
from lanewise.policy.pacing import WHENEVER_SECONDS, Drain, Pace, Queue
from lanewise.store.protocol import Store

PATIENCE: Final = 10.0  # seconds that a call waits at a gate; for longer it is sent home
_CALLS: Final = 200  # the last ones tell how long calls take
_FIRST_LESSONS, _LESSON = (1, 5), 20  # calls after which that is worked out, and worked out anew
_CHANGED: Final = 0.2  # of what is kept: less is no news
_LOOK: Final = 0.2  # seconds between looks at whether people are still being answered


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    """A call that waits: it is let in (None), or told when to come back."""

    load: Load
    came: float
    due: float
    room: float  # calls at once, of this and all others, among which it may be
    told: asyncio.Future[float | None]


@dataclass(frozen=True, slots=True)
class Own:
    """What a gate of a server of one's own asks."""

    live: Callable[[], yielding.Live]
    committed: Callable[[], Load]  # what there is to send yet


class Gate:
    """Lets calls to one model of one account through. Belongs to one event loop."""

    def __init__(
        self, account: AccountId, model: str, store: Store, clock: Clock, own: Own | None = None
    ) -> None:
        """`own`: of a server of one's own."""
        self._account, self._model, self._store, self._clock = account, model, store, clock
        self._limits = self._learned()
        known = tuple(Rate(measure, limit) for measure, limit in self._limits.items())
        self.pace = Pace(Allowance(known), breadth=None if own is None else Breadth())
        self.own = own
        self._took: deque[float] = deque(maxlen=_CALLS)
        self._answers = 0
        self._queue: Queue[_Ticket] = Queue()
        self._timer: asyncio.Task[None] | None = None
        self._closed = False

    async def enter(
        self, load: Load, *, due: float | None, workflow: str, room: float = math.inf
    ) -> float | None:
        """Wait for one's turn: None when the call may go, and must be `left`; else when to come back.

        `room`: it goes only beside fewer calls than that.
        """
        now = self._clock.now()
        if self._closed:
            return now
        latest = now + WHENEVER_SECONDS if due is None else due
        ticket = _Ticket(load, now, latest, room, asyncio.get_running_loop().create_future())
        self._queue.put(ticket, now=now, due=due, workflow=workflow)
        self._let_in()
        try:
            return await ticket.told
        except asyncio.CancelledError:
            if ticket.told.done() and not ticket.told.cancelled() and ticket.told.result() is None:
                self.left()
            raise

    def left(
        self,
        allowance: Allowance = NOTHING_SAID,
        *,
        took: float | None = None,
        work: float | None = None,
        unused: int = 0,
    ) -> None:
        """A call that was let in has ended; `took`: seconds, if it was answered.

        `work`, `unused`: see `Pace.ended`.
        """
        live = 0 if self.own is None else self.own.live().under_way
        self.pace.ended(allowance, self._clock.now(), took=took, work=work, live=live)
        self._remember(allowance)
        self._let_in()

    def failed(self, allowance: Allowance = NOTHING_SAID, *, took: float) -> None:
        """A call that was let in met an error, a time-out or no connection, after so many seconds."""
        self.pace.failed(allowance, self._clock.now(), took=took)
        self._remember(allowance)
        self._let_in()

    def refused(self, allowance: Allowance, *, took: float = 0.0) -> None:
        """A call that was let in met a rate limit, after so many seconds."""
        self.pace.refused(allowance, self._clock.now(), took=took)
        self._remember(allowance)
        self._let_in()

    def answered(self, seconds: float) -> None:
        """A call in real time was answered after so long: a rescue is reckoned from it."""
        self._took.append(seconds)
        self._answers += 1
        if self._answers % _LESSON and self._answers not in _FIRST_LESSONS:
            return
        learned = self._store.learned(self._account)
        for name, value in call_times(self._took).items():
            if abs(value - learned.get((self._model, name), 0)) > _CHANGED * value:
                self._store.learn(self._account, self._model, name, value, self._clock.now())

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
            room = self._room(ticket)
            wait = self.pace.reserve(ticket.load, self._clock.now(), room=room)
            if wait == 0.0:
                self._queue.take().told.set_result(None)
            elif wait == math.inf and (self.own is None or room >= self.pace.most_in_flight()):
                return  # until a call in flight has ended
            elif wait == math.inf:
                self._stand_back(ticket)
                return
            elif wait > PATIENCE:
                self._send_home(wait)
            else:
                self._look_in(wait)
                return

    def _room(self, ticket: _Ticket) -> float:
        """How many calls at once leave room for what is more urgent: people whom the same server answers."""
        if self.own is None:
            return ticket.room
        now = self._clock.now()
        return yielding.room(
            self.pace.most_in_flight(),
            self.own.live(),
            now,
            slack=ticket.due - now,
            needs=self.pace.drain().seconds(self.own.committed()),
        )

    def _stand_back(self, ticket: _Ticket) -> None:
        """Look again soon; whoever has waited long comes back another time, and sees what changed."""
        if self._clock.now() - ticket.came > PATIENCE:
            self._send_home(_LOOK)
        else:
            self._look_in(_LOOK)

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
        names = ((measure, (self._model, limit_name(measure))) for measure in Measure)
        return {measure: learned[name] for measure, name in names if name in learned}

    def _remember(self, allowance: Allowance) -> None:
        """Keep limits in the home; only where they have changed, for most answers repeat them."""
        for rate in allowance.rates:
            if rate.limit and self._limits.get(rate.measure) != rate.limit:
                self._limits[rate.measure] = rate.limit
                name, now = limit_name(rate.measure), self._clock.now()
                self._store.learn(self._account, self._model, name, rate.limit, now)


class Paces:
    """The gates of one worker, kept while it lives."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        traffic: Traffic | None = None,
        has_batches: Callable[[AccountId], bool] = lambda _: True,
    ) -> None:
        """`traffic`: calls in real time beside ours; accounts for which `has_batches` says no make room."""
        self._store, self._clock = store, clock
        self._traffic = traffic or Traffic(clock)
        self._has_batches = has_batches
        self._gates: dict[tuple[AccountId, str], Gate] = {}
        self._owed: dict[tuple[AccountId, str], dict[BatchId, Load]] = {}

    def gate(self, account: AccountId, model: str) -> Gate:
        """The gate that every call to this model of this account goes through."""
        found = self._gates.get((account, model))
        if found is None:
            own = None if self._has_batches(account) else self._own(account, model)
            found = Gate(account, model, self._store, self._clock, own)
            self._gates[account, model] = found
        return found

    def _own(self, account: AccountId, model: str) -> Own:
        return Own(
            live=lambda: self._traffic.live(account),
            committed=lambda: self.committed(account, model),
        )

    def drain(self, account: AccountId, model: str) -> Drain:
        """What goes through at a stretch, as far as is known."""
        return self.gate(account, model).pace.drain()

    def share(self, account: AccountId, model: str) -> float:
        """The part of the limits that is ours: less after refusals, for others use the account too.

        `model`: "" for the least of all.
        """
        now = self._clock.now()
        gates = [
            gate
            for (whose, asked), gate in self._gates.items()
            if whose == account and model in ("", asked)
        ]
        return min((gate.pace.share(now) for gate in gates), default=1.0)

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
