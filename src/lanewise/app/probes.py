"""Does a provider do what lanewise assumes of it? Tiny batches with the user's own key, cancelled at once.

Each assumption is one that paying once, or answering once, rests on. What the probes can cost at most
is reckoned from the price book before anything is sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from lanewise.app.doctor import Finding, Health
from lanewise.app.engine import Engine
from lanewise.domain.batches import Receipt
from lanewise.domain.ids import AttemptId, BatchId, fresh_id
from lanewise.domain.lanes import BATCH
from lanewise.domain.packing import PackingKey
from lanewise.domain.usage import Usage
from lanewise.errors import OverBudget, ProviderUnusable
from lanewise.providers import dialects, registry
from lanewise.providers.protocol import (
    BatchProvider,
    Done,
    ProviderError,
    Refused,
    Seen,
    Tag,
    Wanted,
    Working,
)
from lanewise.store.nouns import AccountRow

_MODELS: Final = {
    "openai": ("/v1/chat/completions", "gpt-4o-mini"),
    "anthropic": ("/v1/messages", "claude-haiku-4-5"),
}
_REQUESTS: Final = 2
_DRIFT: Final = 3_600.0  # seconds by which clocks may differ without harm
_MOST: Final = Usage(input=100, output=16)  # tokens of one probe request at most
_LOOKS: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)  # seconds between looks for a new batch


@dataclass(frozen=True, slots=True)
class Tiny:
    """A payload of a few short requests."""

    lines: tuple[bytes, ...]

    @property
    def requests(self) -> int:
        """How many lines."""
        return len(self.lines)

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(map(len, self.lines))

    def chunks(self) -> Iterator[bytes]:
        """All of it."""
        yield b"".join(self.lines)


async def probe(engine: Engine, *, max_usd: float) -> list[Finding]:
    """Probe every provider that has a credential. Raises `OverBudget` before anything is sent."""
    rows = [row for provider in _MODELS if (row := _account(engine, provider)) is not None]
    if not rows:
        cure = "set OPENAI_API_KEY or ANTHROPIC_API_KEY"
        return [Finding(Health.FAIL, "--live: no credential, so no assumption was checked", cure)]
    most = sum(_most_nano(engine, row.provider) for row in rows)
    if Decimal(most).scaleb(-9) > Decimal(str(max_usd)):
        raise OverBudget(
            f"the probes may cost up to ${Decimal(most).scaleb(-9):f}, more than --max-usd {max_usd:g}; "
            "nothing was sent"
        )
    findings = [Finding(Health.OK, f"the probes cost at most ${Decimal(most).scaleb(-9):f}")]
    for row in rows:
        findings += [finding async for finding in _probe_one(engine, row)]
    return findings


def _account(engine: Engine, provider: str) -> AccountRow | None:
    try:
        return engine.accounts.payer(provider, chosen=None).row
    except ProviderUnusable:
        return None


def _most_nano(engine: Engine, provider: str) -> int:
    now = datetime.fromtimestamp(engine.clock.now(), UTC)
    pricer = engine.book.pricer(provider, _MODELS[provider][1], now, BATCH)
    if pricer is None:
        raise OverBudget(f"the price of {_MODELS[provider][1]} is not known; nothing was sent")
    return pricer.cost(_MOST) * _REQUESTS


async def _probe_one(engine: Engine, row: AccountRow) -> AsyncIterator[Finding]:
    account = engine.accounts.connectable(row)
    assert account is not None, "the account was just found"
    adapter = registry.connect(account)
    try:
        async for finding in _steps(engine, row, adapter):
            yield finding
    except ProviderError as error:
        yield Finding(Health.FAIL, f"{row.provider}: {error}", "mend the credential or the address")
    finally:
        await adapter.close()


async def _steps(engine: Engine, row: AccountRow, adapter: BatchProvider) -> AsyncIterator[Finding]:
    """Create, see, find, cancel, delete: what recovery after a lost answer consists of."""
    provider = row.provider
    endpoint, model = _MODELS[provider]
    key = PackingKey(provider, row.id, endpoint, model)
    attempt = AttemptId(fresh_id())
    tag = Tag(attempt, BatchId(fresh_id()), engine.store.home_id)
    payload = _payload(provider, endpoint, model)
    sent_at = engine.clock.now()
    file_id = await adapter.upload(payload, tag) if adapter.uploads else None
    receipt = await adapter.create(key, tag, file_id=file_id, payload=payload, timeout=60.0)
    try:
        yield await _retrievable(adapter, receipt)
        wanted = Wanted(attempt, file_id, sent_at, _REQUESTS, frozenset())
        async for finding in _findable(engine, adapter, receipt, wanted):
            yield finding
    finally:
        await adapter.cancel(receipt)
    yield await _cancels(adapter, receipt)
    if file_id is not None:
        await adapter.delete_file(file_id)
        await adapter.delete_file(file_id)
        yield _assumed(
            provider, True, "an input file can be deleted, and deleting it twice does no harm"
        )


def _payload(provider: str, endpoint: str, model: str) -> Tiny:
    frame = dialects.frame(provider, endpoint)
    body = {"model": model, "messages": [{"role": "user", "content": "Say ok."}], "max_tokens": 4}
    text = msgspec.json.encode(body)
    return Tiny(
        tuple(
            frame.head + f"lw-{fresh_id()}-{n}".encode() + frame.middle + text + frame.tail
            for n in range(_REQUESTS)
        )
    )


async def _retrievable(adapter: BatchProvider, receipt: Receipt) -> Finding:
    name = adapter.account.provider
    try:
        await adapter.check(receipt)
    except Refused as error:
        return _assumed(
            name, False, f"a new batch can be retrieved at once ({error}; it is waited out)"
        )
    return _assumed(name, True, "a new batch can be retrieved at once")


async def _findable(
    engine: Engine, adapter: BatchProvider, receipt: Receipt, wanted: Wanted
) -> AsyncIterator[Finding]:
    """Is it in the listing, how soon, where, and known by our tag?"""
    name = adapter.account.provider
    waited = 0.0
    seen: list[Seen] = []
    for pause in _LOOKS:
        await engine.clock.sleep(pause)
        waited += pause
        seen = [item async for item in adapter.listing(wanted.sent_at - _DRIFT)]
        if receipt.provider_id in {item.provider_id for item in seen}:
            break
    else:
        yield _assumed(name, False, f"a new batch is in the listing within {waited:g} s")
        return
    lag = engine.settings.listing_lag_seconds
    yield _assumed(
        name,
        waited < lag,
        f"a new batch is listed within the lag of {lag:g} s (seen after {waited:g} s)",
    )
    order = [item.created_at for item in seen]
    yield _assumed(name, order == sorted(order, reverse=True), "the listing is newest first")
    mine = next(item for item in seen if item.provider_id == receipt.provider_id)
    if adapter.uploads:
        tagged = mine.attempt == wanted.attempt and mine.file_id == wanted.file_id
        yield _assumed(name, tagged, "the listing shows our metadata and the input file")
    else:
        yield _assumed(
            name,
            mine.requests == wanted.requests,
            "the listing shows how many requests a batch has",
        )
    sighting = await adapter.find(wanted)
    found = receipt.provider_id in {item.provider_id for item in sighting.candidates}
    yield _assumed(name, found, "a batch whose answer was lost is found")
    drift = abs(mine.created_at - wanted.sent_at)
    yield _assumed(
        name,
        drift < _DRIFT,
        f"its clock and ours agree within {_DRIFT:g} s (differ by {drift:.0f} s)",
    )


async def _cancels(adapter: BatchProvider, receipt: Receipt) -> Finding:
    name = adapter.account.provider
    progress = await adapter.check(receipt)
    stopping = isinstance(progress, Done) or (isinstance(progress, Working) and progress.cancelling)
    return _assumed(name, stopping, "a batch that was cancelled is stopping or has ended")


def _assumed(provider: str, holds: bool, what: str) -> Finding:
    health = Health.OK if holds else Health.FAIL
    return Finding(health, f"assumption, {provider}: {what}", "please report what you saw")
