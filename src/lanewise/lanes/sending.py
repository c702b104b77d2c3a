"""Batches in a lane without batches: lanewise sends each request itself, many at once.

1.  ``packed -> sending``, with an attempt: its id stands in every result line.
2.  A step sends what was not asked yet, in order, through the gate of its model (`lanewise.lanes.paces`).
    Bodies are streamed from the segments: what is held in memory is the calls in flight.
3.  Before a call is made it is written down, and that the account is still ours is looked up; an answer is
    on disk before it counts (`lanewise.store.outbox`). One fsync serves all calls that wait for it.
4.  A step ends when nothing can be done for a while, or a pass of cron has to come to the other batches: it
    records when it goes on, and holds no worker for the hours of a background window. When nothing more is
    to be sent or awaited, the answers become the result file and the batch is settled like any other. What
    was never asked then waits again.

Whoever takes over opens the outbox: what is answered is not sent again, what is accepted in the background
is asked after, and a call of which nothing is known is never repeated by this batch. It is booked as an upper
bound, and its request is asked again as another try.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from lanewise.domain.allowances import Load
from lanewise.domain.batches import Batch, Packed, Sending, Uploaded
from lanewise.domain.ids import AttemptId, custom_id, fresh_id
from lanewise.domain.lanes import Offer
from lanewise.lanes.background import Round
from lanewise.lanes.calls import Calls, Halt, Journal, model_and_load
from lanewise.lanes.marked import Caching, caching_now, marked_body, unmark
from lanewise.lanes.shift import Shift, tokens_of
from lanewise.policy import capacity
from lanewise.providers.offers import offer
from lanewise.store.nouns import Ask, Contents
from lanewise.store.places import positions
from lanewise.store.protocol import Outbox

_MOST_CALLS: Final = 256  # of one batch, waiting for an answer or for their next try
_LONGEST_STEP: Final = 120.0  # seconds: what the provider works on is asked after in between
_LOOK: Final = 1.0  # seconds between looks at what others may have changed
_PAUSED_LOOK: Final = 5.0
_FULL_SECONDS: Final = 900.0  # a lane that was left for want of capacity is not chosen for so long


def begun(shift: Shift, batch: Batch) -> Batch:
    """The batch, begun to be sent if it is packed for a lane without batches; nothing has left yet."""
    if not isinstance(batch, Packed):
        return batch
    sold = _sold(shift, batch)
    if sold is None or not sold.one_by_one:
        return batch
    sending = batch.send(AttemptId(fresh_id()), shift.now())
    shift.advance(batch, sending, sending.attempt)
    return sending


def only_sends(shift: Shift, batch: Batch) -> bool:
    """Whether its next step would do nothing but send, so that it waits while nothing may be sent."""
    if not isinstance(batch, Sending):
        return isinstance(batch, Packed | Uploaded)
    sold = _sold(shift, batch)
    return sold is None or sold.window_seconds is None  # else there may be something to ask after


def _sold(shift: Shift, batch: Batch) -> Offer | None:
    contents = shift.store.contents(batch.id)
    return offer(contents.key.provider, contents.lane)


async def send(shift: Shift, batch: Sending) -> None:
    """Send what can be sent, take in what is there, and record what that leads to."""
    contents = shift.store.contents(batch.id)
    outbox = shift.store.outbox(shift.lease, batch.id)
    step = _Step(shift, batch, contents, outbox)
    try:
        await step.take()
    except BaseException:
        await step.give_up()
        raise
    finally:
        outbox.close()


class _Step:
    def __init__(self, shift: Shift, batch: Sending, contents: Contents, outbox: Outbox) -> None:
        self._shift, self._batch, self._contents = shift, batch, contents
        self._outbox, self._journal = outbox, Journal(outbox)
        self._calls = Calls(shift, batch, contents, self._journal)
        self._room = asyncio.Semaphore(_MOST_CALLS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._elsewhere: frozenset[int] = frozenset()
        self._until = shift.now() + self._longest()
        self._look_at = 0.0
        self._failed = False
        self._model = contents.key.model

    async def take(self) -> None:
        """The whole step."""
        for position in self._outbox.unknown:
            self._outbox.lost(position)
        await self._feed()
        await self._hear_out()
        poll_at = await self._await_background()
        await self._journal.durable()
        self._remember_capacity()
        self._end(poll_at)

    def _longest(self) -> float:
        """Seconds until this step sends no more. Whoever sends on meets no gap after slow calls."""
        sold = offer(self._contents.key.provider, self._contents.lane)
        windowed = sold is not None and sold.window_seconds is not None
        return _LONGEST_STEP if windowed else self._shift.longest_step

    # -- sending ----------------------------------------------------------------------------------
    async def _feed(self) -> None:
        """Start a call for each request that was not asked, as the gate lets them in."""
        if not self._goes_on():
            return
        caching = self._caching()
        for ask in self._shift.store.asks(self._contents, self._outbox.asked | self._elsewhere):
            if ask.position in self._elsewhere:
                continue
            if not await self._start(ask if caching is None else self._marked(ask, caching)):
                return

    def _caching(self) -> Caching | None:
        """How what is sent in this step is marked for the prompt cache."""
        caching = caching_now(self._shift, self._contents)
        if caching is None and self._contents.caching and not self._outbox.asked:
            unmark(self._shift, self._contents)
        return caching

    def _marked(self, ask: Ask, caching: Caching) -> Ask:
        marked = marked_body(self._contents, caching, ask.body, self._model, ask.position)
        return replace(ask, body=marked)

    async def _start(self, ask: Ask) -> bool:
        """Wait for the request's turn and call; whether to go on to the next."""
        model, load = model_and_load(self._contents.key, ask.body, answer=round(self._calls.answer))
        gate = self._shift.paces.gate(self._shift.account, model)
        self._owe(model, ask.position, load)
        await self._probed()
        await self._room.acquire()
        back = await self._calls.enter(gate, load, ask)
        if back is not None:
            self._calls.stop(Halt("waits for its turn", back, trouble=False))
            self._room.release()
            return False
        if not self._goes_on():
            gate.left()
            self._room.release()
            return False
        task = asyncio.create_task(self._calls.make(ask, gate, load, self._wanted))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        await asyncio.sleep(0)
        return True

    async def _probed(self) -> None:
        """Let those ask first whom a lane has refused: each refusal takes a turn from others."""
        while self._calls.in_doubt and self._tasks and not self._failed:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    def _done(self, task: asyncio.Task[None]) -> None:
        """A task that failed stays: its error is raised where the others are heard out."""
        self._room.release()
        if task.cancelled() or task.exception() is not None:
            self._failed = True
        else:
            self._tasks.discard(task)

    def _goes_on(self) -> bool:
        """Whether the next request may be sent; looks now and then at what others do."""
        now = self._shift.now()
        if now >= self._look_at or now < self._look_at - _LOOK:
            self._look_at = now + _LOOK
            self._contents = self._shift.store.contents(self._batch.id)
            final = self._shift.store.final_elsewhere(self._contents)
            self._elsewhere = positions(self._contents, final) if final else frozenset()
        if now >= self._until:
            self._calls.stop(Halt("goes on in its next step", now, trouble=False))
        stopped = self._contents.cancelled or self._calls.halt is not None or self._failed
        return not stopped and self._shift.may_send()

    def _wanted(self, ask: Ask) -> bool:
        """Whether a request that was refused is to be asked again; it has waited: looked at anew."""
        self._look_at = 0.0
        return self._goes_on() and ask.position not in self._elsewhere

    async def _hear_out(self) -> None:
        """Wait for the calls in flight; the first failure ends the others, and is raised."""
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            self._tasks -= done

    async def give_up(self) -> None:
        """Cut off what is still under way: somebody else goes on from here."""
        self._owe_nothing()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _owe(self, model: str, position: int, load: Load) -> None:
        """What there is to send yet, as if all of it were like this request and the average."""
        if model != self._model:
            self._owe_nothing()
            self._model = model
        left = self._contents.requests - position
        average = self._contents.size // max(self._contents.requests, 1)
        owed = Load(input=left * tokens_of(average), output=left * load.output, requests=left)
        self._shift.paces.owe(self._shift.account, model, self._batch.id, owed)

    def _owe_nothing(self) -> None:
        self._shift.paces.owe(self._shift.account, self._model, self._batch.id, None)

    # -- background -------------------------------------------------------------------------------
    async def _await_background(self) -> float | None:
        awaited = self._outbox.accepted
        if not awaited:
            return None
        unwanted = awaited.keys() if self._contents.cancelled else self._elsewhere
        turn = Round(self._shift, self._outbox, self._calls, unwanted)
        return await turn.make(_names(self._contents, awaited))

    # -- the end of the step ----------------------------------------------------------------------
    def _end(self, poll_at: float | None) -> None:
        halt, now = self._calls.halt, self._shift.now()
        send_at = self._send_at(now)
        if send_at is None:
            self._owe_nothing()
        again = [at for at in (poll_at, send_at) if at is not None]
        if again:
            self._go_on(min(again))
        else:
            files = self._outbox.finish()
            self._shift.advance(self._batch, self._batch.sent(now, files), self._story())
        if halt is not None and halt.refused is not None:
            self._shift.hold_if_hopeless(halt.refused)

    def _send_at(self, now: float) -> float | None:
        """When there is more to send, if there is."""
        closed = self._outbox.asked | self._elsewhere
        if len(closed) == self._contents.requests or self._contents.cancelled:
            return None
        halt = self._calls.halt
        return now + _PAUSED_LOOK if halt is None else halt.at

    def _go_on(self, at: float) -> None:
        halt = self._calls.halt
        if halt is None or not halt.trouble:
            self._shift.store.postpone(self._shift.lease, self._batch, self._batch.go_on(at))
            return
        troubles = 0 if self._calls.heard else self._batch.troubles + 1
        self._shift.advance(self._batch, self._batch.go_on(at, troubles=troubles), halt.why)

    def _story(self) -> str:
        halt, requests = self._calls.halt, self._contents.requests
        answered = len(self._outbox.answered)
        reason = f"; left the lane: {halt.why}" if halt is not None else ""
        return f"{answered:,} of {requests:,} answered{reason}"

    def _remember_capacity(self) -> None:
        """The share of calls that a lane refused for want of capacity, for whoever chooses lanes."""
        lane, calls = self._contents.lane, self._calls
        sold = offer(self._contents.key.provider, lane)
        if not calls.made or not (calls.refusals or (sold and sold.may_refuse)):
            return
        store, account, model = self._shift.store, self._shift.account, self._model
        learned = store.learned(account)
        names = (f"{lane}_calls", f"{lane}_refusals")
        before = (learned.get((model, name), 0) for name in names)
        after = capacity.remembered(*before, more=calls.made, refused=calls.refusals)
        now = self._shift.now()
        for name, value in zip(names, after, strict=True):
            store.learn(account, model, name, value, now)
        if (
            calls.halt is not None and calls.halt.at is None
        ):  # left: whoever chooses now goes elsewhere
            store.learn(account, model, f"{lane}_full_until", int(now + _FULL_SECONDS), now)
            self._shift.menus().chooser.forget()


def _names(contents: Contents, wanted: Iterable[int]) -> dict[int, str]:
    """The custom_ids of these positions."""
    starts = [part.start for part in contents.parts]
    ordinals = [list(part.ordinals) for part in contents.parts]
    found: dict[int, str] = {}
    for position in wanted:
        part = bisect_right(starts, position) - 1
        ordinal = ordinals[part][position - starts[part]]
        found[position] = custom_id(contents.parts[part].segment, ordinal)
    return found
