"""Tokens of requests of which a log has only texts: worked out from their lengths, and marked as such.

Some texts of each model are counted by its tokenizer, which gives how many bytes a token has; what a log
says itself is left as it is.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lanewise.audit.again import again, lost
from lanewise.audit.caching.texts import Cutter
from lanewise.audit.logs.importing import Imported
from lanewise.audit.prompts.bodies import plain
from lanewise.audit.statements import statements

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COUNTED: Final = 400  # requests of each source whose texts are counted
_PLAIN: Final = 4.0  # bytes a token, where no text can be read again


@dataclass(frozen=True, slots=True)
class Estimated:
    """`requests` of a model had no tokens; `bytes_a_token` comes from `counted` prompts, by `method`."""

    model: str
    requests: int
    bytes_a_token: float
    counted: int
    method: str

    def __str__(self) -> str:
        """For people."""
        return (
            f"{self.requests:,} requests of {self.model or 'an unknown model'} have no tokens in the log; "
            f"estimated from their texts at {self.bytes_a_token:.2f} bytes a token "
            f"(prompts counted: {self.counted:,}, {self.method})"
        )


def estimate(connection: DuckDBPyConnection, imported: Imported) -> tuple[Estimated, ...]:
    """Fill in `input` and `output` where the log has texts and no tokens, by model."""
    asked = statements("estimating")
    untold = connection.execute(asked["untold"]).fetchall()
    if not untold:
        return ()
    files = {row[0] for row in connection.execute(asked["files"]).fetchall()}
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for source, what in imported.sources:
        if source.path in files:
            with suppress(*lost()):
                for model, text in again(connection, source, what, asked["texts"], [COUNTED]):
                    texts[model].append(text)
    found = tuple(_counted(model, count, texts[model]) for model, count in untold)
    for one in found:
        connection.execute(asked["fill"], {"model": one.model, "bytes": one.bytes_a_token})
    return found


def _counted(model: str, requests: int, texts: list[str]) -> Estimated:
    cutter = Cutter(model)
    cuts = [cutter.cut(plain(text)) for text in texts]
    tokens = sum(cut.tokens for cut in cuts)
    if not tokens:
        return Estimated(model, requests, _PLAIN, 0, "four bytes a token")
    size = sum(len(text.encode(errors="replace")) for text in texts)
    return Estimated(model, requests, size / tokens, len(texts), f"{cuts[0].method}")
