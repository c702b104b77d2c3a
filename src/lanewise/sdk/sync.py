"""The same client without `async`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec

from lanewise.app import Receipt
from lanewise.sdk.client import Client, Ticket

_decode = msgspec.json.Decoder().decode


class SyncClient:
    """`lanewise.Client` for programs that are not asynchronous; use it as a context manager."""

    def __init__(self, **options: Any) -> None:
        self._client = Client(**options)
        self._loop = asyncio.Runner()

    def __enter__(self) -> Self:
        """Open the home."""
        self._loop.run(self._client.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the home; what is open stays open."""
        self._loop.run(self._client.__aexit__(kind, error, trace))
        self._loop.close()

    def submit(self, requests: Iterable[Mapping[str, Any]], **options: Any) -> Ticket:
        """Accept requests durably; see `Client.submit`."""
        return self._loop.run(self._client.submit(requests, **options))

    def results(self, ticket: Ticket | str) -> Iterator[dict[str, Any]]:
        """Work until the run is finished, then yield each result."""
        finished = self._loop.run(self._client.work(ticket))
        for line in self._client.engine.results(finished.id):
            yield _decode(line)

    def run(self, requests: Iterable[Mapping[str, Any]], **options: Any) -> list[dict[str, Any]]:
        """Submit, work, and return all results."""
        return self._loop.run(self._client.run(requests, **options))

    def receipt(self, ticket: Ticket | str) -> Receipt:
        """What a run cost and saved."""
        return self._client.receipt(ticket)
