"""How prompts are made is seen in whatever form a log keeps them, and so are limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from lanewise.app.auditing import auditing
from lanewise.audit.logs.importing import Wishes
from lanewise.pricing import PriceBook

from .conftest import write
from .test_formats import otlp, span

NOW: Final = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
SYSTEM: Final = "Say which team should have this report."


def asked(n: int) -> str:
    orders = [{"order": i, "state": f"late by {n * i}"} for i in range(30)]
    return json.dumps(orders, indent=4)


def messages(n: int) -> list[dict[str, Any]]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked(n)}]


def when(n: int) -> str:
    return f"2026-11-19T10:{n:02}:00Z"


def litellm(n: int) -> dict[str, Any]:
    return {
        "startTime": when(n), "endTime": when(n), "call_type": "acompletion", "spend": 0.1,
        "prompt_tokens": 800, "completion_tokens": 5, "model": "gpt-4.1", "messages": messages(n),
        "proxy_server_request": {"max_tokens": 9_000},
    }  # fmt: skip


def payload(n: int) -> dict[str, Any]:
    return {
        "startTime": NOW + n, "endTime": NOW + n + 1, "response_cost": 0.1, "prompt_tokens": 800,
        "completion_tokens": 5, "model": "gpt-4.1", "messages": messages(n),
        "model_parameters": {"max_completion_tokens": 9_000},
    }  # fmt: skip


def helicone(n: int) -> dict[str, Any]:
    body = {"messages": messages(n), "max_tokens": 9_000}
    return {
        "request_created_at": when(n), "delay_ms": 900, "prompt_tokens": 800, "completion_tokens": 5,
        "provider": "OPENAI", "request_model": "gpt-4.1", "request_body": body,
    }  # fmt: skip


def portkey(n: int) -> dict[str, Any]:
    return {
        "created_at": when(n), "ai_org": "openai", "ai_model": "gpt-4.1", "req_units": 800, "res_units": 5,
        "request": {"messages": messages(n), "max_completion_tokens": 9_000},
    }  # fmt: skip


def langfuse(n: int) -> dict[str, Any]:
    return {
        "id": f"o{n}", "type": "GENERATION", "startTime": when(n), "model": "gpt-4.1", "input": messages(n),
        "usageDetails": {"input": 800, "output": 5}, "modelParameters": {"max_tokens": 9_000},
    }  # fmt: skip


def bedrock(n: int) -> dict[str, Any]:
    body = {
        "messages": [{"role": "user", "content": [{"text": asked(n)}]}],
        "inferenceConfig": {"maxTokens": 9_000},
    }
    return {
        "schemaType": "ModelInvocationLog", "timestamp": when(n), "operation": "Converse",
        "modelId": "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "input": {"inputBodyJson": body, "inputTokenCount": 800}, "output": {"outputTokenCount": 5},
    }  # fmt: skip


def spans(n: int) -> dict[str, Any]:
    parts = [{"role": "user", "parts": [{"type": "text", "content": asked(n)}]}]
    told = {
        "gen_ai__operation__name": "chat", "gen_ai__request__model": "gpt-4.1",
        "gen_ai__provider__name": "openai",
        "gen_ai__usage__input_tokens": 800, "gen_ai__usage__output_tokens": 5,
        "gen_ai__request__max_tokens": 9_000, "gen_ai__input__messages": json.dumps(parts),
    }  # fmt: skip
    return otlp(span(f"s{n}", "", **told))


@pytest.mark.parametrize("form", [litellm, payload, helicone, portkey, langfuse, bedrock, spans])
def test_prompts_and_limits_are_seen(tmp_path: Path, form: Callable[[int], dict[str, Any]]) -> None:
    path = str(write(tmp_path / "log.jsonl", map(form, range(60))))
    with auditing((path,), Wishes(), PriceBook.load(), NOW) as audit:
        found = {one.does: one for one in audit.found.levers if one.kind == "prompt"}
    assert found["write JSON without white space"].money.high > 0
    limit = found["ask for fewer output tokens at the most (max_tokens)"]
    assert "60 of 60 requests allow 9,000 tokens" in limit.evidence[0]
