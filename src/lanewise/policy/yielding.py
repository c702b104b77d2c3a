"""How much room work that can wait takes on a server that is answering people at the same time.

Pure: what the server is doing for people is told, as is how much time there is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

QUIET_SECONDS: Final = 5.0  # people who have just been answered may ask again
SHARE: Final = 0.25  # of what the server gains from is used beside people
SLACK_FACTOR: Final = 2.0  # room is taken again when there is so much more time than is needed
SLACK_SECONDS: Final = 300.0  # and when there is less than this besides


@dataclass(frozen=True, slots=True)
class Live:
    """Calls in real time to one account."""

    under_way: int = 0
    ended: float = -math.inf  # when the last one did, seconds since the epoch

    def goes_on(self, now: float) -> bool:
        """Whether people are being answered, or were a moment ago."""
        return self.under_way > 0 or 0.0 <= now - self.ended < QUIET_SECONDS


def room(breadth: int, live: Live, now: float, *, slack: float, needs: float) -> int:
    """How many calls that can wait may be under way at once.

    `breadth`: how many calls the server gains from; `slack`: seconds until they are due; `needs`: seconds
    that all of them take. A quarter of the breadth is used, less the calls in real time: people are not to
    stand in line, and while little is known the breadth may be twice what it should be. One goes on even
    then, so that nothing stands still, but for a server that does one thing at a time.

    >>> busy = Live(under_way=3)
    >>> [room(16, busy, 0.0, slack=slack, needs=600.0) for slack in (86_400.0, 900.0)]
    [1, 16]
    >>> room(16, Live(ended=0.0), 60.0, slack=86_400.0, needs=600.0)
    16
    >>> room(4, busy, 0.0, slack=86_400.0, needs=600.0), room(1, busy, 0.0, slack=3e4, needs=1.0)
    (1, 0)
    """
    if slack < SLACK_FACTOR * needs + SLACK_SECONDS or not live.goes_on(now):
        return breadth
    return max(int(SHARE * breadth) - live.under_way, min(breadth - 1, 1))
