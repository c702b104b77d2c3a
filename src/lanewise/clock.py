"""The one place where time is read and waited for; everything else is passed `now`.

`now` is seconds since the epoch, UTC, as a float: the form providers, SQLite and arithmetic share.
"""

from __future__ import annotations

import asyncio
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
        await asyncio.sleep(seconds)


class ScaledClock:
    """A clock that runs `speed` times as fast as the machine's from `epoch` on (for the sandbox).

    >>> clock = ScaledClock(epoch=0.0, speed=60.0, real=lambda: 2.0)
    >>> clock.now()
    120.0
    """

    def __init__(self, *, epoch: float, speed: float, real: object = time.time) -> None:
        self._epoch, self._speed = epoch, speed
        self._real = real

    def now(self) -> float:
        """Seconds since the epoch, UTC, on the faster clock."""
        assert callable(self._real)
        return self._epoch + (float(self._real()) - self._epoch) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` of the faster clock pass."""
        await asyncio.sleep(seconds / self._speed)
