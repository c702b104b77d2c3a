"""The format of a batch's result records: one record for each request, in the batch's own order.

``FENCE.res``, little-endian: a header of 16 bytes (``LWRS``, format version as u16, record size as u16,
8 zero bytes), then records of 64 bytes. A file is written once, under the fence of the worker that
settled the batch, and named in the batch's row in the same transaction that settles it: what a worker
that lost its lease may still write is never read.

======  =====  ==============================================================================
offset  type   meaning
======  =====  ==============================================================================
0       u8     verdict, see `lanewise.domain.results.Verdict`
1       u8     which of the batch's result files holds the line
2       u16    HTTP status of the line, 0 for none
4       u32    length of the line, 0 where there is none
8       u64    where the line begins
16      u32x7  input, cache read, cache write 5 m, 1 h, other, output, reasoning tokens
44      u32    1 where cost and baseline are known
48      i64    cost in nano-USD
56      i64    baseline in nano-USD
======  =====  ==============================================================================
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from lanewise.domain.results import Verdict
from lanewise.domain.usage import Usage
from lanewise.errors import StoreUnusable
from lanewise.store.disk import open_private, replace_durably, write_all

_MAGIC: Final = b"LWRS"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<4sHH8x")
_RECORD: Final = struct.Struct("<BBHIQ7IIqq")


class Record(NamedTuple):
    """What is known of one request after its batch was settled."""

    verdict: int
    file: int
    status: int
    length: int
    offset: int
    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    cache_write_other: int
    output: int
    reasoning: int
    priced: int
    cost_nano: int
    baseline_nano: int

    @property
    def usage(self) -> Usage:
        """The tokens the provider reported."""
        return Usage(*self[5:12])

    @property
    def total_input(self) -> int:
        """All input tokens, as of a `Usage`: a record can be priced as it lies."""
        return (
            self.input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.cache_write_other
        )


class RecordTable:
    """The records of a batch while it is being settled; begins with every request missing."""

    def __init__(self, requests: int) -> None:
        self.requests = requests
        self._data = bytearray(_RECORD.size * requests)

    def verdict(self, position: int) -> Verdict:
        """What is known so far."""
        return Verdict(self._data[position * _RECORD.size])

    def is_final(self, position: int) -> bool:
        """Whether its result was read already; asked for every line, so it makes no object."""
        return self._data[position * _RECORD.size] in _FINAL

    def put(
        self,
        position: int,
        verdict: Verdict,
        *,
        file: int,
        status: int,
        offset: int,
        length: int,
        usage: Usage | None,
        cost_nano: int | None,
        baseline_nano: int | None,
    ) -> None:
        """Record what the line at `offset` of result file `file` says."""
        used = usage or _NOTHING
        _RECORD.pack_into(
            self._data,
            position * _RECORD.size,
            verdict,
            file,
            status,
            length,
            offset,
            used.input,
            used.cache_read,
            used.cache_write_5m,
            used.cache_write_1h,
            used.cache_write_other,
            used.output,
            used.reasoning,
            1 if cost_nano is not None and baseline_nano is not None else 0,
            cost_nano or 0,
            baseline_nano or 0,
        )

    def same_as(self, records: Records) -> bool:
        """Whether a finished table says the same, byte for byte."""
        return records.holds(self._data)

    def write(self, path: Path) -> None:
        """Write and make durable, whole or not at all."""
        temporary = path.with_suffix(".res.new")
        fd = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(fd, _HEADER.pack(_MAGIC, _VERSION, _RECORD.size))
            write_all(fd, self._data)
            os.fdatasync(fd)
        finally:
            os.close(fd)
        replace_durably(temporary, path)


class Records:
    """Reads a finished table: the whole of it is a few megabytes."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, version, size = _HEADER.unpack(data[: _HEADER.size].ljust(_HEADER.size, b"\0"))
        if magic != _MAGIC or version != _VERSION or size != _RECORD.size:
            raise StoreUnusable(f"{path.name} is not a result table this lanewise can read")
        self._data = memoryview(data)[_HEADER.size :]

    def holds(self, data: bytearray) -> bool:
        """Whether its records are these bytes."""
        return self._data == data

    def __len__(self) -> int:
        return len(self._data) // _RECORD.size

    def __getitem__(self, position: int) -> Record:
        return Record(*_RECORD.unpack_from(self._data, position * _RECORD.size))

    def __iter__(self) -> Iterator[Record]:
        return map(Record._make, _RECORD.iter_unpack(self._data))


_NOTHING: Final = Usage()
_FINAL: Final = tuple(int(verdict) for verdict in Verdict if verdict.final)
