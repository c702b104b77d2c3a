"""Finds a `custom_id` that was used before, in eleven bytes for each that was seen.

A million ids in a Python set take some hundred megabytes. Here an id is represented by 62 bits of its
hash: 14 choose one of 16,384 byte strings, 48 are looked for in it by `bytes.find`, which is quick
because such a string is short (about 670 bytes when there are a million ids). Two different ids with
equal hashes would be taken for one; the chance of any such pair among a million ids is 1 in 10^7.
Spare room in the byte strings included, a million ids take about 20 MB.
"""

from __future__ import annotations

from typing import Final

_CHOICE_BITS: Final = 14
_CHOICE_MASK: Final = (1 << _CHOICE_BITS) - 1
_KEY: Final = 6  # bytes of the hash
_KEY_BITS: Final = _KEY * 8
_KEY_MASK: Final = (1 << _KEY_BITS) - 1
_ENTRY: Final = _KEY + 5  # and the place: up to 2**40 lines


class DuplicateWatch:
    """Remembers where each id was first seen."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: list[bytearray | None] = [None] * (1 << _CHOICE_BITS)

    def first(self, caller_id: str, place: int) -> int | None:
        """None if the id is new, and from now on it is at `place`; else the place it was seen at."""
        hashed = hash(caller_id)
        key = hashed >> _CHOICE_BITS & _KEY_MASK
        entry = (place << _KEY_BITS | key).to_bytes(_ENTRY, "little")
        bucket = self._buckets[hashed & _CHOICE_MASK]
        if bucket is None:
            self._buckets[hashed & _CHOICE_MASK] = bytearray(entry)
            return None
        at = entry_at(bucket, entry[:_KEY], _ENTRY)
        if at >= 0:
            return int.from_bytes(bucket[at + _KEY : at + _ENTRY], "little")
        bucket += entry
        return None


def entry_at(bucket: bytearray, key: bytes, size: int) -> int:
    """Where the entry of `size` bytes that begins with that key is, or -1.

    The key's bytes may also lie across entries.
    """
    at = bucket.find(key)
    while at >= 0 and at % size:
        at = bucket.find(key, at + 1)
    return at
