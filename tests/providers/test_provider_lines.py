"""Result lines: translated, never misread, and never an exception, whatever bytes arrive."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.results import ResultLine, Unreadable, Verdict
from lanewise.domain.usage import Usage
from lanewise.providers import anthropic, dialects, openai
from lanewise.providers.protocol import RejectionKind

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def read(adapter: Any, line: dict[str, Any]) -> ResultLine:
    found = adapter.unwrap(json.dumps(line).encode())
    assert isinstance(found, ResultLine), found
    return found


def openai_line(status: int, body: Any, error: Any = None) -> dict[str, Any]:
    return {
        "id": "batch_req_1",
        "custom_id": "c",
        "response": {"status_code": status, "request_id": "r", "body": body},
        "error": error,
    }


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 20,
                "prompt_tokens_details": {"cached_tokens": 60},
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(input=40, cache_read=60, output=20, reasoning=5),
        ),
        (
            {
                "input_tokens": 100,
                "output_tokens": 20,
                "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 30},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
            Usage(input=60, cache_read=10, cache_write_other=30, output=20),
        ),
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(input=8)),
        (
            {"prompt_tokens": 8, "completion_tokens": 1, "prompt_tokens_details": None},
            Usage(8, output=1),
        ),
    ],
)
def test_openai_usage_becomes_disjoint_parts(usage: dict[str, Any], expected: Usage) -> None:
    line = read(openai, openai_line(200, {"model": "gpt-x", "usage": usage}))
    assert (line.verdict, line.model, line.usage) == (Verdict.ANSWERED, "gpt-x", expected)


def test_an_openai_answer_without_usage_is_an_answer() -> None:
    assert read(openai, openai_line(200, {"results": []})).verdict is Verdict.ANSWERED


def test_an_openai_answer_of_an_unusual_shape_is_still_an_answer() -> None:
    assert read(openai, openai_line(200, {"usage": "none", "model": 5})).verdict is Verdict.ANSWERED


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(400, Verdict.REFUSED), (401, Verdict.REFUSED), (404, Verdict.REFUSED), (422, Verdict.REFUSED),
     (408, Verdict.FAILED), (409, Verdict.FAILED), (429, Verdict.FAILED), (500, Verdict.FAILED),
     (503, Verdict.FAILED)],
)  # fmt: skip
def test_openai_errors_by_status_with_the_providers_words(status: int, verdict: Verdict) -> None:
    body = {"error": {"message": "no", "type": "t", "code": "bad_thing"}}
    line = read(openai, openai_line(status, body))
    assert (line.verdict, line.status, line.code, line.message) == (
        verdict,
        status,
        "bad_thing",
        "no",
    )


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("batch_expired", Verdict.EXPIRED),
        ("batch_cancelled", Verdict.CANCELLED),
        ("odd", Verdict.FAILED),
    ],
)
def test_openai_lines_without_a_response(code: str, verdict: Verdict) -> None:
    line = {"custom_id": "c", "response": None, "error": {"code": code, "message": "m"}}
    assert read(openai, line).verdict is verdict


def test_anthropic_usage_becomes_disjoint_parts() -> None:
    message = {
        "model": "claude-x",
        "usage": {
            "input_tokens": 5,
            "cache_creation_input_tokens": 70,
            "cache_read_input_tokens": 9,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 50},
            "output_tokens": 3,
            "service_tier": "batch",
        },
    }
    line = read(anthropic, {"custom_id": "c", "result": {"type": "succeeded", "message": message}})
    assert line.usage == Usage(
        input=5, cache_read=9, cache_write_5m=20, cache_write_1h=50, output=3
    )
    assert (line.model, line.service_tier) == ("claude-x", "batch")


def test_anthropic_cache_writes_without_a_split_are_taken_for_five_minutes() -> None:
    usage = {"input_tokens": 5, "cache_creation_input_tokens": 70, "output_tokens": 3}
    line = read(
        anthropic, {"custom_id": "c", "result": {"type": "succeeded", "message": {"usage": usage}}}
    )
    assert line.usage == Usage(input=5, cache_write_5m=70, output=3)


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("invalid_request_error", Verdict.REFUSED), ("not_found_error", Verdict.REFUSED),
     ("permission_error", Verdict.REFUSED), ("api_error", Verdict.FAILED),
     ("overloaded_error", Verdict.FAILED), ("rate_limit_error", Verdict.FAILED),
     ("timeout_error", Verdict.FAILED), ("", Verdict.FAILED)],
)  # fmt: skip
def test_anthropic_errors_by_type(kind: str, verdict: Verdict) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "why"}}
    line = read(anthropic, {"custom_id": "c", "result": {"type": "errored", "error": error}})
    assert (line.verdict, line.code, line.message) == (verdict, kind, "why")


@pytest.mark.parametrize(
    ("kind", "verdict"), [("expired", Verdict.EXPIRED), ("canceled", Verdict.CANCELLED)]
)
def test_anthropic_requests_that_were_not_executed(kind: str, verdict: Verdict) -> None:
    assert read(anthropic, {"custom_id": "c", "result": {"type": kind}}).verdict is verdict


@given(st.binary(max_size=120))
def test_any_bytes_are_a_result_or_unreadable(data: bytes) -> None:
    for adapter in (openai, anthropic):
        assert isinstance(adapter.unwrap(data), ResultLine | Unreadable)


@given(json_values, json_values, json_values)
def test_any_json_is_a_result_or_unreadable(a: Any, b: Any, c: Any) -> None:
    line = {"custom_id": "c", "response": a, "error": b, "result": c}
    nested = {
        "custom_id": "c",
        "response": {"status_code": 200, "body": a},
        "result": {"type": "succeeded", "message": b},
    }
    for adapter in (openai, anthropic):
        for candidate in (line, nested):
            assert isinstance(
                adapter.unwrap(json.dumps(candidate).encode()), ResultLine | Unreadable
            )


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), min_size=1),
    st.data(),
)
def test_anthropics_one_object_is_the_list_of_lines_for_any_cut_into_pieces(
    items: list[dict[str, str]], data: st.DataObject
) -> None:
    lines = b"".join(json.dumps(item).encode() + b"\n" for item in items)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(lines)), max_size=5)) | {0, len(lines)})
    pieces = [lines[start:stop] for start, stop in pairwise(cuts)]
    wrapped = b"".join(anthropic.wrap(pieces))
    assert json.loads(wrapped) == {"requests": items}

    class Lines:
        requests, size = len(items), len(lines)

    assert len(wrapped) == anthropic.wrapped_size(Lines())  # type: ignore[arg-type]


@given(st.text(min_size=1, max_size=40))
def test_any_caller_id_comes_back_in_place_of_ours(caller_id: str) -> None:
    ours = "lw-abcdefghijklmnop-7"
    line = json.dumps(
        {"id": "x", "custom_id": ours, "body": {"text": "kept\u2028"}}, ensure_ascii=False
    )
    back = dialects.relabel(line.encode(), ours, caller_id)
    assert back.count(b"\n") == 1
    assert json.loads(back) == {"id": "x", "custom_id": caller_id, "body": {"text": "kept\u2028"}}


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("verdict", sorted(set(Verdict) - {Verdict.ANSWERED, Verdict.SURPLUS}))
def test_a_line_we_write_for_a_missing_result_reads_back_in_the_providers_form(
    provider: str, verdict: Verdict
) -> None:
    code = {Verdict.EXPIRED: "batch_expired", Verdict.CANCELLED: "batch_cancelled"}.get(
        verdict, "code"
    )
    line = dialects.unanswered(provider, "mine", verdict, code, "why")
    adapter = openai if provider == "openai" else anthropic
    found = adapter.unwrap(line)
    assert isinstance(found, ResultLine)
    expected = Verdict.FAILED if verdict is Verdict.MISSING else verdict
    assert (found.custom_id, found.verdict) == ("mine", expected)


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        (
            "Enqueued token limit reached for gpt-4o in organization org-1. Limit: 90000 enqueued",
            90_000,
        ),
        ("Enqueued token limit reached for gpt-4o-mini-batch. Limit: 2,000,000 tokens.", 2_000_000),
        ("You are over the enqueued token limit of 1,350,000,000 for gpt-5.6-sol.", 1_350_000_000),
        ("The enqueued token limit is 200000, and 3 batches are in progress.", 200_000),
        ("Enqueued token limit reached for gpt-4o-2024-08-06. Please try again later.", None),
        ("Enqueued token limit reached. Limit: 0 enqueued tokens.", None),
        ("Enqueued token limit reached. Limit: , enqueued tokens.", None),
    ],
)
def test_the_limit_is_read_out_of_a_full_queues_message_in_several_wordings(
    message: str, limit: int | None
) -> None:
    failed = {
        "status": "failed",
        "errors": {"data": [{"code": "token_limit_exceeded", "message": message, "line": None}]},
    }
    found = openai._failed(failed)
    assert (found.kind, found.limit) == (RejectionKind.QUOTA, limit)
