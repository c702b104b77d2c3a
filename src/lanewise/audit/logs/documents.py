"""JSON read as a stream, value by value: of a document only what has not been taken yet is held."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from itertools import islice
from typing import Final

from lanewise.audit.logs.reading import LARGEST
from lanewise.intake.sources import BLOCK, blocks

_DECODER: Final = json.JSONDecoder()
_NEWLINES: Final = str.maketrans("\r\n", "  ")  # white space between tokens: texts have none


class Reader:
    """Where one is in a document. Signs between values are passed over with `skip`."""

    def __init__(self, path: str) -> None:
        self._rest = _texts(path)
        self._text = ""
        self._at = 0
        self._before = 0  # newlines in what is held no more

    @property
    def line(self) -> int:
        """The number of the line that it has come to."""
        return 1 + self._before + self._text.count("\n", 0, self._at)

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\r\n":
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def skip(self) -> None:
        """Pass over the character that `peek` showed."""
        self._at += 1

    def value(self) -> str:
        """The next value, on one line. Raises `ValueError` where there is none, and stays in front of it."""
        self.peek()
        while True:
            try:
                _, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError):
                if len(self._text) - self._at > LARGEST or not self._more():
                    raise ValueError from None
                continue
            if end < len(self._text) or not self._more():  # a number may go on
                found, self._at = self._text[self._at : end], end
                return found.translate(_NEWLINES)

    def _more(self) -> bool:
        """Take in more, at least as much as is held; False at the end."""
        held = self._text[self._at :]
        fresh = "".join(islice(self._rest, 1 + len(held) // BLOCK))
        if fresh:
            self._before += self._text.count("\n", 0, self._at)
            self._text, self._at = held + fresh, 0
        return bool(fresh)


def _texts(path: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for block in blocks(path):
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)
