"""How each provider writes one request and one result of a batch. Pure: bytes in, bytes out.

Sources: OpenAI's batch input and output lines (`custom_id, method, url, body`; `id, custom_id,
response, error`), Anthropic's (`custom_id, params`; `custom_id, result`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lanewise.domain.packing import Frame
from lanewise.domain.results import Verdict

OPENAI_ENDPOINTS: Final = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
)
ANTHROPIC_ENDPOINT: Final = "/v1/messages"
_encode = msgspec.json.Encoder().encode


def frame(provider: str, endpoint: str) -> Frame:
    r"""What is put around a body to make it a request line.

    >>> f = frame("anthropic", "/v1/messages")
    >>> f.head + b"ID" + f.middle + b"{}" + f.tail
    b'{"custom_id":"ID","params":{}}\n'
    """
    if provider == "anthropic":
        return Frame(b'{"custom_id":"', b'","params":', b"}\n")
    middle = f'","method":"POST","url":"{endpoint}","body":'.encode()
    return Frame(b'{"custom_id":"', middle, b"}\n")


def relabel(line: bytes, ours: str, theirs: str) -> bytes:
    r"""A provider's result line with the caller's own id in place of ours, ending in one newline.

    Our ids are random, so the first occurrence is the field itself.

    >>> relabel(b'{"custom_id":"lw-a-1","x":1}', "lw-a-1", "mine")
    b'{"custom_id":"mine","x":1}\n'
    """
    renamed = line.replace(f'"{ours}"'.encode(), _encode(theirs), 1)
    return renamed.rstrip(b"\r\n") + b"\n"


def told_apart(line: bytes, number: int) -> bytes:
    r"""A result line for another request of the run: its `id`, where the form has one, ends in a number.

    >>> told_apart(b'{"id":"batch_req_1","custom_id":"copy"}\n', 7)
    b'{"id":"batch_req_1-7","custom_id":"copy"}\n'
    """
    members = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    if "id" not in members:
        return line
    name = msgspec.json.decode(members["id"])
    members["id"] = msgspec.Raw(_encode(f"{name}-{number}"))
    return _encode(members) + b"\n"


def unanswered(
    provider: str, caller_id: str, verdict: Verdict, code: str, message: str, *, ours: str = ""
) -> bytes:
    """A result line, in the provider's own form, for a request that it returned none for.

    `ours`: the id by which it knew the request, where that is another; OpenAI's form has it in the line's.
    """
    if provider == "anthropic":
        return _encode(_anthropic_line(caller_id, verdict, code, message)) + b"\n"
    named = {"id": f"batch_req_{ours or caller_id}", "custom_id": caller_id}
    return _encode(named | _openai_line(verdict, code, message)) + b"\n"


def _openai_line(verdict: Verdict, code: str, message: str) -> dict[str, Any]:
    error = {"code": code, "message": message}
    if verdict is not Verdict.REFUSED:
        return {"response": None, "error": error}
    body = {
        "error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    }
    response = {"status_code": 400, "request_id": None, "body": body}
    return {"response": response, "error": None}


def _anthropic_line(caller_id: str, verdict: Verdict, code: str, message: str) -> dict[str, Any]:
    if verdict is Verdict.EXPIRED:
        return {"custom_id": caller_id, "result": {"type": "expired"}}
    if verdict is Verdict.CANCELLED:
        return {"custom_id": caller_id, "result": {"type": "canceled"}}
    kind = "invalid_request_error" if verdict is Verdict.REFUSED else "api_error"
    error = {
        "type": "error",
        "error": {"type": kind, "message": message, "details": {"error_code": code}},
    }
    return {"custom_id": caller_id, "result": {"type": "errored", "error": error}}


class _Response(msgspec.Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw()


class _Result(msgspec.Struct):
    type: str = ""
    message: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Line(msgspec.Struct):
    response: _Response | None = None
    result: _Result | None = None


class _Kind(msgspec.Struct, frozen=True):
    type: str = ""


class _Errored(msgspec.Struct):
    error: _Kind = _Kind()


_STATUS_OF: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}  # Anthropic's errors page, November 2026
_decode_line = msgspec.json.Decoder(_Line).decode
_decode_errored = msgspec.json.Decoder(_Errored).decode


def as_called(line: bytes) -> tuple[int, bytes] | None:
    """The status and body that a call on a connection would have had for what a result line says.

    None where the provider never did it: expired, cancelled, no answer at all.

    >>> as_called(
    ...     b'{"custom_id":"a","response":{"status_code":200,"body":{"id":"x"}},"error":null}'
    ... )
    (200, b'{"id":"x"}')
    >>> as_called(b'{"custom_id":"a","result":{"type":"succeeded","message":{"id":"m"}}}')
    (200, b'{"id":"m"}')
    >>> as_called(b'{"custom_id":"a","result":{"type":"expired"}}') is None
    True
    """
    found = _decode_line(line)
    if found.response is not None and found.response.status_code:
        return found.response.status_code, bytes(found.response.body)
    if found.result is not None and found.result.type == "succeeded":
        return 200, bytes(found.result.message)
    if found.result is not None and found.result.type == "errored":
        body = bytes(found.result.error)
        return _STATUS_OF.get(_decode_errored(body).error.type, 500), body
    return None
