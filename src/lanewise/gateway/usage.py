"""What an answer used, read on its way to the client: from JSON, or from the events of a stream."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

from lanewise.domain.results import ResultLine
from lanewise.domain.usage import Usage
from lanewise.providers import registry

_MOST_LINE: Final = (
    16 * 1024 * 1024
)  # bytes of an answer, or of one event, that is read for its usage
_MOST_HELD: Final = 1024 * 1024  # bytes that a client waits for the end of an event
_MOST_TOKENS: Final = 1 << 40  # what says more is no count of tokens
_MOST_NAME: Final = 200  # characters of a model's name
_USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')  # within texts the quotes are escaped
_NO_CHOICES: Final = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_EVENT: Final = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")
_FRAMES: Final = {
    "openai": (b'{"custom_id":"","response":{"status_code":200,"body":', b"}}"),
    "anthropic": (b'{"custom_id":"","result":{"type":"succeeded","message":', b"}}"),
}
ASK_FOR_USAGE: Final = b'"stream_options":{"include_usage":true}}'


class Told(NamedTuple):
    """What an answer says of itself; `usage` is None where it says nothing that can be counted."""

    model: str = ""
    usage: Usage | None = None
    tier: str = ""  # the provider's word for how it was processed
    response: str = ""  # the id under which the provider keeps it, where that was asked for


def told(provider: str, body: bytes) -> Told:
    """Read an answer as the batch lane reads the one in a result line.

    >>> found = told("openai", b'{"model":"m","usage":{"prompt_tokens":3,"completion_tokens":4}}')
    >>> found.model, found.usage.input, found.usage.output
    ('m', 3, 4)
    >>> told("openai", b"<html>").usage is None
    True
    """
    before, after = _FRAMES[provider]
    found = registry.unwrap(provider)(before + body + after)
    if not isinstance(found, ResultLine):
        return Told()
    return Told(found.model[:_MOST_NAME], _countable(found.usage), found.service_tier)


def _countable(usage: Usage | None) -> Usage | None:
    if usage is None:
        return None
    parts = (
        usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h,
        usage.cache_write_other, usage.output, usage.reasoning,
    )  # fmt: skip
    return usage if min(parts) >= 0 and max(parts) < _MOST_TOKENS else None


class _Kept(msgspec.Struct):
    id: str = ""


_kept: Final = msgspec.json.Decoder(_Kept).decode


def response_of(body: bytes) -> str:
    """The id of a response; empty where it has none, or one that cannot be.

    >>> response_of(b'{"id": "resp_1", "object": "response"}'), response_of(b"<html>")
    ('resp_1', '')
    """
    try:
        return _kept(body).id[:_MOST_NAME]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


class WholeReader:
    """Keeps an answer that comes as one JSON document; `named`: its id is wanted."""

    def __init__(self, provider: str, *, named: bool = False) -> None:
        self._provider, self._named = provider, named
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, part: bytes) -> bytes:
        """Take in what passes; returns what is to be sent on."""
        self._size += len(part)
        if self._size <= _MOST_LINE:
            self._parts.append(part)
        return part

    def rest(self) -> bytes:
        """What was held back."""
        return b""

    def told(self) -> Told:
        """What it says; nothing where it is too long to keep."""
        if self._size > _MOST_LINE:
            return Told()
        body = b"".join(self._parts)
        found = told(self._provider, body)
        return found._replace(response=response_of(body)) if self._named else found


class StreamReader:
    r"""Looks for the usage in server-sent events.

    `ours`: the usage was asked for by lanewise and not by the client, who is not shown the event of it;
    `named`: the id of the response is wanted.

    >>> reader = StreamReader("openai", ours=True)
    >>> reader.feed(b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\ndata: [DONE]\n\n')
    b'data: [DONE]\n\n'
    >>> reader.told().usage.input
    1
    """

    def __init__(self, provider: str, *, ours: bool = False, named: bool = False) -> None:
        self._provider, self._named = provider, named
        self._ours = ours
        self._held: list[bytes] = []  # the beginning of an event, or of a line
        self._size = 0
        self._first = self._last = b""  # lines with usage

    def feed(self, part: bytes) -> bytes:
        """Take in what passes; returns what is to be sent on."""
        end = self._end(part)
        if not end:
            self._hold(part)
            return self._let_go() if self._ours else part
        data = b"".join((*self._held, part[:end]))
        self._held, self._size = [], 0
        self._remember(data)
        if end < len(part):
            self._hold(part[end:])
        return self._shown(data) + self._let_go() if self._ours else part

    def _let_go(self) -> bytes:
        """What was held back for too long: no event of a provider is that long."""
        if self._size <= _MOST_HELD:
            return b""
        self._ours, data = False, b"".join(self._held)
        return data

    def rest(self) -> bytes:
        """What was held back and is no whole event."""
        data, self._held = b"".join(self._held), []
        return data if self._ours else b""

    def told(self) -> Told:
        """What the stream said; the last word counts."""
        try:
            return self._told()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Told()

    def _end(self, part: bytes) -> int:
        """Where the last whole event, or line, ends in `part`; 0 where none does."""
        if not self._ours:
            return _after(part, b"\n")
        before = b"".join(self._held)[-3:]  # what ends an event may come in two parts
        return max(_after(before + part, b"\n\n", b"\r\n\r\n") - len(before), 0)

    def _hold(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= _MOST_LINE:
            self._held.append(part)
        else:
            self._held = []

    def _shown(self, data: bytes) -> bytes:
        """What the client is shown of whole events."""
        if not self._ours or _USAGE.search(data) is None:
            return data
        events = _EVENT.split(data)
        return b"".join(
            event for event in events if not (_USAGE.search(event) and _NO_CHOICES.search(event))
        )

    def _remember(self, data: bytes) -> None:
        if _USAGE.search(data) is None:
            return
        for line in data.split(b"\n"):
            if line.startswith(b"data:") and _USAGE.search(line):
                self._last = line[5:]
                self._first = self._first or self._last

    def _told(self) -> Told:
        if not self._last:
            return Told()
        first, last = _decode(self._first), _decode(self._last)
        if first.message == _NOTHING:
            body = self._last if last.response == _NOTHING else bytes(last.response)
            found = told(self._provider, body)
            return found._replace(response=response_of(body)) if self._named else found
        # Anthropic says the input with the beginning, and the output, in sums, with each delta
        message = msgspec.json.decode(first.message, type=dict[str, msgspec.Raw])
        used = _members(message.get("usage", _NOTHING)) | _members(last.usage)
        return told(self._provider, msgspec.json.encode(message | {"usage": used}))


def _after(data: bytes, *marks: bytes) -> int:
    """Behind the last of any of the marks; 0 where there is none."""
    return max(at + len(mark) if (at := data.rfind(mark)) >= 0 else 0 for mark in marks)


_NOTHING: Final = msgspec.Raw(b"null")


class _Event(msgspec.Struct):
    message: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING
    usage: msgspec.Raw = _NOTHING


_decode: Final = msgspec.json.Decoder(_Event).decode


def _members(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The members of an object that say something."""
    found = {} if raw == _NOTHING else msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    return {name: value for name, value in found.items() if value != _NOTHING}
