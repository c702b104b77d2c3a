"""Requests that get another's answer: who asked them, and which request is asked for them.

A run in which several askers of the same content share one request has one more file in its directory,
``copies.jsonl``, written before the run is acknowledged and never changed. Nothing but this module opens
it. Each line is a JSON array for one copy, in the order of the caller's input::

    [place in the run, line of the input, "caller's id", "segment", ordinal]

The last two name the request that is asked. A copy is in no segment, no batch and no queue. How many
copies each request of a segment has is kept in the segment's row as well, so that counting reads no
file: pairs of u32, ordinal and count, little-endian, for those that have any.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from lanewise.domain.ids import SegmentId
from lanewise.domain.ordinals import Ordinals
from lanewise.store.disk import open_private, write_all

_NAME: Final = "copies.jsonl"
_FLUSH_AT: Final = 512 * 1024
_PAIR: Final = struct.Struct("<II")


class Copy(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One request that is answered by another of the same content."""

    sequence: int  # its place in the run, from 0
    number: int  # the line of the caller's input, 0 where there was none
    caller_id: str
    segment: SegmentId  # of the request that is asked
    ordinal: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Copy).decode


class CopyWriter:
    """Appends the copies of one run. Nothing is durable before `sync`; without a copy there is no file."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _NAME
        self._buffer = bytearray()
        self._written = False

    def append(self, copy: Copy) -> None:
        """Add one."""
        self._buffer += _encode(copy) + b"\n"
        if len(self._buffer) >= _FLUSH_AT:
            self._write(sync=False)

    def sync(self) -> None:
        """Make all of them durable (the directory's entry is the caller's)."""
        if self._buffer or self._written:
            self._write(sync=True)

    def _write(self, *, sync: bool) -> None:
        fd = open_private(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            write_all(fd, self._buffer)
            if sync:
                os.fdatasync(fd)
        finally:
            os.close(fd)
        self._buffer.clear()
        self._written = True


def read_copies(directory: Path) -> Iterator[Copy]:
    """The copies of a run that has any, in the order of its input."""
    with (directory / _NAME).open("rb") as file:
        for line in file:
            yield _decode(line)


class CopyCounts:
    """How many copies each request of a segment has so far: four bytes a request, once there is one."""

    def __init__(self) -> None:
        self._counts = array("I")

    def add(self, ordinal: int) -> None:
        """One more asks the same as this request."""
        if (lacking := ordinal + 1 - len(self._counts)) > 0:
            self._counts.extend([0] * lacking)
        self._counts[ordinal] += 1

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self._counts)

    def encode(self) -> bytes | None:
        """As a segment's row keeps them; None where there are none.

        >>> counts = CopyCounts()
        >>> counts.add(7)
        >>> counts.add(7)
        >>> counts_from(counts.encode())
        {7: 2}
        """
        pairs = (_PAIR.pack(*pair) for pair in enumerate(self._counts) if pair[1])
        return b"".join(pairs) or None


def counts_from(kept: bytes | None) -> dict[int, int]:
    """How many copies there are of each request that has any, by its ordinal."""
    return {} if kept is None else dict(_PAIR.iter_unpack(kept))


def among(counts: Mapping[int, int], ordinals: Ordinals) -> int:
    """How many copies these requests have.

    >>> among({7: 2, 9: 1}, Ordinals.span(0, 8))
    2
    """
    return sum(counts.get(ordinal, 0) for ordinal in ordinals) if counts else 0
