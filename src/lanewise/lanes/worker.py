"""The loop that drives everything that is open: leases, steps that are due, orphans, cleaning.

A worker holds the lease of each account it acts for; the steps of different batches run side by side,
the steps of one batch never do. Killing it at any moment loses nothing: whatever it was doing is
written down, and the next holder of the lease goes on from there.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar, assert_never

from lanewise.clock import Clock
from lanewise.domain.batches import (
    Batch,
    Cancelled,
    Collected,
    Creating,
    Ended,
    Packed,
    Rejected,
    Sending,
    Settled,
    Submitted,
    Unknown,
    Uploaded,
    Uploading,
)
from lanewise.domain.ids import AccountId, BatchId, WorkerId
from lanewise.errors import LeaseLost, Overtaken, ProviderUnusable
from lanewise.lanes.clean import clean
from lanewise.lanes.collect import collect
from lanewise.lanes.menus import Menus
from lanewise.lanes.notify import Notifier
from lanewise.lanes.paces import Paces
from lanewise.lanes.pack import pack
from lanewise.lanes.poll import poll
from lanewise.lanes.queueing import with_room
from lanewise.lanes.rescue import rescue
from lanewise.lanes.sending import begun, only_sends, send
from lanewise.lanes.settle import settle
from lanewise.lanes.shift import AccountHeld, Rules, Shift, logger
from lanewise.lanes.submit import abandon_upload, doubt, look, must_wait_for_doubt, submit
from lanewise.lanes.sweep import attend, sweep
from lanewise.lanes.traffic import Traffic
from lanewise.pricing import PriceBook
from lanewise.providers.calling import CallProvider
from lanewise.providers.protocol import BatchProvider, ProviderError
from lanewise.store.nouns import AccountRow, Lease, Stray
from lanewise.store.protocol import Store

T = TypeVar("T")
_GRACE = 5.0  # seconds: a call under way that is heard out costs no search later
_LONG_GRACE = 20.0  # seconds: a request that is cut off has been paid for, and its answer is lost
_LONGEST_STEP = (
    120.0  # seconds that one may send in a pass, which must come to the other batches as well
)
_LONG = 10.0  # seconds that a pass waits for steps under way until it looks at the others again
_STEPS_IN_A_PASS = 50  # more than any chain of steps that is due at once
_BUSY_LOOK = 0.02  # seconds between looks at the least
_IDLE_LOOK = 1.0  # seconds: new work may arrive from another process at any time
_HELD_FOR = 300.0  # seconds: a refused credential is tried again, somebody may have acted


@dataclass(slots=True)
class Desk:
    """What a worker keeps for one account while it holds the lease."""

    shift: Shift
    running: dict[BatchId, asyncio.Task[None]] = field(default_factory=dict)
    chores: asyncio.Task[None] | None = None
    sweep_at: float = 0.0
    review_at: float = 0.0  # when deadlines are looked at again
    packed_at: float = -math.inf  # when what waits was looked at
    held_until: float = 0.0
    trouble: str = ""

    def tasks(self) -> list[asyncio.Task[None]]:
        """Everything under way."""
        return [*self.running.values(), *([self.chores] if self.chores is not None else [])]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a worker spends its time, in seconds."""

    lease: float = 30.0
    sweep: float = 3_600.0
    transfers: int = 4


class Worker:
    """Acts for every account it has a credential for."""

    def __init__(
        self,
        worker: WorkerId,
        store: Store,
        clock: Clock,
        book: PriceBook,
        connect: Callable[[AccountRow], BatchProvider | None],
        *,
        call: Callable[[AccountRow], CallProvider],
        rules: Callable[[AccountRow], Rules],
        menus: Callable[[], Menus],
        notifier: Notifier,
        pace: Pace,
        traffic: Traffic | None = None,
    ) -> None:
        """`traffic`: calls in real time that this process makes besides."""
        self.id = worker
        self._store, self._clock, self._book = store, clock, book
        self._connect, self._call = connect, call
        self._rules, self._pace = rules, pace
        self._menus, self._notifier = menus, notifier
        self._desks: dict[AccountId, Desk] = {}
        self._providers: dict[AccountId, BatchProvider | None] = {}
        self._callers: dict[AccountId, CallProvider] = {}
        self._leaving = False
        self._longest_step = math.inf
        self.paces = Paces(store, clock, traffic, lambda account: menus().has_batches(account))
        self._transfers = asyncio.Semaphore(pace.transfers)
        self._renew_at = 0.0

    @property
    def troubles(self) -> dict[AccountId, str]:
        """Accounts that the provider refuses to serve, and what it says."""
        return {account: desk.trouble for account, desk in self._desks.items() if desk.trouble}

    async def run(self, *, until: Callable[[], bool]) -> None:
        """Go on until `until()`; then let the steps under way come to rest."""
        with self._store.register_worker(self.id, self._clock.now()):
            try:
                while not until():
                    await self._turn()
                    await self._rest()
            finally:
                await self._leave()

    async def run_once(self) -> int:
        """One pass for cron: every step that is due is taken, and waited for; returns how many."""
        self._longest_step = _LONGEST_STEP
        with self._store.register_worker(self.id, self._clock.now()):
            try:
                taken = 0
                for _ in range(_STEPS_IN_A_PASS):
                    await self._turn()
                    if not (tasks := self._under_way()):
                        break
                    taken += await self._hear_out(tasks)
                return taken
            finally:
                await self._leave()

    def _under_way(self) -> set[asyncio.Task[None]]:
        steps = [task for desk in self._desks.values() for task in desk.running.values()]
        return {*steps, *self._notifier.tasks}

    async def _hear_out(self, tasks: set[asyncio.Task[None]]) -> int:
        """Wait for steps under way; where one takes long, others go on: no slow call holds up a rescue."""
        pending, heard = tasks, set(tasks)
        while pending:
            if pending := await self._left(pending, min(self._pace.lease / 3, _LONG)):
                await self._turn()
                pending = {task for task in self._under_way() if not task.done()}
                heard |= pending
            else:
                self._hold_accounts()
        self._reap()
        return len(heard)

    async def _left(
        self, tasks: set[asyncio.Task[None]], seconds: float
    ) -> set[asyncio.Task[None]]:
        """Wait for them for so long; returns those that are not done."""
        _, left = await asyncio.wait(tasks, timeout=seconds)
        return left

    async def _turn(self) -> None:
        self._reap()
        self._notifier.turn()
        self._hold_accounts()
        for desk in list(self._desks.values()):
            try:
                self._review(desk)
                self._pack(desk)
                self._start_due(desk)
                self._start_chores(desk)
            except Overtaken as overtaken:
                logger.info("%s; looked at again", overtaken)
            except LeaseLost:
                self._drop(desk.shift.account)

    # -- leases -----------------------------------------------------------------------------------
    def _hold_accounts(self) -> None:
        """Take or renew the lease of every account that has work and that we can act for."""
        now = self._clock.now()
        for row in self._store.accounts_with_work():
            desk = self._desks.get(row.id)
            if desk is not None and now < self._renew_at:
                continue
            if (provider := self._provider(row)) is not None:
                self._take(row, provider, now)
        if now >= self._renew_at:
            self._renew_at = now + self._pace.lease / 3
            self._store.heartbeat(self.id, list(self._desks), now)

    def _take(self, row: AccountRow, provider: BatchProvider, now: float) -> None:
        lease = self._store.acquire(row.id, self.id, now, self._pace.lease)
        desk = self._desks.get(row.id)
        if lease is None:
            self._drop(row.id)
        elif desk is None or desk.shift.lease.fence != lease.fence:
            self._drop(row.id)
            self._desks[row.id] = Desk(self._shift(row, provider, lease))
        else:
            desk.shift.lease = lease

    def _shift(self, row: AccountRow, provider: BatchProvider, lease: Lease) -> Shift:
        return Shift(
            self._store,
            provider,
            lease,
            self._clock,
            self._book,
            self._rules(row),
            self._menus,
            caller=lambda: self._caller(row),
            paces=self.paces,
            may_send=lambda: self._may_send(row.id),
            longest_step=self._longest_step,
        )

    def _caller(self, row: AccountRow) -> CallProvider:
        if row.id not in self._callers:
            self._callers[row.id] = self._call(row)
        return self._callers[row.id]

    def _may_send(self, account: AccountId) -> bool:
        desk = self._desks.get(account)
        return desk is not None and not self._leaving and not self._stopped(desk)

    def _provider(self, row: AccountRow) -> BatchProvider | None:
        if row.id not in self._providers:
            self._providers[row.id] = self._connect(row)
        return self._providers[row.id]

    def _drop(self, account: AccountId) -> None:
        """Somebody else acts for this account now: stop at once."""
        if (desk := self._desks.pop(account, None)) is not None:
            for task in desk.tasks():
                task.cancel()
            logger.warning("lost the lease of %s", account, extra={"account": account})

    # -- steps ------------------------------------------------------------------------------------
    def _pack(self, desk: Desk) -> None:
        if self._stopped(desk):
            return
        desk.packed_at = self._clock.now()
        if pack(desk.shift):
            desk.review_at = 0.0

    def _review(self, desk: Desk) -> None:
        """See whether what is outstanding still arrives in time; a pause holds no rescue back.

        Before packing, so that what is called back leaves in the same turn: cron's pass may have no other.
        """
        if self._clock.now() >= desk.review_at:
            desk.review_at = rescue(desk.shift)

    def _stopped(self, desk: Desk) -> bool:
        """Whether nothing new may be sent: the kill switch, or an account the provider refuses."""
        paused = self._store.paused()
        left = desk.held_until - self._clock.now()
        held = 0.0 < left <= _HELD_FOR  # more is left where the clock was put back
        return held or "all" in paused or desk.shift.account in paused

    def _start_due(self, desk: Desk) -> None:
        stopped = self._stopped(desk)
        wanting = [
            batch
            for batch in self._store.due(desk.shift.account, self._clock.now())
            if batch.id not in desk.running and not (stopped and only_sends(desk.shift, batch))
        ]
        for due in with_room(desk.shift, wanting):
            batch = begun(desk.shift, due)
            if self._must_queue(desk, batch):
                continue
            step = self._guarded(desk, batch, self._step(desk, batch))
            desk.running[batch.id] = asyncio.create_task(step, name=batch.state)

    def _must_queue(self, desk: Desk, batch: Batch) -> bool:
        """Providers without tags get their creates one at a time, and none while one is in doubt."""
        if not isinstance(batch, Packed | Uploaded) or desk.shift.provider.uploads:
            return False
        sending = any(task.get_name() == Packed.state for task in desk.running.values())
        return sending or must_wait_for_doubt(desk.shift)

    def _step(self, desk: Desk, batch: Batch) -> Awaitable[None]:
        """What moves a batch out of the state it is in."""
        shift = desk.shift
        match batch:
            case Packed() | Uploaded() | Uploading() | Creating() | Unknown():
                return self._step_out(shift, batch)
            case Sending():
                return send(shift, batch)
            case Submitted():
                return poll(shift, batch)
            case Ended():
                return self._transfer(collect(shift, batch))
            case Collected():
                hold = shift.rules.provider_file_hold_seconds
                return asyncio.to_thread(settle, shift, batch, hold_seconds=hold)
            case Settled():
                return clean(shift, batch)
            case Rejected() | Cancelled():
                raise AssertionError(f"{batch.state} is never due")
            case _:
                assert_never(batch)

    def _step_out(
        self, shift: Shift, batch: Packed | Uploaded | Uploading | Creating | Unknown
    ) -> Awaitable[None]:
        """What brings a batch to its provider."""
        match batch:
            case Packed() | Uploaded():
                return self._transfer(submit(shift, batch))
            case Uploading():
                return _now(abandon_upload, shift, batch)
            case Creating():
                return _now(doubt, shift, batch)
            case Unknown():
                return look(shift, batch)
            case _:
                assert_never(batch)

    async def _transfer(self, work: Awaitable[None]) -> None:
        async with self._transfers:
            await work

    async def _guarded(self, desk: Desk, batch: Batch, step: Awaitable[None]) -> None:
        try:
            await step
        except AccountHeld as held:
            desk.held_until = self._clock.now() + _HELD_FOR
            desk.trouble = str(held)
            self._store.note("account.held", held.account, str(held), self._clock.now())
        else:
            if not isinstance(batch, Collected | Settled):
                desk.trouble = desk.trouble if self._clock.now() < desk.held_until else ""

    def _reap(self) -> None:
        """Take note of what is done; an error that is no provider's nor a lost lease is raised."""
        for account, desk in list(self._desks.items()):
            done = [task for task in desk.tasks() if task.done()]
            desk.running = {batch: task for batch, task in desk.running.items() if task not in done}
            desk.chores = None if desk.chores in done else desk.chores
            for task in done:
                error = None if task.cancelled() else task.exception()
                if isinstance(error, Overtaken):
                    logger.info("%s; looked at again", error)
                elif isinstance(error, LeaseLost):
                    self._drop(account)
                elif error is not None:
                    raise error

    def _start_chores(self, desk: Desk) -> None:
        """Orphans are looked for, and looked after, beside the steps of batches."""
        now = self._clock.now()
        strays = [
            stray
            for stray in self._store.strays(desk.shift.account)
            if stray.due_at is None or stray.due_at <= now
        ]
        if desk.chores is None and (strays or now >= desk.sweep_at):
            desk.chores = asyncio.create_task(self._chores(desk, strays), name="chores")

    async def _chores(self, desk: Desk, strays: list[Stray]) -> None:
        try:
            if self._clock.now() >= desk.sweep_at:
                desk.sweep_at = self._clock.now() + self._pace.sweep
                await sweep(desk.shift)
            for stray in strays:
                await attend(desk.shift, stray)
        except ProviderError as error:
            logger.warning("looking for orphans failed: %s", error)

    # -- rest -------------------------------------------------------------------------------------
    async def _rest(self) -> None:
        """Sleep until something may be due, or a step under way comes to its end."""
        now = self._clock.now()
        # what is due and held back (a create in doubt, a pause) must not make this loop spin
        wake = max(min([now + _IDLE_LOOK, *self._dues()]), now + _BUSY_LOOK)
        tasks = [task for desk in self._desks.values() for task in desk.tasks()]
        tasks += self._notifier.tasks
        sleeper = asyncio.ensure_future(self._clock.sleep(max(wake - now, 0.0)))
        try:
            await asyncio.wait([sleeper, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()

    def _dues(self) -> list[float]:
        notice = self._notifier.due()
        found = [] if notice is None else [notice]
        for desk in self._desks.values():
            due = self._store.next_due(
                desk.shift.account, besides=list(desk.running), packed_at=desk.packed_at
            )
            if due is not None and not self._stopped(desk):
                found.append(due)
            found.append(desk.review_at)
        return found

    async def _leave(self) -> None:
        """Stop what is under way, let go of the leases, close the connections."""
        self._leaving = True
        self.paces.close()
        tasks = [task for desk in self._desks.values() for task in desk.tasks()]
        calling = [task for task in tasks if task.get_name() == Sending.state]
        if heard_out := [*tasks, *self._notifier.tasks]:
            await asyncio.wait(heard_out, timeout=_GRACE)
        if calling:
            await asyncio.wait(calling, timeout=_LONG_GRACE)
        for task in tasks:
            if task.get_name() != Collected.state:  # a thread cannot be stopped, and ends by itself
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._notifier.close()
        for desk in self._desks.values():
            self._store.release(desk.shift.lease)
        self._desks.clear()
        for provider in [*self._providers.values(), *self._callers.values()]:
            if provider is not None:
                await provider.close()
        self._providers.clear()
        self._callers.clear()


async def _now(work: Callable[[Shift, T], None], shift: Shift, batch: T) -> None:
    work(shift, batch)


def raise_if_hopeless(troubles: dict[AccountId, str]) -> None:
    """Turn refused accounts into the error a foreground command ends with."""
    for account, message in troubles.items():
        raise ProviderUnusable(
            f"{account} is refused by its provider: {message}. Nothing is lost; mend the credential "
            "or the account and run the same again"
        )
