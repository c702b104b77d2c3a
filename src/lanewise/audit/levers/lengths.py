"""What shows of prompts without their texts: limits far above use, histories that grow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.prompting import input_cost
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.audit.statements import statements

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ENOUGH: Final = 50  # answers
TIMES: Final = 4  # a limit so many times what 99 of 100 answers need
MORE: Final = 1_000  # tokens above that, at the least
KEPT: Final = 10  # turns of a history that are not counted
LEAST: Final = 15  # turns of a session that is


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one group and model, in tokens."""

    id: int
    provider: str
    model: str
    answers: int
    usual: int  # what 99 of 100 answers have at the most
    longest: int
    loose: int  # requests with a limit far above
    limit: int  # the middle of those


@dataclass(frozen=True, slots=True)
class Histories:
    """Of one group and model; `old` of `tokens` stand further back than the last `KEPT` turns."""

    id: int
    provider: str
    model: str
    requests: int  # in a session
    affected: int
    sessions: int
    tokens: int
    old: int


def length_levers(
    connection: DuckDBPyConnection,
    names: Mapping[int, str],
    used: Mapping[int, Sequence[Used]],
    prices: Prices,
    estimated: Mapping[str, str],
) -> Iterator[Lever]:
    """A lever for each group and model. Needs `grouped`, `kept` and `live`.

    estimated: by model, what its tokens rest on where the log has none.
    """
    asked = statements("lengths")
    loose = {"enough": ENOUGH, "times": TIMES, "more": MORE}
    for row in connection.execute(asked["limits"], loose).fetchall():
        limits = Limits(*row)
        parts = _parts(used.get(limits.id, ()), limits.provider, limits.model)
        yield _limit(names[limits.id], limits, sum(prices.cost(one) or 0 for one in parts))
    kept = {"kept": KEPT, "least": LEAST}
    for row in connection.execute(asked["histories"], kept).fetchall():
        found = Histories(*row)
        parts = _parts(used.get(found.id, ()), found.provider, found.model)
        yield _history(names[found.id], found, parts, prices, estimated)


def _parts(used: Sequence[Used], provider: str, model: str) -> list[Used]:
    return [one for one in used if (one.provider, one.model) == (provider, model)]


def _limit(group: str, found: Limits, now: int) -> Lever:
    return Lever(
        kind="prompt",
        group=group,
        does="ask for fewer output tokens at the most (max_tokens)",
        requests=found.loose,
        now=now,
        money=Money(),
        sure="medium",
        evidence=(
            (
                f"{found.loose:,} of {found.answers:,} requests allow {found.limit:,} tokens and more, "
                f"while 99 of 100 answers have at most {found.usual:,} and the longest {found.longest:,}"
            ),
        ),
        rests_on=(
            (
                "saves nothing by itself: it bounds a runaway answer, and most providers set "
                "the limit aside from tokens per minute, or from what a batch may hold"
            ),
        ),
    )


def _history(
    group: str,
    found: Histories,
    used: Sequence[Used],
    prices: Prices,
    estimated: Mapping[str, str],
) -> Lever:
    now = sum(input_cost(one, prices) for one in used)
    return Lever(
        kind="prompt",
        group=group,
        does="cache, cut or summarise what was said more than ten turns ago",
        requests=found.affected,
        now=now,
        money=Money(0, now * found.old // max(found.tokens, 1)),
        sure="trial",
        evidence=tuple(_said(found)),
        rests_on=(
            "all requests in a session, by how much their input grew",
            "at the least nothing: answers may need it. Verify with a trial; a cache is the first remedy",
            *([estimated[found.model]] if found.model in estimated else []),
        ),
    )


def _said(found: Histories) -> Iterator[str]:
    yield (
        f"{found.sessions:,} sessions send more than {KEPT} turns of their history again, in "
        f"{found.affected:,} of {found.requests:,} requests, not read from a cache"
    )
    yield f"that is {found.old / max(found.tokens, 1):.0%} of what sessions send"
