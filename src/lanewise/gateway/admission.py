"""Letting a call in: what it may cost at most is set aside before it goes, where its key has limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from lanewise.app import Engine
from lanewise.domain.allowances import Load
from lanewise.domain.usage import Usage
from lanewise.gateway.keys import KeyRing, Refusal
from lanewise.gateway.limits import NOTHING_SET_ASIDE, Grant, Limits
from lanewise.gateway.who import Who
from lanewise.intake import ENDPOINTS
from lanewise.tokens import measure_alone

MODERATIONS: Final = "/v1/moderations"
_COUNTED_HERE: Final = 16_384  # bytes of a body; a larger one is counted beside the loop
_NOTHING: Final = (0, 0)


class Asking(NamedTuple):
    """What somebody asks, as far as limits go."""

    path: str
    model: str
    body: bytes
    waits: bool = False  # what it may cost is reserved when it is written down


class Admission:
    """Holds keys to their limits, in one process; used from one event loop."""

    def __init__(self, engine: Engine, keys: KeyRing | None) -> None:
        """`keys`: None where nobody has limits."""
        self._limits = None if keys is None else Limits(keys, engine.store, engine.clock)

    async def admit(
        self, who: Who, asking: Asking, price: Callable[[Usage], int | None]
    ) -> Grant | Refusal:
        """Let a call through, or say why not. `price`: nano-USD of a usage, None where it is not known."""
        if self._limits is None or not who.limited:
            return NOTHING_SET_ASIDE
        free = asking.path not in ENDPOINTS or asking.path == MODERATIONS
        if not free and price(Usage()) is None:
            return await self._limits.admit(who, Load(0), None)
        into, out = await _tokens(asking) if asking.path in ENDPOINTS else _NOTHING
        most = 0 if free or asking.waits else price(Usage(input=into, output=out))
        return await self._limits.admit(who, Load(into, out), most)

    def close(self) -> None:
        """Give back what was set aside and not spent."""
        if self._limits is not None:
            self._limits.close()


async def _tokens(asking: Asking) -> tuple[int, int]:
    """The most tokens in and out; for a body that cannot be read, which the provider refuses, its bytes."""
    try:
        if len(asking.body) < _COUNTED_HERE:
            return measure_alone(asking.path, asking.model, asking.body)
        return await asyncio.to_thread(measure_alone, asking.path, asking.model, asking.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return len(asking.body), 0
