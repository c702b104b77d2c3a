"""A connection whose caller waits for hours, and all that is kept of it meanwhile.

uvicorn keeps a parser, the request's headers, a task and several events for each: some 15 KB, thousands of
times. A handler that has written the request down takes the connection over instead (`HOLD` among the ASGI
extensions of its scope), and returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, TypeAlias

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from lanewise.gateway.accepting import Place
from lanewise.gateway.wire import Headers

HOLD: Final = "lanewise.hold"  # of `Hold`
_MOST_AHEAD: Final = 64 * 1024  # bytes that a client may send before it was answered
_CLOSE: Final = (b"connection", b"close")
_CHUNKED: Final = (b"transfer-encoding", b"chunked")


class Owner(Protocol):
    """Who answers those who wait."""

    def gone(self, held: Held) -> None:
        """It has ended, in whatever way."""
        ...

    def leave(self) -> None:
        """The server ends."""
        ...


class Following(Protocol):
    """Serves the next request of the connection."""

    @property
    def keep_seconds(self) -> float:
        """How long it may take to come."""
        ...

    def serve(self, transport: asyncio.Transport, data: bytes) -> None:
        """It begins with these bytes."""
        ...


class Ended(Protocol):
    """Hears what became of somebody who waited."""

    def ended(self, status: int, place: Place) -> None:
        """The wait for a request is over; `status`: 0 where the client went away."""
        ...


class Held(asyncio.Protocol):
    """One connection. Somebody adopts it, and then ends it by `answer`, `finish` or `cut`.

    After an answer it stays until the client's next request begins: thousands are told together.
    """

    __slots__ = (
        "_ahead",
        "_connections",
        "_following",
        "_idle",
        "_owner",
        "_transport",
        "begun",
        "due",
        "ended",
        "place",
        "status",
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        connections: set[Any],
        following: Following | None,
    ) -> None:
        """`connections`: uvicorn's; `following`: None where the connection ends with the answer."""
        self._transport, self._connections, self._following = transport, connections, following
        self._idle: asyncio.TimerHandle | None = None
        self._owner: Owner | None = None
        self._ahead = 0
        self.begun = False  # whether it has been told that all is well
        self.due = 0.0  # of the loop's clock: for its owner
        self.place: Place  # what it waits for
        self.status = 0  # of its final answer, for its owner; 0 while there is none
        self.ended: Ended | None = None  # is told at the end of the wait

    def adopt(self, owner: Owner, place: Place) -> bool:
        """Have somebody wait for the answer of a request; False where the client is gone already."""
        if self._transport.is_closing():
            return False
        self._owner, self.place = owner, place
        self._connections.add(self)
        self._transport.set_protocol(self)
        self._transport.resume_reading()
        return True

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer."""
        length = (b"content-length", b"%d" % len(body))
        self._transport.write(_head(status, [*headers, length], open_=self._open) + body)
        self._end()

    def begin(self, headers: Headers) -> None:
        """The head of an answer that is going to be well: its body comes later."""
        self.begun = True
        self._transport.write(_head(200, [*headers, _CHUNKED], open_=self._open))

    def send(self, part: bytes) -> None:
        """Some of the body."""
        self._transport.write(b"%x\r\n%b\r\n" % (len(part), part))

    def finish(self, part: bytes) -> None:
        """The rest of the body."""
        self._transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(part), part))
        self._end()

    def cut(self) -> None:
        """Close the connection in the middle of what was said."""
        self._following = None
        self._end()

    @property
    def _open(self) -> bool:
        return self._following is not None

    def _end(self) -> None:
        """Wait for the next request, or close the connection."""
        self._over()
        if self._following is None:
            self._transport.close()
        else:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._following.keep_seconds, self._transport.close)

    def _over(self) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.gone(self)

    @property
    def over(self) -> bool:
        """Whether nobody waits on it any more."""
        return self._owner is None

    # -- asyncio's calls, and uvicorn's ------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        """The next request; before the answer it is not taken, and the connection ends with that."""
        if self._idle is not None and self._following is not None:
            self._idle.cancel()
            self._connections.discard(self)
            self._following.serve(self._transport, data)
            return
        self._following = None
        self._ahead += len(data)
        if self._ahead > _MOST_AHEAD:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone."""
        self._connections.discard(self)
        if self._idle is not None:
            self._idle.cancel()
        self._over()

    def shutdown(self) -> None:
        """The server ends."""
        self._following = None
        if self._owner is not None:
            self._owner.leave()
        else:
            self._transport.close()


Hold: TypeAlias = Callable[[Any], Held]  # takes the connection of a scope over


def _head(status: int, headers: Iterable[tuple[bytes, bytes]], *, open_: bool) -> bytes:
    lines = [b"%b: %b\r\n" % pair for pair in headers]
    if not open_:
        lines.append(b"%b: %b\r\n" % _CLOSE)
    return b"%b%b\r\n" % (STATUS_LINE[status], b"".join(lines))
