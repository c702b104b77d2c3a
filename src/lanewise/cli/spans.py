"""Stretches of time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from lanewise.clock import SystemClock
from lanewise.errors import BadInput

_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_ACCEPTED: Final = "30d, 12h, 4w, or a day such as 2026-11-01"


def since(text: str | None, now: float) -> float | None:
    """The instant that `30d`, `12h`, `4w` or `2026-11-01` (UTC) means; None for None or `all`."""
    if text is None or text == "all":
        return None
    found = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if found:
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds()
    try:
        first = date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"--since is {text!r}; it takes {_ACCEPTED}") from error
    return datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()


def day(text: str | None, option: str = "--at") -> datetime:
    """The start of a day that somebody named (UTC); now, if nobody did."""
    if text is None:
        return datetime.fromtimestamp(SystemClock().now(), UTC)
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{option} is {text!r}; it takes a day such as 2026-12-01") from error
    return datetime(found.year, found.month, found.day, tzinfo=UTC)


def month(text: str) -> tuple[float, float]:
    """The first instant of a month such as `2026-11`, and of the next (UTC)."""
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", text)
    if found is None:
        raise BadInput(f"--month is {text!r}; it takes a month such as 2026-11")
    year, number = int(found[1]), int(found[2])
    first = datetime(year, number, 1, tzinfo=UTC)
    following = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return first.timestamp(), following.timestamp()
