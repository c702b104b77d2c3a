"""A request as a prompt cache sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from lanewise.replay.caches import BLOCK_BYTES


class Prompt(NamedTuple):
    """One request of a log, with the blocks of its prompt (`replay/blocks.py`).

    A block holds `block` units of the prompt's `size`: both in tokens where the log has blocks of tokens, in
    bytes where a text was cut into bytes. The last block may be a short one.
    """

    at: float  # seconds since any beginning
    blocks: bytes
    tokens: int  # of all the input, cached or not
    size: int
    block: int
    workflow: str = ""
    provider: str = ""
    model: str = ""
    organisation: str = ""  # prompts of different organisations share no cache
    lane: str = "realtime"
    cached: int | None = None  # tokens read from the cache, as logged; None: the log does not say
    written_5m: int = 0
    written_1h: int = 0
    written_other: int = 0
    begins: float = (
        0.0  # seconds until the answer began, from when on others can read; 0 where unknown
    )

    def at_depth(self, blocks: int) -> int:
        """The tokens of so many blocks from the beginning.

        >>> Prompt(0, bytes(16), tokens=100, size=400, block=256).at_depth(1)
        64
        """
        if not self.size:
            return 0
        return min(blocks * self.block, self.size) * self.tokens // self.size

    def blocks_for(self, tokens: int) -> int:
        """How many blocks hold at least so many tokens; more than there are where none do."""
        if tokens > self.tokens or not self.size or not self.block:
            return len(self.blocks) // BLOCK_BYTES + 1
        return -(-tokens * self.size // (self.tokens * self.block)) or 1


def in_order(prompts: Iterable[Prompt]) -> list[Prompt]:
    """Sorted by time, and prompts of one instant by what they are: the order of the lines changes nothing."""
    return sorted(prompts, key=_rank)


def settled(prompts: Iterable[Prompt]) -> Iterator[Prompt]:
    """The same for prompts that come in the order of time; only those of one instant are held."""
    for _, tied in groupby(prompts, key=lambda prompt: prompt.at):
        yield from in_order(tied)


def _rank(prompt: Prompt) -> tuple[object, ...]:
    return (*prompt[:10], -1 if prompt.cached is None else prompt.cached, *prompt[11:])
