"""The asynchronous client: submit requests, get every answer, know what it cost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from lanewise.app import Engine, Receipt, RunRequest, receipt_of
from lanewise.app.policies import zone_named
from lanewise.app.zones import zone_of
from lanewise.domain.deadlines import deadline as meant
from lanewise.errors import BadInput
from lanewise.intake import ReadOptions, describe, read
from lanewise.lanes.worker import raise_if_hopeless
from lanewise.pricing.dollars import nano_usd
from lanewise.sdk.deadlines import in_words, lines_in_words
from lanewise.settings import load
from lanewise.store.nouns import Run

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Ticket:
    """A run that was accepted: its requests are on disk and will be answered."""

    run: str  # its name, for the command line and for another process
    requests: int
    new: bool  # False: the same requests were accepted before, and nothing will be paid again


class Client:
    """Works on one home. Use it as an async context manager.

    `requests` are mappings in the form of OpenAI's batch input (`custom_id, method, url, body`) or
    Anthropic's (`custom_id, params`), or bare bodies with `endpoint`. Results are mappings in the
    provider's own output form, in the order of the requests, under their own ids.

    Raises `lanewise.errors.BadInput` for requests that cannot be sent, before anything is sent, and
    `lanewise.errors.ProviderUnusable` where a provider refuses the credential.
    """

    def __init__(
        self,
        *,
        workflow: str | None = None,
        provider: str | None = None,
        home: Path | str | None = None,
        **settings: Any,
    ) -> None:
        where = None if home is None else Path(home)
        self._settings = load(home=where, workflow=workflow, **settings)
        self._provider = provider
        self._engine: Engine | None = None

    async def __aenter__(self) -> Self:
        """Open the home."""
        self._engine = Engine(self._settings)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the home; what is open stays open."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    async def submit(
        self,
        requests: Iterable[Mapping[str, Any]],
        *,
        run: str | None = None,
        endpoint: str | None = None,
        model: str | None = None,
        again: bool = False,
        tags: Mapping[str, str] | None = None,
        max_usd: Decimal | int | str | None = None,
        deadline: str | datetime | timedelta | None = None,
        dedupe: bool = False,
    ) -> Ticket:
        """Accept requests durably. The same requests again give the same run, unless `again`.

        `deadline`: when the answers are needed, as `--deadline` says it (`8h`, `06:00`, an instant, `none`,
        `now`), or an aware `datetime`, or a `timedelta` from now on; a request may have one of its own under
        `deadline`. What cannot be met even in real time is refused with `lanewise.errors.TooSoon`, which
        says what can be promised.
        `dedupe`: requests of the same content are asked once, and each gets the answer under its own id.
        `tags` are kept with the run and savings can be shown by them. `max_usd`: what may cost more is
        refused with `lanewise.errors.OverBudget`, as is what a budget or the daily cap has no room for;
        nothing is accepted then.
        """
        now = self.engine.clock.now()
        items = lines_in_words([dict(item) for item in requests], now)
        options = ReadOptions(endpoint, model)
        wanted = RunRequest(
            self._settings.workflow,
            "Python",
            self._provider,
            name=run,
            again=again,
            tags=tags or {},
            deadline=self._meant(deadline, now),
            dedupe=dedupe,
        )
        most = None if max_usd is None else nano_usd(str(max_usd), "max_usd")
        received = self.engine.accept(read([items], options), wanted, max_nano=most)
        if received.run is None:
            raise BadInput(
                describe(received.broken, [items], received.broken_count)
                or "there is no request in it"
            )
        return Ticket(received.run.name, received.run.requests, received.new)

    def _meant(self, wanted: object, now: float) -> str | None:
        """The deadline in words, if it can be meant."""
        words = in_words(wanted, now)
        if words is not None:
            zone = zone_of(self.engine.policy.current(now), self.engine.environ)
            meant(words, now, zone, where="deadline", zones=zone_named)
        return words

    async def work(self, ticket: Ticket | str) -> Run:
        """Drive a run until it is finished, here or with other workers; returns how it ended."""
        name = _name(ticket)
        worker = self.engine.worker()

        def finished() -> bool:
            raise_if_hopeless(worker.troubles)
            return self.engine.run(name).state == "finished"

        await worker.run(until=finished)
        return self.engine.run(name)

    async def results(self, ticket: Ticket | str) -> AsyncIterator[dict[str, Any]]:
        """Work until the run is finished, then yield each result."""
        finished = await self.work(ticket)
        for line in self.engine.results(finished.id):
            yield _decode(line)

    async def run(
        self, requests: Iterable[Mapping[str, Any]], **options: Any
    ) -> list[dict[str, Any]]:
        """Submit, work, and return all results; for what fits in memory."""
        ticket = await self.submit(requests, **options)
        return [result async for result in self.results(ticket)]

    def receipt(self, ticket: Ticket | str) -> Receipt:
        """What a run cost and saved."""
        run = self.engine.run(_name(ticket))
        return receipt_of(self.engine.store, [run], name=run.name, workflow=run.workflow)

    @property
    def engine(self) -> Engine:
        """The engine under this client; for what the client does not offer."""
        if self._engine is None:
            raise BadInput("use the client in a `with` block: `async with Client() as client:`")
        return self._engine


def _name(ticket: Ticket | str) -> str:
    return ticket if isinstance(ticket, str) else ticket.run
