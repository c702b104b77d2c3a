"""How long to hold out in a lane that has no capacity. Times in seconds."""

from __future__ import annotations

from typing import Final

FIRST_PAUSE: Final = 15.0
LONGEST_PAUSE: Final = 300.0
MOST_ROUNDS: Final = 6
SHARE_OF_SLACK: Final = 0.05  # of what is left to the deadline: what a pause may take at the most
_REMEMBERED: Final = 1_000


def hold_out(rounds: int, left: float | None) -> float | None:
    """Seconds until the lane is tried again after `rounds` rounds without an answer; None: the next lane.

    `left`: seconds to the deadline, None where there is none. Capacity comes back within minutes or not for
    long, so a lane is given some minutes and, where that is less, a small part of the time that is left.

    >>> [hold_out(rounds, None) for rounds in (0, 3, 6)]
    [15.0, 120.0, None]
    >>> hold_out(0, 600.0), hold_out(2, 600.0)
    (15.0, None)
    """
    pause = min(FIRST_PAUSE * 2.0**rounds, LONGEST_PAUSE)
    if rounds >= MOST_ROUNDS or (left is not None and pause > left * SHARE_OF_SLACK):
        return None
    return pause


def remembered(calls: int, refusals: int, *, more: int, refused: int) -> tuple[int, int]:
    """Calls and refusals of a lane so far, with `more` calls of which `refused` were refused.

    Older ones count half whenever a thousand have come together: a lane's capacity is a matter of days.

    >>> remembered(900, 90, more=300, refused=10)
    (600, 50)
    """
    calls, refusals = calls + more, refusals + refused
    return (calls // 2, refusals // 2) if calls > _REMEMBERED else (calls, refusals)
