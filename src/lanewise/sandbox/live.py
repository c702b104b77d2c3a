"""Calls that are answered on the connection: chat, responses, embeddings, messages and the like."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lanewise.sandbox import books
from lanewise.sandbox.answers import Answer, Invalid, count_tokens, stream_events
from lanewise.sandbox.answers import answer as make_answer
from lanewise.sandbox.caches import AccountCache
from lanewise.sandbox.state import State
from lanewise.sandbox.wire import (
    Refusal,
    account_of,
    answer_json,
    fresh,
    headers_for,
    provider_of,
    state_of,
    strike_call,
)

_WINDOWS: Final = {"2h": 7_200.0, "8h": 28_800.0}


async def call(request: Request) -> Response:
    """Answer one request, whole or as a stream."""
    account, state = account_of(request), state_of(request)
    await strike_call(request, "live")
    body = await _json(request)
    headers = _within_rate(request, state, account, len(await request.body()))
    lane = _lane(state, body)
    if request.url.path == "/v1/responses" and body.get("background"):
        return await _in_background(request, state, account, body)
    made = await run_in_threadpool(_answer, request, state, account, body, lane)
    if body.get("stream"):
        events = stream_events(request.url.path, made, body)
        return StreamingResponse(
            _each(events), 200, {**headers_for(request), **headers}, media_type="text/event-stream"
        )
    return answer_json(request, made.body, headers=headers)


async def _each(events: Iterator[bytes]) -> AsyncIterator[bytes]:
    for event in events:
        yield event


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(
            400, "invalid_request_error", "We could not parse the JSON body of your request."
        )
    return body


def _answer(
    request: Request, state: State, account: str, body: dict[str, Any], lane: str
) -> Answer:
    """The answer, billed."""
    provider = provider_of(request)
    if request.url.path == "/v1/moderations":
        body = {"model": "omni-moderation-latest", **body}  # the documented default
    default = "omni-moderation-latest" if request.url.path == "/v1/moderations" else None
    name = str(body.get("model", default))
    model = books.base_model(provider, name)
    if model is None:
        if provider == "anthropic":
            raise Refusal(404, "not_found_error", f"model: {name}")
        message = f"The model `{name}` does not exist or you do not have access to it."
        raise Refusal(404, "invalid_request_error", message, code="model_not_found", param="model")
    call_id = fresh("")
    try:
        made = make_answer(
            request.url.path,
            body,
            id_seed=call_id,
            created=int(state.now()),
            lane=lane,
            cache=AccountCache(state, account),
        )
    except Invalid as invalid:
        raise Refusal(
            invalid.status, invalid.type, invalid.message, code=invalid.code, param=invalid.param
        ) from invalid
    if not lane.startswith("background") and not body.get("background"):
        bill(
            state, account, f"call_{call_id}", provider=provider, model=model, lane=lane, made=made
        )
    return made


def bill(
    state: State, account: str, call_id: str, *, provider: str, model: str, lane: str, made: Answer
) -> None:
    """One answered call in the books."""
    state.run(
        "INSERT OR IGNORE INTO bills VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?)",
        account,
        call_id,
        model,
        lane,
        provider,
        books.charge(provider, model, lane, made.tokens),
        books.charge(provider, model, "realtime", made.tokens),
        state.now(),
    )


def _lane(state: State, body: dict[str, Any]) -> str:
    if body.get("service_tier") != "flex":
        return "realtime"
    if random.random() < state.config.flex_refusals:
        raise Refusal(429, "requests", "Resource Unavailable", code="resource_unavailable")
    return "flex"


def _within_rate(request: Request, state: State, account: str, size: int) -> dict[str, str]:
    """Rate-limit headers; a refusal beyond the limits of the running minute."""
    config, now = state.config, state.now()
    requests, tokens = _used(state, account, int(now // 60), size // 4)
    reset = 60 - int(now % 60)
    anthropic = provider_of(request) == "anthropic"
    left = {
        "requests": (config.requests_per_minute, max(config.requests_per_minute - requests, 0)),
        "tokens": (config.tokens_per_minute, max(config.tokens_per_minute - tokens, 0)),
    }
    until = datetime.fromtimestamp(now + reset, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers: dict[str, str] = {}
    for unit, (limit, rest) in left.items():
        prefix = f"anthropic-ratelimit-{unit}-" if anthropic else "x-ratelimit-"
        suffix = "" if anthropic else f"-{unit}"
        headers[f"{prefix}limit{suffix}"] = str(limit)
        headers[f"{prefix}remaining{suffix}"] = str(rest)
        headers[f"{prefix}reset{suffix}"] = until if anthropic else f"{reset}s"
    if requests > config.requests_per_minute or tokens > config.tokens_per_minute:
        raise Refusal(
            429,
            "rate_limit_error" if anthropic else "requests",
            "Rate limit reached",
            code="rate_limit_exceeded",
            headers={**headers, "retry-after": str(reset)},
        )
    return headers


def _used(state: State, account: str, minute: int, tokens: int) -> tuple[int, int]:
    """Requests and tokens of the running minute, this call included."""
    key = f"rate:{account}"
    with state.transaction():
        row = state.first("SELECT value FROM facts WHERE name = ?", key)
        before = json.loads(row[0]) if row else [minute, 0, 0]
        used = (before[1] + 1, before[2] + tokens) if before[0] == minute else (1, tokens)
        state.run(
            "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            key,
            json.dumps([minute, *used]),
        )
    return used


# -- background responses -------------------------------------------------------------------------
async def _in_background(
    request: Request, state: State, account: str, body: dict[str, Any]
) -> Response:
    window = (body.get("background_options") or {}).get("completion_window", "soonest")
    if window not in ("soonest", *_WINDOWS):
        raise Refusal(
            400, "invalid_request_error", "Invalid completion_window", param="background_options"
        )
    lane = f"background_{window}" if window in _WINDOWS else "realtime"
    made = await run_in_threadpool(_answer, request, state, account, body, lane)
    seconds = _WINDOWS.get(window, 30.0) * (0.2 + 0.6 * random.random())
    quick = state.config.profile == "instant" or state.config.batch_seconds is not None
    ready_at = state.now() + (state.config.batch_seconds or 0.0 if quick else seconds)
    charge = _background_charge(state, account, made, lane, ready_at)
    full = {**made.body, "background": True, "metadata": body.get("metadata") or {}}
    state.run(
        "INSERT INTO responses (id, account, body, ready_at, charge) VALUES (?, ?, ?, ?, ?)",
        full["id"],
        account,
        json.dumps(full),
        ready_at,
        json.dumps(charge),
    )
    return answer_json(request, _unready(full, "queued"))


def _background_charge(
    state: State, account: str, made: Answer, lane: str, ready_at: float
) -> list[Any]:
    """The row of bills for when it is done."""
    model = books.base_model("openai", made.model) or made.model
    nano = books.charge("openai", model, lane, made.tokens)
    realtime = books.charge("openai", model, "realtime", made.tokens)
    return [account, made.body["id"], model, lane, "openai", 1, nano, realtime, ready_at]


def bill_background(state: State, now: float) -> None:
    """Bill the background responses that are done; cancelled ones are free [assumed]."""
    done = "billed = 0 AND cancelled = 0 AND ready_at <= ?"
    with state.transaction():
        for row in state.all(f"SELECT charge FROM responses WHERE {done}", now):
            state.run(
                "INSERT OR IGNORE INTO bills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *json.loads(row["charge"]),
            )
        state.run(f"UPDATE responses SET billed = 1 WHERE {done}", now)


def _unready(full: dict[str, Any], status: str) -> dict[str, Any]:
    return {**full, "status": status, "output": [], "usage": None}


async def get_response(request: Request) -> Response:
    """A background response, ready or not."""
    return answer_json(request, _shown(request))


async def cancel_response(request: Request) -> Response:
    """Stop a background response that is not ready."""
    shown = _shown(request)
    if shown["status"] in ("queued", "in_progress"):
        state_of(request).run("UPDATE responses SET cancelled = 1 WHERE id = ?", shown["id"])
    return answer_json(request, _shown(request))


def _shown(request: Request) -> dict[str, Any]:
    account, state = account_of(request), state_of(request)
    response_id = request.path_params["response_id"]
    row = state.first("SELECT * FROM responses WHERE id = ? AND account = ?", response_id, account)
    if row is None:
        message = f"Response with id '{response_id}' not found."
        raise Refusal(404, "invalid_request_error", message)
    full: dict[str, Any] = json.loads(row["body"])
    if row["cancelled"]:
        return _unready(full, "cancelled")
    return full if state.now() >= row["ready_at"] else _unready(full, "in_progress")


# -- the rest -------------------------------------------------------------------------------------
async def count(request: Request) -> Response:
    """Tokens of a message, as the sandbox counts them."""
    account_of(request)
    return answer_json(request, {"input_tokens": count_tokens(await _json(request))})


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
    Route("/v1/responses/{response_id}", get_response, methods=["GET"]),
    Route("/v1/responses/{response_id}/cancel", cancel_response, methods=["POST"]),
    Route("/v1/messages/count_tokens", count, methods=["POST"]),
    Route("/v1/models", models, methods=["GET"]),
    Route("/v1/models/{model}", model, methods=["GET"]),
]
