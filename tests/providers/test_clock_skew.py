"""A provider whose clock differs from ours by less than an hour is searched as well as any other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from lanewise.domain.ids import AccountId, AttemptId
from lanewise.providers.anthropic import AnthropicBatches
from lanewise.providers.openai import OpenAIBatches
from lanewise.providers.protocol import Account, Seen, Wanted
from lanewise.secret import Secret


@pytest.mark.parametrize("adapter", [OpenAIBatches, AnthropicBatches])
async def test_a_batch_made_by_a_clock_that_is_fifty_minutes_behind_is_found(
    adapter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = adapter(Account(AccountId("x"), "p", "http://127.0.0.1:1", Secret("k")))
    theirs = 10_000.0 - 3_000.0

    async def listing(since: float) -> AsyncIterator[Seen]:
        if theirs >= since:
            yield Seen("p-1", theirs, 3, attempt=AttemptId("mine"))

    monkeypatch.setattr(batches, "listing", listing)
    sighting = await batches.find(Wanted(AttemptId("mine"), None, 10_000.0, 3, frozenset()))
    await batches.close()
    assert [seen.provider_id for seen in sighting.candidates] == ["p-1"]
