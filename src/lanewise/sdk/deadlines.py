"""Deadlines as Python says them: words, an aware datetime, or a timedelta from now on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lanewise.errors import BadInput

_TAKES: Final = (
    'it takes words such as "8h" or "tomorrow 06:00", an aware datetime, a timedelta, or None'
)


def in_words(wanted: object, now: float, where: str = "deadline") -> str | None:
    """What `--deadline` would say; raises `BadInput` for what is no deadline, naming `where` it is said.

    >>> in_words("8h", 0.0), in_words(timedelta(hours=8), 0.0)
    ('8h', '1970-01-01T08:00:00+00:00')
    """
    match wanted:
        case None | str():
            return wanted
        case datetime():
            if wanted.utcoffset() is None:
                raise BadInput(
                    f"{where} is {wanted!r}, which could be anywhere; give it a time zone, such as "
                    "datetime.now(UTC) has"
                )
            return wanted.isoformat()
        case timedelta():
            try:
                return (datetime.fromtimestamp(now, UTC) + wanted).isoformat()
            except OverflowError as error:
                raise BadInput(f"{where} is {wanted!r}, beyond the calendar; {_TAKES}") from error
        case _:
            raise BadInput(f"{where} is {wanted!r}; {_TAKES}")


def lines_in_words(items: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    """Requests whose own deadlines are words."""
    return [
        item | {"deadline": in_words(item["deadline"], now, f"requests:{number}: deadline")}
        if "deadline" in item
        else item
        for number, item in enumerate(items, start=1)
    ]
