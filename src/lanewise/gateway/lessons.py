"""What providers tell people of their rate limits is heeded for work that waits: both share the account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from lanewise.clock import Clock
from lanewise.domain.allowances import Rate
from lanewise.domain.ids import AccountId
from lanewise.errors import StoreUnusable
from lanewise.gateway.booking import Call
from lanewise.policy.draining import limit_name
from lanewise.providers.rate_headers import anthropic_allowance, openai_allowance
from lanewise.store.protocol import Store

_READERS: Final = {"openai": openai_allowance, "anthropic": anthropic_allowance}


class Lessons:
    """Keeps the limits that answers state, where they are news."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def take(self, calls: Iterable[Call]) -> None:
        """The last of these that a model's answers told; nothing where the home cannot be written."""
        last = {(call.account, call.asked): call for call in calls if call.said}
        with suppress(StoreUnusable):  # the next call says it again
            for (account, model), call in last.items():
                self._keep(account, model, _rates(call))

    def _keep(self, account: AccountId, model: str, rates: Iterable[Rate]) -> None:
        known: Mapping[tuple[str, str], int] = self._store.learned(account)
        for rate in rates:
            name = limit_name(rate.measure)
            if rate.limit and known.get((model, name)) != rate.limit:
                self._store.learn(account, model, name, rate.limit, self._clock.now())


def _rates(call: Call) -> tuple[Rate, ...]:
    read = _READERS.get(call.provider)
    return () if read is None else read(_readable(call.said)).rates


def _readable(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
