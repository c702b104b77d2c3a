"""A provider's prefix cache in virtual time: what a prompt would have found of those before it.

A prompt is a row of blocks, eight bytes each (`replay/blocks.py`); two prompts share a prefix as far as their
blocks are equal from the first on. An entry lives for so long after it was last asked for, so reading it
keeps it. The cache is a tree whose nodes are runs of blocks, split where prompts part, so that asking takes
as many steps as there are partings on the way and not as many as there are blocks. Whoever asks for a node
asks for all above it: on the way down nothing is fresher than what stands before it.

Memory: eight bytes for each distinct block that was asked for within two lifetimes, and some 300 bytes for
each node, of which a request makes two at the most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Final, NamedTuple

BLOCK_BYTES: Final = 8


class Found(NamedTuple):
    """How much of a prompt was there, in blocks from its first on: `written <= usable <= seen`."""

    seen: int  # asked for within the lifetime
    usable: int  # of them, those whose first answer had begun, so that they can be read; 0 below the least
    written: int  # of these, those that somebody had read before


NOTHING: Final = Found(0, 0, 0)


@dataclass(slots=True)
class _Node:
    blocks: bytes
    last: float  # when it was last asked for
    ready: float  # from when on it can be read
    read: bool = False  # by anybody, since it was written
    children: dict[bytes, _Node] = field(default_factory=dict)


class Cache:
    """Entries of one account and model that live for `seconds`; `inf`: for ever.

    >>> cache = Cache(300)
    >>> cache.ask(0, b"systems!question"), cache.ask(200, b"systems!whatever")
    (Found(seen=0, usable=0, written=0), Found(seen=1, usable=1, written=0))
    >>> cache.ask(450, b"systems!question"), cache.ask(751, b"systems!question")
    (Found(seen=1, usable=1, written=1), Found(seen=0, usable=0, written=0))
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.held = 0  # blocks
        self._root = _Node(b"", inf, -inf)
        self._now = self._swept = -inf

    def ask(self, at: float, blocks: bytes, *, ready: float | None = None, least: int = 1) -> Found:
        """Look up a prompt at an instant, and keep it.

        `ready` is when what it wrote can be read, `at` where that is not known; `least` how many blocks are
        worth a read. Raises `ValueError` if time runs backwards.
        """
        if at < self._now:
            raise ValueError(f"asked at {at} after {self._now}: sort the requests by time first")
        self._now = at
        path = self._path(at, blocks)
        found = _found(path, at, least)
        landed = at if ready is None else ready
        for node in path:
            node.last = at
            node.ready = min(node.ready, landed)
        depth = found.seen * BLOCK_BYTES
        parent = _joined(path, at) or self._root
        if depth < len(blocks):
            parent.children[blocks[depth : depth + BLOCK_BYTES]] = _Node(blocks[depth:], at, landed)
            self.held += len(blocks) // BLOCK_BYTES - found.seen
        return found

    def expire(self, at: float) -> None:
        """Forget, once a lifetime, what has expired. Asking never finds it, but it takes room until then."""
        if at - self._swept <= self.seconds:
            return
        self._swept = at
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            for key in [key for key, child in node.children.items() if self._over(child, at)]:
                self._forget(node, key)
            waiting += node.children.values()

    def _path(self, at: float, blocks: bytes) -> list[_Node]:
        """The living nodes that are a beginning of these blocks; the last is split off if it must be."""
        path: list[_Node] = []
        node, depth, size = self._root, 0, len(blocks)
        while depth < size:
            key = blocks[depth : depth + BLOCK_BYTES]
            child = node.children.get(key)
            if child is None:
                break
            if self._over(child, at):
                self._forget(node, key)
                break
            if not blocks.startswith(child.blocks, depth):
                path.append(_split(node, key, child, _common(child.blocks, blocks[depth:])))
                break
            path.append(child)
            node = child
            depth += len(child.blocks)
        return path

    def _over(self, node: _Node, at: float) -> bool:
        return at - node.last > self.seconds

    def _forget(self, parent: _Node, key: bytes) -> None:
        waiting = [parent.children.pop(key)]
        while waiting:
            node = waiting.pop()
            self.held -= len(node.blocks) // BLOCK_BYTES
            waiting += node.children.values()


def _found(path: list[_Node], at: float, least: int) -> Found:
    """What the path holds; what is read now is noted as read."""
    seen = usable = written = 0
    for node in path:
        size = len(node.blocks) // BLOCK_BYTES
        seen += size
        if node.ready <= at:
            usable += size
            written += size if node.read else 0
    if usable < least:
        return Found(seen, 0, 0)
    for node in path:
        node.read = node.read or node.ready <= at
    return Found(seen, usable, written)


def _joined(path: list[_Node], at: float) -> _Node | None:
    """Make one node of those that follow one another and are alike from now on; return the last.

    Without it a history that grows turn by turn would be as many nodes long as it has turns.
    """
    last: _Node | None = None
    for node in path:
        alike = last is not None and len(last.children) == 1 and last.read == node.read
        if last is not None and alike and node.ready <= at:
            last.blocks += node.blocks
            last.children = node.children
        else:
            last = node
    return last


def _split(parent: _Node, key: bytes, child: _Node, at: int) -> _Node:
    """Cut a node in two and return the upper part."""
    upper = _Node(child.blocks[:at], child.last, child.ready, child.read)
    child.blocks = child.blocks[at:]
    upper.children[child.blocks[:BLOCK_BYTES]] = child
    parent.children[key] = upper
    return upper


def _common(one: bytes, other: bytes) -> int:
    """How many bytes of whole blocks two rows begin with alike, by halving."""
    low, high = 0, min(len(one), len(other)) // BLOCK_BYTES
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[: middle * BLOCK_BYTES]):
            low = middle
        else:
            high = middle - 1
    return low * BLOCK_BYTES
