"""What stands between a client's socket and uvicorn: nothing without end, one write for a short answer.

uvicorn waits for ever for the head of a request, and keeps as much of it as comes; for each byte of its body;
and for a client that does not read its answer. What it cannot parse it answers in plain text. It also writes
the head of an answer by itself, though its body follows at once: a system call that costs as much as all the
rest of passing a call through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from lanewise.gateway.dialect import error_for_either

HEAD_SECONDS: Final = 20.0  # in which a head has to be here, once it, or its connection, began
MOST_HEAD: Final = 64 * 1024  # bytes
PACE_SECONDS: Final = 20.0
LEAST_BODY: Final = 10_000  # bytes of a body that have to come in that time, while it is read here
STALL_SECONDS: Final = 60.0  # in which a client has to read what is ready for it
MOST_UNREAD: Final = (
    256 * 1024 * 1024
)  # bytes of a body that was refused, read so that the refusal is
_MOST_DROPPED: Final = 1024 * 1024  # bytes of what is no request, read for the same reason
_END: Final = b"\r\n\r\n"
_BEGIN: Final = b"HTTP/1."


class Joined(asyncio.Transport):
    """A transport that sends the head of an answer with what is written next, or alone a moment later."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport, self._loop = transport, loop
        self._held = b""
        self.was_paused = False  # since somebody looked

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
        self.was_paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport says."""
        return self._transport.get_extra_info(name, default)


def speaking(protocol: type[asyncio.Protocol]) -> Callable[..., Any]:
    """One of uvicorn's protocols, which leaves it to `refuse` to say that something is no HTTP."""

    class Speaking(protocol):  # type: ignore[misc, valid-type]  # which one is known at run time
        def send_400_response(self, msg: str) -> None:
            self.refuse(400, "what came over this connection is not HTTP/1.1")

    return Speaking


_Protocol: Final = speaking(AutoHTTPProtocol)


class Guarded(asyncio.Protocol):
    """uvicorn's protocol behind a guard; made by uvicorn, which is given this in place of its own."""

    def __init__(self, **options: Any) -> None:
        self._inner: Any = _Protocol(**options)
        self._inner.refuse = self._refuse
        self._loop = asyncio.get_running_loop()
        self._head: asyncio.TimerHandle | None = None  # until the head is here
        self._pace: asyncio.TimerHandle | None = None  # until the body is looked at again
        self._stall: asyncio.TimerHandle | None = None  # until the client reads on
        self._seen = 0  # bytes of a head, or of what is dropped
        self._came = 0  # bytes of a body since the last look
        self._unread = 0  # bytes of a body that was refused
        self._tail = b""  # of a head, for an end that comes in two parts
        self._refused = False
        self._transport: asyncio.Transport
        self._joined: Joined

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._head = self._loop.call_later(HEAD_SECONDS, self._transport.abort)
        self._joined = Joined(self._transport, self._loop)
        self._inner.connection_made(self._joined)

    def data_received(self, data: bytes) -> None:
        """Hand on what came, if it is within bounds."""
        before = self._inner.cycle
        if self._refused or ((before is None or not before.more_body) and not self._fits(data)):
            self._drop(len(data))
            return
        self._inner.data_received(data)
        self._follow(before, len(data))

    def _follow(self, before: Any, size: int) -> None:
        """See what is awaited, now that so much came since there was the cycle `before`."""
        cycle = self._inner.cycle
        if self._refused:
            return
        if cycle is not before:  # a head has come to its end
            self._seen = self._unread = 0
            self._tail = b""
        if cycle is None or (cycle.response_complete and not cycle.more_body):
            if self._head is None:
                self._head = self._loop.call_later(HEAD_SECONDS, self._transport.abort)
            return
        _stop(self._head)
        self._head = None
        if cycle.more_body:
            self._take_body(size, unread=cycle.response_complete)

    def _fits(self, data: bytes) -> bool:
        """Whether the head that this is part of may go on."""
        room = MOST_HEAD - self._seen
        if len(data) > room and (self._tail + data[:room]).find(_END) < 0:
            self._refuse(431, f"the head of a request may have {MOST_HEAD:,} bytes")
            return False
        self._seen, self._tail = self._seen + len(data), data[-3:]
        return True

    def _take_body(self, size: int, *, unread: bool) -> None:
        self._came += size
        self._unread += size if unread else 0
        if self._unread > MOST_UNREAD:
            self._transport.abort()
        elif self._pace is None:
            self._pace = self._loop.call_later(PACE_SECONDS, self._look)

    def _look(self) -> None:
        """See whether enough of a body came, unless it was not read here for a while."""
        self._pace = None
        cycle, came, self._came = self._inner.cycle, self._came, 0
        if cycle is None or not cycle.more_body:
            return
        if came < LEAST_BODY and not self._joined.was_paused:
            self._refuse(
                408, f"less than {LEAST_BODY:,} bytes of the body came in {PACE_SECONDS:g} s"
            )
            return
        self._joined.was_paused = self._inner.flow.read_paused
        self._pace = self._loop.call_later(PACE_SECONDS, self._look)

    # -- what goes no further ---------------------------------------------------------------------
    def _refuse(self, status: int, message: str) -> None:
        """Answer what gets to no handler, or not whole, and close; what is answered already is cut off."""
        cycle = self._inner.cycle
        if cycle is not None and (cycle.more_body or not cycle.response_complete):
            if cycle.response_started or not cycle.more_body:
                self._transport.abort()
                return
            cycle.disconnected = True  # whoever reads the body
            cycle.message_event.set()
        self._refused, self._seen = True, 0
        self._transport.write(_answer(status, message))
        self._transport.write_eof()
        _stop(self._head)
        self._head = self._loop.call_later(HEAD_SECONDS, self._transport.abort)

    def _drop(self, size: int) -> None:
        """Read on for a while: a client that is cut off while it sends does not see its answer."""
        self._seen += size
        if self._seen > _MOST_DROPPED:
            self._transport.abort()

    # -- asyncio's other calls --------------------------------------------------------------------
    def eof_received(self) -> None:
        """The client has nothing more to send."""
        self._inner.eof_received()

    def pause_writing(self) -> None:
        """The client reads more slowly than is written."""
        self._stall = self._loop.call_later(STALL_SECONDS, self._transport.abort)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        _stop(self._stall)
        self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone."""
        for timer in (self._head, self._pace, self._stall):
            _stop(timer)
        self._inner.connection_lost(error)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def _answer(status: int, message: str) -> bytes:
    body = error_for_either(status, message)
    return (
        b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"connection: close\r\n\r\n%s"
        % (status, HTTPStatus(status).phrase.encode(), len(body), body)
    )
