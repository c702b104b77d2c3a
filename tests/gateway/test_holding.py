"""What is left of a connection whose caller waits: its answer, its next request, its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lanewise.domain.ids import RunId
from lanewise.gateway.accepting import Place
from lanewise.gateway.holding import Held

PLACE = Place(RunId("abcdefghijklmnop"), 0)


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = asyncio.Event()

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def resume_reading(self) -> None:
        pass

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


class Owner:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.ended: list[Held] = []
        self.left = 0

    def gone(self, held: Held) -> None:
        self.ended.append(held)

    def leave(self) -> None:
        self.left += 1


class Following:
    """Notes the next request."""

    def __init__(self, keep_seconds: float) -> None:
        self.keep_seconds = keep_seconds
        self.served = b""

    def serve(self, transport: asyncio.Transport, data: bytes) -> None:
        self.served += data


class Case:
    """A held connection and all around it."""

    def __init__(self, keep_seconds: float = 60.0) -> None:
        self.transport, self.owner = Transport(), Owner()
        self.following, self.connections = Following(keep_seconds), set[Any]()
        self.held = Held(self.transport, self.connections, self.following)
        assert self.held.adopt(self.owner, PLACE)
        assert self.transport.protocol is self.held
        assert self.connections == {self.held}


async def test_the_next_request_is_served_by_another_after_the_answer() -> None:
    case = Case()
    case.held.answer(200, [(b"a", b"b")], b"{}")
    assert case.transport.written == b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 2\r\n\r\n{}"
    assert case.owner.ended == [case.held]
    case.held.data_received(b"GET ")
    assert case.following.served == b"GET "
    assert not case.connections
    assert not case.transport.is_closing()


async def test_a_connection_without_a_next_request_is_closed_after_a_while() -> None:
    case = Case(keep_seconds=0.0)
    case.held.answer(200, [], b"{}")
    await asyncio.wait_for(case.transport.closed.wait(), 10)


@pytest.mark.parametrize("answered", [True, False])
async def test_a_server_that_ends_tells_the_owner_or_closes_what_nobody_waits_on(
    answered: bool,
) -> None:
    case = Case()
    if answered:
        case.held.answer(200, [], b"{}")
    case.held.shutdown()
    assert (case.owner.left, case.transport.is_closing()) == (int(not answered), answered)


async def test_a_long_wait_is_told_in_chunks_and_cut_where_it_ends_badly() -> None:
    well, badly = Case(), Case()
    for case in (well, badly):
        case.held.begin([])
        case.held.send(b" ")
    well.held.finish(b"{}")
    badly.held.cut()
    told = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n \r\n"
    assert well.transport.written == told + b"2\r\n{}\r\n0\r\n\r\n"
    assert badly.transport.written == told
    assert (well.transport.is_closing(), badly.transport.is_closing()) == (False, True)


async def test_a_client_that_is_gone_waits_for_nothing() -> None:
    case = Case()
    case.held.connection_lost(None)
    assert case.owner.ended == [case.held]
    assert not case.connections
    gone = Held(case.transport, case.connections, None)
    case.transport.close()
    assert not gone.adopt(case.owner, PLACE)
