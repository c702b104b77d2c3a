"""One call on its way through, from its headers to its place in the books."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

from lanewise.domain.lanes import FLEX, REALTIME
from lanewise.domain.usage import Usage
from lanewise.errors import BadInput, StoreUnusable
from lanewise.gateway.admission import MODERATIONS, Asking
from lanewise.gateway.asked import Asked, Refused, asked, read_body
from lanewise.gateway.background import Background
from lanewise.gateway.booking import Call
from lanewise.gateway.dialect import Dialect, dialect_of, error_body
from lanewise.gateway.headers import for_client, for_upstream
from lanewise.gateway.keys import UNKNOWN_KEY, Refusal, barred
from lanewise.gateway.limits import Grant
from lanewise.gateway.routes import Handler, Receive, Scope, Send
from lanewise.gateway.upstream import Answer, Upstream, UpstreamFailed
from lanewise.gateway.usage import ASK_FOR_USAGE, StreamReader, Told, WholeReader
from lanewise.gateway.who import Identify, Who
from lanewise.gateway.wire import Head
from lanewise.gateway.wishes import Wish
from lanewise.lanes.traffic import Traffic
from lanewise.providers.protocol import Account

logger: Final = logging.getLogger("lanewise.gateway")
MODELS: Final = "/v1/models"
_TALLIED: Final = frozenset({"/v1/chat/completions", "/v1/completions"})
_FREE: Final = Usage()  # moderations say no usage, and cost nothing


@dataclass(frozen=True, slots=True)
class Way:
    """Where calls in one dialect go, and who pays for them."""

    account: Account
    upstream: Upstream


class Via(Protocol):
    """What a call needs of the gateway."""

    @property
    def identify(self) -> Identify:
        """Finds out who asks."""
        ...

    @property
    def background(self) -> Background:
        """Takes it where it can wait."""
        ...

    @property
    def traffic(self) -> Traffic:
        """Is told of it while it is under way."""
        ...

    def way(self, dialect: Dialect) -> Way:
        """Where it goes; raises `Refused` where there is nowhere, or no room."""
        ...

    async def admit(self, who: Who, asking: Asking, account: Account) -> Grant | Refusal:
        """Set aside what it may cost, where its key has limits."""
        ...

    def cost(self, call: Call) -> int | None:
        """What it cost, nano-USD; None where nobody knows."""
        ...

    def hold(self, size: int) -> None:
        """Count bytes of a body that is kept in memory; raises `Refused` where there is no room."""
        ...

    def book(self, call: Call) -> None:
        """Have it booked."""
        ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...


class Passage:
    """One call on its way through."""

    __slots__ = (
        "_begun",
        "_dialect",
        "_gone",
        "_grant",
        "_last",
        "_receive",
        "_scope",
        "_send",
        "_size",
        "_via",
        "_way",
        "asked",
        "headers",
        "sent",
        "status",
        "told",
        "who",
    )  # fmt: skip

    def __init__(self, via: Via, scope: Scope, receive: Receive, send: Send) -> None:
        self._via, self._scope, self._receive, self._send = via, scope, receive, send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.asked = Asked()
        self.who: Who | None = None
        self.status = 0
        self.sent = False  # whether it may be charged
        self.told = Told()
        self._grant = Grant()
        self._way: Way | None = None
        self._size = 0  # of the body, as far as it is here
        self._begun = self._last = self._gone = False

    async def run(self, path: str, *, booked: bool) -> None:
        """Pass it through, whatever becomes of it; book it and log it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._dialect = dialect_of(path, versioned=b"anthropic-version" in self.headers)
        try:
            respond = await self._pass(path)
            if respond is not None:  # its body is written down, and no more kept here
                self._let_go()
                await respond(self._scope, self._receive, self._noted)
        except Refused as refused:
            await self._refuse(refused)
        except Exception as error:
            logger.exception("passing %s through failed", path)
            if not self._begun:
                await self._refuse(_failed(error))
        finally:
            self._let_go()
            if self._way is not None:
                self._settle(self._way.account, path, booked=booked)
            if logger.isEnabledFor(logging.INFO):
                self._log(path, loop.time() - began)

    async def _pass(self, path: str) -> Handler | None:
        """Returns what answers a call that can wait; None where it was passed through, or is over."""
        self.who = who = self._via.identify(self.headers)
        if who is None:
            raise Refused.by(UNKNOWN_KEY)
        posted = self._scope["method"] == "POST"
        body = await read_body(self.headers, self._receive, self._hold) if posted else b""
        if body is None:
            return None  # the client went away
        wish = None
        if posted:
            self.asked = asked(body)
            wish = self._wish(who, path)
            self._require_allowed(who, path, wish)
        way = self._via.way(self._dialect)
        grant = await self._via.admit(who, Asking(path, self.asked.model, body), way.account)
        if isinstance(grant, Refusal):
            raise Refused.by(grant)
        self._grant = grant
        if wish is not None:
            take = self._via.background.handle
            return await take(who, path, self.headers, wish, body, grant=grant)
        self._way = way
        await self._watched(way, path, body)
        return None

    def _hold(self, size: int) -> None:
        self._size += size
        self._via.hold(size)

    def _let_go(self) -> None:
        size, self._size = self._size, 0
        self._via.hold(-size)

    # -- what can wait ----------------------------------------------------------------------------
    def _wish(self, who: Who, path: str) -> Wish | None:
        try:
            return self._via.background.wish(who, path, self.headers, self.asked)
        except BadInput as error:
            raise Refused(400, str(error)) from None

    def _require_allowed(self, who: Who, path: str, wish: Wish | None) -> None:
        """What a key is for. Which lane takes what can wait is decided later, among those of the key."""
        lane = FLEX if self.asked.service_tier == "flex" else REALTIME
        found = barred(who, path, self.asked.model, lane if wish is None else None)
        if found is not None:
            raise Refused.by(found)

    async def _noted(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self._begun = message["status"], True
        await self._send(message)

    # -- through ----------------------------------------------------------------------------------
    async def _watched(self, way: Way, path: str, body: bytes) -> None:
        """Make the call, and give it up when the client goes away: nobody pays for unread tokens."""
        task = asyncio.current_task()
        assert task is not None
        watch = asyncio.get_running_loop().create_task(self._watch(task))
        try:
            with self._via.traffic.call(way.account.id):
                await self._call(way, path, body)
        except UpstreamFailed as failed:
            if not self._begun:  # else the connection is cut, which is all that can still be said
                self.sent = failed.sent
                await self._refuse(Refused(failed.status, str(failed)))
        except asyncio.CancelledError:
            self.sent = self.sent or not self._begun
            if not self._gone:  # the server ends, and has waited long enough
                raise
            task.uncancel()
        finally:
            watch.cancel()

    async def _watch(self, task: asyncio.Task[None]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._last:
            self._gone = True
            task.cancel()

    async def _call(self, way: Way, path: str, body: bytes) -> None:
        ours = self._asks_for_usage(path)
        if ours:
            body = body.rstrip()[:-1] + b"," + ASK_FOR_USAGE
        target = self._target(path, way)
        headers = for_upstream(self._scope["headers"])
        answer = await way.upstream.send(self._scope["method"].encode(), target, headers, body)
        try:
            await self._forward(answer, ours=ours)
        finally:
            answer.close()

    def _asks_for_usage(self, path: str) -> bool:
        asked = self.asked
        return bool(asked.stream) and asked.stream_options is None and path in _TALLIED

    def _target(self, path: str, way: Way) -> bytes:
        query: bytes = self._scope["query_string"]
        named = self._scope.get("path_params", {}).get("model")
        target = path if named is None else f"{path}/{_segment(named)}"
        if way.account.provider == "openai":  # its addresses end in /v1
            target = target.removeprefix("/v1")
        return target.encode() + (b"?" + query if query else b"")

    async def _forward(self, answer: Answer, *, ours: bool) -> None:
        head = answer.head
        if (
            300 <= head.status < 400
        ):  # a client that followed would send its body to wherever it says
            raise UpstreamFailed("the upstream redirects, which is not followed", sent=False)
        reader = self._reader(head, ours=ours)
        self.status, self.sent = head.status, head.status < 300
        self._begun = True
        shown = for_client(head.headers)
        await self._send({"type": "http.response.start", "status": head.status, "headers": shown})
        try:
            await self._forward_body(answer, reader)
        finally:
            self.told = reader.told() if self.sent else Told()

    async def _forward_body(self, answer: Answer, reader: WholeReader | StreamReader) -> None:
        more = True
        while more:
            part = reader.feed(await answer.read())
            if answer.ended:
                self._last = True
                more, part = False, part + reader.rest()
            if part or not more:
                await self._send({"type": "http.response.body", "body": part, "more_body": more})

    def _reader(self, head: Head, *, ours: bool) -> WholeReader | StreamReader:
        provider = self._dialect.value
        if any(value.startswith(b"text/event-stream") for value in head.values(b"content-type")):
            return StreamReader(provider, ours=ours)
        return WholeReader(provider)

    # -- after ------------------------------------------------------------------------------------
    async def _refuse(self, refused: Refused) -> None:
        body = error_body(self._dialect, refused.status, str(refused), code=refused.code)
        self.status = refused.status
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *refused.headers,
        ]
        if refused.status == 429 and not refused.headers:
            headers.append((b"retry-after", b"1"))
        self._last = True
        await self._send(
            {"type": "http.response.start", "status": refused.status, "headers": headers}
        )
        await self._send({"type": "http.response.body", "body": body})

    def _settle(self, account: Account, path: str, *, booked: bool) -> None:
        """Book it, and let what it cost take the place of what was set aside for it."""
        if not self.sent or not booked:
            self._grant.settle(0)
            return
        call = self._charged(account, path)
        self._via.book(call)
        self._grant.settle(self._via.cost(call) if call.whole else None)

    def _charged(self, account: Account, path: str) -> Call:
        who, told = self.who, self.told
        assert who is not None, "only calls of somebody are sent"
        if path == MODERATIONS and told.usage is None and self._last:
            told = told._replace(usage=_FREE)
        workflow = self.headers.get(b"x-lanewise-workflow", b"").decode("latin-1") or who.workflow
        whole = self._last and self.status < 300
        return Call(
            who.tenant, workflow[:200], account.provider, account.id, self.asked.model[:200], told, whole,
            self._via.now(),
        )  # fmt: skip

    def _log(self, path: str, seconds: float) -> None:
        who = self.who
        logger.info(
            "%s %s %s %.1f ms key=%r model=%r%s",
            self._scope["method"],
            path,
            self.status or "-",
            seconds * 1_000.0,
            "" if who is None else who.key,
            self.asked.model[:200],
            " (the client went away)" if self._gone else "",
        )


def _failed(error: Exception) -> Refused:
    if isinstance(error, StoreUnusable):
        return Refused(503, "the gateway cannot do this at the moment")
    return Refused(500, "something went wrong in the gateway")


def _segment(name: str) -> str:
    """The name of a model as one segment of a path; raises `Refused` for what is none.

    >>> _segment("ft:gpt-4o:org::x"), _segment("org/model")
    ('ft:gpt-4o:org::x', 'org%2Fmodel')
    """
    if {"", ".", ".."}.intersection(name.split("/")):
        raise Refused(404, "there is no such model", code="model_not_found")
    return quote(name, safe=":@")
