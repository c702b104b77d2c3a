"""Callers who wait on real connections: the memory of the whole gateway, and how soon all are told.

    python benchmarks/gateway/waiters.py [--waiting 5000]

The gateway is `lanewise serve` with keys; the worker runs here, before the sandbox, and begins when everybody
waits. The time is from the moment when the last batch was settled, by the books, to the
last byte of the last answer at its caller. Callers are of a process of their own that does little else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from running import Keys, Usage, lanewise, usage_of

from lanewise.app import Engine
from lanewise.sandbox import SandboxConfig, start_in_thread
from lanewise.settings import load

PATH: Final = "/v1/chat/completions"
TEXT: Final = "the order was late and nobody answered. " * 25  # about 1 KB
_AT_A_TIME: Final = 250  # connections made together, that no backlog overflows


class Crowd:
    """When callers were told, until all are or one is told what it should not be."""

    def __init__(self, count: int) -> None:
        self.told: list[float] = []
        self.wrong = b""
        self.over = asyncio.Event()
        self._count = count

    def tell(self, wrong: bytes = b"") -> None:
        self.told.append(time.time())
        self.wrong = self.wrong or wrong
        if wrong or len(self.told) == self._count:
            self.over.set()


class Caller(asyncio.Protocol):
    """One connection that asks, and waits for its answer."""

    def __init__(self, request: bytes, crowd: Crowd) -> None:
        self._request, self._crowd = request, crowd
        self._left = 0  # bytes of the answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if not self._left:
            if not data.startswith(b"HTTP/1.1 200"):
                self._crowd.tell(wrong=data)
                return
            head, _, _ = data.partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            self._left = len(head) + 4 + int(length)
        self._left -= len(data)
        if not self._left:
            self._crowd.tell()


def request(number: int, key: str) -> bytes:
    """What one of them sends."""
    message = {"role": "user", "content": f"Ticket {number}: {TEXT}"}
    body = json.dumps({"model": "gpt-4o-mini", "messages": [message]}).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        f"x-lanewise-deadline: 24h\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def callers(port: int, count: int, key: str, pipe: Connection) -> None:
    """All callers; says when each was told, and what that took of the processor."""

    async def call() -> None:
        loop, crowd = asyncio.get_running_loop(), Crowd(count)
        numbers = iter(range(count))
        while few := list(islice(numbers, _AT_A_TIME)):
            made = (partial(Caller, request(number, key), crowd) for number in few)
            await asyncio.gather(*(loop.create_connection(m, "127.0.0.1", port) for m in made))
        pipe.send("all are connected")
        await crowd.over.wait()
        pipe.send((crowd.told, crowd.wrong, time.process_time()))

    import uvloop

    uvloop.run(call())


def engine(home: str, url: str) -> Engine:
    """The home that the gateway serves, with a worker that looks often."""
    environ = {"LANEWISE_HOME": home, "OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": url}
    return Engine(load(environ, poll_seconds=1.0), environ=environ)


def accepted(desk: Engine) -> int:
    """Requests that are written down."""
    return sum(run.requests for run in desk.store.runs(limit=10_000))


def settled(desk: Engine) -> list[float]:
    """When batches came to their end."""
    return [e.at for e in desk.store.events(after=0, limit=100_000) if e.kind == "batch.settled"]


def answered(desk: Engine, ended: threading.Event) -> None:
    """Work until everybody has been told."""
    asyncio.run(desk.worker().run(until=ended.is_set))


@dataclass(frozen=True)
class Looks:
    """The gateway's process at four moments."""

    before: Usage  # the first caller
    waiting: Usage
    later: Usage  # by five seconds
    after: Usage  # all were told


def measure(count: int, folder: str) -> None:
    """Connect all, look, answer all, and print what that took."""
    home = f"{folder}/home"
    sandbox = start_in_thread(Path(folder) / "provider", config=SandboxConfig(profile="instant"))
    keys = Keys.made(home)
    context = get_context("spawn")
    with (
        lanewise(home, sandbox.openai_base_url) as (pid, url),
        engine(home, sandbox.openai_base_url) as desk,
    ):
        before = usage_of(pid)
        ours, theirs = context.Pipe()
        port = int(url.rpartition(":")[2])
        crowd = context.Process(target=callers, args=(port, count, keys.plain, theirs))
        crowd.start()
        ours.recv()
        while accepted(desk) < count:
            time.sleep(0.2)
        time.sleep(1.0)
        waiting = usage_of(pid)
        time.sleep(5.0)
        later = usage_of(pid)
        ended = threading.Event()
        worker = threading.Thread(target=answered, args=(desk, ended))
        worker.start()
        told, wrong, used = ours.recv()
        looks = Looks(before, waiting, later, usage_of(pid))
        ended.set()
        worker.join()
        crowd.join()
        if wrong:
            raise SystemExit(f"not answered: {wrong[:300]!r}")
        print_looks(count, looks)
        print_times(sorted(told), settled(desk), used)
    sandbox.close()


def print_looks(count: int, looks: Looks) -> None:
    """Memory and processor of the gateway."""
    before, waiting = looks.before.memory_mb, looks.waiting.memory_mb
    print(f"{count:,} callers who wait on connections")
    print(f"  memory of the gateway      {waiting:10.0f} MB")
    print(f"  ... before the first       {before:10.0f} MB, without the vocabulary")
    print(f"  ... when all are told      {looks.after.memory_mb:10.0f} MB")
    print(f"  processor meanwhile        {20 * (looks.later.cpu - looks.waiting.cpu):10.1f} %")
    print(f"  ... to tell all            {looks.after.cpu - looks.later.cpu:10.2f} s")


def print_times(told: list[float], ends: list[float], used: float) -> None:
    """After the end of the last batch."""
    print(f"  ... of the callers, in all {used:10.2f} s")
    print(f"  the first is told after    {told[0] - max(ends):10.2f} s")
    print(f"  half are told after        {told[len(told) // 2] - max(ends):10.2f} s")
    print(f"  the last is told after     {told[-1] - max(ends):10.2f} s")


def main() -> None:
    """One crowd."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--waiting", type=int, default=5_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lanewise-waiters-") as folder:
        measure(chosen.waiting, folder)


if __name__ == "__main__":
    main()
