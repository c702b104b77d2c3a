"""One write for a short answer.

uvicorn writes the head of an answer by itself, though its body follows at once: a system call that costs as
much as all the rest of passing a call through.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

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
