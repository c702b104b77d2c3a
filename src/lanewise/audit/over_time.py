"""When money was spent and requests came: by class over the span of the log, and by hour of the week."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lanewise.audit.costing import RELATIVE
from lanewise.audit.statements import statements, text
from lanewise.audit.waiting import Waiting

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ELSEWHERE: Final = "other lanes"  # in batch, flex, background or the gateway's own cache already
CLASSES: Final = (*(one.value for one in Waiting), ELSEWHERE)
WEEK: Final = 168  # hours
_DATED: Final = (
    f"hour >= {math.ceil(RELATIVE / 3_600)}"  # not counted from the beginning of a trace
)
_UNITS: Final = ((72, "hour"), (92 * 24, "day"), (2 * 366 * 24, "week"), (8 * 366 * 24, "month"))


class Spend(NamedTuple):
    """What some rows come to; money in nano-USD, None where nothing is known of it."""

    rows: int
    requests: int | None
    reckoned: int | None  # by the price book
    logged: int | None


@dataclass(frozen=True, slots=True)
class Slot:
    """One hour, day, week (from Monday), month or year, UTC, and what was spent in it by class."""

    start: int  # seconds since the epoch
    spent: Mapping[str, Spend]


@dataclass(frozen=True, slots=True)
class Hours:
    """Single requests in real time by hour of the week, from Monday at midnight UTC."""

    requests: Mapping[str, tuple[int, ...]]  # by class, `WEEK` of them each
    seen: tuple[
        int, ...
    ]  # how often the span of the log has each hour; where never, nothing is known
    untimed: int  # requests without a date, which are in none


@dataclass(frozen=True, slots=True)
class OverTime:
    """The log's span in slots without a gap, and its week. Both are empty where no row has a time."""

    by: str  # hour, day, week, month or year
    slots: tuple[Slot, ...]
    untimed: Mapping[str, Spend]  # rows without a time, by class
    hours: Hours

    @property
    def priced(self) -> bool:
        """Whether anything was reckoned by the price book; else money is the log's own."""
        every = (*(slot.spent for slot in self.slots), self.untimed)
        return any(one.reckoned for spent in every for one in spent.values())


@dataclass(frozen=True, slots=True)
class Model:
    """What one group used of one model in one lane. Money in nano-USD; None: not known."""

    provider: str | None
    model: str | None
    lane: str
    rows: int
    requests: int | None
    input: int
    cached: int
    output: int
    reckoned: int | None
    logged: int | None


def over_time(connection: DuckDBPyConnection, waiting: Mapping[int, Waiting]) -> OverTime:
    """Add up by time and by who waits for each group, by its id.

    Needs `grouped`, `kept` and `rates`; leaves `spent`, for `of_groups` and `models`.
    """
    asked = statements("over_time")
    connection.execute(asked["spent"])
    connection.execute(asked["classes"], [list(waiting), [one.value for one in waiting.values()]])
    known = {"elsewhere": text(ELSEWHERE), "unknown": text(Waiting.UNKNOWN.value)}
    connection.execute(asked["classed"].format(**known))
    first, last, buckets = connection.execute(asked["span"]).fetchall()[0]
    unit = _unit(first, last, buckets=buckets)
    found: dict[int | None, dict[str, Spend]] = {}
    for start, name, *spend in connection.execute(_by(asked["slots"], unit)).fetchall():
        found.setdefault(start, {})[name] = Spend(*spend)
    untimed = found.pop(None, {})
    return OverTime(unit, tuple(_slots(found, unit)), untimed, _hours(connection))


def of_groups(
    connection: DuckDBPyConnection, over: OverTime, ids: Sequence[int]
) -> dict[int, tuple[Slot, ...]]:
    """The same slots for each of these groups. After `over_time`."""
    found: dict[int, dict[int, dict[str, Spend]]] = {id_: {} for id_ in ids}
    statement = _by(statements("over_time")["of_groups"], over.by)
    for id_, start, name, *spend in connection.execute(statement, [list(ids)]).fetchall():
        if start is not None:
            found[id_].setdefault(start, {})[name] = Spend(*spend)
    return {
        id_: tuple(Slot(slot.start, spent.get(slot.start, {})) for slot in over.slots)
        for id_, spent in found.items()
    }


def models(connection: DuckDBPyConnection, ids: Sequence[int]) -> dict[int, tuple[Model, ...]]:
    """What each of these groups used, the dearest first. After `over_time`."""
    found: dict[int, list[Model]] = {id_: [] for id_ in ids}
    for id_, *told in connection.execute(statements("over_time")["models"], [list(ids)]).fetchall():
        found[id_].append(Model(*told))
    return {id_: tuple(used) for id_, used in found.items()}


def _by(statement: str, unit: str) -> str:
    return statement.replace("{unit}", unit)


def _unit(first: int | None, last: int | None, *, buckets: bool) -> str:
    """So that there are neither two nor two hundred slots. Buckets are of a day, mostly."""
    if first is None or last is None:
        return "day"
    units = _UNITS[1:] if buckets else _UNITS
    return next((unit for most, unit in units if last - first < most), "year")


def _slots(found: Mapping[int | None, Mapping[str, Spend]], unit: str) -> Iterator[Slot]:
    """Also those between, in which nothing was spent."""
    starts = [start for start in found if start is not None]
    if not starts:
        return
    start, last = min(starts), max(starts)
    while start <= last:
        yield Slot(start, found.get(start, {}))
        start = _next(start, unit)


def _next(start: int, unit: str) -> int:
    at = datetime.fromtimestamp(start, UTC)
    if unit == "year":
        at = at.replace(year=at.year + 1)
    elif unit == "month":
        at = (at + timedelta(days=31)).replace(day=1)
    else:
        at += timedelta(**{f"{unit}s": 1})
    return int(at.timestamp())


def _hours(connection: DuckDBPyConnection) -> Hours:
    asked = statements("over_time")
    span, week = (asked[name].replace("{dated}", _DATED) for name in ("week_span", "week"))
    first, last, untimed = connection.execute(span).fetchall()[0]
    found: dict[str, list[int]] = {}
    rows: list[Any] = connection.execute(week).fetchall()
    for place, name, requests in rows:
        found.setdefault(name, [0] * WEEK)[place] = requests
    by_class = {name: tuple(found[name]) for name in CLASSES if name in found}
    return Hours(by_class, _seen(first, last), untimed)


def _seen(first: int | None, last: int | None) -> tuple[int, ...]:
    """How often each hour of the week lies in the span, from the first request's hour to the last's."""
    if first is None or last is None:
        return (0,) * WEEK
    whole, rest = divmod(last - first + 1, WEEK)
    begins = ((first // 24 + 3) % 7) * 24 + first % 24
    return tuple(whole + ((place - begins) % WEEK < rest) for place in range(WEEK))
