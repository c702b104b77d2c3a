"""A gateway in front of the sandbox, or of an upstream that a test writes itself."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lanewise.app import Engine
from lanewise.gateway.routes import Parts
from lanewise.gateway.serving import RunningGateway, open_parts
from lanewise.gateway.tracing import Tracing
from lanewise.gateway.watch import Watch
from lanewise.gateway.who import Identify
from lanewise.sandbox import Fault, SandboxConfig, start_in_thread
from lanewise.settings import load
from lanewise.store.books import Entry

KEY = "sk-canary-0123456789"


class Place:
    """A home, a gateway over it, and where its calls go."""

    def __init__(
        self,
        folder: Path,
        url: str | None,
        identify: Identify | None = None,
        tracing: Tracing | None = None,
        environ: Mapping[str, str] | None = None,
        **config: Any,
    ) -> None:
        self.sandbox = (
            start_in_thread(folder / "provider", config=SandboxConfig(profile="instant", **config))
            if url is None
            else None
        )
        address = self.sandbox.url if self.sandbox else url
        environ = dict(environ or {}) | {
            "LANEWISE_HOME": str(folder / "home"),
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{address}/v1",
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": str(address),
        }
        self.engine = Engine(load(environ, ledger_flush_ms=1.0), environ=environ)
        self._opened = open_parts(self.engine, "127.0.0.1")
        parts = self._opened.__enter__()
        self.parts = parts if identify is None else Parts(self.engine, identify)
        if tracing is not None:
            self.parts = replace(parts, watch=Watch(tracing=tracing))
        self.running = RunningGateway(self.parts)
        self.url = self.running.url
        self.http = httpx2.Client(base_url=self.url, timeout=20)

    def fault(self, kind: str, **rule: Any) -> None:
        """One more rule of the sandbox's fault script."""
        assert self.sandbox is not None
        self.sandbox.add_fault(Fault(kind, **rule))

    def booked(self) -> list[Entry]:
        """Stop the gateway, and read the whole ledger."""
        self.running.close()
        return list(self.engine.store.ledger())

    def close(self) -> None:
        self.http.close()
        self.running.close()
        self._opened.__exit__(None, None, None)
        self.engine.close()
        if self.sandbox:
            self.sandbox.close()


@pytest.fixture
def make_place(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Places, closed at the end."""
    places: list[Place] = []

    def make(url: str | None = None, **options: Any) -> Place:
        places.append(Place(tmp_path / f"place{len(places)}", url, **options))
        return places[-1]

    yield make
    for place in places:
        place.close()


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    """A gateway in front of the sandbox."""
    return make_place()


class Upstream:
    """Answers each connection with the same bytes, and keeps what it was sent."""

    def __init__(self, *pieces: bytes, hang: bool = False) -> None:
        self.pieces, self.hang = pieces, hang
        self.requests: list[bytes] = []
        self.gone = threading.Event()
        self.asked = threading.Event()
        self.proceed = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            self.requests.append(_request(connection))
            self.asked.set()
            for number, piece in enumerate(self.pieces):
                if number:
                    self.proceed.wait(10)
                    self.proceed.clear()
                connection.sendall(piece)
            if self.hang and not connection.recv(1):
                self.gone.set()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # else the thread may go on with another's socket
        self._thread.join()
        self._socket.close()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def upstream() -> Iterator[Callable[..., Upstream]]:
    """Upstreams that say what a test wants."""
    made: list[Upstream] = []

    def make(*pieces: bytes, hang: bool = False) -> Upstream:
        made.append(Upstream(*pieces, hang=hang))
        return made[-1]

    yield make
    for each in made:
        each.close()


@contextmanager
def served(home: Path, *flags: str, **environ: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`lanewise serve` in front of the built-in sandbox, and its address."""
    command = [sys.executable, "-m", "lanewise", "serve", "--port", "0", *flags]
    if "OPENAI_BASE_URL" not in environ:
        command += ["--provider", "sandbox"]
    whole = os.environ | {"LANEWISE_HOME": str(home), "LANEWISE_LOG_LEVEL": "info"} | environ
    process = subprocess.Popen(command, env=whole, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("serving on http://127.0.0.1:"), line + process.stderr.read()
        yield process, line.split()[2]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    """Processes of a gateway."""
    return served


def answer_of(document: Any, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole response with a JSON body."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    lines = (b"content-type: application/json", b"content-length: %d" % len(body), *headers)
    return b"HTTP/1.1 %s\r\n%s\r\n\r\n%s" % (status, b"\r\n".join(lines), body)


@pytest.fixture
def answering() -> Callable[..., bytes]:
    """Writes responses."""
    return answer_of
