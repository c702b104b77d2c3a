"""A real server of somebody else: llama.cpp's, from PyPI, with a tiny model of random weights.

`make test` sets it up; `make server` does that alone.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from lanewise.app import Engine
from lanewise.gateway.serving import RunningGateway, open_parts
from lanewise.settings import load

PYTHON = Path(__file__).parents[2] / ".venv-server/bin/python"
SAID: Any = [{"role": "user", "content": "Where is my order?"}]
LINES = 50


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    if not PYTHON.exists():
        assert os.environ.get("CI") != "true", f"{PYTHON} is missing; `make server` sets it up"
        pytest.skip("llama.cpp's server is not set up here: make server")
    script = Path(__file__).with_name("llama_server.py")
    with subprocess.Popen(
        [PYTHON, script, tmp_path_factory.mktemp("model")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("listening on ").strip()
        process.terminate()


class Place:
    """`lanewise serve` before it; the worker goes while a test waits."""

    def __init__(self, home: Path, server: str) -> None:
        upstreams = [
            {"name": "own", "api": "openai", "base_url": f"{server}/v1", "batches": False},
            {"name": "own-claude", "api": "anthropic", "base_url": server, "batches": False},
        ]
        self.environ = {"LANEWISE_HOME": str(home), "LANEWISE_UPSTREAMS": json.dumps(upstreams)}
        settings = load(self.environ, ledger_flush_ms=1.0)
        self.engine = Engine(settings, environ=self.environ)
        self._opened = open_parts(self.engine, "127.0.0.1")
        self.running = RunningGateway(self._opened.__enter__())
        url = self.running.url
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key="any", timeout=60)
        self.claude = anthropic.Anthropic(base_url=url, api_key="any", timeout=60)

    def work(self, until: Callable[[], bool]) -> None:
        """As the thread of a server does."""
        with Engine(self.engine.settings, environ=self.environ, traffic=self.engine.traffic) as own:
            asyncio.run(own.worker().run(until=until))

    def close(self) -> None:
        self.client.close()
        self.claude.close()
        self.running.close()
        self._opened.__exit__(None, None, None)
        self.engine.close()


@pytest.fixture
def place(tmp_path: Path, server: str) -> Iterator[Place]:
    place = Place(tmp_path / "home", server)
    yield place
    place.close()


def chat_line(number: int, said: str = "Hello") -> bytes:
    asked = {
        "model": "noise",
        "max_tokens": 4 + number % 30,
        "messages": [{"role": "user", "content": f"{said} {number}"}],
    }
    line = {
        "custom_id": f"l{number}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": asked,
    }
    return json.dumps(line).encode() + b"\n"


def test_chats_and_streams_pass_through_to_it(place: Place) -> None:
    asked: Any = {"model": "noise", "messages": SAID, "max_tokens": 20}
    answer = place.client.chat.completions.create(**asked)
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 20  # the model may end by chance
    parts = list(place.client.chat.completions.create(**asked, stream=True))
    assert any(part.choices and part.choices[0].delta.content for part in parts)
    message = place.claude.messages.create(**asked)
    assert 0 < message.usage.output_tokens <= 20
    assert "noise" in [model.id for model in place.client.models.list()]
    place.running.close()
    rows = [entry.row for entry in place.engine.store.ledger()]
    assert [(row.lane, row.cost_nano) for row in rows] == [("realtime", None)] * 3
    assert rows[0].usage.output == answer.usage.completion_tokens


def test_a_served_batch_is_run_on_it(place: Place) -> None:
    client = place.client
    content = b"".join(map(chat_line, range(LINES))) + chat_line(99, "too long " * 400)
    file = client.files.create(file=("in.jsonl", io.BytesIO(content)), purpose="batch")
    order = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    ended = lambda: client.batches.retrieve(order.id).status in ("completed", "failed")  # noqa: E731
    place.work(ended)
    batch = client.batches.retrieve(order.id)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (LINES, 1)
    assert batch.output_file_id is not None
    assert batch.error_file_id is not None
    lines = [
        json.loads(text) for text in client.files.content(batch.output_file_id).text.splitlines()
    ]
    assert [line["custom_id"] for line in lines] == [f"l{number}" for number in range(LINES)]
    used = [line["response"]["body"]["usage"]["completion_tokens"] for line in lines]
    assert all(0 < tokens <= 4 + number % 30 for number, tokens in enumerate(used))
    assert batch.usage is not None
    assert batch.usage.output_tokens == sum(used)
    (error,) = client.files.content(batch.error_file_id).text.splitlines()
    assert json.loads(error)["response"]["status_code"] == 400


def test_a_message_batch_is_run_on_it(place: Place) -> None:
    batches = place.claude.messages.batches
    params: Any = {"model": "noise", "max_tokens": 9, "messages": SAID}
    long: Any = params | {"messages": [{"role": "user", "content": "too long " * 400}]}
    made = batches.create(
        requests=[
            *({"custom_id": f"m{number}", "params": params} for number in range(10)),
            {"custom_id": "long", "params": long},
        ]
    )
    place.work(lambda: batches.retrieve(made.id).processing_status == "ended")
    found = {one.custom_id: one.result for one in batches.results(made.id)}
    assert [found[f"m{number}"].type for number in range(10)] == ["succeeded"] * 10
    assert found["long"].type == "errored"
    assert "context size" in found["long"].error.error.message
