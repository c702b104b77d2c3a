"""The load: the same request over and over on so many connections, and what its answers took."""

from __future__ import annotations

import asyncio
import json
import ssl
import statistics
import time
from dataclasses import dataclass, field
from typing import Final

from running import usage_of

PROMPT: Final = "Where is my order? It was due last week. " * 22  # about 1 KB with the rest
STREAM_END: Final = b"0\r\n\r\n"


@dataclass
class Side:
    """One way to the upstream, and what was measured of it."""

    name: str
    url: str
    pid: int | None = None
    key: str = "any"
    headers: str = ""  # lines that it wants besides
    share: float = 1.0  # of the calls: less for slow ones
    tls: ssl.SSLContext | None = None
    seconds: list[float] = field(default_factory=list)
    failed: str = ""
    rates: list[float] = field(default_factory=list)
    cpu: float = 0.0
    wall: float = 0.0

    def cpu_now(self) -> float:
        """Seconds of CPU that its process has used."""
        return 0.0 if self.pid is None else usage_of(self.pid).cpu

    def clear(self) -> None:
        self.seconds, self.rates, self.cpu, self.wall, self.failed = [], [], 0.0, 0.0, ""


@dataclass(frozen=True)
class Load:
    """What is asked of every side."""

    title: str
    connections: int
    calls: int  # over each connection, in each round
    stream: bool = False
    pause_ms: int = 0  # between two events of a stream


class Client(asyncio.Protocol):
    """Sends the same request over and over, one at a time."""

    def __init__(self, request: bytes, *, stream: bool) -> None:
        self._request, self._stream = request, stream
        self._held = b""
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._held = (self._held if not self._stream else self._held[-4:]) + data
        if self._waiter is None or self._waiter.done():
            return
        try:
            if self._whole():
                self._waiter.set_result(None)
        except ValueError as error:
            self._waiter.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionError("it closed connections within answers"))

    def _whole(self) -> bool:
        if self._stream:
            return self._held.endswith(STREAM_END)
        head, _, body = self._held.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 20"):
            raise ValueError(f"not answered: {self._held[:100]!r}")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        return len(body) >= int(length) if length else body.endswith(STREAM_END)

    async def call(self) -> float:
        """Seconds that one call takes."""
        self._held = b""
        self._waiter = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self.transport.write(self._request)
        await self._waiter
        return time.perf_counter() - began


def request_for(side: Side, load: Load) -> bytes:
    """What is sent to a side."""
    asked = {"stream": True, "stream_options": {"include_usage": True}} if load.stream else {}
    pause = {"user": f"pause-{load.pause_ms}"} if load.pause_ms else {}
    messages = [{"role": "user", "content": PROMPT}]
    whole = {"model": "gpt-4o-mini", **asked, **pause, "messages": messages}
    body = json.dumps(whole, separators=(",", ":"))
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {side.key}\r\n"
        f"content-type: application/json\r\n{side.headers}content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def _round(side: Side, load: Load) -> None:
    """One round of calls, and what they took."""
    host, port = side.url.rpartition("//")[2].split(":")
    request, calls = request_for(side, load), max(int(load.calls * side.share), 1)
    loop = asyncio.get_running_loop()
    clients = [
        (
            await loop.create_connection(
                lambda: Client(request, stream=load.stream), host, int(port), ssl=side.tls
            )
        )[1]
        for _ in range(load.connections)
    ]
    await asyncio.gather(*(client.call() for client in clients))  # connections upstream are made

    async def repeat(client: Client) -> list[float]:
        return [await client.call() for _ in range(calls)]

    cpu, began = side.cpu_now(), time.perf_counter()
    taken = await asyncio.gather(*map(repeat, clients))
    wall = time.perf_counter() - began
    side.cpu += side.cpu_now() - cpu
    side.wall += wall
    side.rates.append(load.connections * calls / wall)
    side.seconds += [each for one in taken for each in one]
    for client in clients:
        client.transport.close()


def measure(load: Load, sides: list[Side], rounds: int) -> None:
    """Rounds of every side in turn, printed as one table."""
    import uvloop

    for side in sides:
        side.clear()
    for _ in range(rounds):
        for side in sides:
            if not side.failed:
                try:
                    uvloop.run(_round(side, load))
                except (OSError, ValueError) as error:
                    side.failed = str(error)
    calls = load.connections * load.calls
    print(f"\n{load.title}, {load.connections} connections, {rounds} rounds of {calls:,} calls\n")
    names = "side | p50 ms | added p50 ms | added p99 ms | CPU us a call | to the first"
    print(f"| {names} | calls/s a core | calls/s | cores | MB |")
    print(f"|---|{'---:|' * 9}")
    for side in sides:
        print(f"| {side.name} | {' | '.join(_figures(side, sides))} |", flush=True)


def _figures(side: Side, sides: list[Side]) -> list[str]:
    """CPU of all rounds together, for the kernel counts by 10 ms; latency over all calls."""
    if side.failed:
        return [f"failed: {side.failed}"]
    base, first = sides[0], sides[min(1, len(sides) - 1)]
    taken, direct = sorted(side.seconds), sorted(base.seconds)
    p50, p99 = (
        (taken[int(len(taken) * part)] - direct[int(len(direct) * part)]) * 1e3
        for part in (0.5, 0.99)
    )
    shown = [f"{taken[len(taken) // 2] * 1e3:.3f}", f"{p50:.3f}", f"{p99:.3f}"]
    rate = f"{statistics.median(side.rates):,.0f}"
    if side.pid is None or not side.cpu:
        return [*shown, "", "", "", rate, "", ""]
    cpu = side.cpu / len(side.seconds) * 1e6
    ratio = cpu / (first.cpu / len(first.seconds) * 1e6) if first.cpu else 0.0
    memory = f"{usage_of(side.pid).memory_mb:.0f}"
    cores = f"{side.cpu / side.wall:.2f}"
    return [*shown, f"{cpu:.0f}", f"{ratio:.2f}", f"{1e6 / cpu:,.0f}", rate, cores, memory]
