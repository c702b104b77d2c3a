r"""From blocks of bytes to lines, at `\n` only, in memory bounded by the line limit.

`\r`, U+0085, U+2028 and U+2029 separate lines for `str.splitlines` but not for JSON Lines: the last
three are legal inside a JSON string, and the first is white space to JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Oversized(NamedTuple):
    """A line that was passed over because it is longer than the limit."""

    size: int  # bytes, without its newline
    limit: int


@dataclass(slots=True)
class _Held:
    """The beginning of a line whose end has not come yet; beyond the limit only its size is kept."""

    limit: int
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self.limit:
            self.pieces.clear()
        else:
            self.pieces.append(piece)

    def end(self) -> bytes | Oversized:
        line = Oversized(self.size, self.limit) if self.size > self.limit else b"".join(self.pieces)
        self.pieces.clear()
        self.size = 0
        return line


def split(blocks: Iterable[bytes], limit: int) -> Iterator[bytes | Oversized]:
    """The lines without their newlines. After a final newline there is no further, empty line."""
    held = _Held(limit)
    for block in blocks:
        start = 0
        while (end := block.find(b"\n", start)) >= 0:
            if held.size or end - start > limit:
                held.add(block[start:end])
                yield held.end()
            else:
                yield block[start:end]
            start = end + 1
        held.add(block[start:])
    if held.size:
        yield held.end()
