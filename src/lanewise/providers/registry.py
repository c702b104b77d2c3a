"""Adapters by the name of their provider."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from lanewise.domain.lanes import BACKGROUND_2H, BACKGROUND_8H, BATCH, FLEX, REALTIME, LaneName
from lanewise.domain.packing import Limits
from lanewise.domain.results import ResultLine, Unreadable
from lanewise.providers.calling import CallProvider
from lanewise.providers.protocol import Account, BatchProvider


def connect(account: Account) -> BatchProvider:
    """An adapter for this account."""
    if account.provider == "anthropic":
        from lanewise.providers.anthropic import AnthropicBatches

        return AnthropicBatches(account)
    from lanewise.providers.openai import OpenAIBatches

    return OpenAIBatches(account)


def caller(account: Account) -> CallProvider:
    """An adapter for this account's lanes that take one request at a time."""
    if account.provider == "anthropic":
        from lanewise.providers.anthropic_calls import AnthropicCalls

        return AnthropicCalls(account)
    from lanewise.providers.openai_calls import OpenAICalls

    return OpenAICalls(account)


@cache
def unwrap(provider: str) -> Callable[[bytes], ResultLine | Unreadable]:
    """The reader of one result line in a provider's form; needs no account."""
    if provider == "anthropic":
        from lanewise.providers import anthropic

        return anthropic.unwrap
    from lanewise.providers import openai

    return openai.unwrap


def limits(provider: str, endpoint: str) -> Limits:
    """What one batch of this provider may hold."""
    if provider == "anthropic":
        from lanewise.providers import anthropic

        return anthropic.LIMITS
    from lanewise.providers import openai

    return openai.limits(endpoint)


def one_model_a_batch(provider: str) -> bool:
    """Whether every request of a batch must name the same model."""
    return provider == "openai"


def lanes(provider: str, endpoint: str) -> tuple[LaneName, ...]:
    """The lanes by which a provider answers this endpoint, the quickest first.

    Whether it offers a lane for a certain model is told by whether the lane has a price.

    >>> lanes("openai", "/v1/embeddings")
    ('realtime', 'batch')
    """
    if provider == "openai" and endpoint == "/v1/responses":
        return REALTIME, FLEX, BACKGROUND_2H, BACKGROUND_8H, BATCH
    if provider == "openai" and endpoint == "/v1/chat/completions":
        return REALTIME, FLEX, BATCH
    return REALTIME, BATCH
