"""Answers and streams have the shapes that the official SDKs' types declare."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types import Completion, CreateEmbeddingResponse, ModerationCreateResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from lanewise.sandbox.answers import Answer, Invalid, stream_events

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
ARGUMENTS = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
FUNCTION = {"name": "save", "parameters": ARGUMENTS}
USER = [{"role": "user", "content": "Summarise: The sky is blue today. Birds sing in the trees."}]
BASE = {"model": "claude-sonnet-4-6", "max_tokens": 2000, "messages": USER}
CHAT_TOOL = {"tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "required"}
FLAT_TOOL = {
    "tools": [{"type": "function", "strict": True, **FUNCTION}],
    "tool_choice": {"type": "function", "name": "save"},
}
CLAUDE_TOOL = {
    "tools": [{"name": "save", "input_schema": ARGUMENTS}],
    "tool_choice": {"type": "tool", "name": "save"},
}
FORMAT = {"type": "json_schema", "name": "t", "schema": ARGUMENTS}
THINKING = {"type": "enabled", "budget_tokens": 1024}
BODIES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "chat": (CHAT, {"model": "gpt-4o-mini", "messages": USER, "n": 2}, ChatCompletion),
    "chat tool": (CHAT, {"model": "gpt-4o", "messages": USER, **CHAT_TOOL}, ChatCompletion),
    "responses": (RESPONSES, {"model": "gpt-5-mini", "input": USER}, Response),
    "responses tool": (RESPONSES, {"model": "gpt-4.1", "input": "Hi", **FLAT_TOOL}, Response),
    "responses schema": (
        RESPONSES,
        {"model": "gpt-4.1", "input": "Hi", "text": {"format": FORMAT}},
        Response,
    ),
    "embeddings": (
        "/v1/embeddings",
        {"model": "text-embedding-3-small", "input": "x"},
        CreateEmbeddingResponse,
    ),
    "completions": ("/v1/completions", {"model": "davinci-002", "prompt": "Say hi"}, Completion),
    "moderations": ("/v1/moderations", {"input": "x"}, ModerationCreateResponse),
    "messages": (MESSAGES, BASE, Message),
    "messages tool": (MESSAGES, BASE | CLAUDE_TOOL, Message),
    "messages thinking": (MESSAGES, BASE | {"thinking": THINKING}, Message),
}
STREAMED = [name for name in BODIES if name not in ("embeddings", "moderations")]


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("lane", ["realtime", "flex", "batch", "background_2h"])
def test_a_body_is_what_the_sdk_declares(ask: Callable[..., Answer], name: str, lane: str) -> None:
    endpoint, body, declared = BODIES[name]
    made = ask(endpoint, body, lane=lane)
    TypeAdapter(declared).validate_python(made.body)
    json.dumps(made.body, allow_nan=False)


def events(endpoint: str, made: Answer, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The frames' data; each frame is whole and a named one names its type."""
    found = []
    for frame in stream_events(endpoint, made, body):
        assert frame.endswith(b"\n\n")
        *name, data = frame.strip().split(b"\n")
        if data == b"data: [DONE]":
            continue
        found.append(json.loads(data.removeprefix(b"data: ")))
        assert not name or name[0] == b"event: " + found[-1]["type"].encode()
    return found


@pytest.mark.parametrize("name", [name for name in STREAMED if name != "completions"])
def test_every_event_is_what_the_sdk_declares(ask: Callable[..., Answer], name: str) -> None:
    endpoint, body, _ = BODIES[name]
    declared: Any = {
        CHAT: ChatCompletionChunk,
        RESPONSES: ResponseStreamEvent,
        MESSAGES: RawMessageStreamEvent,
    }[endpoint]
    for event in events(endpoint, ask(endpoint, body), body):
        if event.get("type") != "ping":
            TypeAdapter(declared).validate_python(event)


def test_chat_chunks_add_up_to_the_answer(ask: Callable[..., Answer]) -> None:
    endpoint, body, _ = BODIES["chat"]
    body = body | {"n": 1, "stream_options": {"include_usage": True}}
    made = ask(endpoint, body)
    *chunks, last = events(endpoint, made, body)
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert text == made.body["choices"][0]["message"]["content"]
    assert last["choices"] == []
    assert last["usage"] == made.body["usage"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert list(stream_events(endpoint, made, body))[-1] == b"data: [DONE]\n\n"


def test_usage_is_streamed_only_when_asked_for(ask: Callable[..., Answer]) -> None:
    endpoint, body, _ = BODIES["chat"]
    assert all("usage" not in event for event in events(endpoint, ask(endpoint, body), body))


def test_responses_events_are_numbered_and_end_with_the_answer(ask: Callable[..., Answer]) -> None:
    endpoint, body, _ = BODIES["responses"]
    made = ask(endpoint, body)
    found = events(endpoint, made, body)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert found[0]["type"] == "response.created"
    assert found[-1] == {
        "type": "response.completed",
        "response": made.body,
        "sequence_number": len(found) - 1,
    }
    deltas = [event["delta"] for event in found if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == made.body["output"][-1]["content"][0]["text"]


def test_anthropic_events_come_in_order(ask: Callable[..., Answer]) -> None:
    endpoint, body, _ = BODIES["messages tool"]
    made = ask(endpoint, body)
    found = events(endpoint, made, body)
    kinds = [event["type"] for event in found if event["type"] != "content_block_delta"]
    assert kinds == [
        "message_start", "ping", "content_block_start", "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    parts = [
        event["delta"]["partial_json"] for event in found if event["type"] == "content_block_delta"
    ]
    assert json.loads("".join(parts)) == made.body["content"][0]["input"]


@pytest.mark.parametrize(
    ("model", "said"),
    [("gpt-4o-mini", "gpt-4o-mini-2024-07-18"), ("gpt-4o-mini-2024-07-18",) * 2, ("unlisted",) * 2],
)
def test_the_answer_names_the_dated_snapshot(
    ask: Callable[..., Answer], model: str, said: str
) -> None:
    made = ask(CHAT, {"model": model, "messages": USER})
    assert made.model == made.body["model"] == said


def test_chat_usage_adds_up_over_choices(ask: Callable[..., Answer]) -> None:
    one = ask(CHAT, {"model": "gpt-5", "messages": USER})
    two = ask(CHAT, {"model": "gpt-5", "messages": USER, "n": 2})
    usage = two.body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens"] == one.body["usage"]["prompt_tokens"]
    assert two.tokens.reasoning == 2 * one.tokens.reasoning > 0
    assert two.tokens.output > two.tokens.reasoning


def test_limits_cut_the_answer_and_say_so(ask: Callable[..., Answer]) -> None:
    chat = ask(CHAT, {"model": "gpt-4o", "messages": USER, "max_completion_tokens": 3})
    assert chat.body["choices"][0]["finish_reason"] == "length"
    assert chat.tokens.output == 3
    claude = ask(MESSAGES, {"model": "claude-sonnet-4-6", "max_tokens": 3, "messages": USER})
    assert (claude.body["stop_reason"], claude.tokens.output) == ("max_tokens", 3)
    response = ask(RESPONSES, {"model": "gpt-5", "input": USER, "max_output_tokens": 16})
    assert response.body["status"] == "incomplete"
    assert response.body["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response.tokens.output == response.tokens.reasoning == 16


def test_a_stop_sequence_ends_the_text(ask: Callable[..., Answer]) -> None:
    body = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 99,
        "messages": USER,
        "stop_sequences": ["blue"],
    }
    made = ask(MESSAGES, body)
    assert (made.body["stop_reason"], made.body["stop_sequence"]) == ("stop_sequence", "blue")
    assert "blue" not in made.body["content"][0]["text"]


@pytest.mark.parametrize("config", ["output_config", "output_format"])
def test_anthropic_structured_output_is_json(ask: Callable[..., Answer], config: str) -> None:
    form = {"type": "json_schema", "schema": ARGUMENTS}
    said = {config: {"format": form} if config == "output_config" else form}
    made = ask(MESSAGES, {"model": "c", "max_tokens": 99, "messages": USER} | said)
    assert "title" in json.loads(made.body["content"][0]["text"])


ODD = "Line\u2028separator. Emoji 👩‍🚀 and \U0001f600 here. עברית וערבית. Null \x00 and \x85 too. \ufeff"


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("odd", [ODD, "\ud83d lone \udc00 surrogates.", "👩‍🚀", " ", "\u2028"])
def test_odd_unicode_never_breaks(ask: Callable[..., Answer], name: str, odd: str) -> None:
    endpoint, body, _ = BODIES[name]
    for key in ("messages", "input", "prompt"):
        if key in body:
            content = [{"role": "user", "content": f"Summarise in one sentence: {odd}"}]
            body = body | {key: odd if key == "prompt" else content}
    for limit in ({}, {"max_completion_tokens": 7} if endpoint == CHAT else {}):
        made = ask(endpoint, body | limit)
        json.dumps(made.body, ensure_ascii=False).encode()
        assert b"".join(stream_events(endpoint, made, body))


LEAST, MISSING = "integer_below_min_value", "missing_required_parameter"
GOOD = {"model": "m", "messages": USER}
BAD_OPENAI: list[tuple[str, dict[str, Any], str | None, str | None]] = [
    (CHAT, {"messages": USER}, None, None),
    (CHAT, GOOD | {"model": 4}, "model", "invalid_type"),
    (CHAT, {"model": "m"}, "messages", MISSING),
    (CHAT, GOOD | {"messages": []}, "messages", "empty_array"),
    (CHAT, GOOD | {"messages": "hi"}, "messages", "invalid_type"),
    (CHAT, GOOD | {"messages": ["hi"]}, "messages[0]", "invalid_type"),
    (
        CHAT,
        GOOD | {"messages": [{"role": "x", "content": ""}]},
        "messages[0].role",
        "invalid_value",
    ),
    (CHAT, GOOD | {"messages": [{"content": "x"}]}, "messages[0].role", MISSING),
    (
        CHAT,
        GOOD | {"messages": [{"role": "user", "content": 5}]},
        "messages[0].content",
        "invalid_type",
    ),
    (CHAT, GOOD | {"max_tokens": 0}, "max_tokens", LEAST),
    (CHAT, GOOD | {"max_tokens": "9"}, "max_tokens", "invalid_type"),
    (CHAT, GOOD | {"n": 200}, "n", "integer_above_max_value"),
    (CHAT, GOOD | {"temperature": 3}, "temperature", "decimal_above_max_value"),
    (CHAT, GOOD | {"model": "gpt-5", "max_tokens": 9}, "max_tokens", "unsupported_parameter"),
    (CHAT, GOOD | {"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    (CHAT, GOOD | {"tool_choice": "required"}, "tool_choice", None),
    (RESPONSES, {"model": "m"}, "input", MISSING),
    (RESPONSES, {"model": "m", "input": []}, "input", "empty_array"),
    (RESPONSES, {"model": "m", "input": "x", "max_output_tokens": 1}, "max_output_tokens", LEAST),
    ("/v1/moderations", {}, "input", MISSING),
]


@pytest.mark.parametrize(("endpoint", "body", "param", "code"), BAD_OPENAI)
def test_openai_refuses_with_param_and_code(
    ask: Callable[..., Answer], endpoint: str, body: Any, param: str | None, code: str | None
) -> None:
    with pytest.raises(Invalid) as caught:
        ask(endpoint, body)
    refusal = caught.value
    assert (refusal.status, refusal.type) == (400, "invalid_request_error")
    assert (refusal.param, refusal.code) == (param, code)


def test_streaming_in_a_batch_is_refused(ask: Callable[..., Answer]) -> None:
    with pytest.raises(Invalid, match="Streaming"):
        ask(CHAT, {"model": "m", "messages": USER, "stream": True}, lane="batch")


CLAUDE: dict[str, Any] = {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": USER}
BAD_ANTHROPIC: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": None}, "max_tokens: Field required"),
    ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
    ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
    ({"model": None}, "model: Field required"),
    ({"messages": None}, "messages: Field required"),
    ({"messages": []}, "messages: at least one message is required"),
    ({"messages": [{"role": "system", "content": "x"}]}, "messages: Unexpected role"),
    ({"messages": [{"role": "king", "content": "x"}]}, "messages.0.role: Input should be 'user'"),
    ({"messages": [{"role": "user", "content": ""}]}, "messages.0: all messages must have"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "messages: first message must use"),
    ({"temperature": 1.5}, "temperature: range: 0..1"),
    ({"tool_choice": {"type": "tool", "name": "x"}}, "Tool 'x' not found in provided tools"),
    ({"output_format": {"type": "json_schema", "schema": {"$ref": "#/no"}}}, "Invalid schema"),
]


@pytest.mark.parametrize(("change", "message"), BAD_ANTHROPIC)
def test_anthropic_refuses_in_its_own_words(
    ask: Callable[..., Answer], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(Invalid) as caught:
        ask(MESSAGES, CLAUDE | change)
    refusal = caught.value
    assert refusal.message.startswith(message)
    assert (refusal.status, refusal.type) == (400, "invalid_request_error")
    assert (refusal.code, refusal.param) == (None, None)
