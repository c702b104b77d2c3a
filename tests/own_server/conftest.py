"""`/v1/files` and `/v1/batches` before servers of one's own, which have no batch API."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lanewise.app import Engine
from lanewise.gateway import files
from lanewise.gateway.batches import Batches
from lanewise.gateway.message_batches import MessageBatches
from lanewise.gateway.ordering import Orders
from lanewise.gateway.routes import Parts
from lanewise.gateway.who import OPEN
from lanewise.sandbox import RunningSandbox, SandboxConfig, start_in_thread
from lanewise.settings import load
from lanewise.store.books import Entry

ENDED = ("completed", "failed", "cancelled", "expired")


class Clock:
    """Hours pass in moments while somebody sleeps by it."""

    at = 1_790_000_000.0

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        until = self.at + seconds
        await asyncio.sleep(min(seconds, 1.0) / 1_000.0)
        self.at = max(self.at, until)


class OwnServer:
    """Answers chats and messages one by one, as both APIs say it; knows nothing else."""

    def __init__(self) -> None:
        self.asked: list[str] = []  # the paths of calls that were answered
        self.strays: list[str] = []  # those of other calls
        self.fails: Callable[[str], int] = lambda body: 0  # a status, or 0: answer
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path not in ("/v1/chat/completions", "/v1/messages"):
            self.strays.append(path)
            return 404, {"error": {"message": "File Not Found", "type": "not_found_error"}}
        if status := self.fails(json.dumps(body)):
            return status, {"error": {"message": "it cannot", "type": "server_error"}}
        if body.get("temperature", 0) > 2:
            return 400, {"error": {"code": 400, "message": "too hot", "type": "too_hot_error"}}
        self.asked.append(path)
        return 200, CHAT if path == "/v1/chat/completions" else MESSAGE

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                status, told = server.answer(self.path, json.loads(body or b"{}"))
                answer = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        return Handler

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "qwen3",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Yes."},
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "qwen3",
    "content": [{"type": "text", "text": "Yes."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 12, "output_tokens": 3},
}


class Shop:
    """A gateway's batch routes, two servers of one's own (one in each dialect), and a cloud."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        config = SandboxConfig(batch_seconds=30.0, validation_seconds=5.0)
        self.cloud: RunningSandbox = start_in_thread(
            folder / "cloud", config=config, now=self.clock.now
        )
        self.own = OwnServer()
        upstreams = [
            {
                "name": "cloud",
                "api": "openai",
                "base_url": self.cloud.openai_base_url,
                "models": ["gpt-*"],
            },
            {
                "name": "own",
                "api": "openai",
                "base_url": f"{self.own.url}/v1",
                "batches": False,
            },
            {
                "name": "own-claude",
                "api": "anthropic",
                "base_url": self.own.url,
                "batches": False,
            },
        ]
        self.environ = {
            "LANEWISE_HOME": str(folder / "home"),
            "LANEWISE_UPSTREAMS": json.dumps(upstreams),
        }
        self.engine = Engine(
            load(self.environ, poll_seconds=10.0, max_tries=1),
            clock=self.clock,
            environ=self.environ,
        )
        parts = Parts(self.engine, lambda headers: OPEN)
        orders = Orders(parts)
        routes = [
            *files.routes(parts),
            *Batches(orders).routes(),
            *MessageBatches(orders).routes(),
        ]
        self.http = TestClient(Starlette(routes=routes))
        self.http.__enter__()
        over = httpx2.MockTransport(self._relay)
        self.client = openai.OpenAI(
            base_url="http://testserver/v1",
            api_key="any",
            http_client=httpx2.Client(transport=over),  # type: ignore[arg-type]
        )
        self.claude = anthropic.Anthropic(
            base_url="http://testserver",
            api_key="any",
            http_client=httpx2.Client(transport=over),  # type: ignore[arg-type]
        )

    def _relay(self, request: httpx2.Request) -> httpx2.Response:
        found = self.http.request(
            request.method, str(request.url), content=request.read(), headers=dict(request.headers)
        )
        kept = {"content-type": found.headers.get("content-type", "")}
        return httpx2.Response(found.status_code, content=found.content, headers=kept)

    def order(self, content: bytes, **options: Any) -> Any:
        file = self.client.files.create(file=("in.jsonl", io.BytesIO(content)), purpose="batch")
        wanted = {"endpoint": "/v1/chat/completions", "completion_window": "24h"} | options
        batch = self.client.batches.create(input_file_id=file.id, **wanted)
        for _ in range(2_000):  # it becomes a run in a thread of its own, by the time as it is now
            if batch.status != "validating":
                return batch
            batch = self.client.batches.retrieve(batch.id)
        raise AssertionError(batch)

    def turn(self, seconds: float = 20.0) -> None:
        """One pass of a worker; then time goes on."""
        asyncio.run(self.engine.worker().run_once())
        self.clock.at += seconds

    def finish(self, name: str, passes: int = 400) -> Any:
        """The batch, when it has ended."""
        for _ in range(passes):
            batch = self.client.batches.retrieve(name)
            if batch.status in ENDED:
                return batch
            self.turn()
        raise AssertionError(batch)

    def lines(self, file: str | None) -> dict[str, Any]:
        """The lines of an output or error file, by the caller's ids; none where there is no file."""
        if file is None:
            return {}
        text = self.client.files.content(file).text
        return {line["custom_id"]: line for line in map(json.loads, text.splitlines())}

    def answers(self) -> list[Entry]:
        """What was booked for answers."""
        return [entry for entry in self.engine.store.ledger() if entry.row.kind == "answer"]

    def close(self) -> None:
        self.client.close()
        self.claude.close()
        self.http.__exit__(None, None, None)
        self.engine.close()
        self.own.close()
        self.cloud.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """One such gateway."""
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def line_of(name: str, model: str = "qwen3", **body: Any) -> bytes:
    asked = {"model": model, "messages": [{"role": "user", "content": f"Say {name}."}]} | body
    line = {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": asked}
    return json.dumps(line).encode() + b"\n"


@pytest.fixture
def line() -> Callable[..., bytes]:
    """A line of an input file."""
    return line_of
