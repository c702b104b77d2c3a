"""A fast OpenAI-shaped upstream that says the same to everybody, whole or as a stream.

    python benchmarks/gateway/upstream.py [CERTIFICATE KEY]

`"user":"pause-20"` in a streamed call's body sets 20 ms between two events: gateways drop unknown headers.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
from typing import Final

EVENTS: Final = 50
_PAUSE: Final = re.compile(rb'"user":"pause-(\d+)"')
_LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_USAGE: Final = {"prompt_tokens": 200, "completion_tokens": 50, "total_tokens": 250}
_NAMED: Final = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4o-mini-2024-07-18"}


def _chunk(**fields: object) -> bytes:
    body = {**_NAMED, "object": "chat.completion.chunk", **fields}
    event = b"data: %s\n\n" % json.dumps(body, separators=(",", ":")).encode()
    return b"%x\r\n%s\r\n" % (len(event), event)


def _whole() -> bytes:
    message = {"role": "assistant", "content": "made up " * 100}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps({**_NAMED, "object": "chat.completion", "choices": [choice], "usage": _USAGE})
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


WHOLE: Final = _whole()
HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
EVENT: Final = _chunk(choices=[{"index": 0, "delta": {"content": "word "}, "finish_reason": None}])
END: Final = _chunk(choices=[], usage=_USAGE) + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.held = b""
        self.tasks: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = self.held[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.held) < whole:
                return
            body, self.held = self.held[end + 4 : whole], self.held[whole:]
            self.answer(body)

    def answer(self, body: bytes) -> None:
        if b'"stream":true' not in body:
            self.transport.write(WHOLE)
            return
        pause = _PAUSE.search(body)
        task = asyncio.ensure_future(self.stream(int(pause[1]) / 1_000 if pause else 0.0))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def stream(self, pause: float) -> None:
        self.transport.write(HEAD)
        for _ in range(EVENTS):
            self.transport.write(EVENT)
            await asyncio.sleep(pause)
        self.transport.write(END)


async def main(tls: ssl.SSLContext | None) -> None:
    """Serve on a free port and print the address."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=1_024, ssl=tls)
    scheme = "http" if tls is None else "https"
    print(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def context(cert: str, key: str) -> ssl.SSLContext:
    """TLS with a certificate."""
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(cert, key)
    return found


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(context(*sys.argv[1:3]) if sys.argv[1:] else None))
