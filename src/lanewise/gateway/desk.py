"""What handlers of tenants' files and batches share: who asks, errors in the client's words, pages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from lanewise.app import Engine
from lanewise.errors import BadInput, LanewiseError, NotFound
from lanewise.gateway.asked import COMPRESSED
from lanewise.gateway.dialect import dialect_of, error_body
from lanewise.gateway.keys import UNKNOWN_KEY, Refusal
from lanewise.gateway.routes import Parts
from lanewise.gateway.who import Who
from lanewise.store.protocol import Store

Shown: TypeAlias = dict[str, Any]
T = TypeVar("T")
_MOST_LISTED: Final = 100
MOST_UPLOADS: Final = 32  # at a time, of each kind
log = logging.getLogger("lanewise.gateway")


class Crowded(LanewiseError):
    """As many do this already as there is room for."""


class Room:
    """How many may do something at a time."""

    def __init__(self, most: int, message: str) -> None:
        """`message`: for those who find it full."""
        self._left, self._message = most, message

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be one of them. Raises `Crowded`."""
        if not self._left:
            raise Crowded(self._message)
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1


def uploading() -> Room:
    """For those who send files: each has a file open, and a buffer."""
    return Room(MOST_UPLOADS, f"{MOST_UPLOADS} uploads are under way; try again in a second")


class Desk:
    """Serves one request after another; what is another tenant's is not there."""

    def __init__(self, parts: Parts) -> None:
        self.engine: Engine = parts.engine
        self.store: Store = parts.engine.store
        self._identify = parts.identify

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.engine.clock.now()

    async def serve(self, request: Request, work: Callable[[Who], Awaitable[Response]]) -> Response:
        """What `work` answers to who asks; an error in the client's words where it raises one."""
        who = self._identify(dict(request.headers.raw))
        if who is None:
            return turned_away(request, UNKNOWN_KEY)
        if request.headers.get("content-encoding", "identity") != "identity":
            return refused(request, 415, COMPRESSED)
        try:
            return await work(who)
        except NotFound as error:
            return refused(request, 404, str(error))
        except BadInput as error:
            return refused(request, 400, str(error))
        except Crowded as error:
            return turned_away(request, Refusal(429, "too_many_uploads", str(error), 1))
        except LanewiseError as error:
            log.warning("%s %s failed: %s", request.method, request.url.path, error)
            return refused(request, 503, "the gateway cannot do this at the moment")

    async def read(self, request: Request, look: Callable[[Who], Response]) -> Response:
        """The same for work that waits for the disk, done beside the loop."""
        return await self.serve(request, lambda who: asyncio.to_thread(look, who))


def told(status: int, content: Any) -> Response:
    """JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def refused(request: Request, status: int, message: str) -> Response:
    """An error in the words of the client's API."""
    dialect = dialect_of(request.url.path, versioned="anthropic-version" in request.headers)
    return Response(error_body(dialect, status, message), status, media_type="application/json")


def turned_away(request: Request, refusal: Refusal) -> Response:
    """What a key is told that may not."""
    dialect = dialect_of(request.url.path, versioned="anthropic-version" in request.headers)
    body = error_body(dialect, refusal.status, refusal.message, code=refusal.code)
    headers = {name.decode(): value.decode() for name, value in refusal.headers()}
    return Response(body, refusal.status, headers, media_type="application/json")


def required(found: T | None, message: str) -> T:
    """What must be there; raises `NotFound`."""
    if found is None:
        raise NotFound(message)
    return found


def limit_of(request: Request, default: int, most: int = _MOST_LISTED) -> int:
    """How many a list is to have. Raises `BadInput` for what is no such number."""
    said = request.query_params.get("limit")
    if said is None:
        return default
    if not (said.isascii() and said.isdecimal() and 1 <= int(said[:6]) <= most):
        raise BadInput(f"`limit` takes 1 to {most}")
    return int(said[:6])


def page(found: Sequence[Shown], limit: int) -> Response:
    """A page of a list of which one more than `limit` was looked for."""
    shown = list(found[:limit])
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    content = {"object": "list", "data": shown, "first_id": first, "last_id": last}
    return told(200, content | {"has_more": len(found) > limit})
