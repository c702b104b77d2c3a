"""The client against servers that misbehave, on real sockets."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lanewise.gateway.upstream import Answer, Upstream, UpstreamFailed

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


class Server:
    """Answers each connection by a handler, and counts them."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.connections = 0
        self.requests: list[bytes] = []
        self.gone = asyncio.Event()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")),
            0,
        )
        self.requests.append(head + await reader.readexactly(length))
        return self.requests[-1]

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.gone.set()
            writer.close()


@asynccontextmanager
async def serving(
    make: Callable[[], Handler], **options: float
) -> AsyncIterator[tuple[Server, Upstream]]:
    server = Server(make())
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    headers = [(b"authorization", b"Bearer ours")]
    upstream = Upstream(f"http://127.0.0.1:{port}/v1", headers, **options)
    try:
        yield server, upstream
    finally:
        upstream.close()
        listening.close()
        await asyncio.sleep(0)


def saying(*pieces: bytes, hang: bool = False) -> Handler:
    """Answer every request of a connection with these pieces."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(x[15:]) for x in head.split(b"\r\n") if x.startswith(b"content-length:")), 0
            )
            await reader.readexactly(length)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if hang:
                await reader.read()
                return

    return handler


async def post(upstream: Upstream, body: bytes = b"{}") -> Answer:
    return await upstream.send(b"POST", b"/chat/completions", [(b"x-a", b"b")], body)


async def whole(answer: Answer) -> bytes:
    body = b""
    while piece := await answer.read():
        body += piece
    return body


async def test_calls_one_after_the_other_share_a_connection() -> None:
    async with serving(lambda: saying(OK)) as (server, upstream):
        for _ in range(20):
            answer = await post(upstream)
            assert (answer.head.status, await whole(answer)) == (200, b"hi")
        assert (server.connections, upstream.under_way) == (1, 0)


async def test_calls_at_once_have_connections_of_their_own_and_keep_them() -> None:
    async with serving(lambda: saying(OK[:20], OK[20:])) as (server, upstream):
        for _ in range(3):
            answers = await asyncio.gather(*(post(upstream) for _ in range(10)))
            assert [await whole(answer) for answer in answers] == [b"hi"] * 10
        assert server.connections == 10


async def test_the_request_is_sent_as_it_is_with_our_headers() -> None:
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        seen.append(await reader.readexactly(200_000))
        writer.write(OK)

    async with serving(lambda: handler) as (_, upstream):
        await whole(await post(upstream, b"x" * 200_000))
    lines = seen[0].split(b"\r\n")
    assert lines[0] == b"POST /v1/chat/completions HTTP/1.1"
    assert lines[1].startswith(b"host: 127.0.0.1:")
    assert lines[2:] == [
        b"authorization: Bearer ours", b"x-a: b", b"content-length: 200000", b"", b"",
    ]  # fmt: skip
    assert seen[1] == b"x" * 200_000


@pytest.mark.parametrize("odd", [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\0b"])
async def test_a_header_that_would_begin_another_is_never_sent(odd: bytes) -> None:
    async with serving(lambda: saying(OK)) as (server, upstream):
        with pytest.raises(UpstreamFailed, match="line break"):
            await upstream.send(b"POST", b"/x", [(b"a", odd)], b"")
        with pytest.raises(UpstreamFailed, match="line break"):
            await upstream.send(b"GET", b"/x?" + odd, [], b"")
        assert server.connections == 0


async def test_a_kept_connection_that_the_server_closed_is_not_used_again() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
        writer.write(OK)

    async with serving(lambda: once) as (server, upstream):
        for _ in range(20):
            assert await whole(await post(upstream)) == b"hi"
            await server.gone.wait()
            server.gone.clear()
        assert server.connections == 20


async def test_a_call_that_was_sent_is_never_sent_again() -> None:
    async def reads_and_leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with serving(lambda: reads_and_leaves) as (server, upstream):
        with pytest.raises(UpstreamFailed) as failed:
            await post(upstream)
        assert (failed.value.status, server.connections) == (502, 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nhi",
        b"\x16\x03\x01" * 40_000,
    ],
)
async def test_garbage_is_an_error_and_its_connection_is_dropped(answer: bytes) -> None:
    async with serving(lambda: saying(answer, hang=True)) as (server, upstream):
        with pytest.raises(UpstreamFailed, match="garbled"):
            await post(upstream)
        await asyncio.wait_for(server.gone.wait(), 5)
        assert upstream.under_way == 0


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
async def test_half_an_answer_breaks_off_after_the_half(begun: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)

    async with serving(lambda: handler) as (_, upstream):
        answer = await post(upstream)
        assert await answer.read() == b"half"
        with pytest.raises(UpstreamFailed, match=r"broke|breaks off"):
            await answer.read()
        assert upstream.under_way == 0


async def test_closing_a_call_closes_its_connection_and_wakes_its_reader() -> None:
    begun = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ntick\r\n"
    async with serving(lambda: saying(begun, hang=True)) as (server, upstream):
        answer = await post(upstream)
        assert await answer.read() == b"tick"
        reading = asyncio.ensure_future(answer.read())
        await asyncio.sleep(0)
        answer.close()
        with pytest.raises(UpstreamFailed, match="given up"):
            await reading
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_closing_an_answer_that_was_read_leaves_the_next_call_alone() -> None:
    async with serving(lambda: saying(OK)) as (server, upstream):
        first = await post(upstream)
        await whole(first)
        second = await post(upstream)
        first.close()
        assert await whole(second) == b"hi"
        assert server.connections == 1


async def test_what_comes_unasked_ends_the_connection_and_is_no_answer() -> None:
    async with serving(
        lambda: saying(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
    ) as (
        server,
        upstream,
    ):
        for _ in range(3):
            assert await whole(await post(upstream)) == b"hi"
        assert server.connections == 3


async def test_a_silent_upstream_is_given_up() -> None:
    async with serving(lambda: saying(b"", hang=True), silence_seconds=0.05) as (_, upstream):
        with pytest.raises(UpstreamFailed) as failed:
            await post(upstream)
        assert failed.value.status == 504


async def test_a_reader_that_is_slow_holds_the_upstream_back() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        for _ in range(300):
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 1

    async with serving(lambda: flood) as (_, upstream):
        answer = await post(upstream)
        for _ in range(200):
            await asyncio.sleep(0)
        assert sent < 200
        assert len(await whole(answer)) == 65_536 * 300


async def test_nobody_there_is_an_error_of_the_upstream() -> None:
    upstream = Upstream("http://127.0.0.1:9", [])
    with pytest.raises(UpstreamFailed, match="could not be reached") as failed:
        await post(upstream)
    upstream.close()
    assert failed.value.status == 502
    assert "127.0.0.1" not in str(failed.value)


@pytest.mark.parametrize("address", ["ftp://x", "localhost:80", "https://", "file:///etc"])
def test_only_http_addresses_are_upstreams(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        Upstream(address, [])


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 with its key, in one file."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("there is no openssl here to make a certificate with")
    file = tmp_path / "own.pem"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", file,
            "-out", f"{file}.crt", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


async def test_tls_is_spoken_with_those_that_can_prove_who_they_are_and_only_with_them(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = Server(saying(OK))
    listening = await asyncio.start_server(server, "127.0.0.1", 0, ssl=context)
    address = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    stranger = Upstream(address, [])
    with pytest.raises(UpstreamFailed, match="could not be reached") as failed:
        await post(stranger)
    assert not failed.value.sent
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    upstream = Upstream(address, [])
    for _ in range(5):
        assert await whole(await post(upstream)) == b"hi"
    assert server.connections == 1
    upstream.close()
    stranger.close()
    listening.close()
    await asyncio.sleep(0.05)
