"""From the text of a prompt to blocks: by the model's own tokens where they can be had, else by bytes.

What is kept of a text are hashes of pieces of sixteen tokens (or 64 bytes) each and how many there are; what
is left at its end has no block, so up to fifteen tokens of a shared prefix go unseen.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from lanewise.replay.blocks import of_bytes
from lanewise.tokens import Method
from lanewise.tokens.encodings import Encode, encoder
from lanewise.tokens.models import family

BLOCK_TOKENS: Final = 16
BLOCK_BYTES: Final = 64
_ID_BYTES: Final = 4
_SCHEMAS: Final = ("tools", "functions", "response_format")
_HEAD: Final = (*_SCHEMAS, "system", "instructions")
_BODY: Final = ("messages", "input", "prompt", "contents")
_TOLD: Final = ("role", "content", "parts", "text", "type", "cache_control")


class Cut(NamedTuple):
    """A text in blocks. `tokens` are the model's, counted by `method`; what a log says is better."""

    blocks: bytes
    size: int
    block: int
    tokens: int
    method: Method


class Cutter:
    """Cuts the texts of one model. `quick`: by bytes, which is some ten times as fast and less exact.

    >>> cut = Cutter("gpt-4o").cut("The quick brown fox jumps over the lazy dog. " * 8)
    >>> cut.tokens, len(cut.blocks) // 8, cut.method.value
    (81, 5, 'exact')
    >>> Cutter("gpt-4o", quick=True).cut(
    ...     "The quick brown fox jumps over the lazy dog. " * 8
    ... ).method.value
    'bytes'
    """

    def __init__(self, model: str, *, quick: bool = False) -> None:
        ways = family(model).ways
        found = None if quick else next((way for way in ways if encoder(way.encoding)), None)
        self._way = found or ways[-1]  # by bytes
        self._encode: Encode | None = encoder(found.encoding) if found else None

    def cut(self, text: str) -> Cut:
        """The blocks of a text; nothing else of it is kept."""
        if self._encode is None:
            data = text.encode(errors="replace")
            blocks, size, block = of_bytes(data, BLOCK_BYTES), len(data), BLOCK_BYTES
            counted = -(-size // 4)
        else:
            ids = self._encode(text)
            blocks = of_bytes(array("I", ids).tobytes(), BLOCK_TOKENS * _ID_BYTES)
            counted, size, block = len(ids), len(ids), BLOCK_TOKENS
        return Cut(blocks, size, block, counted * self._way.ratio.likely // 100, self._way.method)


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
            yield from _message(item)
    elif isinstance(asked, Mapping):
        for name in (*_HEAD, *_BODY):
            if asked.get(name):
                yield from _pieces(asked[name]) if name not in _SCHEMAS else (_json(asked[name]),)
    elif asked is not None:
        yield _json(asked)


def _message(item: object) -> Iterator[str]:
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
