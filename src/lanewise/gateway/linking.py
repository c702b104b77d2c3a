"""The trace of an answer that is handed out, linked to the one in which it was asked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from lanewise.clock import Clock
from lanewise.errors import StoreUnusable
from lanewise.gateway.accepting import Place
from lanewise.gateway.routes import Handler, Parts, Receive, Scope, Send
from lanewise.gateway.tracing import Tracing
from lanewise.store.protocol import Store

_BODY: Final = "http.response.body"
_AGAIN: Final = (b"retry-after", b"1")  # said to those who are to call again for their answer


@dataclass(frozen=True, slots=True)
class Linking:
    """Makes the second of the two spans that a call has which waits."""

    tracing: Tracing
    store: Store
    clock: Clock

    def around(self, place: Place, name: str, respond: Handler) -> Handler:
        """A handler that answers as `respond` does, and tells of it when the answer was whole and final."""

        async def linked(scope: Scope, receive: Receive, send: Send) -> None:
            status, final, whole = 0, False, False

            async def noted(message: dict[str, Any]) -> None:
                nonlocal status, final, whole
                await send(message)
                if message["type"] == "http.response.start":
                    status, final = message["status"], _AGAIN not in message["headers"]
                whole = final and message["type"] == _BODY and not message.get("more_body")

            await respond(scope, receive, noted)
            if whole:
                await asyncio.to_thread(self.tell, place, name, status)

        return linked

    def tell(self, place: Place, name: str, status: int, *, awaited: bool = False) -> None:
        """The answer of a request of that name was handed out; `awaited`: as soon as it was there."""
        try:
            origin = self.store.origin(place.run, place.sequence)
        except StoreUnusable:
            origin = None
        traceparent, at = origin or ("", None)
        seconds = self.clock.now() - at if awaited and at is not None else None
        self.tracing.answered(traceparent, name, status, seconds)


def linking(parts: Parts) -> Linking | None:
    """None where nothing is traced."""
    tracing = parts.watch.tracing
    if tracing is None:
        return None
    return Linking(tracing, parts.engine.store, parts.engine.clock)
