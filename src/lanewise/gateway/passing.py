"""The real-time lane: calls pass through to the provider and back, byte for byte.

Replaced are the credentials and what belongs to a connection rather than to a message. Answers are asked for
uncompressed, so that their usage can be read on the way. Where a chat stream would not say what it used, it
is asked to, and the client is not shown the event that says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from starlette.routing import Route

from lanewise.app.accounts import Member
from lanewise.domain.usage import Usage
from lanewise.errors import ProviderUnusable
from lanewise.gateway.admission import MODERATIONS, Admission, Asking
from lanewise.gateway.asked import Asked, Refused
from lanewise.gateway.background import Background
from lanewise.gateway.belonging import Belonging
from lanewise.gateway.booking import Call, Ledger, Pricing
from lanewise.gateway.dialect import Dialect
from lanewise.gateway.keys import Refusal
from lanewise.gateway.lessons import Lessons
from lanewise.gateway.limits import Grant
from lanewise.gateway.models import Models
from lanewise.gateway.others import ONE_MODEL
from lanewise.gateway.passage import MODELS, Passage
from lanewise.gateway.routes import Handler, Hot, Parts, Receive, Scope, Send
from lanewise.gateway.upstream import Upstream
from lanewise.gateway.usage import Told
from lanewise.gateway.ways import Way, Ways
from lanewise.gateway.who import Who
from lanewise.providers import registry
from lanewise.providers.protocol import Account

MOST_HELD: Final = 512 * 1024 * 1024  # bytes of the bodies of calls under way
_CALLS: Final = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/completions",
    MODERATIONS,
    "/v1/messages",
)
_COUNT: Final = "/v1/messages/count_tokens"


class Passing:
    """Passes calls through; one for each process."""

    def __init__(self, parts: Parts, *, provider: str | None = None) -> None:
        """`provider`: "sandbox" for the built-in one instead of those that there are credentials for."""
        self.identify, self.watch = parts.identify, parts.watch
        self.traffic = parts.engine.traffic
        self.background = Background(parts, provider=provider)
        self._engine, self._provider = parts.engine, provider
        self._admission = Admission(parts.engine, parts.keys)
        flush_seconds = parts.engine.settings.ledger_flush_ms / 1_000.0
        self._belonging = Belonging(parts.engine.store, flush_seconds)
        self._why_not: dict[Dialect, str] = {}
        self._members = {dialect: self._members_of(dialect) for dialect in Dialect}
        self._ways: dict[Dialect, Ways] = {}
        self._time: Callable[[], float] = float  # the loop's clock, while it runs
        self._ledger: Ledger | None = None
        self._pricing: Pricing | None = None
        through = self._handler(MODELS, booked=False)
        self._models = Models(parts, self._ways.get, through)
        self._held = 0  # bytes of the bodies of calls under way

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Upstreams are called and the ledger is written while this lasts."""
        engine = self._engine
        regions = {}
        async with AsyncExitStack() as closing:
            self._time = asyncio.get_running_loop().time
            for dialect, members in self._members.items():
                ways = [self._way(member) for member in members]
                for way in ways:
                    regions[way.account.id] = await _region(way.account)
                    closing.callback(way.upstream.close)
                if ways:
                    self._ways[dialect] = Ways(ways)
            self._pricing = Pricing(engine.book, regions)
            flush_seconds = engine.settings.ledger_flush_ms / 1_000.0
            self._ledger = Ledger(
                engine.store,
                engine.clock,
                self._pricing,
                flush_seconds,
                booked=self.watch.counts.booked,
                heard=Lessons(engine.store, engine.clock).take,
            )
            closing.callback(self._admission.close)
            await closing.enter_async_context(self._ledger.running())
            closing.push_async_callback(self.background.close)
            yield

    def hot(self) -> Hot:
        """The calls, by exact path."""
        hot = {("POST", path): self._handler(path, booked=True) for path in _CALLS}
        hot["POST", _COUNT] = self._handler(_COUNT, booked=False)
        hot["GET", MODELS] = self._models
        return hot

    def routes(self) -> list[Route]:
        """One model, whose name is part of the path."""
        one = _Asgi(self._models)
        return [Route(ONE_MODEL, one, methods=["GET"])]

    @property
    def served(self) -> tuple[Dialect, ...]:
        """The dialects that there is an upstream for."""
        return tuple(self._ways)

    def under_way(self) -> dict[str, int]:
        """Calls under way, by upstream."""
        return {
            way.account.id: way.upstream.under_way
            for ways in self._ways.values()
            for way in ways.all
        }

    @property
    def held(self) -> int:
        """Bytes of the bodies of calls under way."""
        return self._held

    @property
    def unbooked(self) -> int:
        """Calls that are not in the ledger yet."""
        return 0 if self._ledger is None else self._ledger.held

    @property
    def waiting_clients(self) -> int:
        """Clients that wait on their connection for the answer of a call that can wait."""
        return self.background.waiting_clients

    @property
    def unwritten(self) -> int:
        """Calls that wait to be written down."""
        return self.background.unwritten

    async def require_own(self, tenant: str, asked: Asked) -> None:
        """Raises `Refused` where a call would go on from what is not its tenant's."""
        await self._belonging.require(tenant, asked)

    def meant(self, model: str) -> str:
        """The model that a name stands for."""
        return self._engine.accounts.meant(model)

    def order(self, dialect: Dialect, model: str) -> Sequence[Way]:
        """Where a call goes, best first; raises `Refused` where there is nowhere, or no room."""
        ways = self._ways.get(dialect)
        if ways is None:
            raise Refused(403, f"this gateway has no upstream here: {self._why_not[dialect]}")
        return ways.order(model, self._time())

    async def admit(self, who: Who, asking: Asking, account: Account) -> Grant | Refusal:
        """Set aside what a call may cost, where its key has limits: by the prices of real time."""

        def price(usage: Usage) -> int | None:
            told = Told(asking.model, usage)
            at = self.now()
            return self.cost(
                Call("", "", account.provider, account.id, asking.model, told, True, at)
            )

        return await self._admission.admit(who, asking, price)

    def cost(self, call: Call) -> int | None:
        """What a call cost, nano-USD; None where nobody knows."""
        assert self._pricing is not None, "calls pass while it runs"
        return self._pricing.cost(call)

    def hold(self, size: int) -> None:
        """Count bytes of a body that is kept in memory, or (less than 0) no more.

        Raises `Refused`, and has counted them, where there is no room: whoever holds them lets go of all.
        """
        self._held += size
        if size > 0 and self._held > MOST_HELD:
            raise Refused(429, "too much is on its way here; try again in a second")

    def book(self, call: Call) -> None:
        """Have a call booked."""
        if call.told.response:
            self._belonging.made(call.tenant, call.told.response)
        assert self._ledger is not None, "calls pass while it runs"
        self._ledger.add(call)

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._engine.clock.now()

    def _handler(self, path: str, *, booked: bool) -> Handler:
        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            await Passage(self, scope, receive, send).run(path, booked=booked)

        return handle

    def _members_of(self, dialect: Dialect) -> Sequence[Member]:
        try:
            return self._engine.accounts.members(dialect.value, chosen=self._provider)
        except ProviderUnusable as error:
            self._why_not[dialect] = str(error)
            return ()

    def _way(self, member: Member) -> Way:
        account = self._engine.accounts.reached(member)
        return Way(member, account, _upstream(account))


class _Asgi:
    """A handler as Starlette takes it: an object, for functions are taken for another kind of endpoint."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._handler(scope, receive, send)


async def _region(account: Account) -> str | None:
    batches = registry.connect(account)
    try:
        return batches.region
    finally:
        await batches.close()


def _upstream(account: Account) -> Upstream:
    """The address of an account, with its credential."""
    key = account.key.reveal().encode()
    own = [(name.lower().encode(), value.encode()) for name, value in account.headers.items()]
    if account.provider == "anthropic":
        return Upstream(account.base_url, [(b"x-api-key", key), *own])
    return Upstream(account.base_url, [(b"authorization", b"Bearer " + key), *own])
