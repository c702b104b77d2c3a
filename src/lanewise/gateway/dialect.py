"""Errors in the words of the API that the client speaks."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Dialect(StrEnum):
    """Whose API a client speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


_KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    503: "overloaded_error",
    504: "timeout_error",
}


_OPENAI_ALONE: Final = (
    "/v1/chat/",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/batches",
)


def dialect_of(path: str, *, versioned: bool) -> Dialect:
    """The API of a path; of routes that both have, `versioned` (an `anthropic-version` header) tells.

    >>> dialect_of("/v1/messages", versioned=False), dialect_of("/v1/models", versioned=False)
    (<Dialect.ANTHROPIC: 'anthropic'>, <Dialect.OPENAI: 'openai'>)
    >>> dialect_of("/v1/models", versioned=True), dialect_of("/v1/responses", versioned=True)
    (<Dialect.ANTHROPIC: 'anthropic'>, <Dialect.OPENAI: 'openai'>)
    """
    if path.startswith("/v1/messages"):
        return Dialect.ANTHROPIC
    both = versioned and not path.startswith(_OPENAI_ALONE)
    return Dialect.ANTHROPIC if both else Dialect.OPENAI


def error_body(
    dialect: Dialect,
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
) -> bytes:
    """The error object that the official SDKs of a dialect understand.

    >>> error_body(Dialect.ANTHROPIC, 429, "slow down")
    b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}'
    """
    kind = _KINDS.get(status, "api_error" if dialect is Dialect.ANTHROPIC else "server_error")
    if dialect is Dialect.ANTHROPIC:
        error = {"type": kind, "message": message}
        return msgspec.json.encode({"type": "error", "error": error})
    shown = {"message": message, "type": kind, "param": param, "code": code}
    return msgspec.json.encode({"error": shown})


def error_for_either(status: int, message: str) -> bytes:
    """An error for a client of which nobody knows yet whose API it speaks: either SDK reads it.

    >>> error_for_either(431, "too long")
    b'{"type":"error","error":{"type":"invalid_request_error","message":"too long","param":null,"code":null}}'
    """
    error = {"type": _KINDS[status], "message": message, "param": None, "code": None}
    return msgspec.json.encode({"type": "error", "error": error})
