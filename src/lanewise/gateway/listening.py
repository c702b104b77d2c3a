"""What stands between a client's socket and uvicorn: nothing without end.

uvicorn waits for ever for the head of a request, and keeps as much of it as comes; for each byte of its body;
and for a client that does not read its answer. What it cannot parse it answers in plain text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from lanewise.gateway.dialect import error_for_either
from lanewise.gateway.holding import HOLD, Held
from lanewise.gateway.joining import Joined
from lanewise.gateway.routes import Scope

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
# ASGI extensions, besides that of `holding`; there are none any more once the client is gone
WHEN_LOST: Final = "lanewise.when_lost"
ARRIVED: Final = "lanewise.arrived"


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol behind a guard; made by uvicorn, which is given this in place of its own."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], **more: Any
    ) -> None:
        super().__init__(config, server_state, app_state, **more)
        self._head: asyncio.TimerHandle | None = None  # until the head is here
        self._pace: asyncio.TimerHandle | None = None  # until the body is looked at again
        self._stall: asyncio.TimerHandle | None = None  # until the client reads on
        self._seen = 0  # bytes of a head, or of what is dropped
        self._came = 0  # bytes of a body since the last look
        self._unread = 0  # bytes of a body that was refused
        self._tail = b""  # of a head, for an end that comes in two parts
        self._refused = False
        self._lost: Callable[[], None] | None = None  # whoever wants to hear of it
        self._extensions = {
            HOLD: self._hold,
            WHEN_LOST: self._when_lost,
            ARRIVED: self._arrived,
        }
        self._socket: asyncio.Transport
        self._joined: Joined

    # -- what comes -------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._socket = cast("asyncio.Transport", transport)
        self._head = self.loop.call_later(HEAD_SECONDS, self._socket.abort)
        self._joined = Joined(self._socket, self.loop)
        super().connection_made(self._joined)

    def data_received(self, data: bytes) -> None:
        """Take what came, if it is within bounds."""
        before: RequestResponseCycle | None = self.cycle
        if self._refused or ((before is None or not before.more_body) and not self._fits(data)):
            self._drop(len(data))
            return
        super().data_received(data)
        self._follow(before, len(data))

    def on_message_begin(self) -> None:
        """A request begins: its handler may take the connection over."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]

    def send_400_response(self, msg: str) -> None:
        """What came cannot be parsed."""
        self._refuse(400, "what came over this connection is not HTTP/1.1")

    def _follow(self, before: RequestResponseCycle | None, size: int) -> None:
        """See what is awaited, now that so much came since there was the cycle `before`."""
        cycle: RequestResponseCycle | None = self.cycle
        if self._refused:
            return
        if cycle is not before:  # a head has come to its end
            self._seen = self._unread = 0
            self._tail = b""
        if cycle is None or (cycle.response_complete and not cycle.more_body):
            if self._head is None:
                self._head = self.loop.call_later(HEAD_SECONDS, self._socket.abort)
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
            self._socket.abort()
        elif self._pace is None:
            self._pace = self.loop.call_later(PACE_SECONDS, self._look)

    def _look(self) -> None:
        """See whether enough of a body came, unless it was not read here for a while."""
        self._pace = None
        cycle, came, self._came = self.cycle, self._came, 0
        if not cycle.more_body:
            return
        if came < LEAST_BODY and not self._joined.was_paused:
            self._refuse(
                408, f"less than {LEAST_BODY:,} bytes of the body came in {PACE_SECONDS:g} s"
            )
            return
        self._joined.was_paused = self.flow.read_paused
        self._pace = self.loop.call_later(PACE_SECONDS, self._look)

    # -- what goes no further ---------------------------------------------------------------------
    def _refuse(self, status: int, message: str) -> None:
        """Answer what gets to no handler, or not whole, and close; what is answered already is cut off."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and (cycle.more_body or not cycle.response_complete):
            if cycle.response_started or not cycle.more_body:
                self._socket.abort()
                return
            cycle.disconnected = True  # whoever reads the body
            cycle.message_event.set()
        self._refused, self._seen = True, 0
        self._socket.write(_answer(status, message))
        self._socket.write_eof()
        _stop(self._head)
        self._head = self.loop.call_later(HEAD_SECONDS, self._socket.abort)

    def _drop(self, size: int) -> None:
        """Read on for a while: a client that is cut off while it sends does not see its answer."""
        self._seen += size
        if self._seen > _MOST_DROPPED:
            self._socket.abort()

    # -- asyncio's other calls --------------------------------------------------------------------
    def pause_writing(self) -> None:
        """The client reads more slowly than is written."""
        self._stall = self.loop.call_later(STALL_SECONDS, self._socket.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        _stop(self._stall)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_timers()
        self._extensions.clear()  # which lead back here
        super().connection_lost(exc)
        if self._lost is not None:
            self._lost()

    def _stop_timers(self) -> None:
        for timer in (self._head, self._pace, self._stall):
            _stop(timer)

    # -- what handlers may ask of it --------------------------------------------------------------
    def _arrived(self) -> bool:
        """Whether all of the request is here."""
        return not self.cycle.more_body

    def _when_lost(self, call: Callable[[], None] | None) -> None:
        """Have a call made when the client goes away, until None is set in its place.

        That is what `receive` says as well, but to a task of its own for each request.
        """
        self._lost = call
        if call is not None:
            self.flow.resume_reading()
            if self._socket.is_closing():
                self.loop.call_soon(call)

    def _hold(self, scope: Scope) -> Held:
        """Let go of the connection, whose request with this scope is answered by somebody else."""
        alone = self.cycle.scope is scope is self.scope
        if not alone:  # its next requests are here already, which cannot be handed over
            self._socket.abort()
        self._stop_timers()
        self.connections.discard(self)
        self._extensions.clear()
        self.parser = None  # type: ignore[assignment]  # as uvicorn does: it leads back here
        self.cycle.disconnected = True  # for uvicorn, which has nothing more to say
        if not alone or not self.cycle.keep_alive:
            return Held(self._socket, self.connections, None)
        following = _Following(self.config, self.server_state, self.app_state)
        return Held(self._socket, self.connections, following)


@dataclass(frozen=True, slots=True)
class _Following:
    """Serves the next request of a connection that was held."""

    config: Config
    server_state: ServerState
    app_state: dict[str, Any]

    @property
    def keep_seconds(self) -> float:
        """How long it may take to come."""
        return self.config.timeout_keep_alive

    def serve(self, transport: asyncio.Transport, data: bytes) -> None:
        """It begins with these bytes."""
        again = Guarded(self.config, self.server_state, self.app_state)
        transport.set_protocol(again)
        again.connection_made(transport)
        again.data_received(data)


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
