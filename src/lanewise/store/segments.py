r"""The format of a segment: bodies as the provider wants them, and one small record for each.

A segment is three files with one name. Nothing but this module opens them.

``NAME.jsonl``
    Request lines in the provider's own batch input form, ordinal after ordinal, each ending in one
    ``\n``: a whole segment *is* the upload.
``NAME.idx``
    A header of 16 bytes (``LWIX``, format version as u16, record size as u16, 8 zero bytes), then one
    record of 64 bytes for each ordinal, little-endian:

    ======  =====  ==========================================================================
    offset  type   meaning
    ======  =====  ==========================================================================
    0       u64    where the line begins in ``NAME.jsonl``
    8       u32    its length in bytes, ``\n`` included
    12      u32    the line of the caller's input it came from, 0 where there was none
    16      u64    its place in the run, from 0: results are written in this order
    24      u64    first 8 bytes of the SHA-256 of the body: checksum, and identity of content
    32      u64    prefix group, 0 for none
    40      f64    deadline, seconds since the epoch, 0 for none, 1 for at once
    48      u32    number of the policy decision, 0 for none
    52      u32    input tokens as counted here before it was sent, 0 where it was not counted
    56      u32    billable units that a provider limits (embedding inputs), else 1
    60      u32    tokens that a rate limit counts for it, 0 where that was not noted
    ======  =====  ==========================================================================
``NAME.ids``
    The caller's own ids, one JSON string a line, in ordinal order.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from lanewise.domain.ids import SegmentId
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.packing import Frame, Limits
from lanewise.errors import StoreUnusable
from lanewise.store.disk import open_private, write_all

MAGIC: Final = b"LWIX"
VERSION: Final = 1
HEADER: Final = struct.Struct("<4sHH8x")
RECORD: Final = struct.Struct("<QIIQQQdIIII")
_FLUSH_AT: Final = 512 * 1024
_CHUNK: Final = 1024 * 1024
_MOST_TOKENS: Final = 2**32 - 1
_ORDINAL_DIGITS: Final = 9
_PIECES: Final = 1_000  # buffers in one system call; the kernel takes 1,024
_encode = msgspec.json.Encoder().encode
_decode_id = msgspec.json.Decoder(str).decode


class Entry(NamedTuple):
    """One record of the index."""

    offset: int
    length: int
    number: int
    sequence: int
    content: int
    prefix: int
    deadline: float
    decision: int
    tokens: int
    units: int
    rate_tokens: int = 0


class SegmentWriter:
    """Appends requests to one segment. Nothing is durable before `sync`."""

    def __init__(self, directory: Path, segment: SegmentId, frame: Frame) -> None:
        self.segment = segment
        self.requests = 0
        self.size = 0
        self.units = 0
        self.rate_tokens = 0
        self._paths = _paths(directory, segment)
        self._head = frame.head + f"lw-{segment}-".encode()
        self._middle, self._tail = frame.middle, frame.tail
        self._around = len(self._head) + len(frame.middle) + len(frame.tail) + _ORDINAL_DIGITS
        self._lines: list[bytes] = []
        self._buffered = 0
        self._index = bytearray(HEADER.pack(MAGIC, VERSION, RECORD.size))
        self._ids: list[bytes] = []

    def most_of(self, length: int) -> int:
        """How many bytes a line with a body of `length` takes at most."""
        return self._around + length

    def has_room(self, length: int, units: int, limits: Limits) -> bool:
        """Whether one more request still fits one batch; asked for every request."""
        return (
            self.size + self._around + length <= limits.batch_bytes
            and self.requests < limits.batch_requests
            and (limits.embedding_inputs is None or self.units + units <= limits.embedding_inputs)
        )

    def append(
        self,
        body: bytes,
        digest: bytes,
        *,
        sequence: int,
        number: int,
        caller_id: str,
        units: int,
        tokens: int = 0,
        prefix: int = 0,
        deadline: float = 0.0,
        decision: int = 0,
        rate_tokens: int = 0,
    ) -> None:
        """Add one request. `digest` is the SHA-256 of `body`."""
        line = b"%b%d%b%b%b" % (self._head, self.requests, self._middle, body, self._tail)
        length = len(line)
        self._index += RECORD.pack(
            self.size,
            length,
            number,
            sequence,
            int.from_bytes(digest[:8], "little"),
            prefix,
            deadline,
            decision,
            min(tokens, _MOST_TOKENS),
            units,
            min(rate_tokens, _MOST_TOKENS),
        )
        self._lines.append(line)
        self._ids.append(_encode(caller_id))
        self.requests += 1
        self.size += length
        self.units += units
        self.rate_tokens += rate_tokens
        self._buffered += length
        if self._buffered >= _FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Hand what is buffered to the operating system."""
        parts = (self._lines, [bytes(self._index)], [_joined(self._ids)])
        for path, pieces in zip(self._paths, parts, strict=True):
            _append(path, pieces)
        self._lines.clear()
        self._index.clear()
        self._ids.clear()
        self._buffered = 0

    def sync(self) -> None:
        """Make all of it durable (the directory's entry is the caller's)."""
        self.flush()
        for path in self._paths:
            fd = open_private(path, os.O_RDONLY)
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)


class Segment:
    """Reads one sealed segment."""

    def __init__(self, directory: Path, segment: SegmentId) -> None:
        self.segment = segment
        self._body, self._idx, self._ids = _paths(directory, segment)

    def entries(self, ordinals: Ordinals | None = None) -> Iterator[Entry]:
        """The records of these ordinals (all, without), in order."""
        with self._idx.open("rb") as file:
            _check_header(file.read(HEADER.size), self._idx)
            spans = ((0, None),) if ordinals is None else ordinals.ranges
            for start, stop in spans:
                file.seek(HEADER.size + start * RECORD.size)
                yield from _records(
                    file.fileno(), file.tell(), None if stop is None else stop - start
                )

    def entry(self, ordinal: int) -> Entry:
        """One record."""
        for entry in self.entries(Ordinals.span(ordinal, ordinal + 1)):
            return entry
        raise StoreUnusable(f"segment {self.segment} has no request {ordinal}")

    def caller_ids(self) -> Iterator[str]:
        """The caller's ids, in ordinal order."""
        with self._ids.open("rb") as file:
            for line in file:
                yield _decode_id(line)

    def line(self, ordinal: int) -> bytes:
        """The line as it goes to the provider."""
        entry = self.entry(ordinal)
        with self._body.open("rb") as file:
            return os.pread(file.fileno(), entry.length, entry.offset)

    def size_of(self, ordinals: Ordinals) -> int:
        """The bytes of these lines."""
        return sum(stop - start for start, stop in self._spans(ordinals))

    def chunks(self, ordinals: Ordinals) -> Iterator[bytes]:
        """The bytes of these lines, in order, in pieces of about a megabyte."""
        with self._body.open("rb") as file:
            held: list[bytes] = []
            size = 0
            for start, stop in _cut(self._spans(ordinals)):
                held.append(os.pread(file.fileno(), stop - start, start))
                size += stop - start
                if size >= _CHUNK:
                    yield b"".join(held)
                    held.clear()
                    size = 0
            if held:
                yield b"".join(held)

    def verify(self) -> int:
        """Read everything and compare it with the index; returns how many requests are whole."""
        with self._body.open("rb") as file:
            count = 0
            for entry in self.entries():
                line = os.pread(file.fileno(), entry.length, entry.offset)
                if not line.endswith(b"\n") or _content(line) != entry.content:
                    raise StoreUnusable(
                        f"segment {self.segment}: request {count} is not what was accepted; "
                        "the disk or something that writes into the home damaged it"
                    )
                count += 1
        return count

    def _spans(self, ordinals: Ordinals) -> Iterator[tuple[int, int]]:
        """Where each range of ordinals begins and ends in the body file."""
        with self._idx.open("rb") as file:
            _check_header(os.pread(file.fileno(), HEADER.size, 0), self._idx)
            for start, stop in ordinals.ranges:
                first = _record_at(file.fileno(), start)
                last = _record_at(file.fileno(), stop - 1)
                yield first.offset, last.offset + last.length


def rebuild_index(directory: Path, segment: SegmentId) -> int:
    """Write the index anew from the bodies alone; returns the number of requests.

    What only the caller knew (input line, place in the run, deadline) is lost: the place becomes
    the ordinal. A last line that was cut off is left out.
    """
    body, idx, _ids = _paths(directory, segment)
    data = bytearray(HEADER.pack(MAGIC, VERSION, RECORD.size))
    offset = count = 0
    with body.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            record = Entry(offset, len(line), 0, count, _content(line), 0, 0.0, 0, 0, 1)
            data += RECORD.pack(*record)
            offset += len(line)
            count += 1
    temporary = idx.with_suffix(".idx.new")
    temporary.unlink(missing_ok=True)
    _append(temporary, [bytes(data)])
    temporary.replace(idx)
    return count


def remove(directory: Path, segment: SegmentId) -> None:
    """Delete a segment's files; those already gone are no error."""
    for path in _paths(directory, segment):
        path.unlink(missing_ok=True)


class _Model(msgspec.Struct):
    model: str = ""


_decode_model = msgspec.json.Decoder(_Model).decode


def model_of(line: bytes) -> str:
    """The model that a request line asks; empty where it names none."""
    return _decode_model(body_of(line)).model


def body_of(line: bytes) -> bytes:
    """The body of a request line, byte for byte."""
    parsed = _decode_line(line)
    return bytes(parsed.body) or bytes(parsed.params)


class _Line(msgspec.Struct):
    body: msgspec.Raw = msgspec.Raw(b"")
    params: msgspec.Raw = msgspec.Raw(b"")


_decode_line = msgspec.json.Decoder(_Line).decode


def _content(line: bytes) -> int:
    return int.from_bytes(hashlib.sha256(body_of(line)).digest()[:8], "little")


def _paths(directory: Path, segment: SegmentId) -> tuple[Path, Path, Path]:
    return (
        directory / f"{segment}.jsonl",
        directory / f"{segment}.idx",
        directory / f"{segment}.ids",
    )


def _joined(ids: list[bytes]) -> bytes:
    return b"\n".join(ids) + b"\n" if ids else b""


def _append(path: Path, pieces: list[bytes]) -> None:
    """Write the pieces as they are: joining half a megabyte first costs more than many pieces."""
    fd = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for start in range(0, len(pieces), _PIECES):
            some = pieces[start : start + _PIECES]
            written = os.writev(fd, some)
            if written < sum(map(len, some)):
                write_all(fd, b"".join(some)[written:])
    finally:
        os.close(fd)


def _check_header(header: bytes, path: Path) -> None:
    magic, version, size = HEADER.unpack(header.ljust(HEADER.size, b"\0"))
    if magic != MAGIC or version != VERSION or size != RECORD.size:
        raise StoreUnusable(
            f"{path.name} is not an index this lanewise can read (format {version}, it knows {VERSION})"
        )


def _records(fd: int, position: int, count: int | None) -> Iterator[Entry]:
    """`count` records (all that follow, without) from byte `position` of an index."""
    while count is None or count > 0:
        want = 4096 if count is None else min(4096, count)
        data = os.pread(fd, want * RECORD.size, position)
        whole = len(data) - len(data) % RECORD.size
        for fields in RECORD.iter_unpack(data[:whole]):
            yield Entry(*fields)
        if whole < want * RECORD.size:
            return
        position += whole
        count = None if count is None else count - want


def _record_at(fd: int, ordinal: int) -> Entry:
    data = os.pread(fd, RECORD.size, HEADER.size + ordinal * RECORD.size)
    return Entry(*RECORD.unpack(data))


def _cut(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same bytes, no piece longer than a chunk."""
    for start, stop in spans:
        for piece in range(start, stop, _CHUNK):
            yield piece, min(piece + _CHUNK, stop)
