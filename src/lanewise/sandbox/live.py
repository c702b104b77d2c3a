"""Calls that are answered on the connection: chat, responses, embeddings, messages and the like."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lanewise.sandbox import background, books, creating
from lanewise.sandbox.answering import answer, bill, body_of, model_of
from lanewise.sandbox.answers import count_tokens, stream_events
from lanewise.sandbox.rating import Rates
from lanewise.sandbox.state import State
from lanewise.sandbox.wire import (
    Refusal,
    account_of,
    answer_json,
    headers_for,
    provider_of,
    state_of,
    strike_call,
)

_LOOK_SECONDS: Final = 0.25  # of real time, between looks at a clock that may be moved by hand
_SHORTEST_LOOK: Final = 0.01


async def call(request: Request) -> Response:
    """Answer one request, whole or as a stream, or accept it for the background."""
    account, state = account_of(request), state_of(request)
    faults = await strike_call(request, "live")
    body = await body_of(request)
    model = model_of(request, body)
    rates = Rates(request, state, account, model)
    headers = rates.admit(body, len(await request.body()))
    if request.url.path == "/v1/responses" and body.get("background"):
        accepted = await background.begin(request, state, account, model, body)
        return await creating.answered(request, accepted, faults)
    lane = await _lane(request, state, body)
    await _pass(state, state.config.call_seconds)
    made = await run_in_threadpool(answer, request, state, account, body, lane)
    bill(state, account, provider=provider_of(request), model=model, lane=lane, made=made)
    rates.produced(made.tokens.output)
    if not body.get("stream"):
        whole = answer_json(request, made.body, headers=headers)
        return await creating.answered(request, whole, faults)
    events = _each(stream_events(request.url.path, made, body))
    sent = {**headers_for(request), **headers}
    return StreamingResponse(events, 200, sent, media_type="text/event-stream")


async def _each(events: Iterator[bytes]) -> AsyncIterator[bytes]:
    for event in events:
        yield event


async def _pass(state: State, seconds: float) -> None:
    """Let sandbox time pass."""
    ready = state.now() + seconds
    while (left := ready - state.now()) > 0:
        real = left / state.clock.speed if state.clock.speed else 0.0
        await asyncio.sleep(min(max(real, _SHORTEST_LOOK), _LOOK_SECONDS))


async def _lane(request: Request, state: State, body: dict[str, Any]) -> str:
    if body.get("service_tier") != "flex":
        return "realtime"
    faults = await strike_call(request, "flex")
    full = any(fault.kind == "no_capacity" for fault in faults)
    if full or random.random() < state.config.flex_refusals:
        raise Refusal(429, "requests", "Resource Unavailable", code="resource_unavailable")
    return "flex"


# -- the rest -------------------------------------------------------------------------------------
async def count(request: Request) -> Response:
    """Tokens of a message, as the sandbox counts them."""
    account_of(request)
    return answer_json(request, {"input_tokens": count_tokens(await body_of(request))})


async def models(request: Request) -> Response:
    """The models of the rate card, in the shape of whoever asks."""
    account_of(request)
    if provider_of(request) == "anthropic":
        data = [_model("anthropic", name) for name in books.models("anthropic")]
        page = {
            "data": data,
            "has_more": False,
            "first_id": data[0]["id"],
            "last_id": data[-1]["id"],
        }
        return answer_json(request, page)
    listed = [_model("openai", name) for name in books.models("openai")]
    return answer_json(request, {"object": "list", "data": listed})


def _model(provider: str, name: str) -> dict[str, Any]:
    if provider == "anthropic":
        since = "2026-01-01T00:00:00Z"
        return {"type": "model", "id": name, "display_name": name, "created_at": since}
    return {"id": name, "object": "model", "created": 1_767_225_600, "owned_by": "sandbox"}


async def model(request: Request) -> Response:
    """One model, in the shape of whoever asks."""
    account_of(request)
    provider, name = provider_of(request), request.path_params["model"]
    if books.base_model(provider, name) is None:
        message = f"The model '{name}' does not exist"
        kind = "not_found_error" if provider == "anthropic" else "invalid_request_error"
        raise Refusal(404, kind, message, code="model_not_found", param="model")
    return answer_json(request, _model(provider, name))


ROUTES: Final = [
    *(
        Route(path, call, methods=["POST"])
        for path in (
            "/v1/chat/completions",
            "/v1/responses",
            "/v1/embeddings",
            "/v1/completions",
            "/v1/moderations",
            "/v1/messages",
        )
    ),
    Route("/v1/messages/count_tokens", count, methods=["POST"]),
    Route("/v1/models", models, methods=["GET"]),
    Route("/v1/models/{model}", model, methods=["GET"]),
]
