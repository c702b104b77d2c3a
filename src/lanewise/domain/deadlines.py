"""When an answer is needed: an instant, whenever, or at once; as people say it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import ClassVar, Final, TypeAlias

from lanewise.errors import BadInput

ACCEPTED: Final = (
    "8h, 30m, 1d12h, in 90 minutes, 06:00, 6am, tomorrow 06:00, friday 06:00, 2026-12-01T06:00+01:00, "
    "any of these followed by a time zone such as Europe/Berlin or +01:00, none (whenever) or now (real time)"
)


UNLESS: Final = ", unless a line says another"  # follows a run's words where lines had their own


@dataclass(frozen=True, slots=True)
class By:
    """By an instant, in seconds since the epoch."""

    at: float

    def instant(self) -> datetime:
        """As an aware instant, in UTC."""
        return datetime.fromtimestamp(self.at, UTC)


@dataclass(frozen=True, slots=True)
class Whenever:
    """Nobody waits: the cheapest lane, however long it takes."""

    name: ClassVar[str] = "none"


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Somebody waits: real time."""

    name: ClassVar[str] = "now"


Deadline: TypeAlias = By | Whenever | AtOnce

AT_ONCE: Final = (
    1.0  # what is kept of a deadline that was over when it was set: the epoch's first second
)


def kept(wanted: Deadline) -> float | None:
    """What is kept of a deadline: its instant, `AT_ONCE`, or None for whenever."""
    match wanted:
        case By():
            return wanted.at
        case AtOnce():
            return AT_ONCE
        case Whenever():
            return None


def was_kept(at: float | None) -> Deadline:
    """The deadline of which `kept` kept this."""
    if at is None:
        return Whenever()
    return AtOnce() if at <= AT_ONCE else By(at)


_SPAN: Final = re.compile(
    r"(?:in\s+)?(?:(\d{1,4})\s*w(?:eeks?)?\s*)?(?:(\d{1,4})\s*d(?:ays?)?\s*)?"
    r"(?:(\d{1,5})\s*h(?:ours?|rs?)?\s*)?(?:(\d{1,6})\s*m(?:in(?:ute)?s?)?)?"
)
_CLOCK: Final = re.compile(
    r"(?:(today|tomorrow|[a-z]+day)\s+)?(\d{1,2})(?::(\d{2}))?(?:\s*([ap])m)?"
)
_ZONE: Final = re.compile(r"(.*\S)\s+([A-Za-z_]+(?:/[A-Za-z_+\-0-9]+)*)")
_OFFSET: Final = re.compile(r"(.*\d(?:\s*[AaPp][Mm])?)\s*(?:([+-])([01]\d|2[0-3]):?([0-5]\d)|[Zz])")
_WEEKDAYS: Final = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
_LAST: Final = timedelta(days=366)


def deadline(
    text: str,
    now: float,
    zone: tzinfo,
    *,
    where: str = "--deadline",
    zones: Callable[[str], tzinfo | None] = lambda name: None,
) -> Deadline:
    """What a text means at `now`, in `zone` where the text names none; `zones` finds named ones.

    A time of day is the next one. Where clocks are put back and a time comes twice, the first is meant;
    where they are put forward and it does not come, the instant at which it would have come.

    Raises `BadInput` for a text that cannot be meant, an instant that has passed, and one more than a year
    away.
    """
    said = " ".join(text.split())
    if said.lower() in ("none", "now"):
        return Whenever() if said.lower() == "none" else AtOnce()
    today = datetime.fromtimestamp(now, UTC)
    found = _instant(said, today, zone, zones)
    if found is None:
        raise BadInput(f"{where} is {text!r}; it takes {ACCEPTED}")
    if found <= today:
        raise BadInput(
            f"{where} is {text!r}, which was {_said(found)}; it takes a time that is still to come"
        )
    if found > today + _LAST:
        raise BadInput(
            f"{where} is {text!r}, more than a year away ({_said(found)}); for whenever, say none"
        )
    return By(found.timestamp())


def span(text: str) -> timedelta | None:
    """How long from whenever it is said, where the text says that; None for all others.

    >>> span("1d12h"), span("in 90 minutes"), span("06:00")
    (datetime.timedelta(days=1, seconds=43200), datetime.timedelta(seconds=5400), None)
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or not any(found.groups()):
        return None
    weeks, days, hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes)


def _instant(
    said: str, now: datetime, zone: tzinfo, zones: Callable[[str], tzinfo | None]
) -> datetime | None:
    length = span(said)
    if length is not None:
        return now + length
    found = _in_zone(said, now, zone)
    if found is not None:
        return found
    fixed = _OFFSET.fullmatch(said)
    if fixed is not None:
        return _in_zone(fixed[1], now, _offset(fixed))
    named = _ZONE.fullmatch(said)
    there = zones(named[2]) if named else None
    return None if named is None or there is None else _in_zone(named[1], now, there)


def _offset(found: re.Match[str]) -> tzinfo:
    """So many hours and minutes from UTC, whatever the season."""
    if found[2] is None:
        return UTC
    away = timedelta(hours=int(found[3]), minutes=int(found[4]))
    return timezone(-away if found[2] == "-" else away)


def _in_zone(said: str, now: datetime, zone: tzinfo) -> datetime | None:
    clock = _CLOCK.fullmatch(said.lower())
    if clock and (clock[3] or clock[4]):  # a number alone could be anything
        hour = _hour(int(clock[2]), clock[4])
        return _time_of_day(clock[1], hour, int(clock[3] or 0), now, zone)
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        return None
    if len(said) <= len("2026-12-01"):  # a day without a time could mean its beginning or its end
        return None
    return found if found.tzinfo else _on_clock(found, zone)


def _hour(said: int, half: str | None) -> int:
    """The hour of the day, 24 at its end; 25, which is none, where 12-hour clocks do not show it."""
    if half is None:
        return said
    return said % 12 + (12 if half == "p" else 0) if 1 <= said <= 12 else 25


def _time_of_day(
    day: str | None, hour: int, minute: int, now: datetime, zone: tzinfo
) -> datetime | None:
    if hour > 24 or minute > 59 or (hour == 24 and minute):
        return None
    here = now.astimezone(zone).replace(tzinfo=None)
    wanted = here.replace(hour=hour % 24, minute=minute, second=0, microsecond=0)
    wanted += timedelta(days=hour // 24)
    match day:
        case None:
            first = _on_clock(wanted, zone)
            return first if first > now else _on_clock(wanted + timedelta(days=1), zone)
        case "today":
            return _on_clock(wanted, zone)
        case "tomorrow":
            return _on_clock(wanted + timedelta(days=1), zone)
        case _ if day in _WEEKDAYS:
            ahead = (_WEEKDAYS.index(day) - here.weekday()) % 7
            first = _on_clock(wanted + timedelta(days=ahead), zone)
            return first if first > now else _on_clock(wanted + timedelta(days=ahead + 7), zone)
        case _:
            return None


def _on_clock(wall: datetime, zone: tzinfo) -> datetime:
    """A wall time as an instant; the first of two, and never one that does not exist."""
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _said(at: datetime) -> str:
    try:
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except OverflowError:  # at either end of the calendar there may be no such day in UTC
        return at.isoformat()
