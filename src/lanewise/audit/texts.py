"""Logs read a second time, for the prompts that a replay wants; of these only hashes of pieces are kept."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from lanewise.audit.again import again, lost
from lanewise.audit.caching.texts import Cut, Cutter
from lanewise.audit.caching.traces import block_size, blocks_of, ids_of
from lanewise.audit.logs.importing import Imported
from lanewise.audit.prompts.bodies import plain
from lanewise.audit.statements import statements
from lanewise.replay.caches import BLOCK_BYTES
from lanewise.tokens import Method

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NOTHING: Final = Cut(b"", 0, 1, 0, Method.BYTES)
_TOLD: Final = 1_000  # prompts by which the size of a block is worked out


@dataclass(slots=True)
class Prompts:
    """What was read again, by the hash of the prompt.

    `missing` are files that were wanted and could not be read again; `block` the tokens of a block where the
    log has ids of blocks, None where no size fits.
    """

    missing: tuple[str, ...] = ()
    block: int | None = None
    _cuts: dict[tuple[int, str], Cut] = field(default_factory=dict)
    _ids: dict[int, str] = field(default_factory=dict)

    @property
    def there(self) -> bool:
        """Whether there are any that can be compared."""
        return bool(self._cuts) or (bool(self._ids) and self.block is not None)

    @property
    def unsized(self) -> bool:
        """Whether there are ids of blocks of which no size fits."""
        return bool(self._ids) and self.block is None

    def find(self, key: int | None, model: str, tokens: int) -> Cut:
        """The prompt of so many tokens in blocks; of size 0 where it is not there."""
        if key in self._ids and self.block:
            return Cut(blocks_of(self._ids[key]), tokens, self.block, tokens, Method.EXACT)
        return self._cuts.get((key or 0, model), NOTHING)

    def keep_ids(self, key: int, written: str) -> None:
        """Keep the ids of a prompt as they are written, which is shorter than its blocks."""
        with suppress(msgspec.MsgspecError):
            ids_of(written)
            self._ids[key] = written

    def keep_text(self, key: int, text: str, cutter: Cutter, model: str) -> None:
        """Keep the pieces of a text, by the tokens of a model."""
        if (key, model) not in self._cuts:
            self._cuts[key, model] = cutter.cut(plain(text))

    def measure(self, told: list[tuple[int, int]]) -> None:
        """Work out the size of a block from prompts (by hash) and their tokens."""
        counts = [(tokens, self._count(key)) for key, tokens in told if key in self._ids]
        self.block = block_size(counts)

    def _count(self, key: int) -> int:
        return len(blocks_of(self._ids[key])) // BLOCK_BYTES


def cut(connection: DuckDBPyConnection, imported: Imported) -> Prompts:
    """The prompts in `wanted`, in pieces. Only files that hold such prompts are read."""
    asked = statements("texts")
    found = Prompts()
    models: defaultdict[int, set[str]] = defaultdict(set)
    for key, model in connection.execute(asked["keys"]).fetchall():
        models[key].add(model)
    cutters = {name: Cutter(name) for names in models.values() for name in names}
    files = {row[0] for row in connection.execute(asked["files"]).fetchall()}
    missing: list[str] = []
    for source, what in imported.sources:
        if source.path not in files:
            continue
        try:
            for key, text, ids in again(connection, source, what, asked["again"]):
                if ids is not None:
                    found.keep_ids(key, ids)
                    continue
                for model in models[key]:
                    found.keep_text(key, text, cutters[model], model)
        except lost():
            missing.append(source.name)
    found.missing = tuple(missing)
    found.measure(connection.execute(asked["sizes"], [_TOLD]).fetchall())
    return found
