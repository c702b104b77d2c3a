"""Hours of the week, as people say them: `22:00-06:00`, `mon-fri 08:00-18:00 Europe/Berlin`, `sat,sun`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, TypeAlias

from lanewise.errors import BadInput

Zones: TypeAlias = Callable[[str], tzinfo | None]  # finds a time zone by its name

ACCEPTED: Final = "22:00-06:00, mon-fri 08:00-18:00 or sat,sun, and behind it a time zone or none"
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = 1_440  # minutes
_WEEK: Final = 7 * _DAY
_FULL: Final = (1 << _WEEK) - 1
_WORD: Final = "|".join(DAYS)
_SAID: Final = re.compile(
    rf"(?:(?P<days>(?:{_WORD})(?:[-,](?:{_WORD}))*)(?:\s+|$))?"
    r"(?:(?P<start>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2})(?:\s+|$))?"
    r"(?P<zone>[A-Za-z_]+(?:/[A-Za-z0-9_+\-]+)*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes of the week on one time zone's clocks; a range past midnight is of the day it begins."""

    week: int  # a bit for each minute, from Monday 00:00 on
    zone: tzinfo
    text: str  # as it was said

    def covers(self, now: float) -> bool:
        """Whether they hold at this instant, in seconds since the epoch.

        >>> night = hours(("22:00-06:00",), UTC)
        >>> [night.covers(hour * 3_600.0) for hour in (5, 6, 21, 22)]
        [True, False, False, True]
        """
        return bool(self.week >> _minute(datetime.fromtimestamp(now, self.zone)) & 1)

    def opens(self, now: float) -> float:
        """The first instant from `now` on at which they hold."""
        at = now
        while not self.covers(at):  # again only where clocks are changed in between
            here = datetime.fromtimestamp(at, self.zone).replace(second=0, microsecond=0)
            passed = _minute(here)
            rotated = (self.week >> passed | self.week << (_WEEK - passed)) & _FULL
            ahead = (rotated & -rotated).bit_length() - 1
            wall = here.replace(tzinfo=None) + timedelta(minutes=max(ahead, 1))
            at = max(wall.replace(tzinfo=self.zone).timestamp(), at + 60)
        return at

    def holds(self, other: Hours) -> bool:
        """Whether they are sure to hold whenever the others do."""
        return self.week == _FULL or (self.zone == other.zone and not other.week & ~self.week)

    def meets(self, other: Hours) -> bool:
        """Whether both may hold at once; those of two zones may, as far as is known."""
        return self.zone != other.zone or bool(self.week & other.week)


def together_hold(many: Sequence[Hours], other: Hours) -> bool:
    """Whether one of many is sure to hold whenever the others do.

    >>> week, rest = (hours((days,), UTC) for days in ("mon-fri", "sat,sun"))
    >>> together_hold([week], EVERY_HOUR), together_hold([week, rest], EVERY_HOUR)
    (False, True)
    """
    weeks: dict[tzinfo, int] = {}
    for one in many:
        weeks[one.zone] = weeks.get(one.zone, 0) | one.week
    return any(Hours(week, zone, "").holds(other) for zone, week in weeks.items())


def hours(texts: tuple[str, ...], zone: tzinfo, zones: Zones = lambda name: None) -> Hours:
    """What texts mean together, in `zone` where they name none; `zones` finds named ones.

    Raises `BadInput` for one that cannot be meant, one that holds at no time, and two zones together.
    """
    found = [_one(text, zone, zones) for text in texts]
    if not found:
        raise BadInput(f"it names no hours; it takes {ACCEPTED}")
    week = 0
    for minutes, there in found:
        if there != found[0][1]:
            raise BadInput(f"it names two time zones, {found[0][1]} and {there}; it takes one")
        week |= minutes
    return Hours(week, found[0][1], "; ".join(texts))


def _one(text: str, zone: tzinfo, zones: Zones) -> tuple[int, tzinfo]:
    said = _SAID.fullmatch(text.strip())
    if said is None or not (said["days"] or said["start"]):
        raise BadInput(f"{text!r} is no hours; it takes {ACCEPTED}")
    there = zones(said["zone"]) if said["zone"] else zone
    if there is None:
        raise BadInput(f"{text!r} names no time zone that is known; it takes one such as UTC")
    start, end = _clock(said["start"] or "00:00", text), _clock(said["end"] or "24:00", text)
    if start == end:
        raise BadInput(
            f"{text!r} begins when it ends, so it holds at no time; for the whole day, leave the times out"
        )
    length = (end - start) % _DAY or _DAY
    week = 0
    for day in _days(said["days"] or "mon-sun"):
        minutes = ((1 << length) - 1) << (day * _DAY + start)
        week |= (minutes | minutes >> _WEEK) & _FULL
    return week, there


def _clock(text: str, whole: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > _DAY:
        raise BadInput(f"{whole!r} has the time {text}; it takes 00:00 to 24:00")
    return hour * 60 + minute


def _days(text: str) -> Iterator[int]:
    """Numbers of days, Monday is 0; `sat-mon` is three of them."""
    for part in text.lower().split(","):
        first, *others = (DAYS.index(day) for day in part.split("-"))
        for day in range((others[-1] - first) % 7 + 1 if others else 1):
            yield (first + day) % 7


def _minute(wall: datetime) -> int:
    return wall.weekday() * _DAY + wall.hour * 60 + wall.minute


EVERY_HOUR: Final = Hours(_FULL, UTC, "always")
