"""Callers who wait for their answer on the connection: one look at the store for all of them.

The answer is the provider's own, with its status. Headers are held back for the first minute, so that
what fails early keeps its status; after that they say 200 and white space, which JSON allows before a
value, keeps the connection alive. What fails then cannot be said any more: the connection is cut off, and
the client's repeated call gets the error at once.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from lanewise.domain.ids import BatchId, RunId
from lanewise.domain.results import Verdict
from lanewise.errors import LanewiseError
from lanewise.gateway.accepting import Place, request_id
from lanewise.gateway.dialect import Dialect, error_body
from lanewise.gateway.holding import HOLD, Ended, Held, Hold
from lanewise.gateway.routes import Handler, Receive, Scope, Send
from lanewise.gateway.wire import Headers
from lanewise.providers.dialects import as_called
from lanewise.store.nouns import Answer, Event
from lanewise.store.protocol import Store

LOOK_SECONDS: Final = 0.1
MOST_WAITING: Final = 20_000  # clients of one process; each has a connection and some memory
_ENDINGS: Final = frozenset({"batch.settled", "batch.rejected", "batch.cancelled"})
_OF_RUNS: Final = frozenset({"run.finished", "run.cancelling", "request.cancelled"})
_PAGE: Final = 1_000  # events
_AT_A_TIME: Final = 250  # callers told before other calls have their turn
log = logging.getLogger("lanewise.gateway")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call on the connection would have been told."""

    status: int
    body: bytes
    final: bool = True  # whether the same call again would be told the same


# in Anthropic's form, which has what OpenAI's clients read as well
_LEAVING: Final = Reply(
    503, error_body(Dialect.ANTHROPIC, 503, "the gateway restarts; call again"), final=False
)

_UNDONE: Final = {
    Verdict.REFUSED: 400,
    Verdict.EXPIRED: 504,
    Verdict.CANCELLED: 409,
}  # without a line of the provider's; 502 for the rest


def reply_of(answer: Answer) -> Reply:
    """The provider's own status and body, or in its words why there is none."""
    found = None if answer.line is None else as_called(answer.line)
    if found is not None:
        return Reply(*found)
    assert answer.verdict is not None, "only final results are told"
    status = _UNDONE.get(answer.verdict, 502)
    outcome = answer.outcome
    message = outcome.message if outcome is not None else "the provider did not do it"
    code = outcome.code if outcome is not None else answer.verdict.name.lower()
    return Reply(status, error_body(Dialect(answer.provider), status, message, code=code))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long headers are held back, and how often white space is sent after that; in seconds."""

    early: float = 60.0
    every: float = 15.0


class Waiting:
    """Everybody in this process who waits for an answer."""

    def __init__(
        self,
        store: Store,
        patience: Patience,
        handed_out: Callable[[Place, int], None] | None = None,
    ) -> None:
        """`handed_out` hears of each final answer, with its status."""
        self._store, self._patience, self._handed_out = store, patience, handed_out
        self._waiting: dict[RunId, dict[int, list[Held]]] = {}
        self._fresh: dict[RunId, set[int]] = defaultdict(set)  # not looked for yet
        self._seen = 0  # the last event that was heard of
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="lanewise-answers")
        self._watching: asyncio.Task[None] | None = None
        self._leaving = False
        self._quiet: deque[Held] = deque()  # told nothing yet, the first due first
        self._begun: deque[Held] = deque()  # told that all is well, likewise
        self._timer: asyncio.TimerHandle | None = None
        self._look_at = math.inf  # of the loop's clock: when the timer ends
        self.clients = 0  # that wait

    @property
    def full(self) -> bool:
        """Whether there is no room for one more."""
        return self.clients >= MOST_WAITING

    def awaited(self, place: Place) -> bool:
        """Whether somebody waits for the answer of this request; may be asked from another thread."""
        return place.sequence in self._waiting.get(place.run, {})

    def add(self, held: Held, place: Place) -> bool:
        """Answer on this connection with the final result, as soon as there is one.

        False where the client is gone already.
        """
        if not held.adopt(self, place):
            return False
        self._waiting.setdefault(place.run, {}).setdefault(place.sequence, []).append(held)
        self.clients += 1
        if self._leaving:
            self.let_go()
            return True
        self._fresh[place.run].add(place.sequence)
        self._later(self._quiet, held, self._patience.early)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="answers")
        return True

    def let_go(self) -> None:
        """Everybody who waits is told to call again; their requests go on, and are found by that call."""
        for held in [
            h for of_run in self._waiting.values() for each in of_run.values() for h in each
        ]:
            _end(held, _LEAVING)

    def leave(self) -> None:
        """The process ends: nobody waits here from now on."""
        self._leaving = True
        self.let_go()

    async def known(self, place: Place) -> Answer | None:
        """The final result if it is there by now."""

        def look() -> Answer | None:
            return next(self._store.answers_at(place.run, {place.sequence}), None)

        return await asyncio.get_running_loop().run_in_executor(self._reader, look)

    def gone(self, held: Held) -> None:
        """Somebody waits no more."""
        place = held.place
        if held.ended is not None:
            held.ended.ended(held.status, place)
        of_run = self._waiting[place.run]
        of_run[place.sequence].remove(held)
        self.clients -= 1
        if not of_run[place.sequence]:
            del of_run[place.sequence]
        if not of_run:
            del self._waiting[place.run]

    async def close(self) -> None:
        """Nobody waits any more."""
        self.leave()
        if self._watching is not None:
            self._watching.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._reader.shutdown(wait=True)

    async def _watch(self) -> None:
        """While anybody waits, hear what has ended and tell those whom it concerns."""
        loop = asyncio.get_running_loop()
        self._seen = await loop.run_in_executor(self._reader, self._store.newest_event)
        while self._waiting:
            wanted = {run: set(waiters) for run, waiters in self._waiting.items()}
            fresh, self._fresh = dict(self._fresh), defaultdict(set)
            try:
                news = await loop.run_in_executor(self._reader, self._news, wanted, fresh)
            except LanewiseError as error:
                log.warning("looking for answers failed: %s", error)
                news = []
                for run, sequences in wanted.items():  # what was heard is lost: look for all
                    self._fresh[run] |= sequences
            await self._tell(news)
            await asyncio.sleep(LOOK_SECONDS)

    async def _tell(self, news: list[tuple[Place, Answer]]) -> None:
        for count, (place, answer) in enumerate(news, 1):
            waiters = self._waiting.get(place.run, {}).get(place.sequence, ())
            if waiters:
                reply = reply_of(answer)
                for held in list(waiters):
                    _end(held, reply)
                    if self._handed_out is not None:
                        self._handed_out(place, reply.status)
            if not count % _AT_A_TIME:
                await asyncio.sleep(0)  # other calls have their turn

    def _news(
        self, wanted: dict[RunId, set[int]], fresh: dict[RunId, set[int]]
    ) -> list[tuple[Place, Answer]]:
        """Final results that came since the last look, and those that were there before."""
        look = {run: sequences & wanted.get(run, set()) for run, sequences in fresh.items()}
        look |= {run: wanted[run] for run in self._ended() if run in wanted}
        return [
            (Place(run, answer.sequence), answer)
            for run, sequences in look.items()
            if sequences
            for answer in self._store.answers_at(run, sequences)
        ]

    def _ended(self) -> Iterator[RunId]:
        """Runs of which something came to its end since the last look."""
        while events := self._store.events(after=self._seen, limit=_PAGE):
            for event in events:
                yield from self._runs_of(event)
                self._seen = event.id

    def _runs_of(self, event: Event) -> Iterator[RunId]:
        if event.kind in _OF_RUNS:
            yield RunId(event.subject)
        elif event.kind in _ENDINGS:
            contents = self._store.contents(BatchId(event.subject))
            yield from {part.run for part in contents.parts}

    # -- those who wait for long --------------------------------------------------------------------
    def _later(self, queue: deque[Held], held: Held, seconds: float) -> None:
        """Have a caller hear something in a while; all in a queue wait for equally long."""
        loop = asyncio.get_running_loop()
        held.due = loop.time() + seconds
        queue.append(held)
        if held.due < self._look_at:
            self._look_again(held.due)

    def _look_again(self, at: float) -> None:
        """Look then, and not before, who is to hear something."""
        if self._timer is not None:
            self._timer.cancel()
        self._look_at = at
        self._timer = (
            None if at == math.inf else asyncio.get_running_loop().call_at(at, self._comfort)
        )

    def _comfort(self) -> None:
        """Tell those whose time has come that all is well, by one timer for everybody."""
        loop = asyncio.get_running_loop()
        now, told = loop.time(), 0
        for queue in (self._quiet, self._begun):
            while queue and (queue[0].over or (queue[0].due <= now and told < _AT_A_TIME)):
                held = queue.popleft()
                if held.over:
                    continue
                told += 1
                if not held.begun:
                    held.begin([*_JSON, _named(held.place)])
                held.send(b" ")
                self._later(self._begun, held, self._patience.every)
        due = (queue[0].due for queue in (self._quiet, self._begun) if queue)
        self._look_again(min(due, default=math.inf))


def told(answer: Answer, place: Place) -> Handler:
    """Answers at once with what is known."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        reply = reply_of(answer)
        length = (b"content-length", b"%d" % len(reply.body))
        headers = [*_headers(reply, place), length]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    return respond


@dataclass(frozen=True, slots=True)
class Holding:
    """Answers on the connection, later. A client that goes away leaves its request as it is."""

    waiting: Waiting
    place: Place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the caller wait."""
        self.take(scope, None)

    def take(self, scope: Scope, ended: Ended | None) -> bool:
        """Let the caller wait, whose end `ended` is told; False where the client is gone already."""
        hold: Hold | None = scope["extensions"].get(HOLD)
        if hold is None:
            return False
        held = hold(scope)
        held.ended = ended
        return self.waiting.add(held, self.place)


def _end(held: Held, reply: Reply) -> None:
    """Tell somebody who waited what became of it, as far as that can still be said."""
    held.status = reply.status
    if not held.begun:
        held.answer(reply.status, _headers(reply, held.place), reply.body)
    elif reply.status < 400:
        held.finish(reply.body)
    else:
        held.cut()


def _headers(reply: Reply, place: Place) -> Headers:
    headers = [*_JSON, _named(place)]
    if reply.status >= 400:
        headers.append(NO_RETRY if reply.final else (b"retry-after", b"1"))
    return headers


def _named(place: Place) -> tuple[bytes, bytes]:
    return b"x-lanewise-request", request_id(place).encode()


_JSON: Final = [(b"content-type", b"application/json")]
NO_RETRY: Final = (b"x-should-retry", b"false")  # the official clients heed it: it is final
