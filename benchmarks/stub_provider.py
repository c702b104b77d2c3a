"""The least an OpenAI-shaped batch provider can do: count lines, wait, stream made-up results.

    python benchmarks/stub_provider.py --seconds 1

Bodies are thrown away; only their custom_ids are kept. For measuring clients, not for developing.
"""

from __future__ import annotations

import argparse
import re
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

ID = re.compile(rb'"custom_id": ?"([^"]{1,64})"')
TAIL = (
    b'","response":{"status_code":200,"request_id":"r","body":{"id":"c","object":"chat.completion",'
    b'"created":1,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"' + b"made up " * 60 + b'"},"finish_reason":"stop"}],"usage":{"prompt_tokens":700,'
    b'"completion_tokens":50,"total_tokens":750,"prompt_tokens_details":{"cached_tokens":0}}}},'
    b'"error":null}\n'
)
FILES: dict[str, list[bytes]] = {}
BATCHES: dict[str, dict[str, Any]] = {}
TIMING = {"seconds": 1.0}


async def upload(request: Request) -> JSONResponse:
    ids: list[bytes] = []
    held = b""
    async for chunk in request.stream():
        held += chunk
        whole, cut, held = held.rpartition(b"\n")
        if cut:
            ids += ID.findall(whole)
    name = f"file-{len(FILES)}"
    FILES[name] = ids + ID.findall(held)
    return JSONResponse(
        {
            "id": name,
            "object": "file",
            "bytes": 1,
            "created_at": 1,
            "filename": "f",
            "purpose": "batch",
            "status": "processed",
        }
    )


async def create(request: Request) -> JSONResponse:
    body = await request.json()
    name = f"batch_{len(BATCHES)}"
    BATCHES[name] = {
        "input": body["input_file_id"],
        "at": time.time(),
        "metadata": body.get("metadata"),
    }
    return JSONResponse(shown(name))


async def get(request: Request) -> JSONResponse:
    return JSONResponse(shown(request.path_params["name"]))


async def listing(request: Request) -> JSONResponse:
    data = [shown(name) for name in reversed(BATCHES)]
    return JSONResponse({"object": "list", "data": data, "has_more": False})


def shown(name: str) -> dict[str, Any]:
    batch = BATCHES[name]
    done = time.time() - batch["at"] >= TIMING["seconds"]
    count = len(FILES[batch["input"]])
    return {
        "id": name,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "status": "completed" if done else "in_progress",
        "input_file_id": batch["input"],
        "output_file_id": f"out-{batch['input']}" if done else None,
        "error_file_id": None,
        "created_at": int(batch["at"]),
        "expires_at": int(batch["at"]) + 86_400,
        "request_counts": {"total": count, "completed": count if done else 0, "failed": 0},
        "metadata": batch["metadata"],
    }


async def content(request: Request) -> StreamingResponse:
    ids = FILES[request.path_params["name"].removeprefix("out-")]

    async def lines() -> AsyncIterator[bytes]:
        for start in range(0, len(ids), 500):
            yield b"".join(
                b'{"id":"b","custom_id":"' + name + TAIL for name in ids[start : start + 500]
            )

    return StreamingResponse(lines())


async def delete(request: Request) -> JSONResponse:
    return JSONResponse({"id": request.path_params["name"], "object": "file", "deleted": True})


def main() -> None:
    """Serve on a free port and print the address."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1.0)
    TIMING["seconds"] = parser.parse_args().seconds
    app = Starlette(
        routes=[
            Route("/v1/files", upload, methods=["POST"]),
            Route("/v1/files/{name}/content", content),
            Route("/v1/files/{name}", delete, methods=["DELETE"]),
            Route("/v1/batches", create, methods=["POST"]),
            Route("/v1/batches", listing),
            Route("/v1/batches/{name}", get),
        ]
    )
    sock = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{sock.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off")).run(sockets=[sock])


if __name__ == "__main__":
    main()
