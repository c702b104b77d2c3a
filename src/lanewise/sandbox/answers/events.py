"""An answer as a stream: complete server-sent event frames in each provider's order."""

from collections.abc import Iterator
from typing import Any

import msgspec

from lanewise.sandbox.answers.kinds import Answer

PIECE = 24  # characters a delta
_BLANK: dict[str, dict[str, Any]] = {"message": {"content": []}, "function_call": {"arguments": ""}}
DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.encode


def stream_events(endpoint: str, answer: Answer, body: dict[str, Any]) -> Iterator[bytes]:
    """The frames of a streamed answer; `body` is the request, which may ask for usage."""
    if endpoint == "/v1/messages":
        return _messages(answer.body)
    if endpoint == "/v1/responses":
        return _responses(answer.body)
    return _chunks(answer.body, body)


def _data(event: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % _encode(event)


def _named(event: dict[str, Any]) -> bytes:
    return b"event: %b\n%b" % (event["type"].encode(), _data(event))


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))


def _chunks(whole: dict[str, Any], body: dict[str, Any]) -> Iterator[bytes]:
    """Chat and text completions: chunks, usage when asked for, then [DONE]."""
    chat = whole["object"] == "chat.completion"
    frame = {key: value for key, value in whole.items() if key not in ("choices", "usage")}
    frame["object"] = "chat.completion.chunk" if chat else "text_completion"
    with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    for choice in whole["choices"]:
        for step in _chat_steps(choice) if chat else _text_steps(choice):
            yield _data(frame | {"choices": [step]} | ({"usage": None} if with_usage else {}))
    if with_usage:
        yield _data(frame | {"choices": [], "usage": whole["usage"]})
    yield DONE


def _chat_steps(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    message = choice["message"]

    def step(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"index": choice["index"], "delta": delta, "logprobs": None, "finish_reason": finish}

    calls = message.get("tool_calls") or []
    yield step({"role": "assistant", "content": None if calls else "", "refusal": None})
    for piece in _pieces(message["content"] or ""):
        yield step({"content": piece})
    for number, call in enumerate(calls):
        first = {"index": number, **call, "function": {**call["function"], "arguments": ""}}
        yield step({"tool_calls": [first]})
        for piece in _pieces(call["function"]["arguments"]):
            yield step({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
    yield step({}, choice["finish_reason"])


def _text_steps(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for piece in _pieces(choice["text"]):
        yield {**choice, "text": piece, "finish_reason": None}
    yield {**choice, "text": ""}


def _responses(whole: dict[str, Any]) -> Iterator[bytes]:
    """Named events with sequence numbers, from response.created to the terminal one."""
    for number, event in enumerate(_response_events(whole)):
        yield _named(event | {"sequence_number": number})


def _response_events(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    begun |= {"completed_at": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(whole["output"]):
        yield from _item_events(item, index)
    yield {"type": f"response.{whole['status']}", "response": whole}


def _item_events(item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
    at = {"output_index": index}
    blank: dict[str, Any] = _BLANK.get(item["type"], {})
    opened = item | blank | ({"status": "in_progress"} if "status" in item else {})
    yield {"type": "response.output_item.added", **at, "item": opened}
    if item["type"] == "message":
        yield from _text_events(item, at | {"item_id": item["id"], "content_index": 0})
    if item["type"] == "function_call":
        yield from _argument_events(item, at | {"item_id": item["id"]})
    yield {"type": "response.output_item.done", **at, "item": item}


def _text_events(item: dict[str, Any], at: dict[str, Any]) -> Iterator[dict[str, Any]]:
    part = item["content"][0]
    yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
    for piece in _pieces(part["text"]):
        yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}


def _argument_events(item: dict[str, Any], at: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind = "response.function_call_arguments"
    for piece in _pieces(item["arguments"]):
        yield {"type": f"{kind}.delta", **at, "delta": piece}
    yield {"type": f"{kind}.done", **at, "name": item["name"], "arguments": item["arguments"]}


def _messages(whole: dict[str, Any]) -> Iterator[bytes]:
    """Anthropic: message_start, blocks with their deltas, message_delta, message_stop."""
    usage = whole["usage"]
    begun = {**whole, "content": [], "stop_reason": None, "stop_sequence": None}
    begun["usage"] = {**usage, "output_tokens": 1}
    yield _named({"type": "message_start", "message": begun})
    yield _named({"type": "ping"})
    for index, block in enumerate(whole["content"]):
        yield from (_named(event | {"index": index}) for event in _block_events(block))
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]}
    counted = {key: value for key, value in usage.items() if key.endswith(("tokens", "details"))}
    yield _named({"type": "message_delta", "delta": stop, "usage": counted})
    yield _named({"type": "message_stop"})


def _block_events(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    empty, deltas = _block_deltas(block)
    yield {"type": "content_block_start", "content_block": empty}
    for delta in deltas:
        yield {"type": "content_block_delta", "delta": delta}
    yield {"type": "content_block_stop"}


def _block_deltas(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
        return {**block, "text": ""}, deltas
    if block["type"] == "thinking":
        said = [{"type": "thinking_delta", "thinking": one} for one in _pieces(block["thinking"])]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*said, signed]
    written = _encode(block["input"]).decode()
    deltas = [{"type": "input_json_delta", "partial_json": one} for one in _pieces(written)]
    return {**block, "input": {}}, deltas
