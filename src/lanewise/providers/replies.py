"""What the reply to one call means, in what OpenAI and Anthropic have in common. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lanewise.domain.allowances import Allowance
from lanewise.providers.protocol import Doubtful, RefusalKind, Refused
from lanewise.providers.transport import Reply, error_of, failure

CONNECTIONS: Final = 512
_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode: Final = msgspec.json.Encoder().encode
_STREAMING: Final = ("stream", "stream_options")


def final(reply: Reply, what: str, allowance: Allowance) -> bool:
    """Whether the provider is done with the request: True for a result, False for a refusal for good.

    Raises `Refused` where it would take the same request later, or another time, and `Doubtful` where the
    reply proves nothing.
    """
    if 200 <= reply.status < 300:
        return True
    found = failure(reply, what)
    if isinstance(found, Doubtful):
        raise found
    if found.kind is RefusalKind.INVALID or _of_the_request(reply):
        return False
    found.allowance = allowance
    raise found


def _of_the_request(reply: Reply) -> bool:
    """An unknown model, rather than an address that nobody answers; too large for the limit of any minute."""
    code, message = error_of(reply.body)
    if reply.status == 404:
        return bool(code) and code != "unknown_url"
    return reply.status == 429 and message.startswith("Request too large")


def no_capacity(reply: Reply, what: str, allowance: Allowance) -> Refused:
    """The lane is full for the moment, and nothing was charged."""
    code, message = error_of(reply.body)
    text = f"{what}: HTTP {reply.status} {message or reply.reason}"
    return Refused(
        RefusalKind.NO_CAPACITY,
        text.strip(),
        status=reply.status,
        code=code,
        retry_after=allowance.retry_after,
        allowance=allowance,
    )


def one_line(body: bytes) -> msgspec.Raw | None:
    r"""A JSON object on one line, otherwise byte for byte; None for anything else.

    >>> bytes(one_line(b'{"a":\n 1.50}'))
    b'{"a":  1.50}'
    >>> one_line(b"<html>") is None
    True
    """
    try:
        _decode_members(body)
        body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # within strings JSON has line breaks only as escapes, so these are between members
    return msgspec.Raw(body.strip().replace(b"\r", b" ").replace(b"\n", b" "))


def result(reply: Reply, what: str) -> msgspec.Raw:
    """The body of a result; raises `Doubtful` where it is none."""
    body = one_line(reply.body)
    if body is None:
        raise Doubtful(f"{what}: the answer is not a JSON object", status=reply.status)
    return body


def members(body: bytes) -> dict[str, msgspec.Raw]:
    """The members of a request body, each as it was written."""
    return _decode_members(body)


def changed(body: bytes, changes: dict[str, Any]) -> bytes:
    """A request body with some members set, never as a stream; the others byte for byte as they were.

    >>> changed(b'{"stream":true,"temperature":1.50}', {"service_tier": "flex"})
    b'{"temperature":1.50,"service_tier":"flex"}'
    """
    if not changes and b'"stream' not in body:
        return body
    kept = {name: raw for name, raw in _decode_members(body).items() if name not in _STREAMING}
    return _encode(kept | changes)
