"""What a provider keeps for an account belongs to whose call made it: nobody else's goes on from it.

All keys of a gateway share the provider's account, which would give any of them the other's conversation for
its id. Of an open gateway everything is one tenant's, and nothing is remembered.
"""

from __future__ import annotations

import asyncio
from typing import Final

from lanewise.gateway.asked import Asked, Refused
from lanewise.store.protocol import Store

_MOST: Final = 50_000  # of the newest responses, looked up without the disk


class Belonging:
    """Whose responses are; one for each process."""

    def __init__(self, store: Store, flush_seconds: float) -> None:
        """`flush_seconds`: how long another process takes to write down what its calls made."""
        self._store, self._flush_seconds = store, flush_seconds
        self._owners: dict[str, str] = {}

    def made(self, tenant: str, response: str) -> None:
        """A call of this tenant made it."""
        if len(self._owners) >= _MOST:
            del self._owners[next(iter(self._owners))]
        self._owners.setdefault(response, tenant)

    async def require(self, tenant: str, asked: Asked) -> None:
        """Raises `Refused` where a call would go on from what is not known to be its tenant's."""
        if not tenant or not asked.tied:
            return
        response = asked.previous_response_id
        if response is None:
            message = "conversations are kept for a whole account: a gateway with keys takes none"
            raise Refused(404, message, code="conversation_not_found")
        owner = await self._owner(response)
        if owner is None:  # another process may not have written it down yet
            await asyncio.sleep(2.0 * self._flush_seconds)
            owner = await self._owner(response)
        if owner != tenant:
            message = "there is no such response among those that calls of this key made"
            raise Refused(404, message, code="previous_response_not_found")

    async def _owner(self, response: str) -> str | None:
        known = self._owners.get(response)
        if known is not None:
            return known
        return await asyncio.to_thread(self._store.owner_of_response, response)
