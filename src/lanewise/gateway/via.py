"""What a call needs of the gateway that it passes through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lanewise.gateway.admission import Asking
from lanewise.gateway.asked import Asked
from lanewise.gateway.background import Background
from lanewise.gateway.booking import Call
from lanewise.gateway.dialect import Dialect
from lanewise.gateway.keys import Refusal
from lanewise.gateway.limits import Grant
from lanewise.gateway.watch import Watch
from lanewise.gateway.ways import Way
from lanewise.gateway.who import Identify, Who
from lanewise.lanes.traffic import Traffic
from lanewise.providers.protocol import Account


class Via(Protocol):
    """What a call needs of the gateway."""

    @property
    def identify(self) -> Identify:
        """Finds out who asks."""
        ...

    @property
    def watch(self) -> Watch:
        """Who counts, traces and logs it."""
        ...

    @property
    def background(self) -> Background:
        """Takes it where it can wait."""
        ...

    @property
    def traffic(self) -> Traffic:
        """Is told of it while it is under way."""
        ...

    async def require_own(self, tenant: str, asked: Asked) -> None:
        """Raises `Refused` where it would go on from what is not its tenant's."""
        ...

    def meant(self, model: str) -> str:
        """The model that a name stands for."""
        ...

    def order(self, dialect: Dialect, model: str) -> Sequence[Way]:
        """Where it goes, best first; raises `Refused` where there is nowhere, or no room."""
        ...

    async def admit(self, who: Who, asking: Asking, account: Account) -> Grant | Refusal:
        """Set aside what it may cost, where its key has limits."""
        ...

    def cost(self, call: Call) -> int | None:
        """What it cost, nano-USD; None where nobody knows."""
        ...

    def hold(self, size: int) -> None:
        """Count bytes of a body that is kept in memory; raises `Refused` where there is no room."""
        ...

    def book(self, call: Call) -> None:
        """Have it booked."""
        ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...
