"""The requests that levers are replayed over: the latest of a log, with the pieces of their prompts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lanewise.audit import texts
from lanewise.audit.caching import Prompt
from lanewise.audit.importing import Imported
from lanewise.audit.levers.finding import Found
from lanewise.audit.levers.together import Asked, Lanes, Together, together
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.statements import statements
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook
from lanewise.replay.blocks import of_ids

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST: Final = 20_000  # requests
READ_TWICE: Final = 1_000_000  # rows of a log that is read a second time, at the most
_BYTES: Final = 256 << 20  # of their prompts
_AT_ONCE: Final = 500  # rows


class Replayed(NamedTuple):
    """What levers save together, over some of the log's requests in real time."""

    together: Together
    of: int  # requests in real time
    texts: bool  # whether prompts were read again; without them nothing can be said of caches


def replayed(
    connection: DuckDBPyConnection, imported: Imported, found: Found, book: PriceBook
) -> Replayed | None:
    """Replay the latest requests, at most `MOST`; None where none has a time and tokens."""
    asked_ = statements("texts")
    connection.execute(asked_["wanted"], {"most": MOST, "bytes": _BYTES})
    again = imported.rows <= READ_TWICE
    texts.cut(connection, imported if again else Imported((), ()))
    rows = list(_asked(connection))
    if not rows:
        return None
    (count,) = connection.execute(asked_["live_count"]).fetchall()[0]
    cut = any(one.prompt.size for one in rows)
    return Replayed(together(rows, _lanes(found), Prices(book)), count, cut)


def _lanes(found: Found) -> Lanes:
    """Where what nobody waits for would go."""
    ids = {group.name: group.id for group in found.groups}
    return {
        (ids[lever.group], *sold): lane
        for lever in found.levers
        if lever.counts
        for sold, lane in lever.lanes.items()
    }


def _asked(connection: DuckDBPyConnection) -> Iterator[Asked]:
    rows = connection.execute(statements("texts")["asked"])
    while batch := rows.fetchmany(_AT_ONCE):
        yield from map(_one, batch)


def _one(row: Any) -> Asked:
    (
        id_,
        at,
        provider,
        model,
        input_,
        read,
        written,
        long,
        output,
        begins,
        content,
        answer,
        ok,
        size,
        blocks,
    ) = row
    plain = max(input_ - read - written, 0)
    usage = Usage(plain, read, written - long, long, 0, output)
    used = Used(provider, model, max(input_ - 1, 0), 1, datetime.fromtimestamp(at, UTC), usage)
    prompt = Prompt(
        at,
        of_ids(blocks or ()),
        input_,
        size,
        texts.PIECE,
        provider=provider,
        model=model,
        begins=begins,
    )
    return Asked(id_, used, prompt, content, answer, ok)
