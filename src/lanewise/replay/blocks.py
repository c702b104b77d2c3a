"""Rows of blocks, eight bytes each: what a prompt is to a cache. Equal blocks are equal pieces of prompts.

Logs bring ids of fixed-size blocks of tokens; of texts the pieces are hashed here.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from lanewise.replay.caches import BLOCK_BYTES

_64_BITS: Final = (1 << 64) - 1


def of_ids(ids: Iterable[int]) -> bytes:
    """The blocks of a row of ids, of which 64 bits count.

    >>> of_ids([1, 2]).hex()
    '00000000000000010000000000000002'
    """
    kept = ids if isinstance(ids, range) else [one & _64_BITS for one in ids]
    row = array("Q", kept)
    if sys.byteorder == "little":
        row.byteswap()  # so that they sort as the ids do
    return row.tobytes()


def of_runs(runs: Iterable[Iterable[int]]) -> bytes:
    """The blocks of runs of ids, each its first id and how many follow one another.

    >>> of_runs([(1, 2), (9, 1)]) == of_ids([1, 2, 9])
    True
    """
    return b"".join(of_ids(range(first, first + count)) for first, count in runs)


def of_bytes(data: bytes, size: int) -> bytes:
    """The blocks of a text, each the hash of `size` bytes of it; what is left at its end has none.

    >>> of_bytes(b"abcabcxy", 3)[:8] == of_bytes(b"abcabcxy", 3)[8:], len(of_bytes(b"abcabcxy", 3))
    (True, 16)
    """
    return b"".join(
        blake2b(data[start : start + size], digest_size=BLOCK_BYTES).digest()
        for start in range(0, len(data) - size + 1, size)
    )
