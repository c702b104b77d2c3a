"""One worker's turn at one account: the lease, and everything that acting for the account needs."""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from lanewise.clock import Clock
from lanewise.domain.allowances import Load
from lanewise.domain.batches import Batch
from lanewise.domain.ids import AccountId
from lanewise.domain.packing import Limits
from lanewise.lanes.menus import Menus
from lanewise.lanes.paces import Paces
from lanewise.policy import waiting
from lanewise.pricing import PriceBook
from lanewise.providers.calling import CallProvider
from lanewise.providers.offers import least_batch
from lanewise.providers.protocol import BatchProvider, ProviderError, RefusalKind, Refused
from lanewise.store.nouns import Lease
from lanewise.store.protocol import Store

logger: Final = logging.getLogger("lanewise.lanes")
BYTES_PER_TOKEN: Final = 4  # a rule of thumb, used only to pace against queue limits


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that the loops obey."""

    max_tries: int = 3
    poll_seconds: float | None = None
    listing_lag_seconds: float = 600.0
    create_timeout_seconds: float | None = None
    provider_file_hold_seconds: float = 86_400.0
    batch_requests: int | None = None
    batch_bytes: int | None = None


class AccountHeld(Exception):
    """The provider refuses this account as such; nothing is sent for it until somebody acts."""

    def __init__(self, account: AccountId, message: str) -> None:
        super().__init__(message)
        self.account = account


@dataclass(slots=True)
class Shift:
    """Acts for one account while the lease lasts. One event loop, many batches at once."""

    store: Store
    provider: BatchProvider
    lease: Lease
    clock: Clock
    book: PriceBook
    rules: Rules
    menus: Callable[[], Menus]
    caller: Callable[[], CallProvider]  # connected when it is first asked for
    paces: Paces
    may_send: Callable[[], bool] = lambda: True  # no, while paused, refused or about to leave
    longest_step: float = math.inf  # seconds that a step may send
    noise: random.Random = field(default_factory=random.Random)
    settling: threading.Lock = field(default_factory=threading.Lock)

    @property
    def account(self) -> AccountId:
        """Whom this shift acts for."""
        return self.lease.account

    def now(self) -> float:
        """The time, for a decision or a row."""
        return self.clock.now()

    def advance(self, before: Batch, after: Batch, detail: str = "") -> None:
        """Record a step; raises `LeaseLost` if somebody else took over."""
        self.store.advance(self.lease, before, after, self.now(), detail)
        logger.info(
            "batch %s: %s -> %s %s",
            before.id,
            before.state,
            after.state,
            detail,
            extra={"batch": before.id, "account": self.account, "state": after.state},
        )

    def later(
        self, troubles: int, error: ProviderError | None = None, *, first: float = 1.0
    ) -> float:
        """When to try again after one more failure."""
        retry_after = getattr(error, "retry_after", None)
        pause = waiting.backoff(
            troubles + 1, first=first, retry_after=retry_after, noise=self.noise.random()
        )
        return self.now() + pause

    def hold_if_hopeless(self, error: ProviderError) -> None:
        """Raise `AccountHeld` for a refusal that no retry can mend."""
        if isinstance(error, Refused) and error.kind in (
            RefusalKind.CREDENTIAL,
            RefusalKind.BILLING,
        ):
            raise AccountHeld(self.account, str(error)) from error

    def limits(self, endpoint: str, model: str) -> Limits:
        """The provider's limits, narrowed by settings and by what was learned."""
        found = narrowed(
            self.provider.limits(endpoint),
            self.rules,
            learned_bytes=self.store.learned(self.account).get((model, "batch_bytes")),
        )
        floor = least_batch(self.provider.account.provider)
        return replace(
            found,
            min_batch_requests=floor,
            batch_requests=max(found.batch_requests, floor),
        )


def tokens_of(size: int) -> int:
    """Roughly how many tokens so many bytes of request lines are; for pacing, never for money."""
    return size // BYTES_PER_TOKEN


def load_of_body(provider: str, size: int, output_limit: int, *, answer: int = 0) -> Load:
    """What one request of so many bytes takes of the rate limits of real time.

    OpenAI reckons with the larger of a request's size and the output that it allows itself, Anthropic with
    the output that is written, `answer` as a rule. [rate-limit guides, 23 November 2026]

    >>> load_of_body("openai", 400, 1_000), load_of_body("anthropic", 400, 1_000, answer=300)
    (Load(input=100, output=900, requests=1), Load(input=100, output=300, requests=1))
    """
    counted = tokens_of(size)
    if provider == "openai":
        return Load(input=counted, output=max(output_limit - counted, 0))
    return Load(input=counted, output=min(answer, output_limit))


def narrowed(limits: Limits, rules: Rules, *, learned_bytes: int | None = None) -> Limits:
    """`limits`, or less where settings or experience say so."""
    return Limits(
        batch_requests=min(limits.batch_requests, rules.batch_requests or limits.batch_requests),
        batch_bytes=min(
            limits.batch_bytes,
            rules.batch_bytes or limits.batch_bytes,
            learned_bytes or limits.batch_bytes,
        ),
        line_bytes=limits.line_bytes,
        creations_per_hour=limits.creations_per_hour,
        embedding_inputs=limits.embedding_inputs,
        min_batch_requests=limits.min_batch_requests,
        result_days=limits.result_days,
    )
