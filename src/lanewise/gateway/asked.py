"""What a call asks, as far as the gateway looks: its body, what decides which way it goes; refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

import msgspec

from lanewise.domain.ids import RESPONSE
from lanewise.gateway import wishes
from lanewise.gateway.keys import Refusal
from lanewise.gateway.routes import Receive

MOST_BODY: Final = 32 * 1024 * 1024  # bytes of a call; Anthropic's own limit
BODY_SECONDS: Final = 120.0  # in which a client has to send its request
_NO_PREVIOUS: Final = (
    "there is no such response at the provider: send the `output` of what waited here"
)
COMPRESSED: Final = "a compressed body is not taken; send it as it is"


class Refused(Exception):
    """A call that goes no further; told in the client's dialect."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers

    @classmethod
    def by(cls, refusal: Refusal) -> Self:
        """By a key, or its limits."""
        return cls(refusal.status, refusal.message, code=refusal.code, headers=refusal.headers())


_NONE: Final = msgspec.Raw(b"null")


class _Options(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class Asked(wishes.Head, gc=False):
    """What decides which way a call goes; the rest of its body is not looked at."""

    stream_options: _Options | None = None
    previous_response_id: str | None = None
    conversation: msgspec.Raw = _NONE

    @property
    def tied(self) -> bool:
        """Whether it goes on from what a provider keeps."""
        return self.previous_response_id is not None or self.conversation != _NONE


_decode: Final = msgspec.json.Decoder(Asked).decode


def goes_on(body: bytes) -> bool:
    """Whether a body goes on from what a provider keeps."""
    try:
        return _decode(body).tied
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False  # which the provider refuses


def asked(body: bytes) -> Asked:
    """What a body asks; raises `Refused` for what is no call, or goes on from a response kept here."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(
            400, "the body is not a JSON object with a text as its `model`", code="invalid_json"
        ) from None
    if found.previous_response_id and found.previous_response_id.startswith(RESPONSE):
        raise Refused(404, _NO_PREVIOUS, code="previous_response_not_found")
    return found


async def read_body(
    headers: Mapping[bytes, bytes],
    receive: Receive,
    hold: Callable[[int], None],
    *,
    here: bool = False,
) -> bytes | None:
    """The request's body, whose bytes `hold` counts as they come; None where the client went away.

    `here`: all of it has arrived, and nobody needs to wait.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise Refused(415, COMPRESSED)
    said = headers.get(b"content-length", b"")
    if said.isdigit() and int(said) > MOST_BODY:
        raise _too_large()
    if here:
        return await _read(receive, hold)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive, hold)
    except TimeoutError:
        raise Refused(408, f"the request did not arrive in {BODY_SECONDS:.0f} s") from None


async def _read(receive: Receive, hold: Callable[[int], None]) -> bytes | None:
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        whole: bytes = message.get("body", b"")
        if len(whole) > MOST_BODY:
            raise _too_large()
        hold(len(whole))
        return whole
    parts: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BODY:
            raise _too_large()
        hold(len(parts[-1]))
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    return None


def _too_large() -> Refused:
    return Refused(413, f"a call has at most {MOST_BODY // 1024 // 1024} MB", code="too_large")
