"""Responses that the provider works on in the background are asked after, one round at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from typing import Final

from lanewise.lanes.calls import Calls, Halt
from lanewise.lanes.shift import Shift, logger
from lanewise.policy.waiting import next_poll
from lanewise.providers.calling import Answered, Lost
from lanewise.providers.protocol import NotSent, ProviderError, RefusalKind, Refused
from lanewise.store.protocol import Outbox

_AT_ONCE: Final = 16
_YOUNG: Final = 60.0  # seconds: "no such response" is not believed of one that was just begun
_HOPELESS: Final = (RefusalKind.CREDENTIAL, RefusalKind.BILLING)


class Round:
    """Asks after every response that is awaited, once, and stops those that nobody wants any more."""

    def __init__(
        self, shift: Shift, outbox: Outbox, calls: Calls, unwanted: AbstractSet[int]
    ) -> None:
        self._shift, self._outbox, self._calls = shift, outbox, calls
        self._unwanted = unwanted
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._over = False

    async def make(self, names: dict[int, str]) -> float | None:
        """When the next round is due, None where nothing is awaited any more. `names`: their custom_ids."""
        awaited = dict(self._outbox.accepted)
        asking = [self._one(place, *took, names[place]) for place, took in awaited.items()]
        await asyncio.gather(*asking)
        left = self._outbox.accepted
        if not left:
            return None
        now = self._shift.now()
        age = now - min(since for _, since in left.values())
        return now + next_poll(age, fixed=self._shift.rules.poll_seconds)

    async def _one(self, position: int, receipt: str, since: float, custom_id: str) -> None:
        async with self._room:
            if self._over:
                return
            try:
                await self._ask(position, receipt, since, custom_id)
            except ProviderError as error:
                self._troubled(error)

    async def _ask(self, position: int, receipt: str, since: float, custom_id: str) -> None:
        caller = self._shift.caller()
        if position in self._unwanted:
            await self._stop(receipt)
        found = await caller.check(receipt, tag=self._calls.tag(custom_id))
        match found:
            case Answered():
                self._outbox.answer(position, found.line)
                self._calls.heard += 1
            case Lost() if self._shift.now() - since > _YOUNG:
                self._outbox.lost(position)
            case _:
                pass

    async def _stop(self, receipt: str) -> None:
        """Ask for its end; where that fails, it may have ended all the same, and is asked after."""
        try:
            await self._shift.caller().cancel(receipt)
        except ProviderError as error:
            logger.warning("stopping response %s failed: %s", receipt, error)

    def _troubled(self, error: ProviderError) -> None:
        """That says nothing about the response; where it concerns all of them, the round is over."""
        if isinstance(error, Refused) and error.kind in _HOPELESS:
            self._over = True
            self._calls.stop(Halt(str(error), self._shift.later(0, error), refused=error))
        elif isinstance(error, NotSent) or (
            isinstance(error, Refused) and error.kind is RefusalKind.BUSY
        ):
            self._over = True
