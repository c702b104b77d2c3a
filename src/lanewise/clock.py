"""The one place where time is read and waited for; everything else is passed `now`.

`now` is seconds since the epoch, UTC, as a float: the form providers, SQLite and arithmetic share.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` of this clock pass."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        import asyncio  # commands that only ask for the time start without it

        await asyncio.sleep(seconds)
