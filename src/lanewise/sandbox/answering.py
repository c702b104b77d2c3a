"""One call, read, answered and billed; shared by what is answered at once and in the background."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from lanewise.sandbox import books
from lanewise.sandbox.answers import Answer, Invalid
from lanewise.sandbox.answers import answer as make_answer
from lanewise.sandbox.caches import AccountCache
from lanewise.sandbox.state import State
from lanewise.sandbox.wire import Refusal, fresh, provider_of


async def body_of(request: Request) -> dict[str, Any]:
    """The request's JSON object."""
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(
            400, "invalid_request_error", "We could not parse the JSON body of your request."
        )
    if request.url.path == "/v1/moderations":
        return {"model": "omni-moderation-latest", **body}  # the documented default
    return body


def model_of(request: Request, body: dict[str, Any]) -> str:
    """The card's entry for the model that is asked for."""
    provider, name = provider_of(request), str(body.get("model"))
    model = books.base_model(provider, name)
    if model is not None:
        return model
    if provider == "anthropic":
        raise Refusal(404, "not_found_error", f"model: {name}")
    message = f"The model `{name}` does not exist or you do not have access to it."
    raise Refusal(404, "invalid_request_error", message, code="model_not_found", param="model")


def answer(request: Request, state: State, account: str, body: dict[str, Any], lane: str) -> Answer:
    """The answer to a request, not billed."""
    try:
        return make_answer(
            request.url.path,
            body,
            id_seed=fresh(""),
            created=int(state.now()),
            lane=lane,
            cache=AccountCache(state, account),
        )
    except Invalid as invalid:
        raise Refusal(
            invalid.status, invalid.type, invalid.message, code=invalid.code, param=invalid.param
        ) from invalid


def bill(state: State, account: str, *, provider: str, model: str, lane: str, made: Answer) -> None:
    """One answered call in the books."""
    state.run(
        "INSERT INTO bills VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?)",
        account,
        fresh("call_"),
        model,
        lane,
        provider,
        books.charge(provider, model, lane, made.tokens),
        books.charge(provider, model, "realtime", made.tokens),
        state.now(),
    )
