"""Requests and a way to ask them, shared by the tests of the sandbox's answers."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lanewise.sandbox.answers import Answer, PromptCache, answer

ASYNCIO = (
    "asyncio is a library to write concurrent code using the async/await syntax. "
    "It is used as a foundation for multiple asynchronous frameworks. "
    "It provides high-performance network and web servers, and distributed task queues. "
    "You may run coroutines concurrently and have full control over their execution. "
    "Queues, locks and events synchronise tasks that run concurrently."
)
CHAT = "/v1/chat/completions"


@pytest.fixture
def document() -> str:
    return ASYNCIO


@pytest.fixture
def ask() -> Callable[..., Answer]:
    """Ask an endpoint; `lane`, `created`, `id_seed` and `cache` have defaults."""

    def asked(endpoint: str, body: dict[str, Any], **options: Any) -> Answer:
        cache: PromptCache | None = options.get("cache")
        return answer(
            endpoint,
            body,
            id_seed=options.get("id_seed", "seed"),
            created=options.get("created", 1_700_000_000),
            lane=options.get("lane", "realtime"),
            cache=cache,
        )

    return asked


@pytest.fixture
def chat(ask: Callable[..., Answer]) -> Callable[..., str]:
    """The text of a chat answer to a system and a user text."""

    def asked(system: str, user: str, **body: Any) -> str:
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": user})
        made = ask(CHAT, {"model": "gpt-4o-mini", "messages": messages, **body})
        content = made.body["choices"][0]["message"]["content"]
        assert isinstance(content, str)
        return content

    return asked


@pytest.fixture
def structured(chat: Callable[..., str], document: str) -> Callable[..., Any]:
    """The parsed answer to a request for structured output."""

    def asked(schema: Any, system: str = "Describe the text.", user: str = document) -> Any:
        declared = {"name": "thing", "schema": schema, "strict": True}
        form = {"type": "json_schema", "json_schema": declared}
        return json.loads(chat(system, user, response_format=form))

    return asked
