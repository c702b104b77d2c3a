"""Live calls meet limits, latency, refusals and losses as at the providers; background ones their windows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from lanewise.sandbox import Fault, RunningSandbox

Start = Callable[..., RunningSandbox]
CHAT: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello there"}]}
MESSAGE: Any = {
    "model": "claude-haiku-4-5",
    "messages": [{"role": "user", "content": "hello there"}],
    "max_tokens": 20,
}


def charged(sandbox: RunningSandbox) -> dict[str, int]:
    return {line["lane"]: line["n"] for line in sandbox.books()["lines"]}


def asked(sandbox: RunningSandbox, body: Any = CHAT, *, key: str = "sk-one") -> httpx2.Response:
    url = f"{sandbox.url}/v1/chat/completions"
    return httpx2.post(url, json=body, headers={"authorization": f"Bearer {key}"})


def test_limits_are_of_each_account_and_model_and_refill_steadily(start: Start) -> None:
    sandbox = start(requests_per_minute=2)
    for _ in range(2):
        assert asked(sandbox).status_code == 200
    refused = asked(sandbox)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-reset-requests"] == "1m0s"
    assert asked(sandbox, key="sk-two").status_code == 200
    assert asked(sandbox, {**CHAT, "model": "gpt-4o"}).status_code == 200
    sandbox.advance(float(refused.headers["retry-after"]))
    assert asked(sandbox).status_code == 200
    assert asked(sandbox).status_code == 429


def test_openai_counts_requests_that_it_refuses(start: Start) -> None:
    sandbox = start(requests_per_minute=1)
    assert asked(sandbox).status_code == 200
    for _ in range(10):
        sandbox.advance(30.0)
        assert asked(sandbox).status_code == 429
    sandbox.advance(60.0)
    assert asked(sandbox).status_code == 200


def test_openai_reckons_with_the_most_output_that_is_asked_for(start: Start) -> None:
    sandbox = start(tokens_per_minute=1_000)
    answered = asked(sandbox, {**CHAT, "max_tokens": 900})
    assert answered.headers["x-ratelimit-remaining-tokens"] == "100"
    assert asked(sandbox, {**CHAT, "max_tokens": 101}).status_code == 429
    huge = asked(sandbox, {**CHAT, "max_tokens": 1_001})
    assert huge.status_code == 429
    assert huge.json()["error"]["message"].startswith("Request too large")
    assert "retry-after" not in huge.headers


def test_anthropic_limits_input_and_output_apart(start: Start, anthropic_of: Any) -> None:
    sandbox = start(output_tokens_per_minute=5)
    messages = anthropic_of(sandbox).messages.with_raw_response
    first = messages.create(**MESSAGE)
    assert first.headers["anthropic-ratelimit-input-tokens-limit"] == "10000000"
    assert first.parse().usage.output_tokens > 5
    with pytest.raises(anthropic.RateLimitError) as caught:
        messages.create(**MESSAGE)
    headers = caught.value.response.headers
    assert headers["anthropic-ratelimit-output-tokens-remaining"] == "0"
    sandbox.advance(float(headers["retry-after"]))
    messages.create(**MESSAGE)


def test_a_call_takes_sandbox_time(start: Start) -> None:
    sandbox = start(speed=100.0, call_seconds=20.0)
    before = time.monotonic()
    assert asked(sandbox).status_code == 200
    assert 0.2 <= time.monotonic() - before < 5.0


@pytest.mark.parametrize("kind", ["accept_then_504", "accept_then_reset", "accept_then_hang"])
def test_a_call_may_be_billed_though_its_answer_is_lost(
    start: Start, openai_of: Any, kind: str
) -> None:
    sandbox = start(Fault(kind, operation="live"))
    client = openai_of(sandbox).with_options(timeout=0.5)
    with pytest.raises((openai.APIConnectionError, openai.InternalServerError)):
        client.chat.completions.create(**CHAT)
    assert charged(sandbox) == {"realtime": 1}


def test_overload_is_said_in_each_providers_way_and_is_free(
    start: Start, anthropic_of: Any, openai_of: Any
) -> None:
    sandbox = start(Fault("overloaded", times=2))
    with pytest.raises(anthropic.APIStatusError) as theirs:
        anthropic_of(sandbox).messages.create(**MESSAGE)
    assert theirs.value.status_code == 529
    assert theirs.value.body["error"]["type"] == "overloaded_error"  # type: ignore[index, call-overload]
    with pytest.raises(openai.InternalServerError) as ours:
        openai_of(sandbox).chat.completions.create(**CHAT)
    assert ours.value.status_code == 503
    assert charged(sandbox) == {}


def test_flex_without_capacity_is_free(start: Start) -> None:
    sandbox = start(Fault("no_capacity"))
    refused = asked(sandbox, {**CHAT, "service_tier": "flex"})
    assert refused.status_code == 429
    assert refused.json()["error"]["message"] == "Resource Unavailable"
    assert asked(sandbox, {**CHAT, "service_tier": "flex"}).status_code == 200
    assert charged(sandbox) == {"flex": 1}


def windowed(client: openai.OpenAI, **more: Any) -> Any:
    body = {"background": True, "background_options": {"completion_window": "2h"}, **more}
    return client.responses.create(model="gpt-4o-mini", input="hello there", extra_body=body)


def test_a_background_response_keeps_its_metadata_and_is_billed_when_done(
    start: Start, openai_of: Any
) -> None:
    sandbox = start()
    client = openai_of(sandbox)
    begun = windowed(client, store=True, metadata={"who": "me"})
    assert (begun.status, begun.metadata) == ("queued", {"who": "me"})
    assert client.responses.retrieve(begun.id).status == "in_progress"
    assert charged(sandbox) == {}
    sandbox.advance(7_200.0 + 86_400.0)
    done = client.responses.retrieve(begun.id)
    assert (done.status, done.metadata) == ("completed", {"who": "me"})
    assert charged(sandbox) == {"background_2h": 1}


def test_what_is_not_stored_is_gone_soon_after_it_is_done(start: Start, openai_of: Any) -> None:
    sandbox = start(batch_seconds=60.0)
    client = openai_of(sandbox)
    begun = windowed(client)
    sandbox.advance(659.0)
    assert client.responses.retrieve(begun.id).status == "completed"
    sandbox.advance(2.0)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(begun.id)


@pytest.mark.parametrize(
    "more",
    [
        {"service_tier": "flex"},
        {"stream": True},
        {"background_options": {"completion_window": "3h"}},
        {"metadata": {f"k{n}": "v" for n in range(17)}},
    ],
)
def test_a_window_is_refused_with_what_it_is_not_sold_with(
    start: Start, openai_of: Any, more: Any
) -> None:
    with pytest.raises(openai.BadRequestError):
        windowed(openai_of(start()), **more)


def test_a_response_cancelled_after_its_end_stays_and_one_cancelled_before_is_free(
    start: Start, openai_of: Any
) -> None:
    sandbox = start(batch_seconds=60.0)
    client = openai_of(sandbox)
    stopped, kept = windowed(client, store=True), windowed(client, store=True)
    assert client.responses.cancel(stopped.id).status == "cancelled"
    sandbox.advance(61.0)
    assert client.responses.cancel(kept.id).status == "completed"
    assert client.responses.retrieve(stopped.id).status == "cancelled"
    assert charged(sandbox) == {"background_2h": 1}


def test_uploads_beyond_the_storage_quota_are_refused_until_files_are_deleted(
    start: Start, openai_of: Any, chat_lines: Any
) -> None:
    data = chat_lines(3)
    sandbox = start(storage_bytes=int(len(data) * 1.5))
    client = openai_of(sandbox)
    first = client.files.create(file=("in.jsonl", data), purpose="batch")
    with pytest.raises(openai.BadRequestError, match="storage quota"):
        client.files.create(file=("in.jsonl", data), purpose="batch")
    client.files.delete(first.id)
    client.files.create(file=("in.jsonl", data), purpose="batch")


def test_anthropics_queued_requests_are_limited_until_batches_end(
    start: Start, anthropic_of: Any
) -> None:
    sandbox = start(queued_requests=3, batch_seconds=60.0)
    batches = anthropic_of(sandbox).messages.batches
    two = [{"custom_id": f"r{n}", "params": MESSAGE} for n in range(2)]
    batches.create(requests=two)
    with pytest.raises(anthropic.RateLimitError) as caught:
        batches.create(requests=two)
    assert float(caught.value.response.headers["retry-after"]) > 0
    sandbox.advance(61.0)
    batches.create(requests=two)
