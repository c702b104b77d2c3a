"""What a request body asks for: its texts, the parts that are no texts, and how much may be answered.

One typed decoder for each endpoint; members that carry no text are skipped. A body that has a known
member in an unknown form is read loosely: every text in it is counted, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from lanewise.tokens.shapes import (
    Chat,
    Completions,
    Embeddings,
    Function,
    Message,
    Messages,
    Moderations,
    Part,
    Responses,
)


@dataclass(slots=True)
class Asked:
    """The countable and the uncountable of one request."""

    texts: list[str] = field(default_factory=list)
    schemas: list[str] = field(default_factory=list)  # tools and answer formats, as their JSON
    token_ids: int = 0  # given as tokens, not as text
    messages: int = 0
    inputs: int = 0  # of an embeddings request
    parts: dict[str, int] = field(default_factory=dict)  # not countable: kind -> how many
    output_limit: int | None = None  # tokens of one answer; None: the body sets none
    answers: int = 1
    no_output: bool = False
    old_limit: bool = False  # by `max_tokens` of a chat, which newer models refuse
    loose: bool = False  # read without knowing its form

    def part(self, kind: str) -> None:
        """Note one part that is no text."""
        self.parts[kind] = self.parts.get(kind, 0) + 1


_COMPLETION_TOKENS: Final = 16  # what this endpoint answers at most where nothing is said
_parts_or_text = msgspec.json.Decoder(str | list[Part]).decode
_text = msgspec.json.Decoder(str).decode


def _there(raw: msgspec.Raw) -> bool:
    return len(raw) > 0 and bytes(memoryview(raw)[:4]) != b"null"


def _json(raw: msgspec.Raw) -> str:
    return bytes(raw).decode(errors="replace")


def _chat(raw: bytes, decode: Callable[[bytes], Chat]) -> Asked:
    body = decode(raw)
    limit = body.max_completion_tokens
    asked = Asked(
        output_limit=body.max_tokens if limit is None else limit, answers=max(body.n or 1, 1)
    )
    asked.old_limit = body.max_tokens is not None
    _add_messages(asked, body.messages)
    _add_schemas(asked, body.tools, body.functions, body.response_format)
    return asked


def _messages(raw: bytes, decode: Callable[[bytes], Messages]) -> Asked:
    body = decode(raw)
    asked = Asked(output_limit=body.max_tokens)
    _add_content(asked, body.system)
    _add_messages(asked, body.messages)
    _add_schemas(asked, body.tools, body.output_config)
    return asked


def _responses(raw: bytes, decode: Callable[[bytes], Responses]) -> Asked:
    body = decode(raw)
    asked = Asked(output_limit=body.max_output_tokens)
    if body.instructions:
        asked.texts.append(body.instructions)
        asked.messages += 1
    if isinstance(body.input, str):
        asked.texts.append(body.input)
        asked.messages += 1
    elif body.input:
        _add_messages(asked, body.input)
    _add_schemas(asked, body.tools, body.text)
    if _there(body.prompt):
        asked.part("stored prompt")
    if body.previous_response_id or _there(body.conversation):
        asked.part("earlier conversation")
    return asked


def _completions(raw: bytes, decode: Callable[[bytes], Completions]) -> Asked:
    body = decode(raw)
    limit = _COMPLETION_TOKENS if body.max_tokens is None else body.max_tokens
    asked = Asked(output_limit=limit)
    _add_inputs(asked, body.prompt)
    if body.suffix:
        asked.texts.append(body.suffix)
    asked.answers = max(body.n or 1, body.best_of or 1, 1) * max(asked.inputs, 1)
    return asked


def _embeddings(raw: bytes, decode: Callable[[bytes], Embeddings]) -> Asked:
    asked = Asked(no_output=True)
    _add_inputs(asked, decode(raw).input)
    return asked


def _moderations(raw: bytes, decode: Callable[[bytes], Moderations]) -> Asked:
    asked = Asked(no_output=True)
    given = decode(raw).input
    for item in [given] if isinstance(given, str) else given:
        if isinstance(item, str):
            asked.texts.append(item)
        else:
            _add_part(asked, item)
    return asked


def _add_inputs(asked: Asked, given: str | list[str | int | list[int]]) -> None:
    """Texts, or tokens, or one list of tokens."""
    if isinstance(given, str):
        given = [given]
    for item in given:
        if isinstance(item, str):
            asked.texts.append(item)
            asked.inputs += 1
        elif isinstance(item, int):
            asked.token_ids += 1
        else:
            asked.token_ids += len(item)
            asked.inputs += 1
    asked.inputs = asked.inputs or 1


def _add_messages(asked: Asked, messages: list[Message]) -> None:
    texts = asked.texts
    asked.messages += len(messages)
    for message in messages:
        content = message.content
        if isinstance(content, str):
            texts.append(content)
        elif content is not None:
            _add_content(asked, content)
        if message.name:
            texts.append(message.name)
            asked.token_ids += 1  # what announces it
        if message.tool_calls:
            for call in message.tool_calls:
                _add_call(asked, call.function)
        _add_call(asked, message.function_call)
        if message.arguments:
            texts.append(message.arguments)
        if _there(message.output):
            _add_answer(asked, message.output)
        if message.type == "item_reference":
            asked.part("earlier conversation")


def _add_call(asked: Asked, function: Function | None) -> None:
    if function is not None:
        asked.texts += [text for text in (function.name, function.arguments) if text]


def _add_content(asked: Asked, content: str | list[Part] | None) -> None:
    if isinstance(content, str):
        asked.texts.append(content)
        return
    for part in content or ():
        _add_part(asked, part)


_UNCOUNTABLE: Final = (
    ("image", "image"),
    ("input_audio", "audio"),
    ("audio", "audio"),
    ("file", "file"),
    ("input_file", "file"),
    ("document", "file"),
    ("container_upload", "file"),
    ("input_image", "image"),
    ("video", "video"),
)


def _add_part(asked: Asked, part: Part) -> None:
    said = (part.text, part.refusal, part.thinking, part.title, part.context, part.name)
    asked.texts += [text for text in said if text]
    if _there(part.input):
        asked.texts.append(_json(part.input))
    if _there(part.content):
        _add_answer(asked, part.content)
    if part.source is not None and part.source.type == "text" and _there(part.source.data):
        asked.texts.append(_text(part.source.data))
    elif part.source is not None and _there(part.source.content):
        _add_answer(asked, part.source.content)
    elif part.type != "text":
        kind = next((kind for start, kind in _UNCOUNTABLE if part.type.startswith(start)), None)
        if kind is not None:
            asked.part(kind)


def _add_answer(asked: Asked, raw: msgspec.Raw) -> None:
    """What a tool answered: a text, content parts, or any JSON."""
    try:
        _add_content(asked, _parts_or_text(raw))
    except msgspec.ValidationError:
        asked.texts.append(_json(raw))


def _add_schemas(asked: Asked, *raws: msgspec.Raw) -> None:
    asked.schemas += [_json(raw) for raw in raws if _there(raw)]


def _reader(
    kind: type[Any], read: Callable[[bytes, Any], Asked], *, no_output: bool = False
) -> Callable[[bytes], Asked]:
    decode = msgspec.json.Decoder(kind).decode

    def reading(raw: bytes) -> Asked:
        try:
            return read(raw, decode)
        except msgspec.ValidationError:
            asked = _loosely(raw)
            asked.no_output = no_output
            return asked

    return reading


def _loosely(raw: bytes) -> Asked:
    """Every text in the body; for forms that this module does not know."""
    asked = Asked(loose=True, messages=1)
    body = msgspec.json.decode(raw)
    asked.texts += _texts(body)
    limits = (
        body.get(name) for name in ("max_output_tokens", "max_completion_tokens", "max_tokens")
    )
    asked.output_limit = next((limit for limit in limits if isinstance(limit, int)), None)
    return asked


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if not value.startswith("data:"):  # an image or a file
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


READERS: Final[dict[str, Callable[[bytes], Asked]]] = {
    "/v1/chat/completions": _reader(Chat, _chat),
    "/v1/messages": _reader(Messages, _messages),
    "/v1/responses": _reader(Responses, _responses),
    "/v1/completions": _reader(Completions, _completions),
    "/v1/embeddings": _reader(Embeddings, _embeddings, no_output=True),
    "/v1/moderations": _reader(Moderations, _moderations, no_output=True),
}


def read(endpoint: str, body: bytes) -> Asked:
    r"""What a body for this endpoint asks.

    >>> asked = read(
    ...     "/v1/chat/completions", b'{"messages":[{"content":"Hi"}],"max_tokens":9,"n":2}'
    ... )
    >>> asked.texts, asked.messages, asked.output_limit, asked.answers
    (['Hi'], 1, 9, 2)

    Raises `msgspec.DecodeError` where the body is not JSON.
    """
    return READERS[endpoint](body)
