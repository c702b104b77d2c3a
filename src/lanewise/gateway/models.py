"""The models that a caller may name: those of every server, under our names, and the aliases.

Where there is one server and nothing to rename or leave out, its own answer passes through instead.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from lanewise.errors import NotFound
from lanewise.gateway.desk import Desk, Shown, refused, told
from lanewise.gateway.dialect import Dialect, dialect_of
from lanewise.gateway.headers import for_upstream
from lanewise.gateway.keys import barred
from lanewise.gateway.others import Watched
from lanewise.gateway.routes import Handler, Parts, Receive, Scope, Send
from lanewise.gateway.upstream import UpstreamFailed
from lanewise.gateway.ways import Way, Ways
from lanewise.gateway.who import Who

PATH: Final = "/v1/models"
_SECONDS: Final = 10.0  # that a server has to say what it has
_MOST_LIST: Final = 8 * 1024 * 1024  # bytes
_ALL: Final = b"?limit=1000"  # Anthropic's most; it gives 20 to who does not ask
log = logging.getLogger("lanewise.gateway")


class _List(msgspec.Struct):
    data: list[dict[str, Any]]


_decode: Final = msgspec.json.Decoder(_List).decode


class Models:
    """Serves `GET /v1/models` and `/v1/models/{model}`."""

    def __init__(
        self, parts: Parts, ways: Callable[[Dialect], Ways | None], through: Handler
    ) -> None:
        """`through`: passes a call to the one server there is."""
        self._parts, self._desk, self._ways, self._through = parts, Desk(parts), ways, through
        self._aliases = parts.engine.settings.aliases
        self._listing = Watched(self._list, parts, PATH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the call through."""
        headers = dict(scope["headers"])
        ways = self._ways(dialect_of(PATH, versioned=b"anthropic-version" in headers))
        who = self._parts.identify(headers)
        if ways is None or who is None or self._is_plain(ways, who):
            await self._through(scope, receive, send)
            return
        await self._listing(scope, receive, send)

    async def _list(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)  # type: ignore[arg-type]  # a mapping, to those who only read
        ways = self._ways(dialect_of(PATH, versioned="anthropic-version" in request.headers))
        assert ways is not None, "asked about before"
        response = await self._desk.serve(request, lambda who: self._answer(request, ways, who))
        await response(scope, receive, send)  # type: ignore[arg-type]

    def _is_plain(self, ways: Ways, who: Who) -> bool:
        named = ways.all[0].member.named
        whole = named is None or (not named.renames and named.models == ("*",))
        return len(ways.all) == 1 and whole and not self._aliases and not who.models

    async def _answer(self, request: Request, ways: Ways, who: Who) -> Response:
        lists = await asyncio.gather(*(_models_of(way, request) for way in ways.all))
        if all(found is None for found in lists):
            return refused(request, 502, "no upstream says which models it has")
        models: dict[str, Shown] = {}
        for way, found in zip(ways.all, lists, strict=True):
            for model in _ours(way, found or ()):
                models.setdefault(model["id"], model)
        models |= dict(self._aliased(models, ways))
        shown = [one for name, one in models.items() if barred(who, PATH, name) is None]
        name = request.path_params.get("model")
        if name is None:
            return told(200, _page(shown, openai="anthropic-version" not in request.headers))
        one = next((one for one in shown if one["id"] == name), None)
        if one is None:
            raise NotFound("there is no such model here, or this key is not for it")
        return told(200, one)

    def _aliased(self, models: Mapping[str, Shown], ways: Ways) -> Iterator[tuple[str, Shown]]:
        for alias, model in self._aliases.items():
            if model in models:
                yield alias, models[model] | {"id": alias}
            elif any(way.member.named and way.member.takes(model) for way in ways.all):
                yield alias, {"id": alias, "object": "model", "created": 0, "owned_by": "lanewise"}


def _ours(way: Way, models: Sequence[Shown]) -> Iterator[Shown]:
    """What a server has that goes there, by our names for it."""
    renames = {} if way.member.named is None else way.member.named.renames
    ours = {there: here for here, there in renames.items()}
    for model in models:
        name = model.get("id")
        if isinstance(name, str) and way.member.takes(name):
            yield model | {"id": ours.get(name, name)}


async def _models_of(way: Way, request: Request) -> Sequence[Shown] | None:
    """What a server says it has; None where it does not say."""
    openai = way.account.provider == "openai"
    target = PATH.removeprefix("/v1").encode() if openai else PATH.encode() + _ALL
    try:
        async with asyncio.timeout(_SECONDS):
            answer = await way.upstream.send(b"GET", target, for_upstream(request.headers.raw), b"")
            try:
                body = b""
                while not answer.ended and len(body) <= _MOST_LIST:
                    body += await answer.read()
            finally:
                answer.close()
            return _decode(body).data
    except (UpstreamFailed, TimeoutError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning(
            "upstream %s does not say its models: %s", way.member.name, type(error).__name__
        )
        return None


def _page(models: list[Shown], *, openai: bool) -> Shown:
    if openai:
        return {"object": "list", "data": models}
    first, last = (models[0]["id"], models[-1]["id"]) if models else (None, None)
    return {"data": models, "has_more": False, "first_id": first, "last_id": last}
