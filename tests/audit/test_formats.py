"""What each format means by its fields, on small records of our own."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from lanewise.audit.formats import all_formats, named, recognise

from .conftest import Reader

NOON: Final = 1_772_452_800.0  # 2026-03-02T12:00:00Z
ISO: Final = "2026-03-02T12:00:00Z"
USAGE: Final = {"input_tokens": 3, "cache_read_input_tokens": 70, "cache_creation_input_tokens": 7, "output_tokens": 5}


def span(span_id: str, parent: str, **attributes: Any) -> dict[str, Any]:
    kinds = {bool: "boolValue", int: "intValue", str: "stringValue"}
    return {
        "traceId": "t", "spanId": span_id, "parentSpanId": parent, "startTimeUnixNano": "1772452800000000000",
        "endTimeUnixNano": "1772452802500000000",
        "attributes": [
            {"key": key.replace("__", "."), "value": {kinds[type(value)]: str(value) if type(value) is int else value}}
            for key, value in attributes.items()
        ],
    }  # fmt: skip


def otlp(*spans: dict[str, Any], service: str = "digest") -> dict[str, Any]:
    named_ = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": named_, "scopeSpans": [{"spans": list(spans)}]}]}


RECORDS: Final[dict[str, tuple[Any, dict[str, Any]]]] = {
    "litellm": (
        {
            "startTime": "2026-03-02T12:00:00", "endTime": "2026-03-02T12:00:02", "spend": 0.5, "call_type": "acompletion",
            "prompt_tokens": 80, "completion_tokens": 5, "model": "anthropic/claude-haiku-4-5", "model_group": "h",
            "custom_llm_provider": "anthropic", "cache_hit": "True", "status": "failure", "end_user": "u",
            "metadata": json.dumps({"additional_usage_values": {"cache_read_input_tokens": 70}}),
            "request_tags": '["night", "User-Agent: curl/8"]', "messages": [{"role": "user", "content": "?"}],
        },
        {
            "at": NOON, "input": 80, "cached": 70, "seconds": 2.0, "lane": "cache", "ok": False, "workflow": "night",
            "user_name": "u", "model": "claude-haiku-4-5", "tags": ["night"], "agent": "curl/8", "cost_nano": 500_000_000,
        },
    ),
    "litellm_payload": (
        {
            "startTime": NOON, "endTime": NOON + 3, "completionStartTime": NOON + 1, "response_cost": 0.001,
            "prompt_tokens": 80, "completion_tokens": 5, "model": "gpt-5", "custom_llm_provider": "openai",
            "stream": True, "hidden_params": {}, "metadata": {"usage_object": {"service_tier": "flex"}},
        },
        {"at": NOON, "stream": True, "seconds": 3.0, "first_token_seconds": 1.0, "lane": "flex", "cached": None},
    ),
    "langfuse": (
        {
            "id": "o", "traceId": "t", "type": "GENERATION", "startTime": ISO, "endTime": "2026-03-02T12:00:04Z",
            "model": "gpt-5", "usageDetails": {"input": 10, "input_cached_tokens": 70, "output": 5, "total": 85},
            "metadata": '{"workflow": "w"}', "costDetails": {"total": 0.25}, "latency": 4000, "level": "ERROR",
        },
        {"input": 80, "cached": 70, "output": 5, "seconds": 4.0, "workflow": "w", "ok": False, "cost_nano": 250_000_000},
    ),
    "helicone": (
        {
            "request_created_at": ISO, "delay_ms": 900, "prompt_tokens": 10, "prompt_cache_read_tokens": 70,
            "completion_tokens": 5, "provider": "ANTHROPIC", "request_model": "claude-haiku-4-5",
            "request_properties": {"workflow": "w"}, "response_status": 429, "request_body": {"stream": True},
            "cache_reference_id": "9f0c8a34-0000-4000-8000-000000000000",
        },
        {"input": 80, "cached": 70, "seconds": 0.9, "ok": False, "stream": True, "lane": "cache", "workflow": "w"},
    ),
    "openai_usage": (
        {
            "object": "page",
            "data": [
                {"object": "bucket", "start_time": NOON, "results": []},
                {"object": "bucket", "start_time": NOON, "results": [{
                    "input_tokens": 80, "input_cached_tokens": 70, "output_tokens": 5, "num_model_requests": 9,
                    "project_id": "p", "model": "gpt-5", "batch": True, "service_tier": "default"}]},
            ],
        },
        {"at": NOON, "n": 9, "input": 80, "lane": "batch", "aggregate": True, "workflow": "p"},
    ),
    "openai_costs": (
        {"object": "bucket", "start_time": NOON, "results": [
            {"amount": {"value": 1.5, "currency": "usd"}, "line_item": "gpt-5, output", "project_id": "p"}]},
        {"n": None, "input": None, "cost_nano": 1_500_000_000, "model": "gpt-5", "aggregate": True},
    ),
    "openai_stored": (
        {
            "object": "response", "created_at": NOON, "completed_at": NOON + 2, "model": "gpt-5", "background": True,
            "usage": {"input_tokens": 80, "input_tokens_details": {"cached_tokens": 70}, "output_tokens": 5},
            "metadata": {"workflow": "w"}, "output": [{"type": "message"}],
        },
        {"at": NOON, "input": 80, "cached": 70, "lane": "background", "seconds": 2.0, "workflow": "w"},
    ),
    "openai_logs": (
        {"timestamp": int(NOON * 1e6), "input": "what\u2028is\u0085it", "output": "that", "session_id": "s"},
        {"at": NOON, "session": "s", "input": None, "model": None, "prompt_bytes": 13, "answer_bytes": 4},
    ),
    "anthropic_usage": (
        {"data": [{"starting_at": ISO, "results": [{
            "model": "claude-haiku-4-5", "service_tier": "batch", "uncached_input_tokens": 3, "output_tokens": 5,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
            "cache_read_input_tokens": 70, "workspace_id": "w"}]}]},
        {"at": NOON, "n": None, "input": 80, "cache_write": 7, "cache_write_1h": 4, "lane": "batch", "aggregate": True},
    ),
    "anthropic_messages": (
        {"custom_id": "a", "result": {"type": "succeeded", "message": {
            "type": "message", "model": "claude-haiku-4-5", "content": [], "usage": USAGE}}},
        {"input": 80, "cached": 70, "cache_write": 7, "output": 5, "lane": "batch", "at": None},
    ),
    "otlp": (
        otlp(
            span("a", "", gen_ai__operation__name="invoke_agent", gen_ai__usage__input_tokens=999),
            span("b", "a", gen_ai__request__model="gpt-5", gen_ai__usage__input_tokens=500),
            span(
                "c", "b", gen_ai__system="openai", gen_ai__request__model="gpt-5", gen_ai__usage__prompt_tokens=80,
                gen_ai__usage__completion_tokens=5, gen_ai__request__stream=True, user__id="u", session__id="s",
            ),
            span("d", "c", http__method="POST"),
        ),
        {"at": NOON, "input": 80, "output": 5, "seconds": 2.5, "stream": True, "workflow": "digest", "user_name": "u"},
    ),
    "openinference": (
        {
            "name": "x", "context": {"trace_id": "t", "span_id": "a"}, "start_time": ISO,
            "end_time": "2026-03-02T14:00:01+02:00",
            "attributes": {
                "openinference.span.kind": "LLM", "llm.provider": "azure", "llm.model_name": "gpt-4o",
                "llm.token_count.prompt": 80, "llm.token_count.prompt_details.cache_read": 70,
                "llm.token_count.completion": 5, "tag.tags": ["x"], "metadata": '{"workflow": "w"}',
            },
        },
        {"at": NOON, "seconds": 1.0, "input": 80, "cached": 70, "provider": "azure", "tags": ["x"], "workflow": "w"},
    ),
    "langsmith": (
        {
            "id": "a", "run_type": "llm", "trace_id": "t", "start_time": "2026-03-02T12:00:00", "tags": [],
            "end_time": "2026-03-02T12:00:02", "first_token_time": "2026-03-02T12:00:01", "session_id": "project",
            "extra": {"metadata": {"ls_provider": "google_genai", "ls_model_name": "gemini-2.5-pro", "thread_id": "s"}},
            "outputs": {"usage_metadata": {"input_tokens": 80, "output_tokens": 5}}, "error": "late",
        },
        {
            "at": NOON, "provider": "gemini", "input": 80, "session": "s", "stream": True, "first_token_seconds": 1.0,
            "ok": False,
        },
    ),
    "langsmith_ingest": (
        {
            "post": [{"dotted_order": "1", "id": "a", "run_type": "llm", "start_time": int(NOON * 1000),
                      "inputs": {"model": "gpt-5", "messages": [1]}, "extra": {"metadata": {"ls_provider": "openai"}}}],
            "patch": [{"dotted_order": "1", "end_time": int(NOON * 1000) + 500,
                       "outputs": {"usage": {"prompt_tokens": 80, "completion_tokens": 5}}}],
        },
        {"at": NOON, "seconds": 0.5, "model": "gpt-5", "input": 80, "output": 5},
    ),
    "portkey": (
        {
            "created_at": ISO, "ai_org": "anthropic", "ai_model": "claude-haiku-4-5", "req_units": 80, "res_units": 5,
            "cost": 25, "response_time": 900, "is_success": True, "prompt_slug": "w", "metadata": {"_user": "u"},
            "response": {"usage": {"cache_read_input_tokens": 70}}, "request": {"stream": True},
        },
        {"cost_nano": 250_000_000, "cached": 70, "seconds": 0.9, "workflow": "w", "user_name": "u", "stream": True},
    ),
    "openrouter": (
        {
            "created_at": "2026-03-02 12:00:00.0", "model_permaslug": "openai/gpt-5", "provider_name": "OpenAI",
            "tokens_prompt": "80", "tokens_cached": "70", "tokens_completion": "5", "cost_total": "0.25",
            "generation_time_ms": "900",
        },
        {"at": NOON, "model": "gpt-5", "provider": "openai", "input": 80, "cost_nano": 250_000_000, "seconds": 0.9},
    ),
    "bedrock": (
        {
            "schemaType": "ModelInvocationLog", "timestamp": ISO, "operation": "InvokeModel",
            "modelId": "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            "identity": {"arn": "arn:aws:sts::1:assumed-role/nightly/fn"},
            "input": {"inputTokenCount": 3, "cacheReadInputTokenCount": 70, "cacheWriteInputTokenCount": 7},
            "output": {"outputTokenCount": 5},
        },
        {"model": "claude-haiku-4-5-20251001", "input": 80, "cache_write": 7, "workflow": "nightly", "stream": False},
    ),
    "azure_apim": (
        {"TimeGenerated": ISO, "ModelName": "gpt-4o", "DeploymentName": "d", "PromptTokens": 80, "CompletionTokens": 5,
         "IsStreamCompletion": True},
        {"provider": "azure", "input": 80, "stream": True, "workflow": "d", "cached": None},
    ),
    "azure_openai": (
        {"TimeGenerated": ISO, "Category": "RequestResponse", "DurationMs": 900, "ResultSignature": "429",
         "properties_s": json.dumps({"modelName": "gpt-4o", "streamType": "Streaming", "modelDeploymentName": "d"})},
        {"input": None, "model": "gpt-4o", "stream": True, "ok": False, "seconds": 0.9, "workflow": "d"},
    ),
    "cloudflare": (
        {"result": [{"created_at": ISO, "provider": "workers-ai", "model": "@cf/x", "tokens_in": 80, "tokens_out": 5,
                     "cached": True, "duration": 900, "metadata": '{"workflow": "w"}', "success": True}]},
        {"lane": "cache", "input": 80, "cached": None, "workflow": "w", "seconds": 0.9},
    ),
    "claude_code": (
        {"type": "assistant", "timestamp": ISO, "sessionId": "s", "requestId": "r", "cwd": "/home/me/shop",
         "message": {"id": "m", "model": "claude-haiku-4-5", "usage": USAGE}},
        {"input": 80, "cached": 70, "cache_write": 7, "workflow": "shop", "session": "s", "agent": "claude-code"},
    ),
    "aider": (
        {"event": "message_send", "properties": {"main_model": "openrouter/openai/gpt-5", "prompt_tokens": 80,
         "completion_tokens": 5, "cost": 0.25}, "user_id": "u", "time": int(NOON)},
        {"at": NOON, "model": "gpt-5", "input": 80, "cost_nano": 250_000_000, "user_name": "u"},
    ),
    "lanewise": (
        {
            "charged_at": ISO, "workflow": "w", "provider": "openai", "model": "gpt-5", "lane": "batch", "answers": 2,
            "input_tokens": 3, "cache_read_tokens": 70, "cache_write_5m_tokens": 7, "cache_write_1h_tokens": 0,
            "cache_write_other_tokens": 0, "output_tokens": 5, "cost_usd": "0.25", "baseline_usd": "0.5",
        },
        {"n": 2, "input": 80, "cached": 70, "lane": "batch", "cost_nano": 250_000_000, "aggregate": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_record_becomes_one_normal_row(name: str, read: Reader) -> None:
    record, expect = RECORDS[name]
    suffix = "csv" if name == "openrouter" else "jsonl"
    (row,) = read(record, name=f"log.{suffix}")
    assert row["format"] == name
    assert {column: row[column] for column in expect} == expect


def test_every_format_has_a_record_here() -> None:
    assert set(RECORDS) == {one.name for one in all_formats()}


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_format_is_recognised_by_its_records_and_not_by_those_of_others(name: str) -> None:
    found = recognise([RECORDS[name][0]])
    assert found is not None
    assert found.format == named(name)


@pytest.mark.parametrize("name", ["litellm", "helicone", "lanewise", "azure_openai", "cloudflare"])
def test_tables_are_read_like_lines(name: str, read: Reader) -> None:
    record, expect = RECORDS[name]
    flat = record["result"][0] if name == "cloudflare" else record
    (row,) = read(flat, name="log.csv")
    assert {column: row[column] for column in expect} == expect


USAGES: Final = [  # kinds of tokens as Langfuse has them, and what they are in all: input, cached, output
    ({"input": 10, "input_cache_read": 70, "output": 5, "output_reasoning": 6, "total": 91}, (80, 70, 11)),
    ({"input": 80, "prompt_details.cache_read": 70, "output": 11, "completion_details.reasoning": 6, "total": 91},
     (80, 70, 11)),
    ({"input": 10, "cache_read_input_tokens": 70, "output": 11, "output_reasoning": 6, "total": 91}, (80, 70, 11)),
    ({"input": 80, "input_cache_read": 70, "output": 5, "output_reasoning": 6, "total": 91}, (80, 70, 11)),
    ({"input": 80, "prompt_details.cache_read": 70, "output": 11}, (80, 70, 11)),
    ({"input": 10, "cache_read_input_tokens": 70, "output": 11}, (80, 70, 11)),
    ({"input": 80, "output": 11, "total": 91}, (80, None, 11)),
]  # fmt: skip


@pytest.mark.parametrize(("usage", "tokens"), USAGES)
def test_langfuse_says_by_its_total_what_comes_on_top(
    usage: dict[str, int], tokens: tuple[int, int | None, int], read: Reader
) -> None:
    (row,) = read(RECORDS["langfuse"][0] | {"usageDetails": usage})
    assert (row["input"], row["cached"], row["output"]) == tokens


def test_lines_of_one_claude_code_request_are_counted_once(read: Reader) -> None:
    first = RECORDS["claude_code"][0]
    message = first["message"]
    later = first | {"message": message | {"usage": message["usage"] | {"output_tokens": 9}}}
    other = first | {"requestId": "r2", "message": message | {"id": "m2"}}
    rows = read({"type": "summary", "summary": "x"}, first, later, other)
    assert sorted(row["output"] for row in rows) == [5, 9]


def test_a_langsmith_chain_and_an_outer_llm_run_are_not_counted(read: Reader) -> None:
    run = RECORDS["langsmith"][0]
    rows = read(
        run | {"id": "chain", "run_type": "chain", "prompt_tokens": 500},
        run | {"id": "outer", "prompt_tokens": 400},
        run | {"id": "inner", "parent_run_id": "outer", "prompt_tokens": 80},
    )
    assert [row["input"] for row in rows] == [80]


def test_spans_of_several_services_in_one_line_keep_their_service(read: Reader) -> None:
    attributes = {"gen_ai__request__model": "gpt-5", "gen_ai__usage__input_tokens": 80}
    both = otlp(span("a", "", **attributes), service="one")
    both["resourceSpans"] += otlp(span("b", "", **attributes), service="two")["resourceSpans"]
    assert sorted(row["workflow"] for row in read(both)) == ["one", "two"]


def test_an_attribute_without_a_value_does_not_move_the_others(read: Reader) -> None:
    odd = span("a", "", gen_ai__request__model="gpt-5", gen_ai__usage__input_tokens=80)
    odd["attributes"].insert(0, {"key": "empty", "value": {}})
    (row,) = read(otlp(odd))
    assert (row["model"], row["input"]) == ("gpt-5", 80)
