"""From the text of a prompt to blocks: by the model's own tokens where they can be had, else by bytes.

What is kept of a text are hashes of pieces of sixteen tokens (or 64 bytes) each and how many there are; what
is left at its end has no block, so up to fifteen tokens of a shared prefix go unseen.
"""

from __future__ import annotations

from array import array
from typing import Final, NamedTuple

from lanewise.replay.blocks import of_bytes
from lanewise.tokens import Method
from lanewise.tokens.encodings import Encode, encoder
from lanewise.tokens.models import family

BLOCK_TOKENS: Final = 16
BLOCK_BYTES: Final = 64
_ID_BYTES: Final = 4


class Cut(NamedTuple):
    """A text in blocks. `tokens` are the model's, counted by `method`; what a log says is better."""

    blocks: bytes
    size: int
    block: int
    tokens: int
    method: Method


class Cutter:
    """Cuts the texts of one model.

    >>> cut = Cutter("gpt-4o").cut("The quick brown fox jumps over the lazy dog. " * 8)
    >>> cut.tokens, len(cut.blocks) // 8, cut.method.value
    (81, 5, 'exact')
    """

    def __init__(self, model: str) -> None:
        ways = family(model).ways
        found = next((way for way in ways if encoder(way.encoding)), None)
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
