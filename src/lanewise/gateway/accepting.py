"""Calls that can wait are written down many at a time: one durable commit for all that came together.

A call is acknowledged after the commit that holds it, and never before. What a repeated call means is
found here too, so that it is not paid again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import msgspec

from lanewise.app import Engine, RunRequest
from lanewise.app.routing import Way
from lanewise.domain.decisions import Decision
from lanewise.domain.ids import RunId, fresh_id, request_name
from lanewise.domain.webhooks import Kind
from lanewise.errors import BadInput, LanewiseError, OverBudget
from lanewise.gateway.webhooks import require_webhook
from lanewise.gateway.who import Who
from lanewise.gateway.wishes import Answering, Wish
from lanewise.intake import Accepted, Unfit, bare
from lanewise.store.books import NoRoom, Standing
from lanewise.store.nouns import AlreadyClaimed, Claim, Claimed

GATHER_SECONDS: Final = 0.01
MOST_TOGETHER: Final = 1_000
MOST_QUEUED: Final = 10_000
MOST_BYTES: Final = 256 * 1024 * 1024  # of bodies that are not written down yet
_LANE_WORDS: Final = ("service_tier", "background", "background_options")
log = logging.getLogger("lanewise.gateway")


class Full(LanewiseError):
    """More calls wait to be written down than the gateway holds in memory."""


class Mismatch(LanewiseError):
    """An idempotency key was given for another request before."""


class Place(NamedTuple):
    """Which request a call made: a run, and its place in it."""

    run: RunId
    sequence: int


def request_id(place: Place) -> str:
    """The name of a request for its caller.

    >>> request_id(Place(RunId("abcdefghijklmnop"), 7))
    'req_abcdefghijklmnop_7'
    """
    return request_name(place.run, place.sequence)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A call's request is on disk and will be answered. `decision`: None where it was found again."""

    place: Place
    decision: Decision | None = None
    deadline: float | None = None  # as `lanewise.domain.deadlines.kept` keeps it

    @property
    def found(self) -> bool:
        """Whether an earlier call made it."""
        return self.decision is None


@dataclass(slots=True)
class Call:
    """One call that can wait."""

    who: Who
    wish: Wish
    path: str
    body: bytes
    name: str | None  # its idempotency key
    repeats: bool  # the client says that it made this call before
    future: asyncio.Future[Ticket]
    content: bytes = b""
    traceparent: str = ""  # the span in which it is accepted

    @property
    def together(self) -> tuple[str, str, str, str]:
        """Calls of which this is equal make one run."""
        return self.who.tenant, self.who.key, self.wish.workflow, self.wish.deadline


Outcome: TypeAlias = tuple[Call, Ticket | Exception]


@dataclass(slots=True)
class Acceptor:
    """Writes calls down in a thread of its own; `awaited` says whether somebody waits for a request."""

    engine: Engine
    awaited: Callable[[Place], bool]
    provider: str | None = None  # "sandbox": the built-in one
    _queue: queue.SimpleQueue[Call | None] = field(default_factory=queue.SimpleQueue)
    _bytes: int = 0
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def accept(self, call: Call) -> asyncio.Future[Ticket]:
        """Done when it is on disk. Raises `Full` where too much waits to be written down already."""
        if self._queue.qsize() >= MOST_QUEUED or self._bytes + len(call.body) > MOST_BYTES:
            raise Full("too many calls wait to be written down; try again in a second")
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._work, name="lanewise-accept", daemon=True)
            self._thread.start()
        self._bytes += len(call.body)
        self._queue.put(call)
        return call.future

    @property
    def unwritten(self) -> int:
        """How many wait to be written down."""
        return self._queue.qsize()

    async def close(self) -> None:
        """Write down what came in, then stop."""
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _work(self) -> None:
        assert self._loop is not None, "the thread is started from a loop"
        going = True
        while going:
            calls, going = self._take()
            outcomes = list(self._accept(calls))
            self._loop.call_soon_threadsafe(self._tell, outcomes)

    def _take(self) -> tuple[list[Call], bool]:
        """What comes within a moment of the first; and whether more may come."""
        first = self._queue.get()
        if first is None:
            return [], False
        if self._queue.qsize() < MOST_TOGETHER:
            time.sleep(GATHER_SECONDS)
        calls = [first]
        while len(calls) < MOST_TOGETHER:
            try:
                call = self._queue.get_nowait()
            except queue.Empty:
                break
            if call is None:
                return calls, False
            calls.append(call)
        return calls, True

    def _tell(self, outcomes: list[Outcome]) -> None:
        for call, outcome in outcomes:
            self._bytes -= len(call.body)
            if call.future.done():  # nobody waits for it any more
                continue
            if isinstance(outcome, Exception):
                call.future.set_exception(outcome)
            else:
                call.future.set_result(outcome)

    def _accept(self, calls: list[Call]) -> Iterator[Outcome]:
        groups: dict[tuple[str, ...], list[Call]] = defaultdict(list)
        for call in calls:
            call.content = hashlib.sha256(call.path.encode() + b"\0" + call.body).digest()[:16]
            groups[call.together].append(call)
        for group in groups.values():
            try:
                yield from self._accept_alike(group)
            except Exception as error:
                log.exception("writing calls down failed")
                yield from ((call, error) for call in group)

    # -- which are new ----------------------------------------------------------------------------
    def _accept_alike(self, group: list[Call]) -> list[Outcome]:
        """Find what repeats an earlier call; accept the rest as one run."""
        done: list[Outcome] = []
        new: list[tuple[Call, Accepted]] = []
        again: list[tuple[Call, Call]] = []
        taken: set[Place] = set()
        salt = fresh_id()  # a rollout by percentage goes by ids
        for number, call in enumerate(group):
            try:
                if (found := self._found(call, taken)) is not None:
                    done.append((call, Ticket(found)))
                elif (twin := _twin(call, new)) is not None:
                    again.append((call, twin))
                else:
                    require_webhook(self.engine.store, call.who.tenant, call.wish.webhook)
                    new.append((call, _request(call, f"{salt}-{number}")))
            except (LanewiseError, Unfit) as error:
                done.append((call, error))
        if new:
            done += self._commit(new)
        known = {id(call): outcome for call, outcome in done}
        return done + [(call, known[id(twin)]) for call, twin in again]

    def _found(self, call: Call, taken: set[Place]) -> Place | None:
        """The request that this call made before; each of several equal ones is found once."""
        now, tenant = self.engine.clock.now(), call.who.tenant
        if call.name is not None:
            named = self.engine.store.claimed(tenant, call.name, now)
            if named is not None and named.content != call.content:
                raise Mismatch("this idempotency key was given for another request before")
            return None if named is None else _place(named)
        if not call.repeats:
            return None
        places = [_place(item) for item in self.engine.store.alike(tenant, call.content, now)]
        left = [place for place in places if place not in taken]
        chosen = next((place for place in left if not self.awaited(place)), next(iter(left), None))
        if chosen is not None:
            taken.add(chosen)
        return chosen

    # -- one run ----------------------------------------------------------------------------------
    def _commit(self, new: list[tuple[Call, Accepted]]) -> list[Outcome]:
        """Accept them as one run; where one of them cannot be, find out which, and accept the others."""
        calls = [call for call, _ in new]
        ways: list[Way] = []
        wanted = self._wanted(calls)
        try:
            run = self._run(wanted, [request for _, request in new], ways)
        except AlreadyClaimed:  # by another process meanwhile: now it is found
            return self._accept_alike(calls)
        except (BadInput, OverBudget) as error:
            if len(new) == 1:
                return [(calls[0], error)]
            if isinstance(error, NoRoom):
                return self._commit_what_fits(new, wanted, error.standing)
            return self._commit_halves(new)
        except LanewiseError as error:
            return [(call, error) for call in calls]
        return [
            (call, Ticket(Place(run, sequence), way.route.decision, way.deadline))
            for sequence, (call, way) in enumerate(zip(calls, ways, strict=True))
        ]

    def _commit_halves(self, new: list[tuple[Call, Accepted]]) -> list[Outcome]:
        half = len(new) // 2
        return self._commit(new[:half]) + self._commit(new[half:])

    def _commit_what_fits(
        self, new: list[tuple[Call, Accepted]], wanted: RunRequest, standing: Standing
    ) -> list[Outcome]:
        """In their order, those that a cap has room for: a key that has spent its budget holds up nobody."""
        left, refused, fit = standing.left_nano, list[Outcome](), list[tuple[Call, Accepted]]()
        each = self.engine.most((request for _, request in new), wanted)
        for one, most in zip(new, each, strict=True):
            if most > left:
                refused.append((one[0], NoRoom(most, standing)))
            else:
                left -= most
                fit.append(one)
        if not refused:  # by themselves they are taken for a little less than together
            return self._commit_halves(new)
        return refused + (self._commit(fit) if fit else [])

    def _wanted(self, calls: Sequence[Call]) -> RunRequest:
        first = calls[0]  # they are alike
        return RunRequest(
            first.wish.workflow,
            "gateway",
            self.provider,
            again=True,  # equal calls are as many requests
            deadline=first.wish.deadline,
            key=first.who.key,
            monthly_nano=first.who.monthly_nano,
            tenant=first.who.tenant,
            lanes=first.who.lanes,
            claims=[_claim(call) for call in calls],
        )

    def _run(self, wanted: RunRequest, requests: list[Accepted], ways: list[Way]) -> RunId:
        received = self.engine.accept(iter(requests), wanted, ways=ways)
        if received.run is None:
            raise BadInput(received.broken[0].why)
        return received.run.id


def _claim(call: Call) -> Claim:
    kind: Kind = "response" if call.wish.answering is Answering.RESPONSE else "request"
    return Claim(call.name, call.content, call.wish.webhook, kind, call.traceparent)


def _place(found: Claimed) -> Place:
    return Place(found.run, found.sequence)


def _twin(call: Call, before: list[tuple[Call, Accepted]]) -> Call | None:
    """The call that came together with this one and that it repeats."""
    if call.name is None and not call.repeats:
        return None
    for other, _ in before:
        if call.name is not None and other.name == call.name:
            if other.content != call.content:
                raise Mismatch("this idempotency key was given for another request before")
            return other
        if call.name is None and not other.repeats and other.content == call.content:
            return other
    return None


def _request(call: Call, caller_id: str) -> Accepted:
    body = _without_lane_words(call.body) if call.wish.marked else call.body
    return bare(call.path, body, number=1, caller_id=caller_id)


def _without_lane_words(body: bytes) -> bytes:
    """The body without what its lane is chosen by: the lane it takes has words of its own."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({k: v for k, v in members.items() if k not in _LANE_WORDS})
