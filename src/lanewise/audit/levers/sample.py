"""The requests that levers are replayed over: all of a log, or stretches of a large one, with their prompts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lanewise.audit import texts
from lanewise.audit.caching import Prompt
from lanewise.audit.importing import Imported
from lanewise.audit.levers.together import Asked
from lanewise.audit.levers.used import Used
from lanewise.audit.statements import statements
from lanewise.audit.texts import Prompts
from lanewise.domain.usage import Usage

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WHOLE: Final = 60_000  # requests of a log that is replayed whole, and of a sample of a larger one
STRETCHES: Final = 30
WARM: Final = 3_600.0  # seconds before each stretch that only warm caches: as long as most lives
_COUNTED: Final = 0.4  # of a sample; the others warm
_BYTES: Final = 256 << 20  # of their prompts
_AT_ONCE: Final = 500  # rows


@dataclass(frozen=True, slots=True)
class Sample:
    """Requests in the order of time, read from the table `wanted` as often as one goes over them.

    `stretches` is None where all `of` requests in real time are there. `warmed`: the fewest seconds before a
    stretch that warm its caches. `paced`: so many a second were taken to be sent, since the log has no times.
    """

    connection: DuckDBPyConnection
    prompts: Prompts
    requests: int  # that are counted
    of: int
    stretches: int | None
    warmed: float
    paced: float | None

    def __iter__(self) -> Iterator[Asked]:
        """Stretch by stretch, each in the order of time."""
        # a cursor of its own, so that two can read at once
        rows = self.connection.cursor().execute(statements("texts")["asked"])
        while batch := rows.fetchmany(_AT_ONCE):
            for row in batch:
                yield _one(row, self.prompts)

    @property
    def texts(self) -> bool:
        """Whether there are prompts; without them nothing can be said of caches."""
        return len(self.prompts) > 0


def sample(
    connection: DuckDBPyConnection,
    imported: Imported,
    *,
    pace: float | None = None,
    whole: int = WHOLE,
) -> Sample:
    """Choose what is replayed, and read its prompts again. Needs `grouped` and `kept`.

    pace: how many requests a second a log without times is taken to have sent, in its own order.
    """
    asked = statements("texts")
    at = '"at"' if pace is None else f'coalesce("at", place / {pace:.9f})'
    connection.execute(asked["replayable"].replace("{at}", at))
    count, bytes_ = connection.execute(asked["live"]).fetchall()[0]
    most = int(min(whole, _BYTES // max(bytes_, 1)))
    warmed = WARM
    if count <= most:
        connection.execute(asked["all"])
    else:
        warmed = _drawn(connection, most)
    (counted,) = connection.execute("SELECT count(*) FILTER (counted) FROM wanted").fetchall()[0]
    return Sample(
        connection,
        texts.cut(connection, imported),
        counted,
        count,
        None if count <= most else STRETCHES,
        warmed,
        pace,
    )


def _drawn(connection: DuckDBPyConnection, most: int) -> float:
    """Fill `wanted` with stretches of about `most` requests in all; how long they are warmed at the least."""
    asked = statements("texts")
    connection.execute(asked["none"])
    each = most // STRETCHES
    counted = max(int(each * _COUNTED), 1)
    warming = each - counted
    anchors = connection.execute(asked["anchors"], [STRETCHES]).fetchall()
    for number, (begins,) in enumerate(anchors):
        places = {"stretch": number, "begins": begins, "counted": counted}
        connection.execute(asked["stretch"], places | {"warm": WARM, "warming": warming})
    ((cut, _),) = connection.execute(asked["warmed"], [warming]).fetchall()
    return WARM if cut is None else min(float(cut), WARM)


def _one(row: Any, prompts: Prompts) -> Asked:
    stretch, counted, group, at, provider, model, lane, input_, cached, *rest = row
    written, long, output, begins, key, content, answer, ok = rest
    read = cached or 0
    usage = Usage(max(input_ - read - written, 0), read, written - long, long, 0, output)
    used = Used(provider, model, max(input_ - 1, 0), 1, usage)
    blocks, size, block = prompts.find(key, model, input_)
    prompt = Prompt(
        at,
        blocks,
        input_,
        size,
        block,
        provider=provider,
        model=model,
        lane="realtime",
        cached=cached,
        written_5m=written - long,
        written_1h=long,
        begins=begins,
    )
    return Asked(group, used, prompt, content, answer, ok, stretch, counted)
