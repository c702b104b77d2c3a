"""A sandbox whose clock only moves when told, and the official SDKs pointed at it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import openai
import pytest

from lanewise.sandbox import Fault, RunningSandbox, SandboxConfig, start_in_thread

Start = Callable[..., RunningSandbox]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a sandbox: start(*faults, **config)."""
    running: list[RunningSandbox] = []

    def begin(*faults: Fault, **config: Any) -> RunningSandbox:
        set_up = SandboxConfig(speed=config.pop("speed", 0.0), faults=tuple(faults), **config)
        running.append(start_in_thread(tmp_path / f"sandbox{len(running)}", config=set_up))
        return running[-1]

    yield begin
    for sandbox in running:
        sandbox.close()


@pytest.fixture
def openai_of() -> Iterator[Callable[[RunningSandbox], openai.OpenAI]]:
    """The official OpenAI client for a sandbox, never retrying."""
    made: list[openai.OpenAI] = []

    def client(sandbox: RunningSandbox, key: str = "sk-one") -> openai.OpenAI:
        made.append(
            openai.OpenAI(base_url=sandbox.openai_base_url, api_key=key, max_retries=0, timeout=10)
        )
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def anthropic_of() -> Iterator[Callable[[RunningSandbox], anthropic.Anthropic]]:
    """The official Anthropic client for a sandbox, never retrying."""
    made: list[anthropic.Anthropic] = []

    def client(sandbox: RunningSandbox, key: str = "sk-ant-one") -> anthropic.Anthropic:
        made.append(
            anthropic.Anthropic(
                base_url=sandbox.anthropic_base_url, api_key=key, max_retries=0, timeout=10
            )
        )
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def chat_lines() -> Callable[..., bytes]:
    """An input file of chat requests: chat_lines(3) or with a model."""

    def lines(count: int, model: str = "gpt-4o-mini") -> bytes:
        def one(number: int) -> bytes:
            messages = [{"role": "user", "content": f"Say something about number {number}."}]
            body = {"model": model, "messages": messages}
            line = {"custom_id": f"r-{number}", "method": "POST", "url": "/v1/chat/completions"}
            return msgspec.json.encode(line | {"body": body}) + b"\n"

        return b"".join(one(number) for number in range(count))

    return lines
