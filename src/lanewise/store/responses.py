"""Responses that a provider keeps: what is asked of the store about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class ResponseStore(Protocol):
    """Remembers for a month whose they are, as long as OpenAI keeps them."""

    def keep_responses(self, made: Iterable[tuple[str, str]], now: float) -> None:
        """Note whose responses are: pairs of the provider's id and a tenant."""
        ...

    def owner_of_response(self, response: str) -> str | None:
        """The tenant whose call made it; None where nobody knows."""
        ...
