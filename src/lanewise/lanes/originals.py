"""Finds the request of a run that asks the same, in 24 bytes for each that is asked.

Two requests ask the same if the bytes of their bodies, their packing key (with the endpoint), the way
they go and their deadline are equal. All of it goes into one SHA-256, of which 128 bits are kept: the
chance that any two among a million requests are wrongly taken for one is below 1 in 10^26. As in
`lanewise.intake.duplicates`, bits of the hash choose one of many short byte strings to look in. Spare
room included, a million requests take about 30 MB; no body is held.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from lanewise.domain.packing import PackingKey
from lanewise.intake.duplicates import entry_at
from lanewise.store.nouns import Route

_CHOICE_MASK: Final = (1 << 14) - 1
_MARK: Final = 18  # bytes of the hash: two that choose, sixteen that are looked for
_ENTRY: Final = 16 + 8  # and the place
_WAY: Final = struct.Struct("<Id")
_PLACE: Final = struct.Struct("<Q")


class Originals:
    """Remembers where in the draft each content was first put."""

    def __init__(self) -> None:
        self._ways: dict[tuple[PackingKey, Route], int] = {}
        self._last: tuple[PackingKey, Route, int] | None = (
            None  # hashing them costs more than a look
        )
        self._buckets: dict[int, bytearray] = {}

    def mark(self, content: bytes, key: PackingKey, route: Route, deadline: float | None) -> bytes:
        """What is equal for requests that ask the same; `content` is the SHA-256 of the body."""
        last = self._last
        if last is None or last[0] is not key or last[1] is not route:
            way = self._ways.setdefault((key, route), len(self._ways))
            last = self._last = (key, route, way)
        return hashlib.sha256(content + _WAY.pack(last[2], deadline or 0.0)).digest()[:_MARK]

    def find(self, mark: bytes) -> int | None:
        """The place of the request that asks the same; None if there is none yet."""
        bucket = self._buckets.get(_choice(mark))
        if bucket is None:
            return None
        at = entry_at(bucket, mark[2:], _ENTRY)
        return None if at < 0 else int(_PLACE.unpack_from(bucket, at + 16)[0])

    def add(self, mark: bytes, place: int) -> None:
        """From now on it is asked there; `place` as `Draft.append` gives it."""
        bucket = self._buckets.setdefault(_choice(mark), bytearray())
        bucket += mark[2:] + _PLACE.pack(place)


def _choice(mark: bytes) -> int:
    return int.from_bytes(mark[:2], "little") & _CHOICE_MASK
