"""Answers in the shape of POST /v1/responses."""

from typing import Any

import msgspec

from lanewise.sandbox.answers import checks, counting
from lanewise.sandbox.answers.cache import PromptCache
from lanewise.sandbox.answers.chat import TIERS, source_of, structure, text_of_messages, written
from lanewise.sandbox.answers.kinds import Answer, Tokens
from lanewise.sandbox.answers.names import canonical, identifier, is_reasoning
from lanewise.sandbox.answers.schema import instance
from lanewise.sandbox.answers.thinking import reasoning_tokens
from lanewise.sandbox.answers.tools import forced


def answer(
    body: dict[str, Any], *, id_seed: str, created: int, lane: str, cache: PromptCache | None
) -> Answer:
    """A completed (or, for want of room, incomplete) response."""
    checks.shapes(body)
    model, messages = checks.model(body), _messages(body)
    limit = checks.whole(body, "max_output_tokens", 16)  # at least 16 [documented]
    checks.number(body, "temperature", 0, 2)
    prompt_tokens = counting.chat_tokens(
        messages, [x for x in (body.get("tools"), body.get("text")) if x]
    )
    effort = (body.get("reasoning") or {}).get("effort")
    thought = reasoning_tokens(model, prompt_tokens, effort, limit)
    item, tokens, complete = _item(
        body, messages, None if limit is None else limit - thought, id_seed
    )
    cached = (
        cache.openai(
            model, text_of_messages(messages), prompt_tokens, now=created, lane=lane, seed=id_seed
        )
        if cache
        else 0
    )
    billed = Tokens(prompt_tokens - cached, cached, 0, 0, tokens + thought, thought)
    output = [*_reasoning(model, id_seed), *([item] if item else [])]
    return Answer(
        _envelope(
            body, model, output, billed, complete=complete, seed=id_seed, created=created, lane=lane
        ),
        billed,
        canonical(model),
    )


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    given = body.get("input")
    if given is None:
        checks.missing("input")
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list):
        checks.wrong_type("input", "one of a string or array of objects", given)
    instructions = body.get("instructions")
    first = [{"role": "system", "content": instructions}] if isinstance(instructions, str) else []
    return checks.messages([*first, *map(_message, given)] if given else given, "input")


def _message(item: Any) -> Any:
    """An input item as a chat message; tool outputs count as what a user says."""
    if not isinstance(item, dict) or item.get("type", "message") == "message":
        return item
    kind = item["type"]
    text = (
        item.get("output")
        if kind == "function_call_output"
        else item.get("arguments", item.get("text"))
    )
    return {
        "role": "user" if kind == "function_call_output" else "assistant",
        "content": str(text or ""),
    }


def _item(
    body: dict[str, Any], messages: list[dict[str, Any]], room: int | None, seed: str
) -> tuple[dict[str, Any] | None, int, bool]:
    call = forced(body.get("tools"), body.get("tool_choice"), nested=False)
    source = source_of(messages)
    if call:
        arguments = msgspec.json.encode(instance(call.schema, source)).decode()
        return (
            _call(call.name, arguments, seed),
            counting.text_tokens(arguments + call.name) + 4,
            True,
        )
    text = written(source, _structure(body.get("text")), 0)
    tokens = counting.text_tokens(text) + 1
    if room is None or tokens <= room:
        return _message_item(text, "completed", seed), tokens, True
    if room <= 0:
        return None, 0, False
    return _message_item(counting.cut(text, room), "incomplete", seed), room, False


def _structure(text: Any) -> Any:
    """`text.format` is chat's response_format with its json_schema laid flat."""
    declared = text.get("format") if isinstance(text, dict) else None
    if not isinstance(declared, dict) or declared.get("type") != "json_schema":
        return structure(declared)
    if not isinstance(declared.get("name"), str):
        checks.missing("text.format.name")
    return declared.get("schema", True)


def _message_item(text: str, status: str, seed: str) -> dict[str, Any]:
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    return {
        "id": identifier("msg_", seed),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [part],
    }


def _call(name: str, arguments: str, seed: str) -> dict[str, Any]:
    return {
        "id": identifier("fc_", seed),
        "type": "function_call",
        "status": "completed",
        "arguments": arguments,
        "call_id": identifier("call_", seed),
        "name": name,
    }


def _reasoning(model: str, seed: str) -> list[dict[str, Any]]:
    return (
        [{"id": identifier("rs_", seed), "type": "reasoning", "summary": []}]
        if is_reasoning(model)
        else []
    )


def _envelope(
    body: dict[str, Any],
    model: str,
    output: list[dict[str, Any]],
    tokens: Tokens,
    *,
    complete: bool,
    seed: str,
    created: int,
    lane: str,
) -> dict[str, Any]:
    return {
        "id": identifier("resp_", seed),
        "object": "response",
        "created_at": created,
        "completed_at": created,
        "status": "completed" if complete else "incomplete",
        "background": bool(body.get("background", False)),
        "error": None,
        "incomplete_details": None if complete else {"reason": "max_output_tokens"},
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "model": canonical(model),
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": (body.get("reasoning") or {}).get("effort"), "summary": None},
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": TIERS.get(lane, "default"),
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_logprobs": body.get("top_logprobs", 0),
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation", "disabled"),
        "usage": usage(tokens),
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def usage(tokens: Tokens) -> dict[str, Any]:
    """Usage as the Responses API reports it."""
    return {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {"cached_tokens": tokens.cache_read, "cache_write_tokens": 0},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.prompt + tokens.output,
    }
