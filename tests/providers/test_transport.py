"""What the outcome of an exchange proves: not sent, refused, or doubtful; told apart on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lanewise.domain.batches import Receipt
from lanewise.domain.ids import AccountId, AttemptId, BatchId
from lanewise.domain.packing import PackingKey
from lanewise.providers import transport
from lanewise.providers.anthropic import AnthropicBatches
from lanewise.providers.openai import OpenAIBatches
from lanewise.providers.protocol import Account, Doubtful, NotSent, RefusalKind, Refused, Tag
from lanewise.secret import Secret

KEY = "sk-canary-0123456789"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Lines:
    """A payload of a few lines."""

    requests, size = 2, 17

    def chunks(self) -> Any:
        yield b'{"a":1}\n{"b":22}\n'[: self.size]


def adapter(provider: str, port: int) -> Any:
    cls = OpenAIBatches if provider == "openai" else AnthropicBatches
    return cls(Account(AccountId("x"), provider, f"http://127.0.0.1:{port}", Secret(KEY)))


async def create(provider: str, port: int, *, timeout: float = 5.0) -> Any:
    batches = adapter(provider, port)
    key = PackingKey(provider, AccountId("x"), "/v1/chat/completions", "m")
    try:
        return await batches.create(
            key,
            Tag(AttemptId("a"), BatchId("b"), "h"),
            file_id="f",
            payload=Lines(),
            timeout=timeout,
        )
    finally:
        await batches.close()


async def against(handler: Handler, provider: str, **options: Any) -> Any:
    """Create against a server that does what `handler` does."""
    serving: list[asyncio.Task[Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.append(task)
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        try:
            return await create(provider, server.sockets[0].getsockname()[1], **options)
        finally:
            if serving:
                await asyncio.wait(serving, timeout=5)


def answering(status: str, body: bytes = b"{}", headers: str = "") -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}connection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        await reader.read()  # until the client has gone

    return handle


both = pytest.mark.parametrize("provider", ["openai", "anthropic"])


@both
async def test_a_refused_connection_is_not_sent(provider: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NotSent):
        await create(provider, port)


@both
async def test_a_connection_that_breaks_after_the_request_is_doubtful(provider: str) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    with pytest.raises(Doubtful):
        await against(handle, provider)


@both
async def test_an_answer_that_does_not_come_in_time_is_doubtful(provider: str) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with pytest.raises(Doubtful, match="no answer"):
        await against(handle, provider, timeout=0.1)


@both
@pytest.mark.parametrize(
    "status", ["500 Oops", "502 Bad", "503 Slow", "504 Late", "529 Full", "408 Late"]
)
async def test_server_errors_and_time_outs_prove_nothing(provider: str, status: str) -> None:
    with pytest.raises(Doubtful) as caught:
        await against(answering(status), provider)
    assert caught.value.status == int(status[:3])


@both
@pytest.mark.parametrize(
    ("status", "kind"),
    [("401 No", RefusalKind.CREDENTIAL), ("403 No", RefusalKind.CREDENTIAL), ("402 Pay", RefusalKind.BILLING),
     ("429 Slow", RefusalKind.BUSY), ("400 Bad", RefusalKind.INVALID), ("413 Big", RefusalKind.INVALID)],
)  # fmt: skip
async def test_a_definite_no_is_refused_by_kind(
    provider: str, status: str, kind: RefusalKind
) -> None:
    body = b'{"error":{"message":"the reason","type":"t","code":"c"}}'
    with pytest.raises(Refused, match="the reason") as caught:
        await against(answering(status, body, "retry-after: 7\r\n"), provider)
    assert (caught.value.kind, caught.value.retry_after) == (kind, 7.0)


@both
@pytest.mark.parametrize("body", [b"not json", b"[]", b"{}", b'{"id":', b""])
async def test_a_yes_without_an_id_is_doubtful(provider: str, body: bytes) -> None:
    with pytest.raises(Doubtful):
        await against(answering("200 OK", body), provider)


@both
@pytest.mark.parametrize("coding", ["gzip", "zstd", "br", "x"])
async def test_an_answer_is_never_unpacked(provider: str, coding: str) -> None:
    """It was asked not to be compressed; what a little of it becomes nobody knows."""
    body, header = gzip.compress(b'{"id":"x"}'), f"content-encoding: {coding}\r\n"
    with pytest.raises(Doubtful, match="is compressed"):
        await against(answering("200 OK", body, header), provider)
    with pytest.raises(Refused) as caught:
        await against(answering("413 Big", body, header), provider)
    assert caught.value.kind is RefusalKind.INVALID


@both
async def test_an_answer_without_end_is_given_up(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MOST_ANSWER", 100_000)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b" " * 10_000)
                await writer.drain()

    with pytest.raises(Doubtful, match="more than 100,000 bytes"):
        await against(handle, provider)


@both
async def test_a_redirect_is_not_followed_and_proves_nothing(provider: str) -> None:
    with pytest.raises(Doubtful):
        await against(
            answering("307 Elsewhere", headers="location: http://127.0.0.1:1/\r\n"), provider
        )


@both
async def test_a_create_is_sent_once_whatever_happens(provider: str) -> None:
    seen = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        await answering("504 Late")(reader, writer)

    with pytest.raises(Doubtful):
        await against(handle, provider)
    assert seen == 1


@both
async def test_neither_key_nor_body_is_in_any_error(provider: str) -> None:
    echo = b'{"error":{"message":"you sent nothing secret","type":"t"}}'
    for status in ("400 Bad", "500 Oops"):
        with pytest.raises((Refused, Doubtful)) as caught:
            await against(answering(status, echo), provider)
        text = f"{caught.value!r} {caught.value}"
        assert KEY not in text
        assert '{"a":1}' not in text
    assert KEY not in repr(adapter(provider, 1).account)


@both
async def test_a_body_whose_time_is_over_is_not_finished(provider: str) -> None:
    """A process frozen in the middle of a call must not complete it late."""
    from lanewise.providers.transport import stream

    pieces = stream(iter([b"one", b"two"]), still_wanted=iter([True, False]).__next__)
    assert await anext(pieces) == b"one"
    with pytest.raises(Doubtful, match="time to send was over"):
        await anext(pieces)


@both
async def test_a_key_that_cannot_be_a_header_is_not_shown_by_the_library_that_refuses_it(
    provider: str,
) -> None:
    cls = OpenAIBatches if provider == "openai" else AnthropicBatches
    account = Account(AccountId("x"), provider, "http://127.0.0.1:1", Secret(f"{KEY}\n"))
    batches = cls(account)
    with pytest.raises((NotSent, Doubtful)) as caught:
        await batches.check(Receipt("b"))
    await batches.close()
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert not any(KEY in str(error) for error in chain)
