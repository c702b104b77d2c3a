"""A file of 200 MB handed in over HTTP: seconds and memory until it is on disk and each line was checked.

python benchmarks/gateway/upload.py [--megabytes 200]
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from lanewise.app import Engine
from lanewise.gateway import files
from lanewise.gateway.routes import Parts
from lanewise.gateway.who import OPEN
from lanewise.settings import load

EDGE = "lanewise-edge"


def write(path: Path, size: int) -> None:
    text = "The order was late and nobody answered about the missing parts. " * 30
    with path.open("wb") as file:
        number = 0
        while file.tell() < size:
            message = {"role": "user", "content": f"{number}: {text}"}
            body = {"model": "gpt-4o-mini", "messages": [message]}
            line = {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions"}
            file.write(msgspec.json.encode(line | {"body": body}) + b"\n")
            number += 1


def serve(home: str, sock: socket.socket, told: Connection) -> None:
    """The server, in a process of its own; says its peak of memory when it is asked."""
    with Engine(load({"LANEWISE_HOME": home}), environ={"OPENAI_API_KEY": "key"}) as engine:
        app = Starlette(routes=files.routes(Parts(engine, lambda headers: OPEN)))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        before = peak()

        async def stop(request: Request) -> Response:
            told.send((before, peak(), sum(resource.getrusage(resource.RUSAGE_SELF)[:2])))
            server.should_exit = True
            return Response()

        app.add_route("/stop", stop)
        server.run(sockets=[sock])


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def form(path: Path) -> Iterator[bytes]:
    yield f'--{EDGE}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'.encode()
    name = 'content-disposition: form-data; name="file"; filename="in.jsonl"'
    yield f"--{EDGE}\r\n{name}\r\n\r\n".encode()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            yield piece
    yield f"\r\n--{EDGE}--\r\n".encode()


def main() -> None:
    """One upload to a server that has just started."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=200)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lanewise-upload-") as folder:
        source = Path(folder) / "in.jsonl"
        write(source, chosen.megabytes * 1_000_000)
        sock = socket.create_server(("127.0.0.1", 0))
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=serve, args=(f"{folder}/home", sock, theirs)
        )
        process.start()
        client = http.client.HTTPConnection("127.0.0.1", sock.getsockname()[1])
        size = sum(map(len, form(source)))
        headers = {"content-type": f"multipart/form-data; boundary={EDGE}"}
        headers["content-length"] = str(size)
        client.request("GET", "/v1/files")
        client.getresponse().read()
        began = time.perf_counter()
        client.request("POST", "/v1/files", body=form(source), headers=headers)
        answer = msgspec.json.decode(client.getresponse().read())
        taken = time.perf_counter() - began
        assert answer["status"] == "processed", answer
        client.close()
        client.request("GET", "/stop")
        before, after, used = ours.recv()
        process.join()
        print(f"{chosen.megabytes} MB: {taken:.2f} s, {used:.2f} s of processor from the start on,")
        print(f"peak of memory {after:.0f} MB, {before:.0f} MB before")


if __name__ == "__main__":
    main()
