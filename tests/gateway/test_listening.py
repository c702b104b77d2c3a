"""Clients that send a head without end are cut off; answers leave in as few writes as they can."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from lanewise.gateway import listening, serving
from lanewise.gateway.joining import Joined


def connect(place: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(place.url.rpartition(":")[2])), timeout=10)


def ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "begun", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nhost: x\r\na: "]
)
def test_a_head_that_does_not_come_to_its_end_is_cut_off(
    make_place: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.1)
    with connect(make_place()) as client:
        client.sendall(begun)
        assert ended(client)


def test_a_head_that_is_begun_after_an_answer_is_cut_off_too(
    make_place: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.2)
    with connect(make_place()) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET /hea")
        assert ended(client)


def test_a_head_that_is_too_long_is_cut_off(place: Any) -> None:
    head = b"GET / HTTP/1.1\r\n" + b"a: %s\r\n" % (b"b" * 4_000) * 5_000
    with connect(place) as client, pytest.raises(OSError, match=r"reset|[Bb]roken"):
        client.sendall(head)
    assert place.http.get("/healthz").status_code == 200


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.written.append(b"closed")


async def test_a_head_leaves_with_its_body_or_alone_a_moment_later() -> None:
    inner = Transport()
    joined = Joined(inner, asyncio.get_running_loop())
    joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
    joined.write(b"body")
    joined.write(b"more")
    assert inner.written == [b"HTTP/1.1 200 OK\r\n\r\nbody", b"more"]
    joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await asyncio.sleep(0)
    assert inner.written[2:] == [b"HTTP/1.1 200 OK\r\n\r\n"]
    joined.write(b"HTTP/1.1 204 No\r\n\r\n")
    joined.close()
    assert inner.written[3:] == [b"HTTP/1.1 204 No\r\n\r\n", b"closed"]


def test_thousands_may_connect_where_the_system_grants_that() -> None:
    resource = pytest.importorskip("resource")
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(few, 4_096), most))
    try:
        serving._allow_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))


@pytest.mark.parametrize("size", [10, 300_000])  # the larger makes the server pause reading
def test_a_client_that_goes_away_is_noticed_however_long_its_request_was(
    make_place: Callable[..., Any], upstream: Callable[..., Any], size: int
) -> None:
    silent = upstream(b"", hang=True)
    body = json.dumps({"model": "gpt-4o-mini", "messages": [], "user": "x" * size}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
    with connect(make_place(silent.url)) as client:
        client.sendall(head % len(body) + body)
        assert silent.asked.wait(10)
    assert silent.gone.wait(10)
