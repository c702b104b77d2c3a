"""The lever of what is asked more than once: repeats, retry loops, and prompts that ask nothing.

Prompts are the same if workflow, provider, model and text are. What else a request says, temperature or
tools, is in no normal row and not compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from lanewise.audit.durations import spoken
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.audit.statements import statements
from lanewise.domain.lanes import LaneName
from lanewise.domain.usage import Usage

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RETRY: Final = 60.0  # seconds after a failure within which the same again is a retry
_MOST_ALIKE: Final = 0.95  # of the repeats, from which on they are surely needless
_ON_PURPOSE: Final = 43_200.0  # seconds; what is asked again a day later may be meant so
_FEW: Final = 0.01  # of the requests, below which what costs nothing is not told


class Times(NamedTuple):
    """Seconds from the one before to a repeat: of half of them, and of 95 in 100, at the most."""

    half: float
    most: float


@dataclass(frozen=True, slots=True)
class Repeated:
    """Requests of one group; none is in two of `alike`, `other`, `failed` and `empty`."""

    texts: int  # requests with a text, of which alone anything can be said
    alike: int  # answered before, and answered the same again
    other: int  # answered before, and answered otherwise or nobody knows how
    untold: int  # of `other`: nobody knows how
    failed: int  # failed, and asked again within a minute
    empty: int  # ask nothing
    times: Times | None

    @property
    def repeats(self) -> int:
        """Asked and answered before."""
        return self.alike + self.other

    @property
    def all(self) -> int:
        """Whatever need not have been asked."""
        return self.repeats + self.failed + self.empty


def gather(connection: DuckDBPyConnection, empty: Iterable[int] = ()) -> dict[int, Repeated]:
    """By the id of the group. `empty`: hashes of prompts that ask nothing. Leaves the table `repeated`."""
    asked = statements("repeats")
    connection.execute(asked["empty"])
    for prompt in empty:
        connection.execute("INSERT INTO empty VALUES (?)", [prompt])
    connection.execute(asked["found"], {"retry": RETRY})
    found = connection.execute(asked["counts"]).fetchall()
    return {id_: _repeated(counts, times) for id_, *counts, times in found}


def _repeated(counts: Sequence[int], times: Sequence[float] | None) -> Repeated:
    texts, alike, other, untold, failed, empty = counts
    return Repeated(texts, alike, other, untold, failed, empty, Times(*times) if times else None)


def dedupe(
    connection: DuckDBPyConnection, names: dict[int, str], prices: Prices, empty: Iterable[int] = ()
) -> Iterator[Lever]:
    """A lever for each group in which something was asked more than once. `names`: of groups by their ids."""
    found = gather(connection, empty)
    alike, whole = _costs(connection, prices)
    for id_, repeated in found.items():
        money = Money(alike[id_], whole[id_])
        if id_ in names and (money.high or repeated.all >= _FEW * repeated.texts):
            yield _lever(names[id_], repeated, money)


def _costs(
    connection: DuckDBPyConnection, prices: Prices
) -> tuple[defaultdict[int, int], defaultdict[int, int]]:
    """By group, in the lanes that they went in: what was answered alike, and all of it."""
    alike, whole = defaultdict[int, int](int), defaultdict[int, int](int)
    for row in connection.execute(statements("repeats")["used"]).fetchall():
        id_, same, lane, provider, model, above, requests, plain, read, short, long, output = row
        used = Used(provider, model, above, requests, Usage(plain, read, short, long, 0, output))
        cost = prices.cost(used, LaneName(lane)) or 0
        whole[id_] += cost
        alike[id_] += cost if same else 0
    return alike, whole


def _lever(group: str, found: Repeated, money: Money) -> Lever:
    parts = (
        f"{found.repeats:,} repeats" if found.repeats else "",
        f"{found.failed:,} failed and sent again" if found.failed else "",
        f"{found.empty:,} empty" if found.empty else "",
    )
    return Lever(
        kind="dedupe",
        group=group,
        does=f"ask once: {', '.join(part for part in parts if part)}",
        requests=found.all,
        now=money.high,
        money=money,
        sure=_sure(found),
        evidence=tuple(_evidence(found)),
        rests_on=tuple(_grounds(found)),
    )


def _sure(found: Repeated) -> str:
    """As sure as it is that the first answer would have done."""
    if found.repeats and not found.alike:
        return "none"
    late = found.times is not None and found.times.half > _ON_PURPOSE
    return "high" if found.alike >= _MOST_ALIKE * found.all and not late else "medium"


def _evidence(found: Repeated) -> Iterator[str]:
    if found.repeats:
        yield f"{found.repeats:,} of {found.texts:,} ask what was answered before, {_answers(found)}"
    if found.times is not None:
        half, most = (spoken(seconds) for seconds in found.times)
        yield f"half of them within {half} of the one before, 95 of 100 within {most}"
    if found.failed:
        yield f"{found.failed:,} of {found.texts:,} failed and were sent again within a minute: a retry loop"
    if found.empty:
        yield f"{found.empty:,} of {found.texts:,} ask nothing: their last message is empty"


def _answers(found: Repeated) -> str:
    """How repeats were answered."""
    if found.alike == found.repeats:
        return "all with the same answer"
    otherwise = found.other - found.untold
    parts = (
        f"{found.alike:,} with the same answer" if found.alike else "",
        f"{otherwise:,} with another" if otherwise else "",
        f"{found.untold:,} with none in the log" if found.untold else "",
    )
    return ", ".join(part for part in parts if part)


def _grounds(found: Repeated) -> Iterator[str]:
    yield f"all {found.texts:,} requests with a text, in the lanes that they went in"
    yield "the same workflow, model and text; temperature, tools and other parameters are not compared"
    if found.repeats:
        yield "at the least only what was answered alike; at the most all, if the first answer does"
    if found.failed:
        yield "failed ones at what the log says of their tokens; most providers do not charge for them"
    if found.times is not None and found.times.half > _ON_PURPOSE:
        yield "half come more than twelve hours later: check that they are not asked again on purpose"
