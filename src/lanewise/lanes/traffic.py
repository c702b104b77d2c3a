"""Which calls in real time go to whom just now: told by the gateway, read by the worker beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lanewise.clock import Clock
from lanewise.domain.ids import AccountId
from lanewise.policy.yielding import Live


class Traffic:
    """Shared by the threads of one process; other processes' calls are not seen."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._live: dict[AccountId, Live] = {}

    @contextmanager
    def call(self, account: AccountId) -> Iterator[None]:
        """A call is under way while this lasts."""
        self._count(account, 1)
        try:
            yield
        finally:
            self._count(account, -1)

    def live(self, account: AccountId) -> Live:
        """What is known now."""
        return self._live.get(account, Live())

    def _count(self, account: AccountId, more: int) -> None:
        with self._lock:
            before = self._live.get(account, Live())
            ended = before.ended if more > 0 else self._clock.now()
            self._live[account] = Live(before.under_way + more, ended)
