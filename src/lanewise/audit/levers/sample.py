"""The requests that levers are replayed over: all of a log, or stretches of a large one, with prompts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final

from lanewise.audit import texts
from lanewise.audit.caching import Prompt
from lanewise.audit.levers.asked import Asked
from lanewise.audit.levers.used import Used
from lanewise.audit.logs.importing import Imported
from lanewise.audit.statements import statements
from lanewise.audit.texts import Prompts
from lanewise.domain.usage import Usage
from lanewise.replay.cache_rules import rules_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WHOLE: Final = 60_000  # requests of a log that is replayed whole, and of a sample of a larger one
STRETCHES: Final = 30
WARM: Final = (
    3_600.0  # seconds before each stretch that only warm caches, or the longest life of its models
)
_COUNTED: Final = 0.4  # of a sample; the others warm
_BYTES: Final = 256 << 20  # of their prompts
_AT_ONCE: Final = 500  # rows


@dataclass(frozen=True, slots=True)
class Sample:
    """Requests in the order of time, read from the table `wanted` as often as one goes over them.

    `stretches` is None where all `of` requests in real time are there. `warmed`: the fewest seconds before a
    stretch that warm its caches. `paced`: so many a second were taken to be sent, since the log has no times;
    `inf`: all at once, which is what repeats at the most.
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
        return self.prompts.there

    @property
    def timeless(self) -> bool:
        """Whether nothing is known of when requests were sent."""
        return self.paced == inf

    def bare(self) -> Iterator[Asked]:
        """The same without prompts, for what must not rest on when they were sent."""
        for one in self:
            yield one._replace(prompt=one.prompt._replace(blocks=b"", size=0))


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
    _see(connection, pace)
    timed, count, bytes_ = connection.execute(asked["live"]).fetchall()[0]
    if not timed and pace is None:
        pace = inf
        _see(connection, pace)
        timed, count, bytes_ = connection.execute(asked["live"]).fetchall()[0]
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


def _see(connection: DuckDBPyConnection, pace: float | None) -> None:
    """Make the view of what can be replayed. All at once, in an order that is not that of the lines."""
    at, begins = '"at"', "coalesce(first_token_seconds, seconds, 0)"
    if pace == inf:
        at, begins = "0.0::DOUBLE", "0.0::DOUBLE"
    elif pace is not None:
        at = f'coalesce("at", place / {pace:.9f})'
    seen = statements("texts")["replayable"].replace("{at}", at).replace("{begins}", begins)
    connection.execute(seen)


def _drawn(connection: DuckDBPyConnection, most: int) -> float:
    """Fill `wanted` with stretches of about `most` requests in all; how long they are warmed at the least."""
    asked = statements("texts")
    models = connection.execute(asked["models"]).fetchall()
    lives = [life.seconds for (model,) in models for life in rules_of(model).lives]
    # what was asked a lifetime ago is there; whether it had been read by then shows a lifetime before that
    warm = max(WARM, *(2 * life for life in lives))
    connection.execute(asked["none"])
    each = most // STRETCHES
    counted = max(int(each * _COUNTED), 1)
    warming = each - counted
    anchors = connection.execute(asked["anchors"], [STRETCHES]).fetchall()
    for number, (begins,) in enumerate(anchors):
        places = {"stretch": number, "begins": begins, "counted": counted}
        connection.execute(asked["stretch"], places | {"warm": warm, "warming": warming})
    ((cut,),) = connection.execute(asked["warmed"], [warming]).fetchall()
    return warm if cut is None else min(float(cut), warm)


def _one(row: Any, prompts: Prompts) -> Asked:
    stretch, counted, group, at, provider, model, input_, cached, *rest = row
    written, long, output, begins, key, content, answer, ok, estimated = rest
    cut = prompts.find(key, model, input_)
    if estimated and cut.tokens:  # what was counted is better
        input_ = cut.tokens
    read = cached or 0
    usage = Usage(max(input_ - read - written, 0), read, written - long, long, 0, output)
    used = Used(provider, model, max(input_ - 1, 0), 1, usage)
    prompt = Prompt(
        at,
        cut.blocks,
        input_,
        cut.size,
        cut.block,
        provider=provider,
        model=model,
        lane="realtime",
        cached=cached,
        written_5m=written - long,
        written_1h=long,
        begins=begins,
    )
    return Asked(group, used, prompt, content, answer, ok, stretch, counted)
