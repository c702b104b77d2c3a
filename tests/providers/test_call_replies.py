"""What a reply to one call means where a sandbox would not say it: odd bodies, other people's errors."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from lanewise.domain.ids import AccountId, AttemptId
from lanewise.domain.lanes import FLEX, REALTIME, LaneName
from lanewise.domain.packing import PackingKey
from lanewise.domain.results import ResultLine, Verdict
from lanewise.providers import registry
from lanewise.providers.calling import Accepted, Answered, CallTag
from lanewise.providers.protocol import Account, Doubtful, RefusalKind, Refused
from lanewise.secret import Secret

TAG = CallTag("lw-abcdefghijklmnop-7", AttemptId("attempt"), "home")
ENDPOINTS = {"openai": "/v1/responses", "anthropic": "/v1/messages"}
HTML = b"<html><body>nginx says no</body></html>"


class Served:
    """A server that answers everything alike and keeps what it was sent."""

    def __init__(self, status: int, body: bytes, headers: str = "") -> None:
        self._answer = (
            f"HTTP/1.1 {status} Said\r\ncontent-length: {len(body)}\r\n{headers}"
            "connection: close\r\n\r\n"
        ).encode() + body
        self.head = b""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = await reader.readuntil(b"\r\n\r\n")
        writer.write(self._answer)
        await writer.drain()
        writer.close()

    async def call(
        self, provider: str, *, lane: LaneName = REALTIME, headers: Any = ()
    ) -> Answered | Accepted:
        server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        calls = registry.caller(Account(AccountId("x"), provider, url, Secret("sk-canary")))
        key = PackingKey(provider, AccountId("x"), ENDPOINTS[provider], "m", headers)
        try:
            return await calls.call(key, b'{"model":"m"}', lane, tag=TAG, timeout=5.0)
        finally:
            await calls.close()
            server.close()


def said(provider: str, message: str, *, code: str | None = None, kind: str = "error") -> bytes:
    error = {"type": kind, "message": message}
    if provider == "openai":
        return json.dumps({"error": {**error, "code": code, "param": None}}).encode()
    details = {"details": {"error_code": code}} if code else {}
    return json.dumps({"type": "error", "error": {**error, **details}}).encode()


def read(provider: str, answered: Any) -> ResultLine:
    assert isinstance(answered, Answered)
    assert answered.line.count(b"\n") == 1
    line = registry.unwrap(provider)(answered.line)
    assert isinstance(line, ResultLine)
    assert line.custom_id == TAG.custom_id
    return line


@pytest.mark.parametrize("provider", sorted(ENDPOINTS))
async def test_an_answer_is_kept_byte_for_byte_on_one_line(provider: str) -> None:
    body = b'{\r\n  "text": "\\u00e9 \\n \xc3\xa9 \xe2\x80\xa8",\n  "score": 1.50, "big": 1e+20}\n'
    answered = await Served(200, body).call(provider)
    assert read(provider, answered).verdict is Verdict.ANSWERED
    kept = body.strip().replace(b"\r", b" ").replace(b"\n", b" ")
    assert kept in answered.line  # type: ignore[union-attr]


@pytest.mark.parametrize("provider", sorted(ENDPOINTS))
@pytest.mark.parametrize("body", [HTML, b"", b"[1]", b'{"a":', b'{"a":"\xff"}'])
async def test_a_success_that_is_no_json_object_is_doubtful(provider: str, body: bytes) -> None:
    with pytest.raises(Doubtful):
        await Served(200, body).call(provider)


@pytest.mark.parametrize("provider", sorted(ENDPOINTS))
@pytest.mark.parametrize("body", [HTML, b""])
async def test_a_refusal_by_a_proxy_is_put_into_the_providers_form(
    provider: str, body: bytes
) -> None:
    answered = await Served(413, body).call(provider)
    assert answered.status == 413  # type: ignore[union-attr]
    assert read(provider, answered).verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    ("provider", "status", "body", "kind"),
    [
        ("openai", 404, HTML, RefusalKind.ABSENT),
        ("openai", 404, said("openai", "Unknown URL", code="unknown_url"), RefusalKind.ABSENT),
        ("openai", 429, said("openai", "x", code="insufficient_quota"), RefusalKind.BILLING),
        ("openai", 429, said("openai", "x", code="rate_limit_exceeded"), RefusalKind.BUSY),
        ("openai", 409, said("openai", "x"), RefusalKind.BUSY),
        ("anthropic", 402, said("anthropic", "x", kind="billing_error"), RefusalKind.BILLING),
        (
            "anthropic", 400, said("anthropic", "Your credit balance is too low to access"),
            RefusalKind.BILLING,
        ),
        (
            "anthropic", 400, said("anthropic", "You have reached your specified API usage limits."),
            RefusalKind.BILLING,
        ),
        (
            "anthropic", 429, said("anthropic", "x", code="enforced_spend_limit_reached"),
            RefusalKind.BILLING,
        ),
        ("anthropic", 529, HTML, RefusalKind.NO_CAPACITY),
    ],
)  # fmt: skip
async def test_what_is_not_the_requests_fault_is_no_answer_to_it(
    provider: str, status: int, body: bytes, kind: RefusalKind
) -> None:
    with pytest.raises(Refused) as caught:
        await Served(status, body).call(provider)
    assert caught.value.kind is kind
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (said("openai", "Resource Unavailable"), RefusalKind.NO_CAPACITY),
        (HTML, RefusalKind.NO_CAPACITY),
        (said("openai", "x", code="rate_limit_exceeded"), RefusalKind.BUSY),
        (said("openai", "x", kind="tokens"), RefusalKind.BUSY),
        (said("openai", "x", code="insufficient_quota"), RefusalKind.BILLING),
    ],
)
async def test_on_flex_any_429_but_a_limit_or_money_is_a_lack_of_capacity(
    body: bytes, kind: RefusalKind
) -> None:
    with pytest.raises(Refused) as caught:
        await Served(429, body, "retry-after: 3\r\n").call("openai", lane=FLEX)
    assert caught.value.kind is kind
    assert caught.value.retry_after == 3.0


@pytest.mark.parametrize("provider", sorted(ENDPOINTS))
async def test_a_server_error_is_doubtful_and_says_how_long_to_wait(provider: str) -> None:
    with pytest.raises(Doubtful) as caught:
        await Served(503, said(provider, "Slow Down"), "retry-after: 900\r\n").call(provider)
    assert (caught.value.status, caught.value.retry_after) == (503, 900.0)


async def test_the_version_a_body_was_written_for_goes_with_it() -> None:
    served = Served(200, b"{}")
    await served.call("anthropic", headers=(("anthropic-version", "2026-10-21"),))
    assert served.head.count(b"anthropic-version") == 1
    assert b"anthropic-version: 2026-10-21" in served.head


async def test_a_response_that_goes_on_in_the_background_is_accepted_in_any_lane() -> None:
    body = b'{"id":"resp_1","status":"queued"}'
    assert await Served(200, body).call("openai") == Accepted("resp_1")


async def test_a_background_response_without_an_id_is_doubtful() -> None:
    with pytest.raises(Doubtful, match="no id"):
        await Served(200, b'{"status":"queued"}').call("openai")


async def test_members_of_odd_types_do_not_cost_the_answer() -> None:
    answered = await Served(200, b'{"id":7,"status":["done"],"usage":"none"}').call("openai")
    assert read("openai", answered).verdict is Verdict.ANSWERED


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("status", "kind"), [(501, "not_supported_error"), (400, "exceed_context_size_error")]
)
async def test_a_no_in_another_servers_words_is_final_and_says_why(
    provider: str, status: int, kind: str
) -> None:
    body = json.dumps({"error": {"code": status, "message": "it cannot", "type": kind}}).encode()
    answered = await Served(status, body).call(provider)
    assert isinstance(answered, Answered)
    found = registry.unwrap(provider)(answered.line)
    assert isinstance(found, ResultLine)
    assert (found.verdict, found.message) == (Verdict.REFUSED, "it cannot")
