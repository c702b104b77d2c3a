"""What a key may do in a minute and spend in a month: reserved before a call, settled after it.

Rates are kept in each process by itself. Of a budget, each process draws a part from the store and spends
from that in memory, so that a call costs no transaction; the parts together are never more than the budget.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Final

from lanewise.clock import Clock
from lanewise.domain.allowances import NOTHING_SAID, Allowance, Load, Measure, Rate
from lanewise.gateway.keys import KeyRing, Refusal
from lanewise.gateway.who import Who
from lanewise.policy.pacing import Pace
from lanewise.pricing.dollars import dollars
from lanewise.store.keys import KeyTerms, month_of
from lanewise.store.protocol import Store

MINUTE: Final = 60.0
PARTS: Final = 50  # a process draws a fiftieth of a budget at a time: what a crash may lose of it
DRY_SECONDS: Final = 1.0  # after a draw in vain, how long the store is not asked again


@dataclass(slots=True)
class _Part:
    """What this process holds of a key's budget in a month; below zero where calls cost more than thought."""

    month: str
    left: int = 0


class _Purse:
    """One key's budget, as this process spends it."""

    def __init__(self, name: str, limit: int, store: Store) -> None:
        self._name, self._limit, self._store = name, limit, store
        self._part = _Part("")
        self._drawing = asyncio.Lock()
        self._dry: tuple[float, int] = (-math.inf, 0)

    async def reserve(self, nano: int, now: float) -> _Part | None:
        """Take an amount out; None where the month has no room for it."""
        part = self._of(month_of(now))
        while (
            part.left < nano
        ):  # what was drawn may be taken by another call before this one goes on
            drawing = asyncio.ensure_future(self._draw(part, nano, now))
            if not await asyncio.shield(drawing):  # a caller that goes away loses nothing of it
                return None
        part.left -= nano
        return part

    async def _draw(self, part: _Part, nano: int, now: float) -> bool:
        """Whether there is enough now, or was for a moment."""
        async with self._drawing:  # whoever waited finds what the first has drawn
            least = nano - part.left
            if least <= 0:
                return True
            if self._is_dry(least, now):
                return False
            wanted = max(least, self._limit // PARTS)
            drawn = await asyncio.to_thread(
                self._store.draw, self._name, part.month, least=least, wanted=wanted
            )
            part.left += drawn
            if not drawn:
                self._dry = (now, least)
            return drawn > 0

    def _is_dry(self, least: int, now: float) -> bool:
        """Whether as little was just drawn in vain."""
        since, asked = self._dry
        return 0.0 <= now - since < DRY_SECONDS and least >= asked

    def _of(self, month: str) -> _Part:
        if self._part.month != month:
            self._part, self._dry = _Part(month), (-math.inf, 0)
        return self._part

    def give_back(self) -> None:
        """What was not spent, when the process ends."""
        part, self._part = self._part, _Part("")
        if part.left:
            self._store.give_back(self._name, part.month, part.left)


@dataclass(slots=True)
class Grant:
    """A call that was let through. To be settled once, however it ends; a second time changes nothing."""

    reserved: int = 0  # nano-USD
    _part: _Part | None = None

    @property
    def open(self) -> bool:
        """Whether anything is set aside for it."""
        return self._part is not None

    def settle(self, cost_nano: int | None) -> None:
        """What it really cost, 0 if it was not sent; None where nobody knows: what was reserved counts."""
        part, self._part = self._part, None
        if part is not None and cost_nano is not None:
            part.left += self.reserved - cost_nano


NOTHING_SET_ASIDE: Final = Grant()  # of whoever has no limits; settling it changes nothing


@dataclass(frozen=True, slots=True)
class _Kept:
    terms: KeyTerms
    pace: Pace | None
    purse: _Purse | None


class Limits:
    """The limits of every key, in one process; used from one event loop."""

    def __init__(self, ring: KeyRing, store: Store, clock: Clock) -> None:
        """`store` is drawn from in another thread; it may be the engine's."""
        self._ring, self._store, self._clock = ring, store, clock
        self._kept: dict[str, _Kept] = {}

    async def admit(
        self, who: Who, load: Load, estimate_nano: int | None = None
    ) -> Grant | Refusal:
        """Let a call through, or say why not.

        `load`: its input, and the most it may write, in tokens. `estimate_nano`: the most it may cost, None
        where that is not known; a key with a budget then refuses it, since nobody could hold it to one.
        """
        kept = self._of(who.key)
        if kept is None:
            return Grant()
        now = self._clock.now()
        if (wait := _wait(kept.pace, load, now)) > 0.0:
            return _too_fast(kept.terms, wait)
        if kept.purse is None:
            return Grant()
        part = None if estimate_nano is None else await kept.purse.reserve(estimate_nano, now)
        if part is None:
            return _no_room(kept.terms, estimate_nano)
        return Grant(estimate_nano or 0, part)

    def _of(self, name: str) -> _Kept | None:
        found = self._kept.get(name)
        if found is not None:
            return found
        terms = self._ring.terms(name)
        if terms is None:
            return None
        nano = terms.monthly_nano
        purse = None if nano is None else _Purse(name, nano, self._store)
        return self._kept.setdefault(name, _Kept(terms, _pace(terms), purse))

    def close(self) -> None:
        """Give back what was drawn and not spent; calls that are still open keep what they reserved."""
        for kept in self._kept.values():
            if kept.purse is not None:
                kept.purse.give_back()


def _pace(terms: KeyTerms) -> Pace | None:
    limits = (
        (Measure.REQUESTS, terms.requests_per_minute),
        (Measure.TOKENS, terms.tokens_per_minute),
    )
    rates = tuple(Rate(measure, limit) for measure, limit in limits if limit is not None)
    if not rates:
        return None
    return Pace(Allowance(rates), burst_seconds=MINUTE)


def _wait(pace: Pace | None, load: Load, now: float) -> float:
    """Seconds until a call may go; 0.0 if it may now, and is counted. Any number may be under way."""
    wait = 0.0 if pace is None else pace.reserve(load, now)
    if pace is not None and not wait:
        pace.ended(NOTHING_SAID, now)
    return wait


def _too_fast(terms: KeyTerms, wait: float) -> Refusal:
    said = [
        f"{limit:,} {what} a minute"
        for what, limit in (
            ("requests", terms.requests_per_minute),
            ("tokens", terms.tokens_per_minute),
        )
        if limit is not None
    ]
    seconds = max(math.ceil(min(wait, MINUTE)), 1)
    message = f"this key takes {' and '.join(said)}; try again in {seconds} s"
    return Refusal(429, "rate_limit_exceeded", message, seconds)


def _no_room(terms: KeyTerms, estimate: int | None) -> Refusal:
    budget = f"the monthly budget of this key is {dollars(terms.monthly_nano or 0)}"
    if estimate is None:
        message = (
            f"{budget}, and what this call may cost is not known: no price is known for its model"
        )
        return Refusal(403, "price_unknown", message)
    message = f"{budget}; it has no room for a call that may cost {dollars(estimate)}"
    return Refusal(429, "insufficient_quota", message)
