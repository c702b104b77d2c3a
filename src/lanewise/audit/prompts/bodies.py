"""Prompts as logs keep them, as the text that a model reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

_BODIES: Final = ("messages", "input", "prompt", "contents")
_SCHEMAS: Final = ("tools", "functions", "response_format")
_HEAD: Final = (*_SCHEMAS, "system", "instructions")
_TOLD: Final = ("role", "content", "parts", "text", "type", "cache_control")
_ASKING: Final = ("user", "human")
_TEXTS: Final = ("text", "input_text", "message")
_FIELDS: Final = ("role", "type", "content", "parts", "text")


def plain(prompt: str) -> str:
    r"""Messages or a body in JSON as one text; anything else, also JSON that is what is asked, as it is.

    >>> plain('[{"role": "user", "content": "line\\nline"}]')
    'user\n\nline\nline'
    >>> plain('{"orders": []}')
    '{"orders": []}'
    """
    found = _parsed(prompt)
    return prompt if found is None else text_of(found)


def text_of(asked: object) -> str:
    r"""A prompt as one text, in the order in which providers cache: tools, system prompt, messages.

    `asked` is a text, a list of messages, or a whole body. What is no text stands as its JSON.

    >>> text_of({"messages": [{"role": "user", "content": "Hi"}], "system": "Be kind."})
    'Be kind.\n\nuser\n\nHi'
    """
    return "\n\n".join(_pieces(asked))


def _pieces(asked: object) -> Iterator[str]:
    if isinstance(asked, str):
        yield asked
    elif isinstance(asked, list):
        for item in asked:
            yield from _said(item)
    elif isinstance(asked, Mapping):
        for name in (*_HEAD, *_BODIES):
            if asked.get(name):
                yield from _pieces(asked[name]) if name not in _SCHEMAS else (_json(asked[name]),)
    elif asked is not None:
        yield _json(asked)


def _said(item: object) -> Iterator[str]:
    """A message, or a part of one."""
    if not isinstance(item, Mapping):
        yield from _pieces(item)
        return
    if isinstance(role := item.get("role"), str):
        yield role
    told = item.get("content", item.get("parts", item.get("text")))
    if told is not None:
        yield from _pieces(told)
    rest = {key: value for key, value in item.items() if key not in _TOLD}
    if rest:
        yield _json(rest)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def asks_nothing(prompt: str) -> bool:
    r"""Whether the last message, or the whole prompt, is nothing but white space.

    >>> asks_nothing(
    ...     '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": " "}]'
    ... )
    True
    >>> (
    ...     asks_nothing("\n \t"),
    ...     asks_nothing("Hi"),
    ...     asks_nothing('[{"role": "user", "content": [{"type": "image"}]}]'),
    ... )
    (True, False, False)
    """
    found = _parsed(prompt)
    if found is None:
        return not prompt.strip()
    return _nothing(found)


def _parsed(prompt: str) -> object:
    """Messages or a body; None of what is neither."""
    if prompt[:1] not in ("[", "{"):
        return None
    try:
        found = msgspec.json.decode(prompt)
    except (msgspec.DecodeError, RecursionError):
        return None
    if isinstance(found, list):
        said = bool(found) and all(isinstance(one, Mapping) and _message(one) for one in found)
        return found if said else None
    return found if isinstance(found, dict) and any(name in found for name in _BODIES) else None


def _message(item: Mapping[str, object]) -> bool:
    return any(name in item for name in _FIELDS)


def _nothing(value: object) -> bool:
    """Of a list the last counts among messages; among parts, all do."""
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, list):
        items = (
            [value[-1]]
            if value and isinstance(value[-1], Mapping) and "role" in value[-1]
            else value
        )
        return all(_nothing(item) for item in items)
    if not isinstance(value, Mapping):
        return value is None
    if value.get("role", "user") not in _ASKING or value.get("type", "text") not in _TEXTS:
        return False
    names = [name for name in (*_BODIES, "content", "parts", "text") if name in value]
    return bool(names) and all(_nothing(value[name]) for name in names)
