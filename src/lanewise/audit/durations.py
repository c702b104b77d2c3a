"""How long something takes, as people say it."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def spoken(seconds: float) -> str:
    """In the largest unit of which it is at least one and a half.

    >>> spoken(0.25), spoken(90), spoken(86_400), spoken(400_000)
    ('0.25 s', '1.5 min', '24 h', '4.6 days')
    """
    size, unit = next((one for one in _UNITS if seconds >= 1.5 * one[0]), _UNITS[-1])
    return f"{seconds / size:.2g} {unit}"
