"""Put what a provider's prompt cache asks for into a body. Pure: bytes in, bytes out.

Values are passed on as they were written: numbers, the order of members and members that are not known here
stay. Only white space between the members that are opened is lost.

Sources: Anthropic's prompt caching guide (at most four breakpoints; one stands on a tool, a system block or a
content block; a system prompt given as a text is the same as one block of that text) and OpenAI's
(`prompt_cache_key`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from lanewise.domain.caching import Breakpoint, Marks, Ttl, sets_own_caching

_Members: TypeAlias = dict[str, msgspec.Raw]
_encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(_Members).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


def mark(body: bytes, marks: Marks) -> bytes:
    r"""The body with what `marks` names; as it was where its caller set the caching, or nothing fits.

    Marking what is marked changes nothing.

    >>> body = b'{"system":"Be brief.","max_tokens":1e2,"messages":[]}'
    >>> mark(body, Marks(Breakpoint.SYSTEM, ttl="1h")).decode()  # doctest: +NORMALIZE_WHITESPACE
    '{"system":[{"type":"text","text":"Be
    brief.","cache_control":{"type":"ephemeral","ttl":"1h"}}],"max_tokens":1e2,"messages":[]}'
    >>> mark(b'{"input":"Hi"}', Marks(Breakpoint.KEY, key="lw-1")).decode()
    '{"input":"Hi","prompt_cache_key":"lw-1"}'
    """
    if sets_own_caching(body):
        return body
    try:
        members = _members(body)
        if marks.key is not None:
            members["prompt_cache_key"] = msgspec.Raw(_encode(marks.key))
        elif not marks.at.marked or not _MARKERS[marks.at](members, _control(marks.ttl)):
            return body
    except msgspec.DecodeError:
        return body
    return _encode(members)


def _control(ttl: Ttl | None) -> msgspec.Raw:
    """Five minutes are what the provider takes where nothing is said."""
    life = b',"ttl":"1h"' if ttl == "1h" else b""
    return msgspec.Raw(b'{"type":"ephemeral"' + life + b"}")


def _tools(members: _Members, control: msgspec.Raw) -> bool:
    return _mark_item(members, "tools", -1, control)


def _system(members: _Members, control: msgspec.Raw) -> bool:
    system = members.get("system")
    if system is None:
        return False
    if not _starts(system, b'"'):
        return _mark_item(members, "system", -1, control)
    if not _text(system).strip():
        return False  # an empty text may not be marked
    block = {"type": msgspec.Raw(b'"text"'), "text": system, "cache_control": control}
    members["system"] = msgspec.Raw(_encode([block]))
    return True


def _block(members: _Members, control: msgspec.Raw) -> bool:
    messages = _items(members["messages"]) if "messages" in members else []
    if not messages:
        return False
    message = _members(messages[0])
    if not _mark_item(message, "content", 0, control):
        return False
    messages[0] = msgspec.Raw(_encode(message))
    members["messages"] = msgspec.Raw(_encode(messages))
    return True


def _mark_item(members: _Members, name: str, place: int, control: msgspec.Raw) -> bool:
    """Mark one item of a list; False where there is no such list, or it is empty."""
    listed = members.get(name)
    if listed is None or not _starts(listed, b"["):
        return False
    items = _items(listed)
    if not items:
        return False
    items[place] = msgspec.Raw(_encode(_members(items[place]) | {"cache_control": control}))
    members[name] = msgspec.Raw(_encode(items))
    return True


def _starts(raw: msgspec.Raw, with_what: bytes) -> bool:
    return bytes(memoryview(raw)[:1]) == with_what


_MARKERS: Final[dict[Breakpoint, Callable[[_Members, msgspec.Raw], bool]]] = {
    Breakpoint.TOOLS: _tools,
    Breakpoint.SYSTEM: _system,
    Breakpoint.BLOCK: _block,
}
