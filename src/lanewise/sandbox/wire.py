"""What both APIs share on the wire: who calls, errors in each provider's shape, streaming of files."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lanewise.sandbox.config import Fault
from lanewise.sandbox.state import State

_PIECE = 256 * 1024


class Refusal(Exception):
    """An error answer, in words both providers have; each shapes it its own way."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message
        self.code, self.param = code, param
        self.headers = dict(headers or {})


def state_of(request: Request) -> State:
    """The sandbox behind a request."""
    state: State = request.app.state.sandbox
    return state


def provider_of(request: Request) -> str:
    """Anthropic's clients name a version in a header, OpenAI's do not."""
    anthropic = "anthropic-version" in request.headers or request.url.path.startswith(
        "/v1/messages"
    )
    return "anthropic" if anthropic else "openai"


def account_of(request: Request) -> str:
    """Any key is an account of its own; none is refused."""
    key = (
        request.headers.get("x-api-key")
        or request.headers.get("authorization", "")[len("Bearer ") :]
    )
    if not key.strip():
        if provider_of(request) == "anthropic":
            raise Refusal(401, "authentication_error", "x-api-key header is required")
        raise Refusal(
            401,
            "invalid_request_error",
            "You didn't provide an API key. You need to provide your API key in an Authorization header.",
        )
    digest = hashlib.sha256(f"{provider_of(request)}:{key}".encode()).hexdigest()[:16]
    return f"{provider_of(request)}-{digest}"


def fresh(prefix: str) -> str:
    """A new id."""
    return prefix + hashlib.sha256(random.randbytes(16)).hexdigest()[:24]


def answer_json(request: Request, body: Any, *, status: int = 200, headers: Any = None) -> Response:
    """A JSON answer with the headers a provider sends."""
    return Response(
        msgspec.json.encode(body),
        status,
        {**headers_for(request), **dict(headers or {})},
        media_type="application/json",
    )


def headers_for(request: Request) -> dict[str, str]:
    """Request id and the sandbox's date."""
    name = "request-id" if provider_of(request) == "anthropic" else "x-request-id"
    return {name: fresh("req_"), "date": formatdate(state_of(request).now(), usegmt=True)}


def refusal_answer(request: Request, refusal: Refusal) -> Response:
    """An error in the shape of the provider that was called."""
    if provider_of(request) == "anthropic":
        body: dict[str, Any] = {
            "type": "error",
            "error": {"type": refusal.kind, "message": refusal.message},
            "request_id": fresh("req_"),
        }
        if refusal.code:
            body["error"]["details"] = {"error_code": refusal.code}
    else:
        body = {
            "error": {
                "message": refusal.message,
                "type": refusal.kind,
                "param": refusal.param,
                "code": refusal.code,
            }
        }
    return answer_json(request, body, status=refusal.status, headers=refusal.headers)


async def strike_call(request: Request, operation: str) -> list[Fault]:
    """Let the faults of a plain call strike: errors are raised, waiting is done; others are returned."""
    state = state_of(request)
    others: list[Fault] = []
    for fault in state.strike(operation, provider_of(request), random.random):
        if fault.kind == "http_error":
            status = fault.status or 500
            raise Refusal(
                status, "api_error" if status >= 500 else "invalid_request_error", "a fault struck"
            )
        if fault.kind == "rate_limit":
            raise Refusal(
                429,
                "rate_limit_error" if provider_of(request) == "anthropic" else "requests",
                "Rate limit reached",
                code="rate_limit_exceeded",
                headers={"retry-after": f"{fault.seconds or 1:g}"},
            )
        if fault.kind == "overloaded":
            raise _overloaded(request)
        if fault.kind == "not_found":
            raise Refusal(404, "not_found_error", "Not found (eventual consistency)")
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        else:
            others.append(fault)
    return others


def _overloaded(request: Request) -> Refusal:
    if provider_of(request) == "anthropic":
        return Refusal(529, "overloaded_error", "Overloaded")
    return Refusal(
        503, "server_error", "The engine is currently overloaded, please try again later"
    )


class Broken:
    """An answer that ends before it is complete: the connection is closed in the middle."""

    def __init__(self, body: bytes, *, claimed: int, status: int = 200) -> None:
        self._body, self._claimed, self._status = body, claimed, status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begin an answer, and break it off."""
        headers = [(b"content-length", str(self._claimed).encode())]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": True})
        raise ConnectionResetError("a fault broke this connection")


async def hang(request: Request) -> None:
    """Never answer; returns when the client has gone."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return


async def file_pieces(path: Path, start: int, stop: int) -> AsyncIterator[bytes]:
    """A stretch of a file."""
    with path.open("rb") as file:
        file.seek(start)
        left = stop - start
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece
            await asyncio.sleep(0)


def range_start(request: Request, size: int) -> int | None:
    """Where a `Range: bytes=N-` begins; None without one that can be served."""
    text = request.headers.get("range", "")
    if not text.startswith("bytes=") or not text.endswith("-"):
        return None
    digits = text[len("bytes=") : -1]
    return int(digits) if digits.isdigit() and int(digits) < size else None
