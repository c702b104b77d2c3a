"""What the gateway adds to a call: latency, CPU and memory, against the same upstream directly.

    python benchmarks/gateway --rounds 5

Upstream, gateway and load are processes of this machine; rounds of all sides are taken in turn, so that noise
hits all alike. CPU is that of the gateway's process alone. To measure another gateway beside it: start
`python benchmarks/gateway/upstream.py`, start the other in front of the address that it prints, and give
`--upstream URL --rival NAME=PID=URL=KEY[=HEADER|HEADER]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
TICKS: Final = os.sysconf("SC_CLK_TCK")
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
    seconds: list[float] = field(default_factory=list)
    failed: bool = False
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def cpu_now(self) -> float:
        """Seconds of CPU that its process has used."""
        if self.pid is None:
            return 0.0
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICKS

    def memory_mb(self) -> float:
        """What its process holds."""
        if self.pid is None:
            return 0.0
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def clear(self) -> None:
        self.seconds, self.rates, self.cpu, self.failed = [], [], [], False


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
        if self._waiter is not None and not self._waiter.done() and self._whole():
            self._waiter.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionError("the connection was closed"))

    def _whole(self) -> bool:
        if self._stream:
            return self._held.endswith(STREAM_END)
        head, _, body = self._held.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"not answered: {self._held[:300]!r}")
        return bool(length) and len(body) >= int(length)

    async def call(self) -> float:
        """Seconds that one call takes."""
        self._held = b""
        self._waiter = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self.transport.write(self._request)
        await self._waiter
        return time.perf_counter() - began


def request_for(side: Side, *, stream: bool, pause_ms: int = 0) -> bytes:
    asked = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    messages = [{"role": "user", "content": PROMPT}]
    pause = {"user": f"pause-{pause_ms}"} if pause_ms else {}
    whole = {"model": "gpt-4o-mini", **asked, **pause, "messages": messages}
    body = json.dumps(whole, separators=(",", ":"))
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {side.key}\r\n"
        f"content-type: application/json\r\n{side.headers}content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def load(
    side: Side, connections: int, calls: int, *, stream: bool, pause_ms: int = 0
) -> None:
    """Make `calls` calls over each of `connections` connections, and note what they took."""
    host, port = side.url.removeprefix("http://").split(":")
    request = request_for(side, stream=stream, pause_ms=pause_ms)
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: Client(request, stream=stream), host, int(port)))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.call() for client in clients))  # connections upstream are made

    async def repeat(client: Client) -> list[float]:
        return [await client.call() for _ in range(calls)]

    cpu, began = side.cpu_now(), time.perf_counter()
    taken = await asyncio.gather(*map(repeat, clients))
    wall = time.perf_counter() - began
    side.cpu.append(side.cpu_now() - cpu)
    side.rates.append(connections * calls / wall)
    side.seconds += [each for one in taken for each in one]
    for client in clients:
        client.transport.close()


@contextmanager
def process(command: list[str], environ: dict[str, str], *, at: str) -> Iterator[tuple[int, str]]:
    """A process that says its address first, on stdout or (`at`) stderr."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, at: subprocess.PIPE}
    running = subprocess.Popen(command, env=os.environ | environ, text=True, **pipes)  # type: ignore[call-overload]
    try:
        line = getattr(running, at).readline()
        [url] = [word for word in line.split() if word.startswith("http://")][:1]
        yield running.pid, url
    finally:
        running.terminate()
        running.wait(60)


def report(sides: list[Side]) -> None:
    """Medians of rounds; latency over all calls."""
    base = sorted(sides[0].seconds)
    for side in sides:
        if side.failed:
            print(f"| {side.name} | failed: it closed connections in the middle of answers |")
            continue
        taken = sorted(side.seconds)
        p50, p99 = (
            (taken[int(len(taken) * share)] - base[int(len(base) * share)]) * 1_000
            for share in (0.5, 0.99)
        )
        cpu = sum(side.cpu) / len(side.seconds) * 1e6  # of all rounds: the kernel counts by 10 ms
        f"{1e6 / cpu:,.0f}" if cpu else "-"
        figures = (
            f"{taken[len(taken) // 2] * 1_000:.3f}",
            f"{p50:.3f}",
            f"{p99:.3f}",
            f"{cpu:.0f}" if cpu else "",
            f"{1e6 / cpu:,.0f}" if cpu else "",
            f"{statistics.median(side.rates):,.0f}",
            f"{side.memory_mb():.0f}" if cpu else "",
        )
        print(f"| {side.name} | {' | '.join(figures)} |")


def measure(
    title: str, sides: list[Side], rounds: int, connections: int, calls: int, **how: object
) -> None:
    """Rounds of every side in turn, as one table."""
    for side in sides:
        side.clear()
    for _ in range(rounds):
        for side in sides:
            try:
                asyncio.run(load(side, connections, calls, **how))  # type: ignore[arg-type]
            except ConnectionError:
                side.failed = True
    print(f"\n{title}, {connections} connections, {rounds} rounds of {connections * calls} calls\n")
    print(
        "| side | p50 ms | added p50 ms | added p99 ms | CPU us a call | calls/s a core | calls/s | MB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    report(sides)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the calls; less for slow rivals"
    )
    parser.add_argument(
        "--rival", action="append", default=[], help="NAME=PID=URL=KEY[=HEADER|HEADER]"
    )
    parser.add_argument("--upstream", help="the address of one that runs already, for rivals")
    options = parser.parse_args()
    with ExitStack() as stack:
        url = options.upstream
        if url is None:
            script = [sys.executable, str(HERE / "upstream.py")]
            _, url = stack.enter_context(process(script, {}, at="stdout"))
        home = stack.enter_context(tempfile.TemporaryDirectory())
        environ = {"LANEWISE_HOME": home, "OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": f"{url}/v1"}
        command = [sys.executable, "-m", "lanewise", "serve", "--port", "0", "--no-worker"]
        pid, address = stack.enter_context(process(command, environ, at="stderr"))
        sides = [Side("direct", url), Side("lanewise", address, pid)]
        for rival in options.rival:
            name, number, where, key, *more = rival.split("=", 4)
            headers = "".join(f"{line}\r\n" for each in more for line in each.split("|"))
            sides.append(Side(name, where, int(number), key, headers))
        share = options.share
        measure("JSON of 1 KB", sides, options.rounds, 1, int(1_000 * share), stream=False)
        measure("JSON of 1 KB", sides, options.rounds, 32, int(250 * share), stream=False)
        measure("Streams of 51 events", sides, options.rounds, 32, int(10 * share), stream=True)
        measure(
            "Paced streams, 51 events 20 ms apart", sides[:2], 1, 400, 2, stream=True, pause_ms=20
        )


if __name__ == "__main__":
    main()
