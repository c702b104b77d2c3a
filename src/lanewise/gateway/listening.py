"""What stands between a client's socket and uvicorn: no head without end, and one write for a short answer.

uvicorn waits for ever for the head of a request, and keeps as much of it as comes. It also writes the head of
an answer by itself, though its body follows at once: a system call that costs as much as all the rest of
passing a call through.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_SECONDS: Final = (
    20.0  # in which the head of a request has to be here, once it, or its connection, began
)
MOST_HEAD: Final = 64 * 1024  # bytes
MOST_UNREAD: Final = (
    256 * 1024 * 1024
)  # bytes of a body that was refused, read so that the refusal is
_BEGIN: Final = b"HTTP/1."


class Joined(asyncio.Transport):
    """A transport that sends the head of an answer with what is written next, or alone a moment later."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport, self._loop = transport, loop
        self._held = b""

    def write(self, data: Any) -> None:
        """Send, or hold for the end of this turn of the loop."""
        if self._held:
            data, self._held = self._held + data, b""
        elif data.startswith(_BEGIN):
            self._held = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def _flush(self) -> None:
        if self._held:
            data, self._held = self._held, b""
            self._transport.write(data)

    def close(self) -> None:
        """Send what is held, then close."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._held = b""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it closes, or is closed."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Take no more in."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport says."""
        return self._transport.get_extra_info(name, default)


class Guarded(asyncio.Protocol):
    """uvicorn's protocol behind a guard; made by uvicorn, which is given this in place of its own."""

    def __init__(self, **options: Any) -> None:
        self._inner: Any = AutoHTTPProtocol(**options)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._seen = 0  # bytes of a head, or of a body that nobody reads
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = self._loop.call_later(HEAD_SECONDS, self._transport.abort)
        self._inner.connection_made(Joined(self._transport, self._loop))

    def data_received(self, data: bytes) -> None:
        """Hand on what came; see whether a head is still awaited."""
        self._inner.data_received(data)
        cycle = self._inner.cycle
        if cycle is not None and not cycle.response_complete:
            self._seen = 0
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        assert self._transport is not None, "data comes over a connection"
        refused = cycle is not None and cycle.more_body
        self._seen += len(data)
        if self._seen > (MOST_UNREAD if refused else MOST_HEAD):
            self._transport.abort()
        elif self._timer is None and not refused:
            self._timer = self._loop.call_later(HEAD_SECONDS, self._transport.abort)

    def eof_received(self) -> None:
        """The client has nothing more to send."""
        self._inner.eof_received()

    def pause_writing(self) -> None:
        """The client reads more slowly than is written."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._inner.connection_lost(error)
