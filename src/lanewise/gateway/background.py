"""The background lane over HTTP: a call that can wait is written down, and answered in one of three ways.

*wait* on the connection, *poll* an address (or a response as OpenAI's are polled), or have a *webhook* told.
What was acknowledged is on disk and will be answered, whatever becomes of this process.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from lanewise.app.policies import zone_named
from lanewise.app.zones import zone_of
from lanewise.domain.deadlines import deadline
from lanewise.domain.lanes import REALTIME
from lanewise.errors import (
    BadInput,
    BadSettings,
    LanewiseError,
    NotFound,
    OverBudget,
    ProviderUnusable,
    TooSoon,
)
from lanewise.gateway import polling
from lanewise.gateway.accepting import Acceptor, Call, Full, Mismatch, Place, Ticket, request_id
from lanewise.gateway.dialect import Dialect, dialect_of, error_body
from lanewise.gateway.keys import LOOK_SECONDS
from lanewise.gateway.linking import linking
from lanewise.gateway.routes import Handler, Parts, Receive, Scope, Send
from lanewise.gateway.waiting import NO_RETRY, Holding, Patience, Waiting, told
from lanewise.gateway.who import Who
from lanewise.gateway.wire import Headers
from lanewise.gateway.wishes import EARLIEST, Answering, Head, Wish, is_background, workflow_of
from lanewise.intake import ENDPOINTS, Unfit
from lanewise.policy.rules import NO_POLICY, Policy, Ruling, Traits
from lanewise.providers.offers import offer

_NAME_LENGTH: Final = 256  # of an idempotency key
_TRACEPARENT_LENGTH: Final = 55  # of W3C's version 00
_CROWDED: Final = (
    "too many clients wait here; try again in a second, or poll (Prefer: respond-async)"
)
log = logging.getLogger("lanewise.gateway")


class Background:
    """Takes calls that can wait; one for each process, closed before the engine is."""

    def __init__(
        self, parts: Parts, *, provider: str | None = None, patience: Patience | None = None
    ) -> None:
        """`provider`: "sandbox" for the built-in one instead of those that there are credentials for."""
        self._parts, self._engine = parts, parts.engine
        self._policy, self._looked = NO_POLICY, -math.inf  # looked at as often as keys are
        self._linking = linking(parts)
        handed_out = None if self._linking is None else self._handed_out
        self._waiting = Waiting(parts.engine.store, patience or Patience(), handed_out)
        self._acceptor = Acceptor(parts.engine, self._waiting.awaited, provider)

    def wish(self, who: Who, path: str, headers: Mapping[bytes, bytes], head: Head) -> Wish | None:
        """What is wished of a call that can wait; None where it goes in real time.

        Raises `BadInput` for a wish that cannot be.
        """
        if path not in ENDPOINTS:
            return None
        ruling = self._ruling(who, path, headers, head)
        due = ruling.deadline if ruling.rule and ruling.deadline != "none" else ""
        found = is_background(who, headers, head, due)
        if found is None:
            _require_terms(ruling, ENDPOINTS[path].dialect)
        return found

    def _ruling(self, who: Who, path: str, headers: Mapping[bytes, bytes], head: Head) -> Ruling:
        """What policy says of a call; its default deadline is for runs."""
        now = self._engine.clock.now()
        policy = self._current(now)
        if not policy.rules:
            return policy.default
        model = self._engine.accounts.meant(head.model)
        return policy.ruling(Traits(workflow_of(who, headers), model, path, (), who.key), now)

    def _current(self, now: float) -> Policy:
        if not 0.0 <= now - self._looked < LOOK_SECONDS:
            self._policy, self._looked = self._engine.policy.current(now), now
        return self._policy

    async def handle(
        self,
        who: Who,
        path: str,
        headers: Mapping[bytes, bytes],
        wish: Wish,
        body: bytes,
    ) -> Handler:
        """Write the call down, and say how its answer is given; a refusal where it cannot be taken."""
        if wish.answering is Answering.WAIT and self._waiting.full:
            return refusal(dialect_of(path, versioned=False), Full(_CROWDED))
        dialect = dialect_of(path, versioned=b"anthropic-version" in headers)
        try:
            # what cannot be meant does not get in the way of calls that are written down together
            now = self._engine.clock.now()
            zone = zone_of(self._current(now), self._engine.environ)
            deadline(wish.deadline, now, zone, where="--deadline", zones=zone_named)
            call = _call(who, path, headers, wish, body)
            ticket = await self._acceptor.accept(call)
            return await self._answering(wish, ticket, body)
        except (LanewiseError, Unfit) as error:
            return refusal(dialect, error)

    async def _answering(self, wish: Wish, ticket: Ticket, body: bytes) -> Handler:
        match wish.answering:
            case Answering.WAIT:
                return await self._on_the_connection(ticket)
            case Answering.POLL if not ticket.found:
                return _asgi(polling.accepted(self._engine.store, ticket))
            case Answering.POLL:
                return _asgi(await asyncio.to_thread(polling.accepted, self._engine.store, ticket))
            case Answering.RESPONSE:
                model = msgspec.json.decode(body, type=Head).model
                now = self._engine.clock.now()
                return _asgi(polling.accepted_response(ticket.place, model, now))

    async def _on_the_connection(self, ticket: Ticket) -> Handler:
        place = ticket.place
        known = await self._waiting.known(place) if ticket.found else None
        if known is None:
            return Holding(self._waiting, place)
        respond = told(known, place)
        if self._linking is None:
            return respond
        return self._linking.around(place, request_id(place), respond)

    def _handed_out(self, place: Place, status: int) -> None:
        """Somebody who waited got a final answer: it is told beside the loop."""
        assert self._linking is not None, "else nobody asks for it"
        tell = partial(self._linking.tell, place, request_id(place), status, awaited=True)
        asyncio.get_running_loop().run_in_executor(None, tell)

    def let_go(self) -> None:
        """Whoever waits, from now on too, is told to call again: that call finds their request."""
        self._waiting.leave()

    @property
    def waiting_clients(self) -> int:
        """How many wait on their connection."""
        return self._waiting.clients

    @property
    def unwritten(self) -> int:
        """How many calls wait to be written down."""
        return self._acceptor.unwritten

    def routes(self) -> list[Route]:
        """Where requests that were accepted are asked for."""
        return polling.routes(self._parts)

    async def close(self) -> None:
        """Write down what came in; for when nobody is served any more."""
        await self._acceptor.close()
        await self._waiting.close()


def _require_terms(ruling: Ruling, provider: str) -> None:
    """Raises `BadInput` where a call in real time would leave the data terms that policy says."""
    sold = offer(provider, REALTIME)
    if sold is None or ruling.terms in sold.terms:
        return
    who = f"rule {ruling.rule!r} of the policy" if ruling.rule else "the policy"
    raise BadInput(
        f"{who} says {ruling.terms} terms, and {provider} does not offer real time under them; "
        "ask another provider"
    )


def _call(who: Who, path: str, headers: Mapping[bytes, bytes], wish: Wish, body: bytes) -> Call:
    name = headers.get(b"idempotency-key")
    if name is not None and not 0 < len(name) <= _NAME_LENGTH:
        raise BadInput(f"an idempotency key has 1 to {_NAME_LENGTH} characters")
    future = asyncio.get_running_loop().create_future()
    text = None if name is None else name.decode("latin-1")
    repeats = headers.get(b"x-stainless-retry-count", b"0").strip() not in (b"0", b"")
    traced = headers.get(b"traceparent", b"").decode("latin-1")[:_TRACEPARENT_LENGTH]
    return Call(who, wish, path, body, text, repeats, future, traceparent=traced)


@dataclass(frozen=True, slots=True)
class Refusing:
    """Answers with an error; nothing was accepted."""

    status: int
    code: str
    headers: Headers
    body: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        headers = [*self.headers, (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def refusal(dialect: Dialect, error: Exception) -> Refusing:
    """An error in the words of the client's API, with nothing accepted."""
    status, code = _status_of(error)
    message = str(error).removeprefix("line 1: ").replace("--deadline", "x-lanewise-deadline")
    if status >= 500:
        log.error("a call that can wait was refused: %s", error)
        message = "the gateway cannot take requests that can wait at the moment"
    headers = [(b"content-type", b"application/json")]
    headers.append((b"retry-after", b"1") if status == 429 else NO_RETRY)
    if isinstance(error, TooSoon):
        headers.append((EARLIEST, error.earliest.isoformat().encode()))
    body = error_body(dialect, status, message, code=code)
    return Refusing(status, code or str(status), headers, body)


def _status_of(error: Exception) -> tuple[int, str | None]:
    match error:
        case TooSoon():
            return 400, "deadline_too_soon"
        case Mismatch():
            return 409, "idempotency_key_reused"
        case Full():
            return 429, "queue_full"
        case OverBudget():
            return 402, "over_budget"
        case BadSettings() | ProviderUnusable():
            return 503, None
        case NotFound():
            return 404, "webhook_not_found"
        case BadInput() | Unfit():
            return 400, None
        case _:
            return 503, None


def _asgi(response: Response) -> Handler:
    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        head = {"status": response.status_code, "headers": response.raw_headers}
        await send({"type": "http.response.start", **head})
        await send({"type": "http.response.body", "body": response.body})

    return respond
