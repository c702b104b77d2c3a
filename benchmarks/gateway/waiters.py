"""Callers who wait on real connections: the memory of the whole server, and how soon all are told.

python benchmarks/gateway/waiters.py [--waiting 5000]

The server is a process of its own with the engine, the background lane and uvicorn; all runs are cancelled
at once, and the time is until the last connection has its answer.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket
import tempfile
import time
from multiprocessing.connection import Connection
from typing import Any

import uvicorn
from accept import PATH, body, decode, fresh, resident

from lanewise.gateway.background import Background
from lanewise.gateway.routes import Parts
from lanewise.gateway.who import OPEN


def serve(folder: str, sock: socket.socket, told: Connection) -> None:
    """Until it is told to cancel and then to stop."""
    with fresh(folder) as engine:
        background = Background(Parts(engine, lambda headers: OPEN))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            text, more = b"", True
            while more:
                message = await receive()
                text, more = text + message.get("body", b""), message.get("more_body", False)
            headers = dict(scope["headers"])
            wish = background.wish(OPEN, PATH, headers, decode(text))
            assert wish is not None
            await (await background.handle(OPEN, PATH, headers, wish, text))(scope, receive, send)

        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", lifespan="off", backlog=8_192)
        )

        async def both() -> None:
            serving = asyncio.create_task(server.serve(sockets=[sock]))
            await asyncio.to_thread(told.recv)
            told.send((resident(), time.process_time()))
            await asyncio.to_thread(told.recv)
            told.send((resident(), time.process_time()))
            await asyncio.to_thread(told.recv)
            for run in engine.store.runs(limit=10_000):
                await asyncio.to_thread(engine.store.cancel_run, run.id, engine.clock.now())
            told.send(time.time())
            await asyncio.to_thread(told.recv)
            server.should_exit = True
            await serving
            await background.close()

        asyncio.run(both())


async def caller(port: int, number: int) -> float:
    """One connection; when its answer came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    text = body(number)
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nx-lanewise-deadline: 24h\r\n"
    writer.write(f"{head}content-length: {len(text)}\r\n\r\n".encode() + text)
    line = await reader.readline()
    assert line.split()[1] == b"409", line
    writer.close()
    return time.time()


async def main() -> None:
    """Connect all, look, cancel all, and wait for all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--waiting", type=int, default=5_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lanewise-waiters-") as folder:
        sock = socket.create_server(("127.0.0.1", 0), backlog=8_192)
        ours, theirs = multiprocessing.Pipe()
        server = multiprocessing.Process(target=serve, args=(folder, sock, theirs))
        server.start()
        port = sock.getsockname()[1]
        callers = []
        for number in range(chosen.waiting):
            callers.append(asyncio.create_task(caller(port, number)))
            if number % 500 == 499:
                await asyncio.sleep(0.5)
        await asyncio.sleep(2.0)
        looks = []
        for pause in (5.0, 0.0):
            ours.send("look")
            looks.append(ours.recv())
            await asyncio.sleep(pause)
        (memory, used), (_, later) = looks
        ours.send("cancel")
        ended = await asyncio.to_thread(ours.recv)
        last = max(await asyncio.gather(*callers))
        ours.send("stop")
        server.join()
        print(f"{chosen.waiting:,} callers who wait on connections")
        print(f"  memory of the server       {memory / 1e6:10.0f} MB")
        print(f"  processor meanwhile        {100 * (later - used) / 5.0:10.1f} %")
        print(f"  the last is told after     {max(last - ended, 0.0):10.2f} s")


if __name__ == "__main__":
    asyncio.run(main())
