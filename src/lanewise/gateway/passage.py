"""One call on its way through, from its headers to its place in the books."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import quote

import msgspec

from lanewise.domain.lanes import FLEX, REALTIME
from lanewise.domain.usage import Usage
from lanewise.gateway.booking import Call
from lanewise.gateway.dialect import Dialect, dialect_of, error_body
from lanewise.gateway.headers import for_client, for_upstream
from lanewise.gateway.routes import Receive, Scope, Send
from lanewise.gateway.upstream import Answer, Upstream, UpstreamFailed
from lanewise.gateway.usage import ASK_FOR_USAGE, StreamReader, Told, WholeReader
from lanewise.gateway.who import Identify, Who
from lanewise.gateway.wire import Head
from lanewise.policy.globs import fits
from lanewise.providers.protocol import Account

logger: Final = logging.getLogger("lanewise.gateway")
MOST_BODY: Final = 32 * 1024 * 1024  # bytes of a call; Anthropic's own limit
BODY_SECONDS: Final = 120.0  # in which a client has to send its request
MODERATIONS: Final = "/v1/moderations"
MODELS: Final = "/v1/models"
_TALLIED: Final = frozenset({"/v1/chat/completions", "/v1/completions"})
_FREE: Final = Usage()  # moderations say no usage, and cost nothing


class Refused(Exception):
    """A call that goes no further; told in the client's dialect."""

    def __init__(self, status: int, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Options(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class _Asked(msgspec.Struct, gc=False):
    """What decides which way a call goes; the rest of its body is not looked at."""

    model: str = ""
    stream: bool | None = None
    service_tier: str | None = None
    stream_options: _Options | None = None


_decode: Final = msgspec.json.Decoder(_Asked).decode


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

    def way(self, dialect: Dialect) -> Way:
        """Where it goes; raises `Refused` where there is nowhere, or no room."""
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
        self.asked = _Asked()
        self.who: Who | None = None
        self.status = 0
        self.sent = False  # whether it may be charged
        self.told = Told()
        self._way: Way | None = None
        self._size = 0  # of the body, as far as it is here
        self._begun = self._last = self._gone = False

    async def run(self, path: str, *, booked: bool) -> None:
        """Pass it through, whatever becomes of it; book it and log it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._dialect = dialect_of(path, versioned=b"anthropic-version" in self.headers)
        try:
            await self._pass(path)
        except Refused as refused:
            await self._refuse(refused)
        except Exception:
            logger.exception("passing %s through failed", path)
            if not self._begun:
                await self._refuse(Refused(500, "something went wrong in the gateway"))
        finally:
            self._via.hold(-self._size)
            if booked and self.sent and self._way is not None:
                self._book(self._way.account, path)
            if logger.isEnabledFor(logging.INFO):
                self._log(path, loop.time() - began)

    async def _pass(self, path: str) -> None:
        self.who = self._via.identify(self.headers)
        if self.who is None:
            raise Refused(401, "no valid key was given", code="invalid_api_key")
        posted = self._scope["method"] == "POST"
        body = await self._body() if posted else b""
        if body is None:
            return  # the client went away
        if posted:
            self.asked = _asked(body)
        _require_allowed(self.who, path, self.asked)
        self._way = self._via.way(self._dialect)
        await self._watched(self._way, path, body)

    # -- in ---------------------------------------------------------------------------------------
    async def _body(self) -> bytes | None:
        """The request's body; None where the client went away."""
        if self.headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refused(415, "a compressed body is not taken; send it as it is")
        said = self.headers.get(b"content-length", b"")
        if said.isdigit() and int(said) > MOST_BODY:
            raise _too_large()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._read_body()
        except TimeoutError:
            raise Refused(408, f"the request did not arrive in {BODY_SECONDS:.0f} s") from None

    async def _read_body(self) -> bytes | None:
        message = await self._receive()
        if not message.get("more_body") and message["type"] == "http.request":
            whole: bytes = message.get("body", b"")
            self._hold(len(whole))
            return whole
        parts: list[bytes] = []
        while message["type"] == "http.request":
            parts.append(message.get("body", b""))
            self._hold(len(parts[-1]))
            if not message.get("more_body"):
                return b"".join(parts)
            message = await self._receive()
        return None

    def _hold(self, size: int) -> None:
        self._size += size
        if self._size > MOST_BODY:
            self._size -= size
            raise _too_large()
        self._via.hold(size)

    # -- through ----------------------------------------------------------------------------------
    async def _watched(self, way: Way, path: str, body: bytes) -> None:
        """Make the call, and give it up when the client goes away: nobody pays for unread tokens."""
        task = asyncio.current_task()
        assert task is not None
        watch = asyncio.get_running_loop().create_task(self._watch(task))
        try:
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
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if refused.status == 429:
            headers.append((b"retry-after", b"1"))
        self._last = True
        await self._send(
            {"type": "http.response.start", "status": refused.status, "headers": headers}
        )
        await self._send({"type": "http.response.body", "body": body})

    def _book(self, account: Account, path: str) -> None:
        who, told = self.who, self.told
        assert who is not None, "only calls of somebody are sent"
        if path == MODERATIONS and told.usage is None and self._last:
            told = told._replace(usage=_FREE)
        workflow = self.headers.get(b"x-lanewise-workflow", b"").decode("latin-1") or who.workflow
        whole = self._last and self.status < 300
        self._via.book(
            Call(
                who.tenant, workflow[:200], account.provider, account.id, self.asked.model[:200], told, whole,
                self._via.now(),
            )
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


def _asked(body: bytes) -> _Asked:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(
            400, "the body is not a JSON object with a text as its `model`", code="invalid_json"
        ) from None


def _require_allowed(who: Who, path: str, asked: _Asked) -> None:
    """What a key is for; no entry means all."""
    lane = FLEX if asked.service_tier == "flex" else REALTIME
    if who.lanes and lane not in who.lanes:
        raise Refused(403, f"this key is not for the lane {lane}")
    if who.endpoints and path not in who.endpoints and path != MODELS:
        raise Refused(403, f"this key is not for {path}")
    if who.models and path != MODELS and not any(fits(each, asked.model) for each in who.models):
        raise Refused(403, "this key is not for that model", code="model_not_found")


def _too_large() -> Refused:
    return Refused(413, f"a call has at most {MOST_BODY // 1024 // 1024} MB", code="too_large")


def _segment(name: str) -> str:
    """The name of a model as one segment of a path; raises `Refused` for what is none.

    >>> _segment("ft:gpt-4o:org::x"), _segment("org/model")
    ('ft:gpt-4o:org::x', 'org%2Fmodel')
    """
    if {"", ".", ".."}.intersection(name.split("/")):
        raise Refused(404, "there is no such model", code="model_not_found")
    return quote(name, safe=":@")
