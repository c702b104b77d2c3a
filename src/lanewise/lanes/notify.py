"""Webhooks are told what has ended, until they have it: at least once, under an id that stays the same.

A try is claimed before it is made, in one commit that puts the notice off: no other worker makes the same,
and where this one dies over it, the notice is due again a little later.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from typing import Final, assert_never

from lanewise.clock import Clock
from lanewise.lanes.announce import Announcer
from lanewise.lanes.receiver import TRY_SECONDS, Receivers
from lanewise.lanes.signing import signed
from lanewise.policy.notifying import Again, GivenUp, Taken, Unwanted, next_step
from lanewise.store.protocol import Store
from lanewise.store.webhooks import Notice, Webhook

CLAIM_SECONDS: Final = 4 * TRY_SECONDS  # then whoever made the try is taken for dead
AT_ONCE: Final = 32  # calls under way
AT_ONE: Final = 8  # of them, to one webhook: one that is slow stops no other
logger: Final = logging.getLogger("lanewise.lanes")


class Notifier:
    """Tells webhooks; one for each worker, and of its event loop."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        receivers: Receivers,
        *,
        noise: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._clock, self._receivers = store, clock, receivers
        self._noise = noise
        self._announcer = Announcer(store)
        self._under_way: dict[asyncio.Task[None], str] = {}

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """Calls under way."""
        return list(self._under_way)

    def turn(self) -> None:
        """Make notices of what has ended, and begin to tell those that are due."""
        now = self._clock.now()
        self._reap()
        self._announcer.turn(now)
        busy = Counter(self._under_way.values())
        for webhook in self._store.webhooks_due(now):
            room = min(AT_ONE - busy[webhook.id], AT_ONCE - len(self._under_way))
            if room <= 0:
                continue
            claimed = self._store.claim_notices(
                webhook.id, now, until=now + CLAIM_SECONDS, limit=room
            )
            for notice in claimed:
                task = asyncio.create_task(self._tell(webhook, notice), name="notice")
                self._under_way[task] = webhook.id

    def due(self) -> float | None:
        """When there is something to tell; None while there is nothing, or no room for more."""
        if len(self._under_way) >= AT_ONCE:
            return None
        busy = Counter(self._under_way.values())
        return self._store.next_notice([name for name, calls in busy.items() if calls >= AT_ONE])

    async def close(self) -> None:
        """Give up the calls under way: they are made again."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._under_way.clear()
        await self._receivers.close()

    def _reap(self) -> None:
        done = [task for task in self._under_way if task.done()]
        for task in done:
            del self._under_way[task]
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _tell(self, webhook: Webhook, notice: Notice) -> None:
        """Make one try, and write down what follows from it."""
        now = self._clock.now()
        keys = [secret.value for secret in webhook.secrets if not secret.ended(now)]
        headers = signed(notice.id, notice.body, keys, now)
        heard = await self._receivers.tell(webhook.url, headers, notice.body)
        now = self._clock.now()
        match next_step(heard, notice.tries, self._noise()):
            case Taken():
                self._store.notice_taken(notice, now)
            case Again(seconds, why):
                self._store.postpone_notice(notice, now + seconds, why)
            case GivenUp(why):
                logger.warning("webhook %r: %s is given up: %s", webhook.name, notice.id, why)
                self._store.give_up_notice(notice, now, why)
            case Unwanted(why):
                logger.warning("webhook %r is disabled: %s", webhook.name, why)
                self._store.disable_webhook(webhook.id, now, why)
            case never:
                assert_never(never)
