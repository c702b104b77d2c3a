"""A receiver of webhooks on this machine, and a home whose clock a test moves."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lanewise.app import Engine
from lanewise.app import webhooks as app
from lanewise.app.webhooks import NewWebhook
from lanewise.domain.ids import fresh_id
from lanewise.lanes.notify import Notifier
from lanewise.lanes.receiver import Receivers
from lanewise.policy.reaching import Inside
from lanewise.settings import load
from lanewise.store.orders import Order

LOOPBACK = Inside.of(["127.0.0.0/8"])


@dataclass(frozen=True)
class Delivery:
    """One call, as a receiver got it."""

    head: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def payload(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Answers every call with the next of its replies, the last one again and again; None: with nothing."""

    def __init__(self, *replies: bytes | None, certificate: Path | None = None) -> None:
        self.replies = list(replies) or [status(204)]
        self.got: list[Delivery] = []
        self.came = threading.Condition()
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(certificate)
        self._ended = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()

    def wait(self, count: int) -> None:
        """Until so many calls came."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.got) >= count, 20), "they never came"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            delivery = _read(connection)
            with self.came:
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                self.got.append(delivery)
                self.came.notify_all()
            if reply is None:
                self._ended.wait(30)
            else:
                connection.sendall(reply)
            connection.close()

    def close(self) -> None:
        self._ended.set()
        with suppress(OSError):  # else who accepts would go on with the next socket of this number
            self._socket.shutdown(socket.SHUT_RDWR)
        self._serving.join(10)
        self._socket.close()


def _read(connection: socket.socket) -> Delivery:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65_536)
    return Delivery(first, headers, body)


def status(code: int, *headers: str) -> bytes:
    """A response of that status."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {code} X\r\ncontent-length: 0\r\n{lines}\r\n".encode()


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.at = 1_790_000_000.0

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


class Home:
    """A home with webhooks; what ends in it are batches that are ordered and cannot be accepted."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.environ = {
            "LANEWISE_HOME": str(folder / "home"),
            "LANEWISE_WEBHOOK_ALLOW": "127.0.0.0/8",
        }
        self._engines: list[Engine] = []
        self.engine = self.open()
        self.store = self.engine.store

    def open(self) -> Engine:
        """The home, as another process finds it."""
        engine = Engine(load(self.environ), clock=self.clock, environ=self.environ)
        self._engines.append(engine)
        return engine

    def add(self, url: str, name: str = "hook", *, everything: bool = True) -> str:
        """Register a webhook; returns its secret."""
        return app.add(self.engine, "", NewWebhook(name=name, url=url, all=everything)).reveal()

    def order(self, webhook: str | None = None) -> str:
        """Order a batch."""
        order = Order(
            f"batch_lw{fresh_id()}", "", "", "file-x", "/v1/responses", "24h", "tickets", "24h", (), {},
            b"c" * 16, self.clock.at,
        )  # fmt: skip
        self.store.add_order(order, "batch", webhook)
        return order.id

    def end(self, count: int = 1) -> list[str]:
        """Order so many batches, all of which come to their end."""
        orders = [self.order() for _ in range(count)]
        for order in orders:
            self.store.decide_order(order, "failed", self.clock.at)
        return orders

    def notifier(self, engine: Engine | None = None, **options: Any) -> Notifier:
        """One that retries exactly on schedule."""
        receivers = Receivers(LOOPBACK, **options)
        store = (engine or self.engine).store
        return Notifier(store, self.clock, receivers, noise=lambda: 0.0)

    def tell(self, engine: Engine | None = None, **options: Any) -> None:
        """What one pass of a worker does for webhooks."""

        async def once() -> None:
            notifier = self.notifier(engine, **options)
            notifier.turn()
            while tasks := notifier.tasks:
                await asyncio.gather(*tasks)
                notifier.turn()
            await notifier.close()

        asyncio.run(once())

    def shown(self, name: str = "hook") -> app.ShownWebhook:
        """A webhook as people see it."""
        return app.shown(self.store, [app.find(self.store, "", name)], self.clock.at)[0]

    def close(self) -> None:
        for engine in self._engines:
            engine.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    opened = Home(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    """Receivers that answer as a test wants."""
    made: list[Receiver] = []

    def make(*replies: bytes | int | None, **options: Any) -> Receiver:
        said = [status(reply) if isinstance(reply, int) else reply for reply in replies]
        made.append(Receiver(*said, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
