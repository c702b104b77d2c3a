"""Figures in the sentences that say why."""

from __future__ import annotations

from typing import Final

from lanewise.domain.lanes import (
    BACKGROUND_2H,
    BACKGROUND_8H,
    REALTIME,
    LaneName,
)

_SAID: Final = {
    REALTIME: "real time",
    BACKGROUND_2H: "background (2 h)",
    BACKGROUND_8H: "background (8 h)",
}


def lane_said(lane: LaneName) -> str:
    """A lane's name in a sentence.

    >>> lane_said(BACKGROUND_8H)
    'background (8 h)'
    """
    return _SAID.get(lane, lane)


def dollars(nano: float) -> str:
    """Nano-USD with two digits that count.

    >>> dollars(1_230_000), dollars(21_000_000_000), dollars(0)
    ('$0.0012', '$21.00', '$0')
    """
    usd = nano / 1e9
    if usd == 0 or usd >= 1:
        return f"${usd:.2f}" if usd else "$0"
    digits = 2
    while digits < 9 and usd * 10 ** (digits - 1) < 1:
        digits += 1
    return f"${usd:.{digits}f}"


def percent(share: float) -> str:
    """A share of 1, never rounded up to certainty.

    >>> percent(0.934), percent(0.9996), percent(1.0)
    ('93 %', '99.9 %', '100 %')
    """
    if 0.99 < share < 1.0:
        return f"{min(int(share * 1000) / 10, 99.9):.1f} %"
    return f"{100 * share:.0f} %"


def span(seconds: float) -> str:
    """A duration as people say it, rounded down.

    >>> span(45), span(2_700), span(27_600), span(200_000)
    ('45 s', '45 min', '7 h 40 min', '2 d 7 h')
    """
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min"
    hours, rest = divmod(whole, 3_600)
    if hours < 48:
        return f"{hours} h {rest // 60} min" if rest >= 60 else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
