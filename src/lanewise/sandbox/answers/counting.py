"""The sandbox's token rule: a quarter of the UTF-8 bytes, rounded up, plus framing.

No real tokenizer is meant: the rule is simple so that anyone can check a bill by hand.
"""

from typing import Any

import msgspec

PER_MESSAGE = 3
PER_REPLY = 3
PER_IMAGE = 85


def text_tokens(text: str) -> int:
    """Tokens of a plain text; an empty text has none."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return (size + 3) // 4


def json_tokens(value: object) -> int:
    """Tokens of a value written as compact JSON: tools, schemas, tool arguments."""
    return (len(msgspec.json.encode(value)) + 3) // 4


def content_tokens(content: Any) -> int:
    """Tokens of a message's content: a string, a list of parts, or nothing."""
    if isinstance(content, str):
        return text_tokens(content)
    return sum(part_tokens(part) for part in content) if isinstance(content, list) else 0


def part_tokens(part: Any) -> int:
    """Tokens of one part: its text; an image counts flat, anything else as JSON."""
    if not isinstance(part, dict):
        return json_tokens(part)
    text = part.get("text")
    if isinstance(text, str):
        return text_tokens(text)
    return PER_IMAGE if "image" in str(part.get("type")) else json_tokens(part)


def chat_tokens(messages: list[dict[str, Any]], extras: object = None) -> int:
    """Tokens of a conversation with its framing; `extras` are tools and schemas."""
    total = PER_REPLY + (json_tokens(extras) if extras else 0)
    for message in messages:
        total += PER_MESSAGE + content_tokens(message.get("content"))
        calls = message.get("tool_calls")
        if calls:
            total += json_tokens(calls)
    return total


def cut(text: str, tokens: int) -> str:
    """The beginning of `text` that fits into `tokens`; never half a character."""
    return text.encode("utf-8", "replace")[: tokens * 4].decode("utf-8", "ignore")
