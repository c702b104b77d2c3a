"""What stands between a client's socket and uvicorn: no head without end, and one write for a short answer.

uvicorn waits for ever for the head of a request, and keeps as much of it as comes. It also writes the head of
an answer by itself, though its body follows at once: a system call that costs as much as all the rest of
passing a call through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from lanewise.gateway.holding import HOLD, Held
from lanewise.gateway.routes import Scope

HEAD_SECONDS: Final = (
    20.0  # in which the head of a request has to be here, once it, or its connection, began
)
MOST_HEAD: Final = 64 * 1024  # bytes
MOST_UNREAD: Final = (
    256 * 1024 * 1024
)  # bytes of a body that was refused, read so that the refusal is
_BEGIN: Final = b"HTTP/1."
# ASGI extensions, besides that of `holding`; there are none any more once the client is gone
WHEN_LOST: Final = "lanewise.when_lost"
ARRIVED: Final = "lanewise.arrived"


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


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol behind a guard; made by uvicorn, which is given this in place of its own."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], **more: Any
    ) -> None:
        super().__init__(config, server_state, app_state, **more)
        self._timer: asyncio.TimerHandle | None = None
        self._seen = 0  # bytes of a head, or of a body that nobody reads
        self._lost: Callable[[], None] | None = None  # whoever wants to hear of it
        self._extensions = {
            HOLD: self._hold,
            WHEN_LOST: self._when_lost,
            ARRIVED: self._arrived,
        }
        self._socket: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._socket = cast("asyncio.Transport", transport)
        self._timer = self.loop.call_later(HEAD_SECONDS, self._socket.abort)
        super().connection_made(Joined(self._socket, self.loop))

    def data_received(self, data: bytes) -> None:
        """Hand on what came; see whether a head is still awaited."""
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._seen = 0
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        refused = cycle is not None and cycle.more_body
        self._seen += len(data)
        if self._seen > (MOST_UNREAD if refused else MOST_HEAD):
            self._socket.abort()
        elif self._timer is None and not refused:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._socket.abort)

    def on_message_begin(self) -> None:
        """A request begins: its handler may take the connection over."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._extensions.clear()  # which lead back here
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        if self._lost is not None:
            self._lost()

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
