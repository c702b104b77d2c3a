"""Every text of a request body is found, whatever its dialect; what is no text is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanewise.tokens.bodies import READERS, Asked, read

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
IMAGE = "data:image/png;base64," + "QUJD" * 5_000


def asked(endpoint: str, **body: Any) -> Asked:
    return read(endpoint, json.dumps({"model": "m", **body}).encode())


def test_a_chat_has_messages_tool_calls_and_schemas() -> None:
    found = asked(
        CHAT,
        messages=[
            {"role": "system", "content": "S"},
            {"role": "user", "name": "ann", "content": [{"type": "text", "text": "U"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "1", "content": "T"},
        ],
        tools=[{"type": "function", "function": {"name": "f"}}],
        response_format={"type": "json_schema"},
        max_completion_tokens=5,
        n=3,
    )
    assert found.texts == ["S", "U", "ann", "f", "{}", "T"]
    assert found.messages == 4
    assert len(found.schemas) == 2
    assert (found.output_limit, found.answers, found.loose) == (5, 3, False)


def test_anthropic_messages_have_a_system_tool_use_and_documents() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "D"}
    found = asked(
        MESSAGES,
        max_tokens=7,
        system=[{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {"role": "user", "content": [{"type": "document", "title": "N", "source": source}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "1", "content": "R"},
                    {"type": "tool_result", "content": [{"type": "text", "text": "Q"}]},
                ],
            },
        ],
        tools=[{"name": "f", "input_schema": {"type": "object"}}],
    )
    assert found.texts == ["S", "N", "D", "f", '{"a": 1}', "R", "Q"]
    assert (found.output_limit, found.parts, len(found.schemas)) == (7, {}, 1)


def test_a_response_has_instructions_and_items() -> None:
    found = asked(
        RESPONSES,
        instructions="I",
        max_output_tokens=9,
        previous_response_id="resp_1",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "U"}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "O"},
        ],
    )
    assert found.texts == ["I", "U", "f", "{}", "O"]
    assert (found.output_limit, found.parts) == (9, {"earlier conversation": 1})
    assert asked(RESPONSES, input="plain").texts == ["plain"]


def test_images_and_other_parts_are_named_and_their_bytes_are_not_counted() -> None:
    found = asked(
        CHAT,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What?"},
                    {"type": "image_url", "image_url": {"url": IMAGE}},
                    {"type": "image_url", "image_url": {"url": IMAGE}},
                    {"type": "input_audio", "input_audio": {"data": IMAGE, "format": "wav"}},
                    {"type": "file", "file": {"file_data": IMAGE}},
                ],
            }
        ],
    )
    assert found.texts == ["What?"]
    assert found.parts == {"image": 2, "audio": 1, "file": 1}
    picture = {"type": "image", "source": {"type": "base64", "data": "QUJD" * 5_000}}
    assert asked(MESSAGES, messages=[{"role": "user", "content": [picture]}]).parts == {"image": 1}


@pytest.mark.parametrize(
    ("given", "texts", "ids", "inputs"),
    [
        ("one", ["one"], 0, 1),
        (["one", "two"], ["one", "two"], 0, 2),
        ([1, 2, 3], [], 3, 1),
        ([[1, 2], [3]], [], 3, 2),
    ],
)
def test_embeddings_take_texts_and_tokens(
    given: Any, texts: list[str], ids: int, inputs: int
) -> None:
    found = asked("/v1/embeddings", input=given)
    assert (found.texts, found.token_ids, found.inputs, found.no_output) == (
        texts,
        ids,
        inputs,
        True,
    )


def test_a_completion_answers_each_prompt_with_sixteen_tokens_unless_told() -> None:
    found = asked("/v1/completions", prompt=["a", "b"], n=2)
    assert (found.texts, found.output_limit, found.answers) == (["a", "b"], 16, 4)


def test_moderations_take_texts_and_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}]
    found = asked("/v1/moderations", input=parts)
    assert (found.texts, found.parts, found.no_output) == (["a"], {"image": 1}, True)


@pytest.mark.parametrize("endpoint", READERS)
def test_a_form_that_is_not_known_is_read_for_every_text(endpoint: str) -> None:
    found = asked(endpoint, messages=7, input={"x": ["hello"]}, prompt={"y": 1}, max_tokens=4)
    assert found.loose
    assert "hello" in found.texts
    assert found.output_limit == 4


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
members = st.sampled_from(
    ["messages", "input", "prompt", "system", "tools", "text", "max_tokens", "n", "instructions"]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # building its tables is
@given(body=st.dictionaries(members, json_values), endpoint=st.sampled_from(sorted(READERS)))
def test_no_body_that_is_json_breaks_the_reading(body: dict[str, Any], endpoint: str) -> None:
    raw = json.dumps(body).encode()
    found = read(endpoint, raw)
    assert sum(map(len, found.texts)) <= len(raw)
