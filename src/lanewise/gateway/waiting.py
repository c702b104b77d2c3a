"""Callers who wait for their answer on the connection: one look at the store for all of them.

The answer is the provider's own, with its status. Headers are held back for the first minute, so that
what fails early keeps its status; after that they say 200 and white space, which JSON allows before a
value, keeps the connection alive. What fails then cannot be said any more: the connection is cut off, and
the client's repeated call gets the error at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from lanewise.domain.ids import BatchId, RunId
from lanewise.domain.results import Verdict
from lanewise.errors import LanewiseError
from lanewise.gateway.accepting import Place
from lanewise.gateway.dialect import Dialect, error_body
from lanewise.gateway.routes import Handler, Receive, Scope, Send
from lanewise.providers.dialects import as_called
from lanewise.store.nouns import Answer, Event
from lanewise.store.protocol import Store

LOOK_SECONDS: Final = 0.1
MOST_WAITING: Final = 20_000  # clients of one process; each has a connection and some memory
_ENDINGS: Final = frozenset({"batch.settled", "batch.rejected", "batch.cancelled"})
_OF_RUNS: Final = frozenset({"run.finished", "run.cancelling", "request.cancelled"})
_PAGE: Final = 1_000  # events
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


class Waiting:
    """Everybody in this process who waits for an answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[RunId, dict[int, list[asyncio.Future[Reply]]]] = {}
        self._fresh: dict[RunId, set[int]] = defaultdict(set)  # not looked for yet
        self._seen = 0  # the last event that was heard of
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="lanewise-answers")
        self._watching: asyncio.Task[None] | None = None
        self._leaving = False
        self.clients = 0  # that wait

    @property
    def full(self) -> bool:
        """Whether there is no room for one more."""
        return self.clients >= MOST_WAITING

    def awaited(self, place: Place) -> bool:
        """Whether somebody waits for the answer of this request; may be asked from another thread."""
        return place.sequence in self._waiting.get(place.run, {})

    @contextmanager
    def answer(self, place: Place) -> Iterator[asyncio.Future[Reply]]:
        """The final result, as soon as there is one; leave the context to wait no more."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(place.run, {}).setdefault(place.sequence, [])
        waiters.append(future)
        self.clients += 1
        if self._leaving:
            future.set_result(_LEAVING)
        self._fresh[place.run].add(place.sequence)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="answers")
        try:
            yield future
        finally:
            waiters.remove(future)
            self.clients -= 1
            if not waiters:
                self._forget(place)

    def let_go(self) -> None:
        """Everybody who waits, from now on too, is told to call again: that call finds their request."""
        self._leaving = True
        for of_run in self._waiting.values():
            for futures in of_run.values():
                for future in futures:
                    if not future.done():
                        future.set_result(_LEAVING)

    async def known(self, place: Place) -> Answer | None:
        """The final result if it is there by now."""

        def look() -> Answer | None:
            return next(self._store.answers_at(place.run, {place.sequence}), None)

        return await asyncio.get_running_loop().run_in_executor(self._reader, look)

    def _forget(self, place: Place) -> None:
        of_run = self._waiting[place.run]
        del of_run[place.sequence]
        if not of_run:
            del self._waiting[place.run]

    async def close(self) -> None:
        """Nobody waits any more."""
        if self._watching is not None:
            self._watching.cancel()
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
            self._tell(news)
            await asyncio.sleep(LOOK_SECONDS)

    def _tell(self, news: list[tuple[Place, Answer]]) -> None:
        for place, answer in news:
            for future in self._waiting.get(place.run, {}).get(place.sequence, ()):
                if not future.done():
                    future.set_result(reply_of(answer))

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


@dataclass(frozen=True, slots=True)
class Patience:
    """How long headers are held back, and how often white space is sent after that; in seconds."""

    early: float = 60.0
    every: float = 15.0


def told(answer: Answer, request_id: str) -> Handler:
    """Answers at once with what is known."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        await _whole(send, reply_of(answer), (b"x-lanewise-request", request_id.encode()))

    return respond


def held(waiting: Waiting, place: Place, request_id: str, patience: Patience) -> Handler:
    """Answers on the connection. A client that goes away leaves its request as it is."""
    own = (b"x-lanewise-request", request_id.encode())

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        with waiting.answer(place) as future:
            gone = asyncio.ensure_future(_gone(receive))
            try:
                if await _first(future, gone, patience.early):
                    await _whole(send, future.result(), own)
                elif not gone.done():
                    await _trickle(send, future, gone, patience.every, own)
            finally:
                gone.cancel()

    return respond


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first(future: asyncio.Future[Reply], gone: asyncio.Future[None], seconds: float) -> bool:
    """Whether the answer is there; False also where the client is gone or the time is over."""
    await asyncio.wait((future, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    return future.done() and not gone.done()


async def _whole(send: Send, reply: Reply, own: tuple[bytes, bytes]) -> None:
    headers = [*_JSON, own, (b"content-length", str(len(reply.body)).encode())]
    if reply.status >= 400:
        headers.append(NO_RETRY if reply.final else (b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _trickle(
    send: Send,
    future: asyncio.Future[Reply],
    gone: asyncio.Future[None],
    every: float,
    own: tuple[bytes, bytes],
) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [*_JSON, own]})
    while not future.done() and not gone.done():
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await _first(future, gone, every)
    if gone.done():
        return
    reply = future.result()
    if reply.status < 400:
        await send({"type": "http.response.body", "body": reply.body})
    # else to return with the body unfinished makes the server cut the connection off


_JSON: Final = [(b"content-type", b"application/json")]
NO_RETRY: Final = (b"x-should-retry", b"false")  # the official clients heed it: it is final
