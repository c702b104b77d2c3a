"""Requests of equal hash share a beginning that their model caches; what is short or its own says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.caching import Breakpoint, Prefix
from lanewise.tokens.prefixes import OPENAI_CHARACTERS, prefix_of

MESSAGES, CHAT, RESPONSES = "/v1/messages", "/v1/chat/completions", "/v1/responses"
LONG = "A prefix that many requests share, word for word. " * 120  # 6,000 characters
TOOL = {"name": "look_up", "description": LONG, "input_schema": {"type": "object"}}


def claude(body: dict[str, Any], model: str = "claude-sonnet-5") -> Prefix | None:
    body = {"model": model, "max_tokens": 9, **body}
    return prefix_of("anthropic", MESSAGES, model, json.dumps(body).encode())


def gpt(body: dict[str, Any], endpoint: str = CHAT, model: str = "gpt-5-mini") -> Prefix | None:
    return prefix_of("openai", endpoint, model, json.dumps({"model": model, **body}).encode())


def user(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


def system(content: Any) -> list[dict[str, Any]]:
    return [{"role": "system", "content": content}]


def texts(*parts: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": part} for part in parts]


def found(prefix: Prefix | None) -> Prefix:
    assert prefix is not None
    return prefix


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"system": LONG} | user("x"), Breakpoint.SYSTEM),
        ({"system": texts("short", LONG), "tools": [TOOL]} | user("x"), Breakpoint.SYSTEM),
        ({"tools": [TOOL]} | user("x"), Breakpoint.TOOLS),
        ({"system": "short"} | user(texts(LONG, "x")), Breakpoint.BLOCK),
    ],
)
def test_claude_is_marked_at_the_first_place_where_the_prefix_is_long_enough(
    body: dict[str, Any], at: Breakpoint
) -> None:
    assert found(claude(body)).at is at


@pytest.mark.parametrize(
    "body",
    [
        user(LONG),  # one block: nothing says where the shared part ends
        user(texts(LONG)),
        user([{"type": "image", "source": {}}, *texts(LONG)]),
        {"messages": [{"role": "assistant", "content": texts(LONG, "x")}]},
        {"system": texts(LONG, " ")} | user("x"),  # an empty text may not be marked
        {"tools": [TOOL | {"defer_loading": True}]} | user("x"),
        {"system": LONG[:3_000]} | user(LONG),
    ],
)
def test_claude_has_no_prefix_where_no_breakpoint_fits(body: dict[str, Any]) -> None:
    assert claude(body) is None


@pytest.mark.parametrize(
    ("model", "characters"),
    [
        ("claude-opus-5-5", 2_048),
        ("claude-sonnet-5", 4_096),
        ("claude-opus-4-7", 8_192),
        ("claude-haiku-4-5", 16_384),
    ],
)
def test_the_least_prefix_goes_by_the_model(model: str, characters: int) -> None:
    long = LONG * 3
    assert claude({"system": long[:characters]} | user("x"), model) is not None
    assert claude({"system": long[: characters - 4]} | user("x" * 99), model) is None


def test_what_follows_the_prefix_does_not_change_it_and_what_is_in_it_does() -> None:
    one = found(claude({"system": LONG} | user("one")))
    assert found(claude({"system": LONG} | user("two"))) == one
    others = (
        claude({"system": LONG + "!"} | user("one")),
        claude({"system": LONG, "tools": [TOOL]} | user("one")),
        claude({"system": LONG, "thinking": {"type": "adaptive"}} | user("one")),
        claude({"system": LONG} | user("one"), "claude-sonnet-4-6"),
        claude({"system": LONG, "cache_control": {"type": "ephemeral"}} | user("one")),
    )
    assert len({one.hash, *(found(other).hash for other in others)}) == 6


@pytest.mark.parametrize(
    ("endpoint", "head"),
    [
        (CHAT, lambda t: {"messages": system(LONG) + user(t)["messages"]}),
        (CHAT, lambda t: {"messages": system(texts(LONG)) + user(t)["messages"]}),
        (CHAT, lambda t: {"messages": system("Be brief. " * 20) + user(LONG + t)["messages"]}),
        (RESPONSES, lambda t: {"instructions": LONG, "input": t}),
        (
            RESPONSES,
            lambda t: {"input": user([{"type": "input_text", "text": LONG + t}])["messages"]},
        ),
        (CHAT, lambda t: user(LONG + t)),
    ],
)
def test_openai_prompts_that_begin_alike_have_the_same_hash(endpoint: str, head: Any) -> None:
    one, two = found(gpt(head("one"), endpoint)), found(gpt(head("two"), endpoint))
    assert one == two
    assert one.at is Breakpoint.UNASKED
    assert one.tokens == 1_024
    assert found(gpt(head("one"), endpoint, "gpt-5.6-sol")).at is Breakpoint.KEY


@given(st.integers(0, len(LONG) - 1))
def test_openai_prompts_that_part_early_have_different_hashes(place: int) -> None:
    other = LONG[:place] + "#" + LONG[place + 1 :]
    same = found(gpt(user(LONG))).hash == found(gpt(user(other))).hash
    assert same == (place + len("user\0\0") >= OPENAI_CHARACTERS)


@pytest.mark.parametrize(
    "body",
    [
        user("short"),
        user([{"type": "image_url", "image_url": {"url": "data:" + "A" * 9_000}}, *texts(LONG)]),
        user([*texts("look"), {"type": "image_url", "image_url": {"url": "data:" + "A" * 9_000}}]),
    ],
)
def test_openai_prefixes_end_where_something_else_than_text_comes(body: dict[str, Any]) -> None:
    assert gpt(body) is None


@pytest.mark.parametrize("kept", ["previous_response_id", "prompt", "conversation"])
def test_a_conversation_that_the_provider_keeps_has_no_prefix_of_ours(kept: str) -> None:
    value = {"id": "pmpt_1"} if kept == "prompt" else "id_1"
    assert gpt({"input": LONG, kept: value}, RESPONSES) is None
    assert gpt({"input": LONG, kept: None}, RESPONSES) is not None


@pytest.mark.parametrize(
    "setting",
    [
        {"prompt_cache_key": "mine"},
        {"prompt_cache_retention": "24h"},
        {"prompt_cache_options": {"mode": "explicit"}},
    ],
)
def test_who_sets_caching_is_grouped_apart_and_never_marked(setting: dict[str, Any]) -> None:
    own = found(gpt(user(LONG) | setting))
    assert own.own
    assert own == found(gpt(user(LONG + "other") | setting))
    assert own.hash != found(gpt(user(LONG))).hash


def test_other_scripts_are_measured_by_what_they_take() -> None:
    chinese = "批处理允许您一次发送许多请求并以更低的价格获得答案" * 100  # 2,500 characters
    assert claude({"system": chinese} | user("x")) is not None
    assert gpt(user(chinese)) is None  # not surely 1,024 tokens
    assert gpt(user(chinese * 3)) is not None


@given(
    st.binary(max_size=300) | st.text(max_size=300).map(str.encode),
    st.sampled_from([MESSAGES, CHAT, RESPONSES]),
)
def test_bodies_that_are_no_such_request_have_no_prefix(junk: bytes, endpoint: str) -> None:
    padded = junk + b" " * 20_000
    assert prefix_of("openai", endpoint, "gpt-5-mini", padded) is None
    listed = b'{"messages":[%s],"system":7}' % padded
    assert prefix_of("openai", endpoint, "gpt-5-mini", listed) is None


def test_lone_surrogates_are_hashed_and_not_choked_on() -> None:
    body = b'{"messages":[{"role":"user","content":"\\ud800%s"}]}' % LONG.encode()
    prefix_of("openai", CHAT, "gpt-5-mini", body)
    prefix_of("anthropic", MESSAGES, "claude-sonnet-5", b'{"system":"\\ud800",' + body[1:])


def test_endpoints_without_prompts_have_no_prefix() -> None:
    body = json.dumps({"input": LONG}).encode()
    assert prefix_of("openai", "/v1/embeddings", "text-embedding-3-small", body) is None
