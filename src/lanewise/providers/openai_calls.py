"""How OpenAI takes one request at a time: real time, flex, and background responses with a window.

Source: OpenAI's API reference, its flex, background and rate-limit guides, and official SDK 3.54
(23 November 2026).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lanewise.domain.allowances import Allowance
from lanewise.domain.lanes import BACKGROUND_2H, BACKGROUND_8H, FLEX, LaneName
from lanewise.domain.packing import PackingKey
from lanewise.domain.results import Verdict
from lanewise.providers import dialects, replies
from lanewise.providers.calling import Accepted, Answered, CallTag, Lost, Progress, Running
from lanewise.providers.protocol import Account, Doubtful, RefusalKind, Refused
from lanewise.providers.rate_headers import openai_allowance
from lanewise.providers.transport import Reply, Transport, error_of

_RESPONSES: Final = "/v1/responses"
_WINDOWS: Final = {BACKGROUND_2H: "2h", BACKGROUND_8H: "8h"}
_MOST_METADATA: Final = 16  # pairs on one response
_CHECK_SECONDS: Final = 60.0
_ONGOING: Final = frozenset({"queued", "in_progress"})
_OTHER_429: Final = frozenset(
    {"rate_limit_exceeded", "tokens", "insufficient_quota", "billing_hard_limit_reached"}
)
_encode: Final = msgspec.json.Encoder().encode


class OpenAICalls:
    """One OpenAI account, or anything that speaks like one."""

    def __init__(self, account: Account) -> None:
        self.account = account
        headers = {"authorization": f"Bearer {account.key.reveal()}"}
        self._http = Transport(account, headers, connections=replies.CONNECTIONS)

    async def call(
        self, key: PackingKey, body: bytes, lane: LaneName, *, tag: CallTag, timeout: float
    ) -> Answered | Accepted:
        """Send one request in real time, as flex, or to be worked on within a window."""
        what = f"POST {key.endpoint}"
        reply = await self._http.reply(
            "POST",
            key.endpoint.removeprefix("/v1"),
            timeout=timeout,
            content=shaped(body, lane, tag),
            headers={"content-type": "application/json", **dict(key.headers)},
        )
        allowance = openai_allowance(reply.headers)
        if lane == FLEX and _full(reply):
            raise replies.no_capacity(reply, what, allowance)
        if not replies.final(reply, what, allowance):
            return Answered(_refusal(reply, tag), reply.status, allowance)
        if key.endpoint == _RESPONSES:
            return _response(reply, what, tag, allowance)
        return Answered(_line(reply, replies.result(reply, what), tag), reply.status, allowance)

    async def check(self, receipt_id: str, *, tag: CallTag) -> Progress:
        """How far a background response is."""
        what = f"GET /responses/{receipt_id}"
        reply = await self._http.reply("GET", f"/responses/{receipt_id}", timeout=_CHECK_SECONDS)
        if reply.status == 404:
            return Lost(error_of(reply.body)[1] or "not found")
        allowance = openai_allowance(reply.headers)
        if not replies.final(reply, what, allowance):
            raise Doubtful(f"{what}: HTTP {reply.status} {reply.reason}", status=reply.status)
        found = _response(reply, what, tag, allowance)
        return Running(allowance.retry_after) if isinstance(found, Accepted) else found

    async def cancel(self, receipt_id: str) -> None:
        """Ask a background response to stop; 400 or 409 say that it has ended, 404 that it is gone."""
        try:
            await self._http.json("POST", f"/responses/{receipt_id}/cancel")
        except Refused as error:
            if error.kind is not RefusalKind.ABSENT and error.status not in (400, 409):
                raise

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()


def shaped(body: bytes, lane: LaneName, tag: CallTag) -> bytes:
    """The body for its lane: in real time as it is, but never as a stream.

    >>> from lanewise.domain.lanes import REALTIME
    >>> shaped(b'{"input":"x", "top_p":1.0}', REALTIME, CallTag("a", "b", "c"))
    b'{"input":"x", "top_p":1.0}'
    """
    if lane == FLEX:
        return replies.changed(body, {"service_tier": "flex"})
    if lane in _WINDOWS:
        return replies.changed(body, _in_background(replies.members(body), _WINDOWS[lane], tag))
    return replies.changed(body, {})


def _in_background(members: dict[str, msgspec.Raw], window: str, tag: CallTag) -> dict[str, Any]:
    options = _pairs(members.get("background_options")) | {"completion_window": window}
    changes = {
        "background": True,
        "store": True,
        "background_options": options,
        "metadata": _tagged(_pairs(members.get("metadata")), tag),
    }
    # windows are sold with standard processing only
    return changes | ({"service_tier": "default"} if "service_tier" in members else {})


def _pairs(raw: msgspec.Raw | None) -> dict[str, Any]:
    """The members of an object; none where there is null or nothing."""
    return {} if raw is None or bytes(raw) == b"null" else dict(replies.members(bytes(raw)))


def _tagged(metadata: dict[str, Any], tag: CallTag) -> dict[str, Any]:
    """As many of our pairs as the caller's leave room for, the most telling first."""
    ours = {"lw_attempt": tag.attempt, "lw_request": tag.custom_id, "lw_home": tag.home}
    room = max(_MOST_METADATA - len(metadata), 0)
    return metadata | dict(list(ours.items())[:room])


def _full(reply: Reply) -> bool:
    """Whether flex has no capacity: any 429 that is not about a rate limit or money."""
    return reply.status == 429 and error_of(reply.body)[0] not in _OTHER_429


class _Error(msgspec.Struct):
    code: str | None = None


class _Response(msgspec.Struct):
    id: str = ""
    status: str | None = None
    error: _Error | None = None


def _response(reply: Reply, what: str, tag: CallTag, allowance: Allowance) -> Answered | Accepted:
    """A response that has ended, or goes on in the background."""
    body = replies.result(reply, what)
    try:
        seen = msgspec.json.decode(body, type=_Response)
    except msgspec.ValidationError:  # an answer is an answer all the same
        seen = _Response()
    if seen.status in _ONGOING:
        if not seen.id:
            raise Doubtful(f"{what}: the answer has no id", status=reply.status)
        return Accepted(seen.id, allowance)
    if seen.status == "cancelled":
        line = dialects.unanswered(
            "openai", tag.custom_id, Verdict.CANCELLED, "batch_cancelled", "cancelled on request"
        )
        return Answered(line, 0, allowance)
    status = _status_of(seen.error) if seen.status == "failed" else reply.status
    return Answered(_line(reply, body, tag, status), status, allowance)


def _status_of(error: _Error | None) -> int:
    """The status that a call answered on the connection would have had for why a response failed."""
    code = (error and error.code) or ""
    if code == "rate_limit_exceeded":
        return 429
    at_fault = code.startswith(("invalid_", "image_")) or code in _AT_FAULT
    return 400 if at_fault else 500


_AT_FAULT: Final = frozenset({"unsupported_image_media_type", "empty_image_file"})


def _refusal(reply: Reply, tag: CallTag) -> bytes:
    """The line for a final no; one that is not in OpenAI's form is put into it."""
    body = replies.one_line(reply.body)
    if body is not None:
        return _line(reply, body, tag)
    message = f"HTTP {reply.status} {reply.reason}"
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return _line(reply, msgspec.Raw(_encode({"error": error})), tag)


def _line(reply: Reply, body: msgspec.Raw, tag: CallTag, status: int | None = None) -> bytes:
    response = {
        "status_code": reply.status if status is None else status,
        "request_id": reply.headers.get("x-request-id"),
        "body": body,
    }
    line = {
        "id": f"call_{tag.attempt}",
        "custom_id": tag.custom_id,
        "response": response,
        "error": None,
    }
    return _encode(line) + b"\n"
