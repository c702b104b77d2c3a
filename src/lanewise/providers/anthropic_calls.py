"""How Anthropic takes one request at a time: in real time, answered on the connection.

Source: Anthropic's API reference, errors and rate-limit pages, and official SDK 2.12 (23 November 2026).
"""

from __future__ import annotations

from typing import Final

import msgspec

from lanewise.domain.lanes import LaneName
from lanewise.domain.packing import PackingKey
from lanewise.domain.results import ResultLine, Verdict
from lanewise.providers import dialects, replies
from lanewise.providers.anthropic import VERSION, unwrap
from lanewise.providers.calling import Answered, CallTag, Progress
from lanewise.providers.protocol import Account
from lanewise.providers.rate_headers import anthropic_allowance
from lanewise.providers.transport import Reply, Transport, error_of

_OVERLOADED: Final = 529  # not charged
_TOO_LARGE_FOR_A_MINUTE: Final = 429  # a final no for this lane, and for no other
_encode: Final = msgspec.json.Encoder().encode


class AnthropicCalls:
    """One Anthropic workspace."""

    def __init__(self, account: Account) -> None:
        self.account = account
        headers = {"x-api-key": account.key.reveal(), "anthropic-version": VERSION}
        self._http = Transport(account, headers, connections=replies.CONNECTIONS)

    async def call(
        self, key: PackingKey, body: bytes, lane: LaneName, *, tag: CallTag, timeout: float
    ) -> Answered:
        """Send one request; the headers of `key` say for which version its body was written."""
        what = f"POST {key.endpoint}"
        reply = await self._http.reply(
            "POST",
            key.endpoint,
            timeout=timeout,
            content=replies.changed(body, {}),
            headers={"content-type": "application/json", **dict(key.headers)},
        )
        allowance = anthropic_allowance(reply.headers)
        if reply.status == _OVERLOADED:
            raise replies.no_capacity(reply, what, allowance)
        if not replies.final(reply, what, allowance):
            return Answered(_refusal(reply, tag), reply.status, allowance)
        result = {"type": "succeeded", "message": replies.result(reply, what)}
        line = {"custom_id": tag.custom_id, "result": result}
        return Answered(_encode(line) + b"\n", reply.status, allowance)

    async def check(self, receipt_id: str, *, tag: CallTag) -> Progress:
        """There is no background here."""
        raise NotImplementedError("Anthropic answers on the connection")

    async def cancel(self, receipt_id: str) -> None:
        """There is no background here."""
        raise NotImplementedError("Anthropic answers on the connection")

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()


def _refusal(reply: Reply, tag: CallTag) -> bytes:
    """The line for a final no; one that is not in Anthropic's form is put into it."""
    message = f"HTTP {reply.status} {reply.reason}"
    body = replies.one_line(reply.body)
    if body is None:
        return dialects.unanswered("anthropic", tag.custom_id, Verdict.REFUSED, "not_json", message)
    line = _encode({"custom_id": tag.custom_id, "result": {"type": "errored", "error": body}})
    found = unwrap(line)
    said = isinstance(found, ResultLine) and found.verdict is Verdict.REFUSED
    if said or reply.status == _TOO_LARGE_FOR_A_MINUTE:
        return line + b"\n"
    code, text = error_of(reply.body)  # as other servers that speak this API say it
    return dialects.unanswered(
        "anthropic", tag.custom_id, Verdict.REFUSED, code or str(reply.status), text or message
    )
