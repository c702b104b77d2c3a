"""From a body to the beginning of its prompt that a provider would cache, and its hash.

Runs for every request at intake, so it reads no more than it must: a body too short to hold the model's
least prefix is not decoded at all.

Anthropic caches tools, then the system prompt, then messages, up to a breakpoint. One body does not say how
much of it others share, so the first place is taken at which the prefix is long enough: after the tools and
the system prompt, or else after the first of several blocks of the first user message. A place chosen
wrongly gives a hash that nobody shares, and nothing is done with it.

OpenAI caches by itself what prompts have in common from their first token on, from 1,024 tokens. What is
hashed is their first 5,632 characters, tools and answer format before the messages: 1,024 tokens at 5.5
characters each, which texts in no script reach (docs/decisions/caching.md). The prefix ends at whatever is no
text, so equal hashes are equal beginnings.

Sources: Anthropic's prompt caching guide of August 2026 (order, least prefixes, what may be marked), OpenAI's
of July 2026 (exact prefixes from 1,024 tokens; a key for gpt-5.6 and later).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256  # processors have instructions for it: quicker here than blake2b
from typing import Final

import msgspec

from lanewise.domain.caching import Breakpoint, Prefix, sets_own_caching
from lanewise.tokens.shapes import ABSENT

OPENAI_LEAST: Final = 1_024  # tokens
OPENAI_CHARACTERS: Final = 5_632  # which surely hold so many
_USUAL_LEAST: Final = 1_024
_LEAST: Final = (  # Claude models whose least prefix is another; the longest name that fits counts
    ("claude-opus-4-8", 1_024),
    ("claude-opus-4-7", 2_048),
    ("claude-opus-4-6", 4_096),
    ("claude-opus-4-5", 4_096),
    ("claude-haiku-4-5", 4_096),
    ("claude-opus-5", 512),
    ("claude-fable-5", 512),
    ("claude-mythos-5", 512),
)
_GPT: Final = re.compile(r"gpt-(\d+)(?:\.(\d+))?")


class _Block(msgspec.Struct, gc=False):
    type: str = "text"
    text: str | None = None


class _Said(msgspec.Struct, gc=False):
    role: str = ""
    content: str | list[_Block] | None = None


class _Unread(msgspec.Struct, gc=False):
    role: str = ""
    content: msgspec.Raw = ABSENT


class _Messages(msgspec.Struct, gc=False):
    messages: msgspec.Raw
    system: str | list[_Block] | None = None
    tools: msgspec.Raw = ABSENT
    tool_choice: msgspec.Raw = ABSENT
    thinking: msgspec.Raw = ABSENT
    output_config: msgspec.Raw = ABSENT


class _Chat(msgspec.Struct, gc=False):
    messages: list[_Said]
    tools: msgspec.Raw = ABSENT
    functions: msgspec.Raw = ABSENT
    response_format: msgspec.Raw = ABSENT


class _Responses(msgspec.Struct, gc=False):
    input: str | list[_Said] | None = None
    instructions: str | None = None
    tools: msgspec.Raw = ABSENT
    text: msgspec.Raw = ABSENT
    prompt: msgspec.Raw = ABSENT
    previous_response_id: str | None = None
    conversation: msgspec.Raw = ABSENT


_messages = msgspec.json.Decoder(_Messages).decode
_unread = msgspec.json.Decoder(list[_Unread]).decode
_blocks = msgspec.json.Decoder(list[_Block]).decode
_chat = msgspec.json.Decoder(_Chat).decode
_responses = msgspec.json.Decoder(_Responses).decode


def prefix_of(provider: str, endpoint: str, model: str, body: bytes) -> Prefix | None:
    r"""The prefix of a body that others may share; None where it is too short to be cached.

    A body that is no JSON, or not in the form of its endpoint, has none.

    >>> system = b"You answer in one word. " * 200
    >>> body = b'{"system":"%s","messages":[{"role":"user","content":"Hi"}]}' % system
    >>> prefix = prefix_of("anthropic", "/v1/messages", "claude-sonnet-5", body)
    >>> prefix.tokens, prefix.at.value, prefix.own
    (1200, 'system', False)
    >>> prefix_of("anthropic", "/v1/messages", "claude-haiku-4-5", body) is None
    True
    """
    try:
        if endpoint == "/v1/messages":
            return _marked(provider, model, body)
        if endpoint in _TEXTS:
            return _found(provider, endpoint, model, body)
    except msgspec.DecodeError:
        pass
    return None


@lru_cache(1_024)
def least_prefix(model: str) -> int:
    """The shortest prefix of a Claude model that is cached, in tokens.

    >>> [
    ...     least_prefix(name)
    ...     for name in ("claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5-20251001")
    ... ]
    [512, 1024, 4096]
    """
    name = model.lower().rpartition("/")[2]
    return next((least for start, least in _LEAST if name.startswith(start)), _USUAL_LEAST)


@lru_cache(1_024)
def wants_key(model: str) -> bool:
    """Whether this OpenAI model finds a prefix surely only with a key.

    >>> [
    ...     wants_key(name)
    ...     for name in ("gpt-5.6-sol", "gpt-6-astra", "gpt-5-mini", "gpt-4.1", "o4-mini")
    ... ]
    [True, True, False, False, False]
    """
    found = _GPT.match(model.lower())
    return found is not None and (int(found[1]), int(found[2] or 0)) >= (5, 6)


# -- marked by the body: Anthropic ----------------------------------------------------------------------
def _marked(provider: str, model: str, body: bytes) -> Prefix | None:
    least = least_prefix(model)
    if len(body) < least * 4:
        return None
    asked = _messages(body)
    texts = _system(asked.system)
    tokens = len(asked.tools) // 4 + sum(map(_tokens, texts))
    at = _after_head(asked, texts)
    if tokens < least:
        first = _first_block(asked.messages)
        if first is None or tokens + _tokens(first) < least:
            return None
        tokens += _tokens(first)
        texts.append(first)
        at = Breakpoint.BLOCK
    if at is None:
        return None
    own = sets_own_caching(body)
    settings = (asked.tools, asked.tool_choice, asked.thinking, asked.output_config)
    parts = (provider, model, at, "own" if own else "", *texts)
    return Prefix(_hash(settings, parts), tokens, at, own)


def _system(system: str | list[_Block] | None) -> list[str]:
    if not system:
        return []
    return [system] if isinstance(system, str) else [block.text or "" for block in system]


def _after_head(asked: _Messages, texts: list[str]) -> Breakpoint | None:
    """Where the tools and the system prompt end, if a breakpoint may stand there.

    An empty text may not be marked, nor a tool that is loaded when it is searched for.
    """
    if texts:
        return Breakpoint.SYSTEM if texts[-1].strip() else None
    return None if b'"defer_loading"' in bytes(asked.tools) else Breakpoint.TOOLS


def _first_block(messages: msgspec.Raw) -> str | None:
    """The first of several blocks of the first message, if it is the user's and a text."""
    said = _unread(messages)
    if not said or said[0].role != "user" or bytes(memoryview(said[0].content)[:1]) != b"[":
        return None
    blocks = _blocks(said[0].content)
    if len(blocks) < 2 or blocks[0].type != "text":
        return None
    text = blocks[0].text or ""
    return text if text.strip() else None


def _tokens(text: str) -> int:
    """A quarter of its characters, half where they are Chinese: rather too few than too many for Claude."""
    if text.isascii():
        return len(text) // 4
    return (len(text) + len(text.encode("utf-8", "surrogatepass"))) // 8


# -- found by the provider itself: OpenAI ---------------------------------------------------------------
def _found(provider: str, endpoint: str, model: str, body: bytes) -> Prefix | None:
    if len(body) < OPENAI_CHARACTERS:
        return None
    beginning = _TEXTS[endpoint](body)
    if len(beginning) < OPENAI_CHARACTERS:
        return None
    own = sets_own_caching(body)
    at = Breakpoint.KEY if wants_key(model) else Breakpoint.UNASKED
    parts = (provider, endpoint, model, "own" if own else "", beginning[:OPENAI_CHARACTERS])
    return Prefix(_hash((), parts), OPENAI_LEAST, at, own)


def _of_chat(body: bytes) -> str:
    asked = _chat(body)
    head = (asked.tools, asked.functions, asked.response_format)
    return _joined(head, None, asked.messages)


def _of_responses(body: bytes) -> str:
    asked = _responses(body)
    if asked.previous_response_id or len(asked.prompt) > 4 or len(asked.conversation) > 4:
        return ""  # it begins with what the provider keeps, more than the `null` of four letters
    said = [_Said("user", asked.input)] if isinstance(asked.input, str) else asked.input or []
    return _joined((asked.tools, asked.text), asked.instructions, said)


def _joined(head: tuple[msgspec.Raw, ...], instructions: str | None, said: list[_Said]) -> str:
    """The beginning of a prompt as one text, until it is long enough or something else than text comes."""
    parts = [bytes(raw).decode("utf-8", "replace") for raw in head]
    parts.append(instructions or "")
    size = sum(map(len, parts))
    for message in said:
        blocks = _plain(message)
        for block in blocks:
            if block.type not in ("text", "input_text", "output_text") or block.text is None:
                return "\0".join(parts)
            parts += (message.role, block.text)
            size += len(block.text)
            if size >= OPENAI_CHARACTERS:
                return "\0".join(parts)
        if not blocks:
            break
    return "\0".join(parts)


def _plain(message: _Said) -> list[_Block]:
    if isinstance(message.content, str):
        return [_Block("text", message.content)]
    return message.content or []


_TEXTS: Final = {"/v1/chat/completions": _of_chat, "/v1/responses": _of_responses}


def _hash(raws: tuple[msgspec.Raw, ...], texts: Iterable[str]) -> int:
    """64 bits; 0 is kept for "no prefix". The lengths keep parts from running into each other."""
    parts = [bytes(raw) for raw in raws]
    parts += [text.encode("utf-8", "surrogatepass") for text in texts]
    lengths = repr([len(part) for part in parts]).encode()
    digest = sha256(b"".join((lengths, *parts))).digest()
    return int.from_bytes(digest[:8], "little") or 1
