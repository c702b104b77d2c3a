"""Prompts of which a log has the ids of their blocks rather than their texts.

Equal ids are equal beginnings, `of` the same trace where ids are told to belong to one. How many tokens a
block has is not told: it is worked out from how many blocks prompts of known sizes have.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from lanewise.replay.blocks import of_bytes, of_ids, of_runs
from lanewise.replay.caches import BLOCK_BYTES

SIZES: Final = (16, 32, 64, 128, 256, 512, 1_024)  # tokens a block may have
_NEARLY: Final = 0.9  # of the prompts
_SALT_BYTES: Final = 7  # so that a salted id stays below 64 bits


class Ids(msgspec.Struct):
    """The ids of a prompt's blocks: each of them, or runs of them as their first and how many."""

    of: str | None = None
    ids: list[int | str] | None = None
    runs: list[tuple[int, int]] | None = None


def ids_of(written: str) -> Ids:
    """The ids as they are written in JSON. Raises `msgspec.MsgspecError` for what is none."""
    return msgspec.json.decode(written, type=Ids)


def blocks_of(written: str) -> bytes:
    """The blocks of ids as they are written in JSON. Raises `msgspec.MsgspecError` for what is none.

    >>> blocks_of('{"runs": [[1, 3]]}') == blocks_of('{"ids": [1, 2, 3]}')
    True
    >>> blocks_of('{"of": "a", "ids": [1]}') == blocks_of('{"of": "b", "ids": [1]}')
    False
    """
    found = ids_of(written)
    salt = _salt(found.of) if found.of is not None else 0
    if found.runs is not None:
        return of_runs((first + salt, count) for first, count in found.runs)
    ids = found.ids or ()
    if any(isinstance(one, str) for one in ids):
        return b"".join(_named(f"{salt} {one}") for one in ids)
    return of_ids(int(one) + salt for one in ids)


def block_size(told: Sequence[tuple[int, int]]) -> int | None:
    """The tokens of a block, by which nearly all prompts of so many tokens have so many blocks.

    Their last block may be a short one, or left out. None where no size fits.

    >>> block_size([(700, 2), (1_000, 2), (1_100, 3)]), block_size([(100, 99)])
    (512, None)
    """
    fits = {
        (last, size): sum(blocks == (tokens + (size - 1) * last) // size for tokens, blocks in told)
        for last in (1, 0)
        for size in reversed(SIZES)
    }
    (_, size), most = max(fits.items(), key=lambda fit: fit[1])
    return size if told and most >= _NEARLY * len(told) else None


def _salt(trace: str) -> int:
    return int.from_bytes(blake2b(trace.encode(), digest_size=_SALT_BYTES).digest())


def _named(name: str) -> bytes:
    data = name.encode()
    return of_bytes(data, len(data))[:BLOCK_BYTES]
