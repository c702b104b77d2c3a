"""Anthropic's message batches, served: the body goes to disk as it arrives, and its requests become a run."""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lanewise.domain.ids import fresh_id
from lanewise.errors import BadInput
from lanewise.gateway.desk import Shown, limit_of, page, required, told, uploading
from lanewise.gateway.ordering import Orders, content_of, require_endpoint
from lanewise.gateway.webhooks import require_webhook, webhook_of
from lanewise.gateway.who import Who
from lanewise.gateway.wishes import DEADLINE, workflow_of
from lanewise.settings import DAY
from lanewise.store.disk import explained, open_private
from lanewise.store.nouns import Run
from lanewise.store.orders import Order

MOST_BYTES: Final = 256_000_000  # as the provider's
ORDER: Final = "msgbatch_lw"
_ENDPOINT: Final = "/v1/messages"
_WINDOW: Final = "24h"
_BATCHES: Final = "/v1/messages/batches"
_LISTED: Final = 20
_CHUNK: Final = 1024 * 1024


class _Create(msgspec.Struct):
    requests: list[msgspec.Raw]


class _Result(msgspec.Struct):
    type: str = "errored"


class _Line(msgspec.Struct):
    result: _Result = msgspec.field(default_factory=_Result)


_decode_line = msgspec.json.Decoder(_Line).decode


class MessageBatches:
    """Anthropic's routes for batches; one for each process."""

    def __init__(self, orders: Orders) -> None:
        self._orders, self._desk = orders, orders.desk
        self._uploading = uploading()

    def routes(self) -> list[Route]:
        """All of them."""
        one = f"{_BATCHES}/{{name}}"
        return [
            Route(_BATCHES, self.create, methods=["POST"]),
            Route(_BATCHES, self.all, methods=["GET"]),
            Route(one, self.retrieve, methods=["GET"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(f"{one}/cancel", self.cancel, methods=["POST"]),
            Route(f"{one}/results", self.results, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        """Take the requests; acknowledged when they are a run."""

        async def make(who: Who) -> Response:
            order = f"{ORDER}{fresh_id()}"
            path = self._desk.store.upload_path(order)
            try:
                with self._uploading.entered():
                    digest = await _receive(request, path)
                    return await asyncio.to_thread(self._create, who, request, order, digest)
            finally:
                path.unlink(missing_ok=True)

        return await self._desk.serve(request, make)

    def _create(self, who: Who, request: Request, name: str, digest: bytes) -> Response:
        require_endpoint(who, _ENDPOINT)
        headers = request.headers
        content = content_of(headers, digest)
        known = self._orders.repeated(who, content, headers)
        if known is not None and known.state == "validating":  # a crash, or a client in a hurry
            self._orders.decide(known)
            known = self._desk.store.order(who.tenant, known.id)
        if known is not None and known.state == "accepted":
            return told(200, self._shown(known, request))
        raw = dict(headers.raw)
        require_webhook(self._desk.store, who.tenant, webhook := webhook_of(raw))
        deadline = raw.get(DEADLINE, _WINDOW.encode()).decode("latin-1")
        self._orders.require_deadline(deadline, DEADLINE.decode())
        _write_lines(self._desk.store.upload_path(name))
        order = Order(
            name, who.tenant, who.key, name, _ENDPOINT, _WINDOW, workflow_of(who, raw), deadline,
            who.models, {}, content, self._desk.now(),
        )  # fmt: skip
        self._desk.store.add_order(order, "message_batch", webhook)
        self._orders.decide(order)
        decided = self._desk.store.order(who.tenant, name)
        assert decided is not None, "it was just added"
        if decided.state == "failed":
            raise BadInput("; ".join(_said(line, why) for line, why in decided.errors[:10]))
        return told(200, self._shown(decided, request))

    async def all(self, request: Request) -> Response:
        """Batches, newest first."""

        def find(who: Who) -> Response:
            if "before_id" in request.query_params:
                raise BadInput("`before_id` is not served; page with `after_id`")
            limit, after = limit_of(request, _LISTED, 1_000), request.query_params.get("after_id")
            found = self._desk.store.orders(who.tenant, ORDER, after=after, limit=limit + 1)
            accepted = [order for order in found if order.state == "accepted"]
            return page([self._shown(order, request) for order in accepted], limit)

        return await self._desk.read(request, find)

    async def retrieve(self, request: Request) -> Response:
        """One batch."""
        return await self._desk.read(
            request, lambda who: told(200, self._shown(self._found(who, request), request))
        )

    async def cancel(self, request: Request) -> Response:
        """Stop it: what is answered by then is kept."""

        def stop(who: Who) -> Response:
            self._orders.cancel(self._found(who, request))
            return told(200, self._shown(self._found(who, request), request))

        return await self._desk.read(request, stop)

    async def delete(self, request: Request) -> Response:
        """Forget a batch that has ended, with its requests and answers."""

        def drop(who: Who) -> Response:
            order = self._found(who, request)
            run = self._ended(order)
            self._desk.store.delete_bodies(run.id)
            self._desk.store.drop_order(order.id)
            return told(200, {"id": order.id, "type": "message_batch_deleted"})

        return await self._desk.read(request, drop)

    async def results(self, request: Request) -> Response:
        """Result lines under the caller's own ids, streamed in the order of the requests."""

        def find(who: Who) -> Response:
            run = self._ended(self._found(who, request))
            kept = self._desk.store.place(run.id, 0)
            required(kept, f"the results of {run.name} were deleted: they are past their retention")
            lines = self._desk.engine.results(run.id)
            return StreamingResponse(lines, media_type="application/x-jsonl")

        return await self._desk.read(request, find)

    def _found(self, who: Who, request: Request) -> Order:
        name = request.path_params["name"]
        found = self._desk.store.order(who.tenant, name) if name.startswith(ORDER) else None
        return required(found, f"there is no batch {name!r}")

    def _ended(self, order: Order) -> Run:
        run = self._desk.store.run_named(order.id)
        if run is None or run.state != "finished":
            raise BadInput(f"batch {order.id} has not ended yet")
        return run

    def _shown(self, order: Order, request: Request) -> Shown:
        run = required(self._desk.store.run_named(order.id), f"there is no batch {order.id!r}")
        ended = run.state == "finished"
        address = str(request.base_url).rstrip("/")
        status = {"open": "in_progress", "cancelling": "canceling", "finished": "ended"}[run.state]
        return {
            "id": order.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": self._counts(run),
            "created_at": _instant(order.created_at),
            "expires_at": _instant(order.created_at + DAY),
            "ended_at": _instant(run.finished_at),
            "cancel_initiated_at": _instant(order.cancel_at),
            "archived_at": None,
            "results_url": f"{address}{_BATCHES}/{order.id}/results" if ended else None,
        }

    def _counts(self, run: Run) -> dict[str, int]:
        """As the provider counts: everything is processing until all has ended."""
        names = ("succeeded", "errored", "canceled", "expired")
        if run.state != "finished":
            return {"processing": run.requests} | dict.fromkeys(names, 0)
        if not run.unanswered or self._desk.store.place(run.id, 0) is None:
            found = Counter(succeeded=run.answered, errored=run.refused + run.unanswered)
        else:
            lines = self._desk.engine.results(run.id)
            found = Counter(_decode_line(line).result.type for line in lines)
        return {"processing": 0} | {name: found[name] for name in names}


def _said(line: int, why: str) -> str:
    """What is wrong, of which request: requests count from 0 in `requests`, lines from 1."""
    return f"requests.{line - 1}: {why}" if line else why


def _instant(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


async def _receive(request: Request, path: Path) -> bytes:
    """The body on disk; returns its digest."""
    digest, size = hashlib.sha256(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with (
        explained("keeping a batch", path.parent),
        os.fdopen(open_private(path, flags), "wb", _CHUNK) as file,
    ):
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > MOST_BYTES:
                    raise BadInput(f"a batch may have {MOST_BYTES:,} bytes")
                digest.update(chunk)
                file.write(chunk)
        except ClientDisconnect as error:
            raise BadInput("the body ends too early") from error
    if not size:
        raise BadInput("the body is empty")
    return digest.digest()


def _write_lines(path: Path) -> None:
    """Put the lines of its requests in the place of a body."""
    lines = path.with_suffix(".lines")
    with explained("keeping a batch", path.parent):
        fd = open_private(lines, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            with path.open("rb") as body, os.fdopen(fd, "wb", _CHUNK) as file:
                file.writelines(_cut(body.fileno()))
            lines.replace(path)
        finally:
            lines.unlink(missing_ok=True)


def _cut(body: int) -> Iterator[bytes]:
    """The requests of a body, one a line; the body itself is not copied into memory."""
    mapped = mmap.mmap(body, 0, access=mmap.ACCESS_READ)
    try:
        found = msgspec.json.decode(mapped, type=_Create)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput(f"the body cannot be used: {error}") from error
    # within strings JSON has line breaks only as escapes, so these are between members
    for raw in found.requests:
        yield bytes(raw).replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
