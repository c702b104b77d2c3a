"""Reads HTTP/1.1 responses as their bytes arrive (RFC 9112); no I/O.

Strict where leniency lets two readers of one stream disagree: a response whose end is said twice, or in a
way that is not known here, is garbled, and so is everything that comes after it on its connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes]]  # names in lower case, in the order they came

MOST_HEAD: Final = 64 * 1024  # bytes of a status line with its headers
_MOST_INTERIM: Final = 8  # 1xx responses before the one that counts
_MOST_SIZE_LINE: Final = (
    1_024  # bytes of a chunk's size with its extensions, which mean nothing here
)
_END: Final = b"\r\n\r\n"
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*)?\r\n")
_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*)\r\n")
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\0]*)?\r\n")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")


class Garbled(Exception):
    """What came is not a response; the message says why and holds nothing of it."""


class _At(Enum):
    HEAD = "head"
    LENGTH = "length"
    SIZE = "size"
    CHUNK = "chunk"
    CHUNK_END = "chunk end"
    TRAILER = "trailer"
    CLOSE = "until close"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a response."""

    status: int
    headers: Headers
    minor: int = 1  # of HTTP/1.x

    def values(self, name: bytes) -> list[bytes]:
        """Every value of a header, in order."""
        return [value for known, value in self.headers if known == name]


class ResponseReader:
    r"""One response. Feed it what arrives; it returns what of the body was in it.

    >>> reader = ResponseReader()
    >>> reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel"), reader.complete
    (b'hel', False)
    >>> reader.feed(b"lo"), reader.complete, reader.head.status, reader.reusable
    (b'lo', True, 200, True)
    """

    __slots__ = ("_at", "_held", "_interim", "_left", "head", "reusable")

    def __init__(self) -> None:
        self.head: Head | None = None
        self.reusable = False  # once complete: whether another request may use the connection
        self._at = _At.HEAD
        self._held = b""
        self._left = 0
        self._interim = 0

    @property
    def complete(self) -> bool:
        """Whether all of it is here."""
        return self._at is _At.DONE

    def feed(self, data: bytes) -> bytes:
        """Take in what arrived; returns the part of the body in it, decoded from chunks.

        Raises `Garbled`. Bytes after the end of the response make the connection unfit for another.
        """
        if self._held:
            data, self._held = self._held + data, b""
        if self._at is _At.HEAD:
            rest = self._take_head(data)
            return b"" if rest is None else self._take_body(rest)
        return self._take_body(data)

    def _take_body(self, data: bytes) -> bytes:
        if self._at is _At.LENGTH:
            return self._take_length(data)
        if self._at is _At.CLOSE:
            return data
        return self._surplus(data) if self._at is _At.DONE else self._take_chunks(data)

    def eof(self) -> None:
        """The other side has nothing more to send; raises `Garbled` in the middle of a response."""
        if self._at is _At.CLOSE:
            self._at = _At.DONE
        elif self._at is not _At.DONE:
            raise Garbled(f"the connection ended in the {self._at.value} of the response")

    def _surplus(self, data: bytes) -> bytes:
        if data:
            self.reusable = False
        return b""

    # -- head -------------------------------------------------------------------------------------
    def _take_head(self, data: bytes) -> bytes | None:
        """What follows the head; None while it is not all here."""
        while True:
            end = data.find(_END)
            if end > MOST_HEAD or (end < 0 and len(data) > MOST_HEAD):
                raise Garbled(f"a head of more than {MOST_HEAD} bytes")
            if end < 0:
                self._held = data
                return None
            head = _head(data[: end + 2])
            data = data[end + 4 :]
            if head.status >= 200:
                self._frame(head)
                self.head = head
                return data
            self._interim += 1
            if head.status == 101 or self._interim > _MOST_INTERIM:
                raise Garbled("interim responses without end, or a protocol nobody asked for")

    def _frame(self, head: Head) -> None:
        """Find out where the response ends (RFC 9112, 6.3)."""
        codings, lengths = head.values(b"transfer-encoding"), head.values(b"content-length")
        self.reusable = _stays_open(head)
        if codings:
            self._frame_chunked(head, codings, lengths)
        elif head.status in (204, 304):
            self._at = _At.DONE
        elif lengths:
            if len(set(lengths)) > 1 or not _LENGTH.fullmatch(lengths[0]):
                raise Garbled("a content-length that is none, or several")
            self._left = int(lengths[0])
            self._at = _At.LENGTH if self._left else _At.DONE
        else:
            self._at, self.reusable = _At.CLOSE, False

    def _frame_chunked(self, head: Head, codings: list[bytes], lengths: list[bytes]) -> None:
        if lengths or len(codings) > 1 or codings[0].lower() != b"chunked" or head.minor == 0:
            raise Garbled("a transfer-encoding that is not known here, or one beside a length")
        self._at = _At.SIZE if head.status not in (204, 304) else _At.DONE

    # -- body -------------------------------------------------------------------------------------
    def _take_length(self, data: bytes) -> bytes:
        size = len(data)
        if size < self._left:
            self._left -= size
            return data
        if size > self._left:
            self.reusable = False
            data = data[: self._left]
        self._at = _At.DONE
        return data

    def _take_chunks(self, data: bytes) -> bytes:
        parts: list[bytes] = []
        at, end = 0, len(data)
        while at < end and self._at is not _At.DONE:
            if self._at is _At.CHUNK:
                part = data[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                if not self._left:
                    self._at = _At.CHUNK_END
                continue
            after = self._take_line(data, at)
            if after is None:
                self._held = data[at:]
                break
            at = after
        if self._at is _At.DONE and at < end:
            self.reusable = False
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _take_line(self, data: bytes, at: int) -> int | None:
        """Go beyond the line at `at`; None while it is not all here."""
        cut = data.find(b"\n", at) + 1
        longest = MOST_HEAD if self._at is _At.TRAILER else _MOST_SIZE_LINE
        if (cut or len(data)) - at > longest:
            raise Garbled("a chunk's size, or what follows the last chunk, without end")
        if not cut:
            return None
        line = data[at:cut]
        if self._at is _At.SIZE:
            self._take_size(line)
        elif self._at is _At.CHUNK_END:
            _require(line == b"\r\n", "a chunk longer than its size")
            self._at = _At.SIZE
        elif line == b"\r\n":
            self._at = _At.DONE
        else:  # trailers are read and dropped
            _require(_FIELD.fullmatch(line) is not None, "a trailer that is none")
            self._left += len(line)
            _require(self._left <= MOST_HEAD, "trailers without end")
        return cut

    def _take_size(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if found is None:
            raise Garbled("a chunk's size that is none")
        self._left = int(found[1], 16)
        self._at = _At.CHUNK if self._left else _At.TRAILER


def _require(so: bool, otherwise: str) -> None:
    if not so:
        raise Garbled(otherwise)


def _head(text: bytes) -> Head:
    r"""A status line and its headers, each ended by a line break.

    >>> _head(b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7 \r\n")
    Head(status=429, headers=[(b'retry-after', b'7')], minor=1)
    """
    status = _STATUS.match(text)
    if status is None:
        raise Garbled("a status line that is none")
    headers: Headers = []
    at = status.end()
    while at < len(text):
        field = _FIELD.match(text, at)
        if field is None:
            raise Garbled("a header that is none")
        headers.append((field[1].lower(), field[2].rstrip(b" \t")))
        at = field.end()
    return Head(int(status[2]), headers, int(status[1]))


def _stays_open(head: Head) -> bool:
    said = {
        token.strip() for value in head.values(b"connection") for token in value.lower().split(b",")
    }
    return b"close" not in said and (head.minor == 1 or b"keep-alive" in said)
