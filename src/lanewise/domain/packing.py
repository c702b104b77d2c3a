"""What requests must have in common to travel in one batch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lanewise.domain.ids import AccountId, KeyId


@dataclass(frozen=True, slots=True)
class PackingKey:
    """Requests with equal keys may share a segment and a batch."""

    provider: str  # "openai", "anthropic": the dialect and the price list
    account: AccountId  # who pays: provider, address and fingerprint of the credential
    endpoint: str  # "/v1/chat/completions", "/v1/messages", ...
    model: str  # "" where the provider accepts several models in a batch
    headers: tuple[tuple[str, str], ...] = ()  # those that change results, e.g. anthropic-version

    @property
    def id(self) -> KeyId:
        """The same for equal keys, on every machine."""
        parts = [self.provider, self.account, self.endpoint, self.model]
        parts += [f"{name}:{value}" for name, value in self.headers]
        return KeyId(hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:24])


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider accepts in one batch and in an hour; `None` where it states no limit."""

    batch_requests: int
    batch_bytes: int
    line_bytes: int
    creations_per_hour: int | None = None
    embedding_inputs: int | None = None  # summed over a batch of embeddings
    min_batch_requests: int = 1
    result_days: int = 30  # how long results can be downloaded

    def exceeded(self, requests: int, size: int, units: int) -> str | None:
        """Which limit keeps one batch from holding so much; None where it may.

        >>> limits = Limits(batch_requests=2, batch_bytes=100, line_bytes=100)
        >>> limits.exceeded(2, 100, 2), limits.exceeded(2, 101, 2), limits.exceeded(3, 3, 3)
        (None, 'bytes', 'requests')
        """
        if requests > self.batch_requests:
            return "requests"
        if size > self.batch_bytes:
            return "bytes"
        if self.embedding_inputs is not None and units > self.embedding_inputs:
            return "embedding inputs"
        return None


@dataclass(frozen=True, slots=True)
class Frame:
    """How a provider's line is put around a custom_id and a body."""

    head: bytes  # up to the custom_id's ordinal is added by the writer: `{"custom_id":"`
    middle: bytes  # from the custom_id's closing quote to the body
    tail: bytes  # after the body, `\n` included
