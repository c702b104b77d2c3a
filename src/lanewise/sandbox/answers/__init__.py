"""What the sandbox answers: useful, deterministic, schema-valid, and marked as the sandbox's.

Pure: no I/O, no clock, no randomness but what comes from hashes of the request.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from lanewise.sandbox.answers import (
    chat,
    completions,
    embeddings,
    messages,
    moderations,
    responses,
)
from lanewise.sandbox.answers.cache import PromptCache
from lanewise.sandbox.answers.checks import openai as _refuse
from lanewise.sandbox.answers.events import stream_events
from lanewise.sandbox.answers.kinds import Answer, Invalid, Tokens
from lanewise.sandbox.answers.messages import count_tokens

__all__ = [
    "ENDPOINTS",
    "Answer",
    "Invalid",
    "PromptCache",
    "Tokens",
    "answer",
    "count_tokens",
    "stream_events",
]

ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/messages",
)
_CONVERSING: dict[str, Callable[..., Answer]] = {
    "/v1/chat/completions": chat.answer,
    "/v1/responses": responses.answer,
    "/v1/messages": messages.answer,
}


def answer(
    endpoint: str,
    body: dict[str, Any],
    *,
    id_seed: str,
    created: int,
    lane: str,
    cache: PromptCache | None = None,
) -> Answer:
    """The provider's answer to a request body, or Invalid.

    `id_seed` names the answer's id; `created` is unix seconds and the cache's now; `lane` is
    realtime, flex, batch, background_2h or background_8h; `cache` belongs to the caller's account.
    """
    body = _clean(body)
    if endpoint in _CONVERSING:
        if body.get("stream") and lane == "batch":
            _refuse("Streaming is not supported in the Batch API.", "stream")
        return _CONVERSING[endpoint](body, id_seed=id_seed, created=created, lane=lane, cache=cache)
    if endpoint == "/v1/embeddings":
        return embeddings.answer(body)
    if endpoint == "/v1/completions":
        return completions.answer(body, id_seed=id_seed, created=created)
    if endpoint == "/v1/moderations":
        return moderations.answer(body, id_seed=id_seed)
    raise Invalid(404, "invalid_request_error", None, None, f"Invalid URL (POST {endpoint})")


def _clean(body: dict[str, Any]) -> dict[str, Any]:
    """The body with lone surrogates (possible from escaped JSON) replaced, as no UTF-8 has them."""
    try:
        msgspec.json.encode(body)
    except UnicodeEncodeError:
        cleaned: dict[str, Any] = _replaced(body)
        return cleaned
    return body


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_replaced(one) for one in value]
    if isinstance(value, dict):
        return {_replaced(key): _replaced(one) for key, one in value.items()}
    return value
