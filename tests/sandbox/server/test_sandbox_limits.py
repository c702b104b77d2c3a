"""The sandbox refuses what the providers refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from lanewise.sandbox import SandboxConfig, start_in_thread


def batch_of(client: openai.OpenAI, lines: list[dict[str, Any]], endpoint: str) -> Any:
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    file = client.files.create(file=("in.jsonl", data), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint=endpoint,  # type: ignore[arg-type]
        completion_window="24h",
    )
    return client.batches.retrieve(batch.id)


def line(number: int, endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"custom_id": f"r{number}", "method": "POST", "url": endpoint, "body": body}


def test_more_batches_in_an_hour_than_allowed_are_refused_with_retry_after(tmp_path: Path) -> None:
    config = SandboxConfig(batch_seconds=0, creations_per_hour=1)
    with start_in_thread(tmp_path, config=config) as sandbox:
        client = openai.OpenAI(base_url=sandbox.openai_base_url, api_key="k", max_retries=0)
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}
        batch_of(client, [line(0, "/v1/chat/completions", body)], "/v1/chat/completions")
        with pytest.raises(openai.RateLimitError) as caught:
            batch_of(client, [line(0, "/v1/chat/completions", body)], "/v1/chat/completions")
        assert caught.value.response.headers["retry-after"] == "60"
        client.close()


def test_more_than_fifty_thousand_embedding_inputs_fail_the_batch(tmp_path: Path) -> None:
    with start_in_thread(tmp_path, config=SandboxConfig(batch_seconds=0)) as sandbox:
        client = openai.OpenAI(base_url=sandbox.openai_base_url, api_key="k", max_retries=0)
        body = {"model": "text-embedding-3-small", "input": ["x"] * 25_001}
        batch = batch_of(
            client, [line(n, "/v1/embeddings", body) for n in range(2)], "/v1/embeddings"
        )
        assert batch.status == "failed"
        assert batch.errors.data[0].code == "too_many_inputs"
        client.close()


def test_tokens_of_a_minute_are_limited_and_shown_in_headers(tmp_path: Path) -> None:
    config = SandboxConfig(tokens_per_minute=100)
    with start_in_thread(tmp_path, config=config) as sandbox:
        client = openai.OpenAI(base_url=sandbox.openai_base_url, api_key="k", max_retries=0)
        chat = client.chat.completions.with_raw_response
        ask: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x" * 100}]}
        headers = chat.create(**ask).headers
        assert headers["x-ratelimit-limit-tokens"] == "100"
        assert 0 < int(headers["x-ratelimit-remaining-tokens"]) < 100
        chat.create(**ask)
        with pytest.raises(openai.RateLimitError) as caught:
            chat.create(**ask)
        assert int(caught.value.response.headers["retry-after"]) <= 60
        client.close()
