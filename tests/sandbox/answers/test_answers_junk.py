"""Whatever JSON a request holds, it is answered or refused; nothing else happens."""

import contextlib
import json
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lanewise.sandbox.answers import (
    ENDPOINTS,
    Answer,
    Invalid,
    PromptCache,
    answer,
    count_tokens,
    stream_events,
)

KEYS = [
    "type", "text", "role", "content", "name", "function", "parameters", "properties", "items", "enum",
    "schema", "json_schema", "format", "cache_control", "ttl", "tool_calls", "input_schema", "required",
    "image_url", "thinking", "budget_tokens", "effort", "$ref", "anyOf", "minLength", "pattern",
]  # fmt: skip
WORDS = [
    "user", "system", "assistant", "function", "tool", "text", "json_schema", "json_object", "object",
    "array", "string", "required", "any", "enabled", "1h", "#", "#/properties", "[a-", "(", "a{2",
]  # fmt: skip
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 99),
    st.floats(-2, 2),
    st.text(max_size=8),
    st.sampled_from(WORDS),
)
junk = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = [
    "model", "messages", "input", "prompt", "system", "instructions", "tools", "tool_choice", "n", "text",
    "response_format", "max_tokens", "max_output_tokens", "temperature", "stop_sequences", "thinking",
    "output_config", "output_format", "cache_control", "reasoning", "reasoning_effort", "metadata",
    "dimensions", "encoding_format", "stream_options", "store", "stream",
]  # fmt: skip
USER = [{"role": "user", "content": "Label it as red or blue: a red thing."}]
GOOD = {"model": "gpt-5", "messages": USER, "input": USER, "max_tokens": 60}
OPTIONS: dict[str, Any] = {"id_seed": "s", "created": 1, "lane": "realtime", "cache": PromptCache()}


dicts = st.dictionaries(st.sampled_from(KEYS), junk, max_size=4)


def deep(inner: Any) -> list[dict[str, Any]]:
    """The places of a request that hold structures of their own, each filled with junk."""
    flat = {"type": "json_schema", "name": "n", "schema": inner}
    made = inner if isinstance(inner, dict) else {}
    tools = [{"type": "function", "function": made, "input_schema": made, "name": "n"} | made]
    return [
        {"messages": [{"role": "user", "content": inner}], "input": inner},
        {"messages": [{"role": "user", "content": [inner]}], "input": [inner]},
        {"response_format": {"type": "json_schema", "json_schema": flat}, "text": {"format": flat}},
        {"output_format": flat, "text": {"format": inner}, "response_format": inner},
        {"tools": tools, "tool_choice": "required"},
        {"tools": tools, "tool_choice": {"type": "any"}},
        {"system": inner, "instructions": inner, "metadata": inner, "tools": [inner]},
    ]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["/v1/chat/completions", "/v1/responses", "/v1/messages"]), dicts | junk)
@example("/v1/chat/completions", {"type": "array", "items": {}, "minItems": 10**12})
@example("/v1/chat/completions", {"type": "string", "pattern": "^a{999999999}$"})
def test_junk_deep_inside_is_answered_or_refused(endpoint: str, inner: Any) -> None:
    for changes in deep(inner):
        body = GOOD | {"model": "claude-x" if endpoint == "/v1/messages" else "gpt-4o"} | changes
        with contextlib.suppress(Invalid):
            check(endpoint, body, answer(endpoint, body, **OPTIONS))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(ENDPOINTS), st.dictionaries(st.sampled_from(FIELDS), junk, max_size=3))
@example("/v1/messages", {"messages": [{"role": "user", "content": [[]]}]})
@example("/v1/responses", {"tools": [{"type": "function"}], "tool_choice": "required"})
@example("/v1/responses", {"input": [{"type": "item_reference", "id": "x"}]})
def test_any_json_is_answered_or_refused(endpoint: str, changes: dict[str, Any]) -> None:
    body = GOOD | {"model": "claude-x" if endpoint == "/v1/messages" else "gpt-4o"} | changes
    with contextlib.suppress(Invalid):
        check(endpoint, body, answer(endpoint, body, **OPTIONS))


def check(endpoint: str, body: dict[str, Any], made: Answer) -> None:
    json.dumps(made.body, allow_nan=False)
    assert min(made.tokens.input, made.tokens.output) >= 0
    if endpoint not in ("/v1/embeddings", "/v1/moderations"):
        assert b"".join(stream_events(endpoint, made, body))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), junk, max_size=3))
def test_counting_answers_or_refuses(changes: dict[str, Any]) -> None:
    with contextlib.suppress(Invalid):
        assert count_tokens(GOOD | changes) >= 0
