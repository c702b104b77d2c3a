"""What a batch that a tenant ordered put out: files that are made as they are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lanewise.gateway.desk import Desk, Shown
from lanewise.gateway.who import Who
from lanewise.providers.dialects import as_called
from lanewise.store.nouns import Run

_ID: Final = re.compile(r"file-lw([oe])([a-z2-7]{16})")
ORDER: Final = "batch_lw"


def output_id(order: str, *, errors: bool) -> str:
    """The id of the file with the answers of an order, or of the one with its errors.

    >>> output_id("batch_lwabcdefghijklmnop", errors=False)
    'file-lwoabcdefghijklmnop'
    """
    return f"file-lw{'e' if errors else 'o'}{order.removeprefix(ORDER)}"


@dataclass(frozen=True, slots=True)
class Output:
    """The answers of a finished run, or what it has instead of answers."""

    desk: Desk
    id: str
    run: Run
    errors: bool

    def lines(self) -> Iterator[bytes]:
        """Result lines under the caller's own ids, in the order of the input."""
        for line in self.desk.engine.results(self.run.id):
            found = as_called(line)
            if (found is None or found[0] >= 400) is self.errors:
                yield line

    def shown(self) -> Shown:
        """As OpenAI shows a file."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": sum(map(len, self.lines())),
            "created_at": int(self.run.finished_at or self.run.created_at),
            "filename": f"{self.run.name}_{'error' if self.errors else 'output'}.jsonl",
            "purpose": "batch_output",
            "status": "processed",
        }


def output(desk: Desk, who: Who, name: str) -> Output | None:
    """The output of that id, of a finished batch of the tenant."""
    found = _ID.fullmatch(name)
    if found is None:
        return None
    order = desk.store.order(who.tenant, f"{ORDER}{found[2]}")
    run = None if order is None else desk.store.run_named(order.id)
    if run is None or run.state != "finished" or desk.store.place(run.id, 0) is None:
        return None  # not ended yet, or past its retention
    return Output(desk, name, run, errors=found[1] == "e")
