"""Responses that a provider keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lanewise.store.sqlite.base import Operations
from lanewise.store.sqlite.queries import queries

KEPT_SECONDS: Final = 30 * 86_400.0  # OpenAI keeps a response for 30 days (its data controls guide)


class ResponseOperations(Operations):
    """Whose they are."""

    def keep_responses(self, made: Iterable[tuple[str, str]], now: float) -> None:
        """Note whose responses are: pairs of the provider's id and a tenant. The first word counts."""
        with self._db.transaction():
            rows = [(response, tenant, now) for response, tenant in made]
            self._db.many(queries("responses")["keep"], rows)
            self._db.execute(queries("responses")["drop_old"], (now - KEPT_SECONDS,))

    def owner_of_response(self, response: str) -> str | None:
        """The tenant whose call made it; None where nobody knows."""
        row = self._db.first(queries("responses")["owner"], (response,))
        return None if row is None else str(row["tenant"])
