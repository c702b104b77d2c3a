"""Callers who wait on real connections: the memory of the whole gateway, and how soon all are told.

    python benchmarks/gateway/waiters.py [--waiting 5000]

The gateway is `lanewise serve` with keys; its worker runs in a process of its own, before the sandbox, and
begins when everybody waits. The time is from the moment when the last batch was settled, by the books, to the
last byte of the last answer at its caller. Callers are of a process of their own that does little else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
import time
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


class Caller(asyncio.Protocol):
    """One connection that asks, and notes when its answer came."""

    def __init__(self, request: bytes, told: list[float], failed: list[bytes]) -> None:
        self._request, self._told, self._failed = request, told, failed
        self._whole = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self._whole == 0 and not data.startswith(b"HTTP/1.1 200"):
            self._failed.append(data)
        head, _, _ = data.partition(b"\r\n\r\n")
        if self._whole == 0:
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            self._whole = len(head) + 4 + int(length)
        self._whole -= len(data)
        if self._whole <= 0:
            self._told.append(time.time())


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
        loop = asyncio.get_running_loop()
        told: list[float] = []
        failed: list[bytes] = []
        for number in range(0, count, _AT_A_TIME):
            await asyncio.gather(*(
                loop.create_connection(
                    lambda n=n: Caller(request(n, key), told, failed), "127.0.0.1", port  # type: ignore[misc]
                )
                for n in range(number, min(number + _AT_A_TIME, count))
            ))  # fmt: skip
        pipe.send("all are connected")
        while len(told) < count and not failed:
            await asyncio.sleep(0.05)
        pipe.send((told, failed[:1], time.process_time()))

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


def measure(count: int, folder: str) -> None:
    """Connect all, look, answer all, and print what that took."""
    home = f"{folder}/home"
    sandbox = start_in_thread(Path(folder) / "provider", config=SandboxConfig(profile="instant"))
    keys = Keys.made(home)
    context = get_context("spawn")
    with (
        lanewise(home, sandbox.openai_base_url, worker=False) as (pid, url),
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
        told, failed, used = ours.recv()
        assert not failed, failed
        after = usage_of(pid)
        ended.set()
        worker.join()
        crowd.join()
        print_all(count, before, waiting, later, after, told, settled(desk), used)
    sandbox.close()


def print_all(
    count: int, before: Usage, waiting: Usage, later: Usage, after: Usage,
    told: list[float], ends: list[float], used: float,
) -> None:  # fmt: skip
    """The figures."""
    last = max(ends)
    told.sort()
    print(f"{count:,} callers who wait on connections, {len(ends)} batches")
    print(f"  memory of the gateway      {waiting.memory_mb:10.0f} MB")
    print(f"  ... before the first       {before.memory_mb:10.0f} MB")
    print(
        f"  ... for each               {1e3 * (waiting.memory_mb - before.memory_mb) / count:10.1f} KB"
    )
    print(f"  ... when all are told      {after.memory_mb:10.0f} MB")
    print(f"  processor meanwhile        {100 * (later.cpu - waiting.cpu) / 5.0:10.1f} %")
    print(f"  ... to tell all            {after.cpu - later.cpu:10.2f} s")
    print(f"  ... of the callers, in all {used:10.2f} s")
    print(f"  the first is told after    {told[0] - min(ends):10.2f} s")
    print(f"  half are told after        {told[len(told) // 2] - last:10.2f} s")
    print(f"  the last is told after     {told[-1] - last:10.2f} s")


def main() -> None:
    """One crowd."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--waiting", type=int, default=5_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lanewise-waiters-") as folder:
        measure(chosen.waiting, folder)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    main()
