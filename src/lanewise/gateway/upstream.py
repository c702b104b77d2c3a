"""Calls to one upstream over kept connections: HTTP/1.1 on asyncio's own protocols.

A general client costs several times what the rest of the gateway does (docs/reference/gateway-benchmark.md);
this one does what passing through needs: a pool, TLS, time-outs, back-pressure, and giving up a call by
closing its connection. A connection that does not come about is tried once more; a request that was sent is
never sent again here: a call that may have reached the provider may have been paid for.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections import deque
from typing import Final, cast
from urllib.parse import urlsplit

from lanewise.gateway.wire import Garbled, Head, Headers, ResponseReader

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 600.0  # as long as the official SDKs wait
_IDLE_SECONDS: Final = 60.0  # below what providers and their proxies keep a connection for
_MOST_IDLE: Final = 256  # connections kept without work
_HIGH_WATER: Final = 256 * 1024  # bytes read ahead of a client that reads slowly
_LOOK_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 0.05  # before a connection that did not come about is tried once more
_UNREACHED: Final = "the upstream could not be reached"
_JOINED: Final = 64 * 1024  # bytes of a body that is sent in one piece with its head


class UpstreamFailed(Exception):
    """The upstream did not answer as it should; `status` is what the client is told.

    `sent`: whether the request may have reached it, and may be charged.
    """

    def __init__(self, message: str, status: int = 502, *, sent: bool = True) -> None:
        super().__init__(message)
        self.status, self.sent = status, sent


class Upstream:
    """One address, its credential headers, and the connections to it. Of one event loop."""

    def __init__(
        self,
        base_url: str,
        headers: Headers,
        *,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        """`headers` go with every request. Raises `ValueError` for an address that is not http or https."""
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base_url!r} is not an address: http(s)://host[:port][/path]")
        self.base = parts.path.rstrip("/").encode()
        self.silence_seconds = silence_seconds
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._always = b"".join(
            b"%s: %s\r\n" % pair
            for pair in [(b"host", parts.netloc.rpartition("@")[2].encode()), *headers]
        )
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._connecting = 0
        self._watch: asyncio.TimerHandle | None = None

    @property
    def under_way(self) -> int:
        """Calls that have not come to their end."""
        return len(self._busy) + self._connecting

    async def send(self, method: bytes, target: bytes, headers: Headers, body: bytes) -> Answer:
        """Send a request; returns its answer when status and headers are here.

        Raises `UpstreamFailed`. The caller reads the answer to its end, or closes it.
        """
        head = self._head(method, target, headers, body)
        connection = self._kept() or await self._connect()
        self._busy.add(connection)
        answer = connection.begin(head, body)
        try:
            await answer.head_here()
        except BaseException:
            answer.close()
            raise
        return answer

    def close(self) -> None:
        """Drop every connection, those with calls under way included."""
        if self._watch is not None:
            self._watch.cancel()
        for connection in [*self._idle, *self._busy]:
            connection.drop()
        self._idle.clear()

    def done(self, connection: Connection, *, reusable: bool) -> None:
        """A connection has no work any more."""
        self._busy.discard(connection)
        if reusable and len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.drop()

    def _head(self, method: bytes, target: bytes, headers: Headers, body: bytes) -> bytes:
        lines = b"".join([b"%s: %s\r\n" % pair for pair in headers])
        length = b"content-length: %d\r\n" % len(body) if body or method == b"POST" else b""
        head = b"%s %s%s HTTP/1.1\r\n%s%s%s\r\n" % (
            method, self.base, target, self._always, lines, length,
        )  # fmt: skip
        breaks = self._always.count(b"\n") + len(headers) + (3 if length else 2)
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
            raise UpstreamFailed("a header holds a line break", 400, sent=False)
        return head

    def _kept(self) -> Connection | None:
        """A connection that is surely still open, the one used last first."""
        while self._idle:
            connection = self._idle.pop()
            if connection.fit():
                return connection
            connection.drop()
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        if self._watch is None:
            self._watch = loop.call_later(_LOOK_SECONDS, self._look)
        self._connecting += 1
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._connected(loop)
        except TimeoutError:
            raise UpstreamFailed(_UNREACHED, 504, sent=False) from None
        except OSError as error:
            raise UpstreamFailed(f"{_UNREACHED} ({type(error).__name__})", sent=False) from None
        finally:
            self._connecting -= 1

    async def _connected(self, loop: asyncio.AbstractEventLoop) -> Connection:
        """A new connection; tried once more, for nothing of a call is sent yet."""
        try:
            return await self._dial(loop)
        except ssl.SSLError:
            raise
        except OSError:
            await asyncio.sleep(_AGAIN_SECONDS)
            return await self._dial(loop)

    async def _dial(self, loop: asyncio.AbstractEventLoop) -> Connection:
        _, connection = await loop.create_connection(
            lambda: Connection(self, loop), self._host, self._port, ssl=self._tls
        )
        return connection

    def _look(self) -> None:
        """Give up calls that have been silent for too long, and connections that have had no work."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._busy):
            answer = connection.answer
            if answer and answer.waits and now - answer.since > self.silence_seconds:
                answer.fail(UpstreamFailed("the upstream has been silent for too long", 504))
        while self._idle and now - self._idle[0].since > _IDLE_SECONDS:
            self._idle.popleft().drop()
        self._watch = loop.call_later(_LOOK_SECONDS, self._look)


class Answer:
    """The answer to one request, read as it arrives."""

    __slots__ = ("_connection", "_error", "_parts", "_size", "_waiter", "ended", "reader", "since")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.reader = ResponseReader()
        self.ended = False  # read to its end, or given up
        self.since = 0.0  # of the loop's clock: when somebody last began to wait
        self._parts: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: UpstreamFailed | None = None

    @property
    def waits(self) -> bool:
        """Whether somebody waits for the upstream."""
        return self._waiter is not None

    @property
    def head(self) -> Head:
        """Status and headers."""
        assert self.reader.head is not None, "send() returns after the head was read"
        return self.reader.head

    async def head_here(self) -> None:
        """Wait for status and headers; raises `UpstreamFailed`."""
        while self.reader.head is None:
            await self._wait()

    async def read(self) -> bytes:
        """What has arrived of the body, waiting for the first of it; empty at its end.

        Raises `UpstreamFailed` where the answer breaks off.
        """
        while not self._parts and not self.reader.complete:
            await self._wait()
        found = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        if self.reader.complete:
            self._end(reusable=self.reader.reusable)
        else:
            self._connection.resume()
        return found

    def close(self) -> None:
        """Give the call up, if it has not ended: the upstream sees its connection close."""
        self.fail(UpstreamFailed("the call was given up"))

    def fail(self, error: UpstreamFailed) -> None:
        """The rest of the answer will not come; what is complete stays."""
        if self.ended or self._error is not None:
            return
        if not self.reader.complete:
            self._error = error
        self._end(reusable=False)
        self._wake()

    def take(self, data: bytes) -> bool:
        """Take in what arrived; returns whether that is enough until somebody reads."""
        part = self.reader.feed(data)
        if part:
            self._parts.append(part)
            self._size += len(part)
        self._wake()
        return self._size > _HIGH_WATER

    def no_more(self) -> None:
        """The upstream has closed its side."""
        if self.reader.head is None:
            self.fail(UpstreamFailed("the upstream closed the connection without an answer"))
            return
        try:
            self.reader.eof()
        except Garbled as garbled:
            self.fail(UpstreamFailed(f"the upstream's answer breaks off: {garbled}"))
        self._wake()

    def _end(self, *, reusable: bool) -> None:
        if not self.ended:
            self.ended = True
            self._connection.free(reusable=reusable)

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self.since = self._connection.loop.time()
        self._waiter = self._connection.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """One connection of the pool; carries one call at a time."""

    def __init__(self, upstream: Upstream, loop: asyncio.AbstractEventLoop) -> None:
        self._upstream, self.loop = upstream, loop
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        self._paused = False
        self.answer: Answer | None = None
        self.since = 0.0  # of the loop's clock: when its last call ended

    def begin(self, head: bytes, body: bytes) -> Answer:
        """Send a request."""
        assert self._transport is not None, "a connection is handed out when it is made"
        self.answer = answer = Answer(self)
        if len(body) < _JOINED:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        return answer

    def fit(self) -> bool:
        """Whether it can carry a request: open, and nothing came that nobody asked for."""
        if self._transport is None or self._transport.is_closing():
            return False
        return self._poll is None or not self._poll.poll(0)

    def free(self, *, reusable: bool) -> None:
        """The call has ended."""
        self.answer, self.since = None, self.loop.time()
        self.resume()
        sent = self._transport is not None and not self._transport.get_write_buffer_size()
        self._upstream.done(self, reusable=reusable and sent)

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def drop(self) -> None:
        """Close without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio's calls --------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, with TLS where that was asked for."""
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """More of the answer; without a call, something that nobody asked for."""
        if self.answer is None:
            self.drop()
            return
        try:
            enough = self.answer.take(data)
        except Garbled as garbled:
            self.answer.fail(UpstreamFailed(f"the upstream's answer is garbled: {garbled}"))
            return
        if enough and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """The upstream has nothing more to send; the transport closes."""
        if self.answer is not None:
            self.answer.no_more()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if self.answer is not None and not self.answer.reader.complete:
            self.answer.fail(UpstreamFailed("the connection to the upstream broke"))
