"""The sandbox's own time: as fast as one likes, or moved by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class SandboxClock:
    """Sandbox time is `epoch` plus what has passed since, times `speed`, plus what was added by hand.

    >>> clock = SandboxClock(epoch=100.0, speed=60.0, real=lambda: 101.0)
    >>> clock.now()
    160.0
    >>> clock.advance(5)
    >>> clock.now()
    165.0
    """

    def __init__(
        self,
        *,
        epoch: float,
        speed: float,
        real: Callable[[], float] = time.time,
        ahead: float = 0.0,
    ) -> None:
        self.epoch, self.speed = epoch, speed
        self._real = real
        self._ahead = ahead
        self._guard = threading.Lock()

    def now(self) -> float:
        """Seconds since the epoch, UTC, in the sandbox."""
        return self.epoch + (self._real() - self.epoch) * self.speed + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        with self._guard:
            self._ahead += seconds

    def jump_to(self, ahead: float) -> None:
        """Take over what another process of the same directory has added by hand."""
        with self._guard:
            self._ahead = max(self._ahead, ahead)

    def real_now(self) -> float:
        """Seconds since the epoch, UTC, outside."""
        return self._real()

    @property
    def ahead(self) -> float:
        """What was added by hand."""
        return self._ahead
