"""Answers in the shape of Anthropic's POST /v1/messages."""

from typing import Any

import msgspec

from lanewise.sandbox.answers import anthropic_checks as checks
from lanewise.sandbox.answers import counting
from lanewise.sandbox.answers.cache import Block, PromptCache, Split
from lanewise.sandbox.answers.chat import source_of, written
from lanewise.sandbox.answers.checks import anthropic as refuse
from lanewise.sandbox.answers.compose import Source
from lanewise.sandbox.answers.kinds import Answer, Invalid, Tokens
from lanewise.sandbox.answers.names import canonical, identifier
from lanewise.sandbox.answers.prompt import text_of
from lanewise.sandbox.answers.schema import instance

THINKING = "The sandbox looks for the sentences of the prompt that matter most."
TOOL_SYSTEM_TOKENS = 300  # about what the provider adds when tools are given [assumed]


def answer(
    body: dict[str, Any], *, id_seed: str, created: int, lane: str, cache: PromptCache | None
) -> Answer:
    """A message: text, or the forced tool's use, after thinking where that is on."""
    checks.request(body)
    try:
        return _answer(body, id_seed=id_seed, created=created, lane=lane, cache=cache)
    except Invalid as refusal:  # a schema's refusal comes worded for OpenAI's fields
        refuse(refusal.message)


def _answer(
    body: dict[str, Any], *, id_seed: str, created: int, lane: str, cache: PromptCache | None
) -> Answer:
    blocks = prompt_blocks(body)
    total = sum(block.tokens for block in blocks)
    split = (
        cache.anthropic(body["model"], blocks, now=created, lane=lane, seed=id_seed)
        if cache
        else Split()
    )
    content, thought, output, reason, sequence = _content(body, id_seed)
    unread = total - split.read - split.write_5m - split.write_1h
    tokens = Tokens(unread, split.read, split.write_5m, split.write_1h, output, thought)
    model = canonical(body["model"])
    envelope = {
        "id": identifier("msg_", id_seed),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": sequence,
        "usage": usage(tokens, lane),
    }
    return Answer(envelope, tokens, model)


def count_tokens(body: dict[str, Any]) -> int:
    """Input tokens as POST /v1/messages/count_tokens would say, by the sandbox's rule."""
    checks.prompt(body)
    return sum(block.tokens for block in prompt_blocks(body))


def prompt_blocks(body: dict[str, Any]) -> list[Block]:
    """The prompt in cache order: tools, system, messages; framing is part of each first block."""
    tools = body.get("tools") or []
    blocks = [_block(tool, "tool", counting.json_tokens(_plain(tool))) for tool in tools]
    if tools:
        blocks.insert(0, Block(b"tools", TOOL_SYSTEM_TOKENS))
    blocks += _content_blocks(body.get("system"), "system", 0)
    for message in body["messages"]:
        blocks += _content_blocks(message["content"], message["role"], counting.PER_MESSAGE)
    automatic = body.get("cache_control")
    if automatic and blocks:
        last = blocks[-1]
        blocks[-1] = Block(last.data, last.tokens, last.ttl or automatic.get("ttl", "5m"))
    return blocks


def _content_blocks(content: Any, role: str, framing: int) -> list[Block]:
    if isinstance(content, str):
        parts = [{"type": "text", "text": content}] if content else []
    else:
        parts = content or []
    made = [_block(part, role, counting.part_tokens(_plain(part))) for part in parts]
    if made and framing:
        made[0] = Block(made[0].data, made[0].tokens + framing, made[0].ttl)
    return made


def _block(part: dict[str, Any], role: str, tokens: int) -> Block:
    control = part.get("cache_control")
    data = role.encode() + msgspec.json.encode(_plain(part))
    return Block(data, tokens, control.get("ttl", "5m") if control else None)


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    return (
        {k: v for k, v in part.items() if k != "cache_control"} if "cache_control" in part else part
    )


def _content(
    body: dict[str, Any], seed: str
) -> tuple[list[dict[str, Any]], int, int, str, str | None]:
    system = {"role": "system", "content": text_of(body.get("system"))}
    source = source_of([system, *body["messages"]])
    thinking = _thinking(body, seed)
    thought = counting.text_tokens(THINKING) if thinking else 0
    room = body["max_tokens"] - thought
    tool = _forced(body)
    if tool:
        block = _tool_use(tool, source, seed)
        return (
            [*thinking, block],
            thought,
            thought + counting.json_tokens(block["input"]) + 20,
            "tool_use",
            None,
        )
    text, reason, sequence = _stopped(written(source, _schema(body), 0), body.get("stop_sequences"))
    output = counting.text_tokens(text) + 1
    if output > room:
        text, output, reason, sequence = counting.cut(text, room), room, "max_tokens", None
    return [*thinking, {"type": "text", "text": text}], thought, thought + output, reason, sequence


def _thinking(body: dict[str, Any], seed: str) -> list[dict[str, Any]]:
    asked = (body.get("thinking") or {}).get("type")
    if asked not in ("enabled", "adaptive") or body["max_tokens"] <= counting.text_tokens(THINKING):
        return []
    return [{"type": "thinking", "thinking": THINKING, "signature": identifier("", seed)}]


def _stopped(text: str, sequences: Any) -> tuple[str, str, str | None]:
    found = [(text.find(one), one) for one in sequences or () if one and one in text]
    if not found:
        return text, "end_turn", None
    at, sequence = min(found)
    return text[:at], "stop_sequence", sequence


def _forced(body: dict[str, Any]) -> dict[str, Any] | None:
    choice = body.get("tool_choice") or {}
    tools = [tool for tool in body.get("tools") or () if "input_schema" in tool]
    if choice.get("type") == "any":
        return next(iter(tools), None)
    return next((tool for tool in tools if tool["name"] == choice.get("name")), None)


def _tool_use(tool: dict[str, Any], source: Source, seed: str) -> dict[str, Any]:
    made = instance(tool["input_schema"], source)
    return {
        "type": "tool_use",
        "id": identifier("toolu_", seed),
        "name": tool["name"],
        "input": made,
    }


def _schema(body: dict[str, Any]) -> Any:
    declared = (body.get("output_config") or {}).get("format") or body.get("output_format")
    return declared.get("schema") if isinstance(declared, dict) else None


def usage(tokens: Tokens, lane: str) -> dict[str, Any]:
    """Usage as the Messages API reports it."""
    counted = {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.cache_write_5m + tokens.cache_write_1h,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write_5m,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
        "output_tokens": tokens.output,
        "service_tier": "batch" if lane == "batch" else "standard",
        "inference_geo": "global",
    }
    details = (
        {"output_tokens_details": {"thinking_tokens": tokens.reasoning}} if tokens.reasoning else {}
    )
    return counted | details
