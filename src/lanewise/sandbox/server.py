"""The sandbox as a server: in a thread of this process, or on its own."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn

from lanewise.sandbox.config import Fault, SandboxConfig
from lanewise.sandbox.control import invoice
from lanewise.sandbox.state import State
from lanewise.sandbox.web import build_app

# longer than clients keep a connection: one that closes as a call arrives leaves the call in doubt
_KEEP_ALIVE_SECONDS = 75


class RunningSandbox:
    """A sandbox that serves. Close it, or use it as a context manager."""

    def __init__(self, state: State, server: uvicorn.Server, sock: socket.socket) -> None:
        self.state = state
        self._server, self._socket = server, sock
        host, port = sock.getsockname()[:2]
        self.url = f"http://{host}:{port}"
        self._thread = threading.Thread(
            target=server.run, kwargs={"sockets": [sock]}, daemon=True, name="lanewise-sandbox"
        )
        self._thread.start()

    @property
    def openai_base_url(self) -> str:
        """What OPENAI_BASE_URL would be."""
        return f"{self.url}/v1"

    @property
    def anthropic_base_url(self) -> str:
        """What ANTHROPIC_BASE_URL would be."""
        return self.url

    def books(self) -> dict[str, Any]:
        """The invoice."""
        return invoice(self.state)

    def advance(self, seconds: float) -> None:
        """Let sandbox time pass."""
        self.state.advance(seconds)

    def add_fault(self, fault: Fault) -> None:
        """One more rule of the fault script."""
        self.state.add_fault(fault)

    def close(self) -> None:
        """Stop serving; the directory keeps everything."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)
        self._socket.close()
        self.state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def start_in_thread(
    directory: Path,
    *,
    config: SandboxConfig | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    now: Callable[[], float] = time.time,
) -> RunningSandbox:
    """Serve from a thread. Any number of processes may do so on the same directory.

    `now` is the time that the sandbox goes by, seconds since the epoch: a clock moved by hand makes hours
    pass at once, for the sandbox and for whoever shares the clock with it.
    """
    opened = State(directory, config or SandboxConfig(), real=now)
    sock = socket.create_server((host, port))
    return RunningSandbox(opened, _server(opened), sock)


def serve(
    directory: Path,
    config: SandboxConfig,
    host: str,
    port: int,
    announce: Callable[[str], None],
) -> None:
    """Serve until interrupted."""
    state = State(directory, config)
    sock = socket.create_server((host, port))
    address = "http://{}:{}".format(*sock.getsockname()[:2])
    announce(f"sandbox on {address} (OPENAI_BASE_URL={address}/v1, ANTHROPIC_BASE_URL={address})")
    try:
        _server(state).run(sockets=[sock])
    finally:
        state.close()


def _server(state: State) -> uvicorn.Server:
    # a broken connection is what some faults are for: it is no error worth a traceback
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        build_app(state),
        log_config=None,
        access_log=False,
        lifespan="off",
        date_header=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)
