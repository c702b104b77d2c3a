"""Answers in the shape of POST /v1/chat/completions."""

from typing import Any

import msgspec

from lanewise.sandbox.answers import checks, counting
from lanewise.sandbox.answers.cache import PromptCache
from lanewise.sandbox.answers.compose import Source, free_text, json_keys
from lanewise.sandbox.answers.kinds import Answer, Tokens
from lanewise.sandbox.answers.names import canonical, identifier, is_reasoning
from lanewise.sandbox.answers.prompt import read, text_of
from lanewise.sandbox.answers.schema import from_keys, instance
from lanewise.sandbox.answers.thinking import reasoning_tokens
from lanewise.sandbox.answers.tools import Call, forced

FINGERPRINT = "lanewise-sandbox"
TIERS = {"flex": "flex"}  # every other lane answers as "default" [assumed for batch]


def answer(
    body: dict[str, Any], *, id_seed: str, created: int, lane: str, cache: PromptCache | None
) -> Answer:
    """A chat completion; `n` choices, each billed."""
    checks.shapes(body)
    model, messages = checks.model(body), checks.messages(body.get("messages"))
    limit, count = _limits(body, model)
    source = source_of(messages)
    call = forced(body.get("tools"), body.get("tool_choice"), nested=True)
    prompt_tokens = counting.chat_tokens(messages, _extras(body))
    thought = reasoning_tokens(model, prompt_tokens, body.get("reasoning_effort"), limit)
    room = None if limit is None else limit - thought
    drafts = [_choice(source, body, call, index, room=room, seed=id_seed) for index in range(count)]
    output = sum(tokens for _, tokens in drafts) + thought * count
    cached = (
        cache.openai(
            model, text_of_messages(messages), prompt_tokens, now=created, lane=lane, seed=id_seed
        )
        if cache
        else 0
    )
    tokens = Tokens(prompt_tokens - cached, cached, 0, 0, output, thought * count)
    return Answer(
        _envelope(body, model, drafts, tokens, seed=id_seed, created=created, lane=lane),
        tokens,
        canonical(model),
    )


def source_of(messages: list[dict[str, Any]]) -> Source:
    """What a conversation is about: its system text and its last user text."""
    system = "\n".join(
        text_of(m.get("content")) for m in messages if m["role"] in ("system", "developer")
    )
    user = next((text_of(m.get("content")) for m in reversed(messages) if m["role"] == "user"), "")
    return Source(read(system, user or text_of(messages[-1].get("content"))))


def text_of_messages(messages: list[dict[str, Any]]) -> str:
    """The conversation as one text: what prefix caching compares."""
    return "\x1e".join(f"{m['role']}\x1f{text_of(m.get('content'))}" for m in messages)


def _limits(body: dict[str, Any], model: str) -> tuple[int | None, int]:
    old, new = checks.whole(body, "max_tokens", 1), checks.whole(body, "max_completion_tokens", 1)
    if old is not None and is_reasoning(model):
        checks.openai(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    checks.number(body, "temperature", 0, 2)
    checks.number(body, "top_p", 0, 1)
    return new if new is not None else old, checks.whole(body, "n", 1, 128) or 1


def _extras(body: dict[str, Any]) -> list[Any]:
    extras = [body.get("tools"), body.get("response_format")]
    return [extra for extra in extras if extra]


def _choice(
    source: Source,
    body: dict[str, Any],
    call: Call | None,
    index: int,
    *,
    room: int | None,
    seed: str,
) -> tuple[dict[str, Any], int]:
    if call:
        return _tool_choice(source, call, index, seed)
    text = written(source, structure(body.get("response_format")), index)
    tokens = counting.text_tokens(text) + 1
    finish = "stop"
    if room is not None and tokens > room:
        text, tokens, finish = counting.cut(text, max(room, 0)), max(room, 0), "length"
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text,
        "refusal": None,
        "annotations": [],
    }
    return {"index": index, "message": message, "logprobs": None, "finish_reason": finish}, tokens


def _tool_choice(source: Source, call: Call, index: int, seed: str) -> tuple[dict[str, Any], int]:
    arguments = msgspec.json.encode(instance(call.schema, source, index)).decode()
    function = {"name": call.name, "arguments": arguments}
    made = {"id": identifier("call_", f"{seed}{index}"), "type": "function", "function": function}
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "tool_calls": [made],
    }
    finish = (
        "tool_calls" if call.any else "stop"
    )  # a named function finishes with "stop" [observed]
    choice = {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
    return choice, counting.text_tokens(arguments) + counting.text_tokens(call.name) + 4


def structure(response_format: Any) -> Any:
    """The JSON schema an answer must keep to; True for any JSON object, None for free text."""
    if response_format is None:
        return None
    if not isinstance(response_format, dict):
        checks.wrong_type("response_format", "an object", response_format)
    kind = response_format.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        supported = "'json_object', 'json_schema', and 'text'"
        checks.openai(
            f"Invalid value: '{kind}'. Supported values are: {supported}.",
            "response_format.type",
            "invalid_value",
        )
    if kind != "json_schema":
        return True if kind == "json_object" else None
    declared = response_format.get("json_schema")
    if not isinstance(declared, dict):
        checks.missing("response_format.json_schema")
    if not isinstance(declared.get("name"), str):
        checks.missing("response_format.json_schema.name")
    return declared.get("schema", True)


def written(source: Source, schema: Any, variant: int) -> str:
    """The text of an answer: JSON that keeps to the schema, or free text."""
    keys = json_keys(source.prompt.instructions)
    if schema is None and not keys:
        return free_text(source, variant)
    if schema is None or schema is True:
        schema = from_keys(keys or ("answer",), source.prompt.instructions)
    return msgspec.json.encode(instance(schema, source, variant)).decode()


def usage(tokens: Tokens) -> dict[str, Any]:
    """Usage as chat and completions report it."""
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.prompt + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _envelope(
    body: dict[str, Any],
    model: str,
    drafts: list[tuple[dict[str, Any], int]],
    tokens: Tokens,
    *,
    seed: str,
    created: int,
    lane: str,
) -> dict[str, Any]:
    envelope = {
        "id": identifier("chatcmpl-", seed),
        "object": "chat.completion",
        "created": created,
        "model": canonical(model),
        "choices": [choice for choice, _ in drafts],
        "usage": usage(tokens),
        "service_tier": TIERS.get(lane, "default"),
        "system_fingerprint": FINGERPRINT,
    }
    return (
        envelope | {"metadata": body["metadata"]}
        if body.get("store") and "metadata" in body
        else envelope
    )
