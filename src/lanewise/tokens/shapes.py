"""The members of request bodies that carry text or say how much may be answered; all others are skipped."""

from __future__ import annotations

from typing import Final

import msgspec

ABSENT: Final = msgspec.Raw()


class Source(msgspec.Struct, gc=False):
    """Of an Anthropic image or document."""

    type: str = ""
    data: msgspec.Raw = ABSENT  # base64 or text
    content: msgspec.Raw = ABSENT


class Part(msgspec.Struct, gc=False):
    """A piece of content, in any of the three dialects of messages."""

    type: str = "text"
    text: str | None = None
    refusal: str | None = None
    thinking: str | None = None
    title: str | None = None
    context: str | None = None
    name: str | None = None
    source: Source | None = None
    input: msgspec.Raw = ABSENT  # arguments of a tool call
    content: msgspec.Raw = ABSENT  # what a tool answered


class Function(msgspec.Struct, gc=False):
    """What a call names."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, gc=False):
    """A tool call of a chat."""

    function: Function | None = None


class Message(msgspec.Struct, gc=False):
    """A message, or any other item of the input of a response."""

    content: str | list[Part] | None = None
    name: str | None = None
    type: str = "message"
    tool_calls: list[Call] | None = None
    function_call: Function | None = None
    arguments: str | None = None
    output: msgspec.Raw = ABSENT


class Chat(msgspec.Struct, gc=False):
    """/v1/chat/completions."""

    messages: list[Message]
    tools: msgspec.Raw = ABSENT
    functions: msgspec.Raw = ABSENT
    response_format: msgspec.Raw = ABSENT
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    n: int | None = None


class Messages(msgspec.Struct, gc=False):
    """/v1/messages."""

    messages: list[Message]
    system: str | list[Part] | None = None
    tools: msgspec.Raw = ABSENT
    output_config: msgspec.Raw = ABSENT
    max_tokens: int | None = None


class Responses(msgspec.Struct, gc=False):
    """/v1/responses."""

    input: str | list[Message] | None = None
    instructions: str | None = None
    tools: msgspec.Raw = ABSENT
    text: msgspec.Raw = ABSENT
    prompt: msgspec.Raw = ABSENT
    previous_response_id: str | None = None
    conversation: msgspec.Raw = ABSENT
    max_output_tokens: int | None = None


class Completions(msgspec.Struct, gc=False):
    """/v1/completions."""

    prompt: str | list[str | int | list[int]]
    suffix: str | None = None
    max_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None


class Embeddings(msgspec.Struct, gc=False):
    """/v1/embeddings."""

    input: str | list[str | int | list[int]]


class Moderations(msgspec.Struct, gc=False):
    """/v1/moderations."""

    input: str | list[str | Part]
