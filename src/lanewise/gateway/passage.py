"""One call on its way through, from its headers to its place in the books."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from time import monotonic
from typing import Any, Final
from urllib.parse import quote

from lanewise.app.routing import asking as asking_of
from lanewise.domain.lanes import FLEX, REALTIME
from lanewise.domain.usage import Usage
from lanewise.errors import BadInput, StoreUnusable
from lanewise.gateway import access
from lanewise.gateway.admission import MODERATIONS, Asking
from lanewise.gateway.asked import Asked, Refused, asked, read_body
from lanewise.gateway.background import Refusing
from lanewise.gateway.booking import Call
from lanewise.gateway.dialect import dialect_of, error_body
from lanewise.gateway.ending import WAITS, Waited, attributes, line, workflow
from lanewise.gateway.headers import for_client, for_upstream
from lanewise.gateway.keys import UNKNOWN_KEY, Refusal, barred
from lanewise.gateway.limits import NOTHING_SET_ASIDE
from lanewise.gateway.listening import ARRIVED, WHEN_LOST
from lanewise.gateway.routes import Handler, Receive, Scope, Send
from lanewise.gateway.tracing import CallSpan
from lanewise.gateway.upstream import Answer, UpstreamFailed
from lanewise.gateway.usage import ASK_FOR_USAGE, StreamReader, Told, WholeReader
from lanewise.gateway.via import Via
from lanewise.gateway.waiting import Holding
from lanewise.gateway.ways import Tries, Way
from lanewise.gateway.who import Who
from lanewise.gateway.wire import Head, Headers
from lanewise.gateway.wishes import Wish
from lanewise.providers.protocol import Account

logger: Final = logging.getLogger("lanewise.gateway")
MODELS: Final = "/v1/models"
RESPONSES: Final = "/v1/responses"
_TALLIED: Final = frozenset({"/v1/chat/completions", "/v1/completions"})
_FREE: Final = Usage()  # moderations say no usage, and cost nothing


class Passage:
    """One call on its way through."""

    __slots__ = (
        "_begun",
        "_dialect",
        "_grant",
        "_last",
        "_receive",
        "_scope",
        "_send",
        "_size",
        "_span",
        "_tries",
        "_via",
        "asked",
        "first",
        "gone",
        "headers",
        "lane",
        "method",
        "named",
        "said",
        "sent",
        "status",
        "told",
        "who",
    )  # fmt: skip

    def __init__(self, via: Via, scope: Scope, receive: Receive, send: Send) -> None:
        self._via, self._scope, self._receive, self._send = via, scope, receive, send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.asked = Asked()
        self.named = ""  # the model, as the caller names it
        self.who: Who | None = None
        self.status = 0
        self.sent = False  # whether it may be charged
        self.told = Told()
        self.method: str = scope["method"]
        self.lane = ""  # that it is sent in; `WAITS` while that is to be decided
        self.first: float | None = None  # monotonic: when the first byte of the answer came
        self.said: Headers = []  # the headers of the answer
        self.gone = False  # whether the client went away before the end
        self._span: CallSpan | None = None
        self._grant = NOTHING_SET_ASIDE
        self._tries: Tries | None = None
        self._size = 0  # of the body, as far as it is here
        self._begun = self._last = False

    @property
    def upstream(self) -> tuple[str, str]:
        """Provider, and the account there; no account where it was sent to none."""
        if self._tries is None:
            return self._dialect.value, ""
        account = self._tries.way.account
        return account.provider, account.id

    async def run(self, path: str, *, booked: bool) -> None:
        """Pass it through, whatever becomes of it; book it and log it."""
        began, held = monotonic(), False
        self._dialect = dialect_of(path, versioned=b"anthropic-version" in self.headers)
        if self._via.watch.tracing is not None:
            self._span = self._via.watch.tracing.begin(self.headers, path)
        try:
            respond = await self._pass(path)
            if respond is not None:  # its body is written down, and no more kept here
                self._let_go()
                self._accepted(respond)
                if isinstance(respond, Holding):
                    waits = Waited(self._via.watch.counts, self, path, began)
                    held = respond.take(self._scope, waits)
                else:
                    await respond(self._scope, self._receive, self._noted)
        except Refused as refused:
            await self._refuse(refused)
        except Exception as error:
            logger.exception("passing %s through failed", path)
            if not self._begun:
                await self._refuse(_failed(error))
        finally:
            self._let_go()
            if self._tries is not None:
                self._settle(self._tries.way.account, path, booked=booked)
            if not held:  # else that is told at the end of the wait
                self._tell(path, began, monotonic())

    async def _pass(self, path: str) -> Handler | None:
        """Returns what answers a call that can wait; None where it was passed through, or is over."""
        self.who = who = self._via.identify(self.headers)
        if who is None:
            raise Refused.by(UNKNOWN_KEY)
        posted = self._scope["method"] == "POST"
        body = await self._body() if posted else b""
        if body is None:
            return None  # the client went away
        wish = None
        if posted:
            self.asked = asked(body)
            self.named = self.asked.model
            if self.asked.tied:
                await self._via.require_own(who.tenant, self.asked)
            wish = self._wish(who, path)
            self._require_allowed(who, path, wish)
        if (meant := self._via.meant(self.asked.model)) != self.asked.model:
            self.asked.model = meant
        order = self._via.order(self._dialect, meant)
        asking = Asking(path, meant, body, waits=wish is not None)
        grant = await self._via.admit(who, asking, order[0].account)
        if isinstance(grant, Refusal):
            raise Refused.by(grant)
        self._grant = grant
        if wish is not None:
            take, headers = self._via.background.handle, self.headers
            if self._span is not None:
                headers = headers | {b"traceparent": self._span.traceparent.encode()}
            return await take(who, path, headers, wish, body)
        self._tries = Tries(order, meant, asyncio.get_running_loop().time, self.asked.tied)
        await self._watched(self._tries, path, body)
        return None

    async def _body(self) -> bytes | None:
        arrived = self._scope["extensions"].get(ARRIVED)
        here = arrived is not None and arrived()
        return await read_body(self.headers, self._receive, self._hold, here=here)

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
        self.lane = lane if wish is None else WAITS
        found = barred(who, path, self.asked.model, lane if wish is None else None)
        if found is not None:
            raise Refused.by(found)

    async def _noted(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self._begun, self.said = message["status"], True, message["headers"]
        await self._send(message)

    # -- through ----------------------------------------------------------------------------------
    async def _watched(self, tries: Tries, path: str, body: bytes) -> None:
        """Make the call, and give it up when the client goes away: nobody pays for unread tokens."""
        task = asyncio.current_task()
        assert task is not None
        watch = self._scope["extensions"].get(WHEN_LOST)
        if watch is None:
            self.gone = True
            return

        def lost() -> None:
            if not self._last:
                self.gone = True
                task.cancel()

        watch(lost)
        try:
            await self._call(tries, path, body)
        except UpstreamFailed as failed:
            if not self._begun:  # else the connection is cut, which is all that can still be said
                self.sent = failed.sent
                await self._refuse(Refused(failed.status, str(failed)))
        except asyncio.CancelledError:
            self.sent = self.sent or not self._begun
            if not self.gone:  # the server ends, and has waited long enough
                raise
            task.uncancel()
        finally:
            watch(None)

    async def _call(self, tries: Tries, path: str, body: bytes) -> None:
        ours = self._asks_for_usage(path)
        if ours:
            body = body.rstrip()[:-1] + b"," + ASK_FOR_USAGE
        method, headers = self._scope["method"].encode(), for_upstream(self._scope["headers"])
        if self._span is not None:
            headers = self._span.carried(headers)

        def ask(way: Way) -> Awaitable[Answer]:
            there = way.member.name_there(tries.model)
            asking = body if there == self.named else asking_of(body, there)
            return way.upstream.send(method, self._target(path, way), headers, asking)

        own = tries.order[0]
        if own.member.batches:  # what waits is elsewhere there, and need not give way
            await self._heard(tries, await tries.send(ask), ours=ours)
            return
        with self._via.traffic.call(own.account.id):
            await self._heard(tries, await tries.send(ask), ours=ours)

    async def _heard(self, tries: Tries, answer: Answer, *, ours: bool) -> None:
        try:
            await self._forward(answer, ours=ours)
        except UpstreamFailed:
            tries.broke_off()
            raise
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
        self.said = shown = for_client(head.headers)
        await self._send({"type": "http.response.start", "status": head.status, "headers": shown})
        try:
            await self._forward_body(answer, reader)
        finally:
            self.told = reader.told() if self.sent else Told()

    async def _forward_body(self, answer: Answer, reader: WholeReader | StreamReader) -> None:
        more = True
        while more:
            part = reader.feed(await answer.read())
            if self.first is None:
                self.first = monotonic()
            if answer.ended:
                self._last = True
                more, part = False, part + reader.rest()
            if part or not more:
                await self._send({"type": "http.response.body", "body": part, "more_body": more})

    def _reader(self, head: Head, *, ours: bool) -> WholeReader | StreamReader:
        provider = self._dialect.value
        named = self._scope["path"] == RESPONSES and bool(self.who and self.who.tenant)
        for name, value in head.headers:
            if name == b"content-type" and value.startswith(b"text/event-stream"):
                return StreamReader(provider, ours=ours, named=named)
        return WholeReader(provider, named=named)

    # -- after ------------------------------------------------------------------------------------
    async def _refuse(self, refused: Refused) -> None:
        body = error_body(self._dialect, refused.status, str(refused), code=refused.code)
        self.status = refused.status
        self._via.watch.counts.refused(refused.code or str(refused.status))
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
        if self._grant.open:
            self._grant.settle(self._via.cost(call) if call.whole else None)

    def _charged(self, account: Account, path: str) -> Call:
        who, told = self.who, self.told
        assert who is not None, "only calls of somebody are sent"
        if path == MODERATIONS and told.usage is None and self._last:
            told = told._replace(usage=_FREE)
        whole = self._last and self.status < 300
        return Call(
            who.tenant, workflow(self), account.provider, account.id, self.asked.model[:200], told, whole,
            self._via.now(), self.said,
        )  # fmt: skip

    def _accepted(self, respond: Handler) -> None:
        """It is written down, or was refused: what becomes of it is no part of this call's span."""
        code = respond.code if isinstance(respond, Refusing) else None
        if code is not None:
            self._via.watch.counts.refused(code)
        if self._span is not None:
            self._span.accepted(attributes(self), code)

    def _tell(self, path: str, began: float, ended: float) -> None:
        """Have it counted; traced and logged where that is on."""
        seconds, first = ended - began, self.first
        if first is not None:
            first -= began
        key = (path, self.lane, self.asked.model, self.status // 100)
        self._via.watch.counts.ended(key, seconds, first)
        if self._span is not None:
            self._span.passed(self.status, (seconds, first), self.told.usage, attributes(self))
        if access.is_on():
            access.write(line(self, path, seconds, first))


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
