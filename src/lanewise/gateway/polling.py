"""Requests that are fetched later: by an address of ours, or as OpenAI's background responses are."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lanewise.domain.deadlines import AT_ONCE
from lanewise.domain.decisions import Decision
from lanewise.domain.ids import RESPONSE, parse_request_name, response_name
from lanewise.gateway.accepting import Place, Ticket, request_id
from lanewise.gateway.dialect import dialect_of, error_body
from lanewise.gateway.linking import linking
from lanewise.gateway.routes import Parts
from lanewise.gateway.waiting import Reply, reply_of
from lanewise.policy.announcing import REQUESTS
from lanewise.store.nouns import Answer, RequestTrace
from lanewise.store.protocol import Store
from lanewise.store.segments import model_of

_encode: Final = msgspec.json.Encoder().encode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def place_of(text: str) -> Place | None:
    """The request that a name of ours means; None for any other text.

    >>> place_of("req_abcdefghijklmnop_7")
    Place(run='abcdefghijklmnop', sequence=7)
    >>> place_of("req_../../etc_7") is None
    True
    """
    found = parse_request_name(text) if text.startswith("req_") else None
    return None if found is None else Place(*found)


def accepted(store: Store, ticket: Ticket) -> Response:
    """202 with where to ask for the answer."""
    shown = _ticketed(ticket) or _shown(ticket.place, _trace(store, ticket.place))
    name = request_id(ticket.place)
    headers = {"location": f"{REQUESTS}/{name}", "preference-applied": "respond-async"}
    return _json(202, shown, headers | {"x-lanewise-request": name})


def accepted_response(place: Place, model: str, now: float) -> Response:
    """A background response that is not answered yet, as OpenAI shows one."""
    headers = {"x-lanewise-request": request_id(place)}
    return _json(200, _response(place, "queued", model, now), headers)


def routes(parts: Parts) -> list[Route]:
    """What is asked about requests that were accepted."""
    looks = Looks(parts)
    return [
        Route(f"{REQUESTS}/{{name}}", looks.request, methods=["GET"]),
        Route(f"{REQUESTS}/{{name}}/cancel", looks.cancel_request, methods=["POST"]),
        Route("/v1/responses/{name}", looks.response, methods=["GET"]),
        Route("/v1/responses/{name}/cancel", looks.cancel_response, methods=["POST"]),
    ]


class Looks:
    """Handlers; another tenant's request is one that is not there."""

    def __init__(self, parts: Parts) -> None:
        self._store, self._clock, self._identify = (
            parts.engine.store,
            parts.engine.clock,
            parts.identify,
        )
        self._linking = linking(parts)

    async def request(self, request: Request) -> Response:
        """A request and, when it has one, its answer."""
        place = await self._place(request, request.path_params["name"])
        return place if isinstance(place, Response) else await asyncio.to_thread(self._look, place)

    async def cancel_request(self, request: Request) -> Response:
        """End a request that still waits here; 409 where it is too late for that."""
        place = await self._place(request, request.path_params["name"])
        if isinstance(place, Response):
            return place
        if await asyncio.to_thread(self._cancel, place):
            return await asyncio.to_thread(self._look, place)
        return _error(
            request, 409, "it is with the provider or has ended, so it cannot be cancelled"
        )

    async def response(self, request: Request) -> Response:
        """A background response of ours."""
        place = await self._place(request, _ours(request))
        return (
            place if isinstance(place, Response) else await asyncio.to_thread(self._respond, place)
        )

    async def cancel_response(self, request: Request) -> Response:
        """The same as OpenAI's: what cannot be cancelled any more goes on, and its state says so."""
        place = await self._place(request, _ours(request))
        if isinstance(place, Response):
            return place
        await asyncio.to_thread(self._cancel, place)
        return await asyncio.to_thread(self._respond, place)

    async def _place(self, request: Request, name: str) -> Place | Response:
        who = self._identify(dict(request.headers.raw))
        if who is None:
            return _error(request, 401, "no valid key was given")
        place = place_of(name)
        if place is None or not await asyncio.to_thread(self._is_theirs, place, who.tenant):
            return _error(request, 404, "there is no such request")
        return place

    def _is_theirs(self, place: Place, tenant: str) -> bool:
        return (
            self._store.tenant_of(place.run) == tenant
            and self._store.place(place.run, place.sequence) is not None
        )

    def _cancel(self, place: Place) -> bool:
        return self._store.cancel_request(place.run, place.sequence, self._clock.now())

    def _answer(self, place: Place) -> Answer | None:
        return next(iter(self._store.answers_at(place.run, {place.sequence})), None)

    def _told(self, place: Place, answer: Answer) -> Reply:
        reply = reply_of(answer)
        if self._linking is not None:
            self._linking.tell(place, request_id(place), reply.status)
        return reply

    def _look(self, place: Place) -> Response:
        shown = _shown(place, _trace(self._store, place))
        answer = self._answer(place)
        if answer is None:
            return _json(202, shown, {"retry-after": "5"})
        assert answer.verdict is not None, "only final results are found"
        reply = self._told(place, answer)
        words = {"ANSWERED": "answered", "REFUSED": "refused"}
        shown["status"] = words.get(answer.verdict.name, "unanswered")
        shown["response"] = {"status_code": reply.status, "body": msgspec.Raw(reply.body)}
        return _json(200, shown)

    def _respond(self, place: Place) -> Response:
        trace, answer = _trace(self._store, place), self._answer(place)
        if answer is None:
            status = "queued" if trace.waiting or not trace.tries else "in_progress"
            model = model_of(self._store.line(trace.segment, trace.ordinal))
            return _json(200, _response(place, status, model, trace.run.created_at))
        reply = self._told(place, answer)
        members = _members(reply.body)
        if reply.status < 400:
            changed = {"id": _named(place), "background": True}
            return _json(200, members | {k: msgspec.Raw(_encode(v)) for k, v in changed.items()})
        code = answer.outcome.code if answer.outcome is not None else ""
        status = "cancelled" if code == "cancelled" else "failed"
        model = model_of(self._store.line(trace.segment, trace.ordinal))
        shown = _response(place, status, model, trace.run.created_at)
        shown["error"] = None if status == "cancelled" else _failure(members.get("error"))
        return _json(200, shown)


class _Failure(msgspec.Struct):
    code: str | None = None
    message: str = ""


def _failure(raw: msgspec.Raw | None) -> dict[str, str]:
    """An error as a failed response carries it."""
    found = _Failure() if raw is None else msgspec.json.decode(raw, type=_Failure)
    return {"code": found.code or "server_error", "message": found.message}


def _ours(request: Request) -> str:
    name: str = request.path_params["name"]
    return f"req_{name.removeprefix(RESPONSE)}" if name.startswith(RESPONSE) else ""


def _named(place: Place) -> str:
    return response_name(place.run, place.sequence)


def _response(place: Place, status: str, model: str, created: float) -> dict[str, Any]:
    return {
        "id": _named(place),
        "object": "response",
        "created_at": int(created),
        "status": status,
        "background": True,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def _trace(store: Store, place: Place) -> RequestTrace:
    found = store.place(place.run, place.sequence)
    assert found is not None, "what was accepted is kept"
    return store.trace_ours(place.run, *found)[0]


def _ticketed(ticket: Ticket) -> dict[str, Any] | None:
    """What is known at the moment of acceptance, without a look."""
    if ticket.found:
        return None
    return _summary(ticket.place, "waiting", ticket.deadline, ticket.decision)


def _shown(place: Place, trace: RequestTrace) -> dict[str, Any]:
    status = "waiting" if trace.waiting or not trace.tries else "sent"
    shown = _summary(place, status, trace.deadline, trace.decision)
    if trace.tries:
        shown["lane"] = trace.tries[-1].batch.lane
    return shown


def _summary(
    place: Place, status: str, deadline: float | None, decision: Decision | None
) -> dict[str, Any]:
    at = None if deadline is None or deadline <= AT_ONCE else datetime.fromtimestamp(deadline, UTC)
    return {
        "id": request_id(place),
        "status": status,
        "deadline": None if at is None else at.isoformat(timespec="seconds"),
        "lane": None if decision is None else decision.lane,
        "why": None if decision is None else decision.why,
    }


def _json(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(_encode(content), status, headers, "application/json")


def _error(request: Request, status: int, message: str) -> Response:
    dialect = dialect_of(request.url.path, versioned="anthropic-version" in request.headers)
    return Response(error_body(dialect, status, message), status, media_type="application/json")
