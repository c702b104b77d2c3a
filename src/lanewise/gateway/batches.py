"""OpenAI's batches, served: an order is written down, becomes a run, and is shown as a batch is.

What the provider's own batches do not have comes by itself: a crash loses nothing, failed lines are asked
again, files may be larger than a provider's batch and name several models, and `completion_window` may be
any deadline.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import Annotated, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lanewise.domain.ids import fresh_id
from lanewise.domain.usage import Usage
from lanewise.errors import BadInput
from lanewise.gateway.desk import Shown, limit_of, page, required, told
from lanewise.gateway.ordering import Orders, content_of, require_endpoint
from lanewise.gateway.outputs import ORDER, output_id
from lanewise.gateway.webhooks import require_webhook, webhook_of
from lanewise.gateway.who import Who
from lanewise.gateway.wishes import DEADLINE, workflow_of
from lanewise.intake import ENDPOINTS, Dialect
from lanewise.providers.dialects import OPENAI_ENDPOINTS
from lanewise.store.nouns import Run
from lanewise.store.orders import Order

_LISTED: Final = 20
_MOST_ERRORS: Final = 100
_MOST_BODY: Final = 1_000_000
_STATES: Final = {"open": "in_progress", "cancelling": "cancelling"}
log = logging.getLogger("lanewise.gateway")
_Text = Annotated[str, msgspec.Meta(max_length=512)]


class _Create(msgspec.Struct):
    input_file_id: _Text
    endpoint: _Text
    completion_window: _Text = "24h"
    metadata: Annotated[dict[_Text, _Text], msgspec.Meta(max_length=16)] | None = None


class Batches:
    """OpenAI's routes for batches; one for each process."""

    def __init__(self, orders: Orders) -> None:
        self._orders, self._desk = orders, orders.desk

    def routes(self) -> list[Route]:
        """OpenAI's routes for batches."""
        one = "/v1/batches/{name}"
        return [
            Route("/v1/batches", self.create, methods=["POST"]),
            Route("/v1/batches", self.all, methods=["GET"]),
            Route(one, self.retrieve, methods=["GET"]),
            Route(f"{one}/cancel", self.cancel, methods=["POST"]),
        ]

    # -- handlers ---------------------------------------------------------------------------------
    async def create(self, request: Request) -> Response:
        """Take an order; it is shown as validating, and on disk."""

        async def make(who: Who) -> Response:
            body = await _body(request)
            order = await asyncio.to_thread(self._order, who, request, body)
            self._orders.resume()
            return told(200, await asyncio.to_thread(self._shown, order))

        return await self._desk.serve(request, make)

    async def all(self, request: Request) -> Response:
        """Batches, newest first."""

        def find(who: Who) -> Response:
            limit, after = limit_of(request, _LISTED), request.query_params.get("after")
            found = self._desk.store.orders(who.tenant, ORDER, after=after, limit=limit + 1)
            return page([self._shown(order) for order in found], limit)

        return await self._desk.read(request, find)

    async def retrieve(self, request: Request) -> Response:
        """One batch."""
        return await self._desk.read(
            request, lambda who: told(200, self._shown(self._found(who, request)))
        )

    async def cancel(self, request: Request) -> Response:
        """Stop it: what is answered by then is kept."""

        def stop(who: Who) -> Response:
            if not self._orders.cancel(self._found(who, request)):
                raise BadInput("the batch has ended; there is nothing to cancel")
            return told(200, self._shown(self._found(who, request)))

        return await self._desk.read(request, stop)

    def _found(self, who: Who, request: Request) -> Order:
        name = request.path_params["name"]
        found = self._desk.store.order(who.tenant, name) if name.startswith(ORDER) else None
        return required(found, f"there is no batch {name!r}")

    # -- from call to order -----------------------------------------------------------------------
    def _order(self, who: Who, request: Request, body: bytes) -> Order:
        asked = _decoded(body)
        require_endpoint(who, asked.endpoint)
        store, now, headers = self._desk.store, self._desk.now(), request.headers
        content = content_of(headers, hashlib.sha256(body).digest())
        if (known := self._orders.repeated(who, content, headers)) is not None:
            return known
        message = f"there is no file {asked.input_file_id!r}"
        upload = required(store.upload(who.tenant, asked.input_file_id, now), message)
        raw = dict(headers.raw)
        require_webhook(store, who.tenant, webhook := webhook_of(raw))
        said = raw.get(DEADLINE, asked.completion_window.encode()).decode("latin-1")
        where = DEADLINE.decode() if DEADLINE in raw else "`completion_window`"
        self._orders.require_deadline(said, where)
        order = Order(
            f"{ORDER}{fresh_id()}", who.tenant, who.key, upload.id, asked.endpoint,
            asked.completion_window, workflow_of(who, raw), said, who.models, asked.metadata or {},
            content, now,
        )  # fmt: skip
        store.add_order(order, "batch", webhook)
        return order

    # -- as OpenAI shows it -----------------------------------------------------------------------
    def _shown(self, order: Order) -> Shown:
        run = self._desk.store.run_named(order.id)
        shown = _order_shown(order)
        if run is None:
            shown["status"] = _before_run(order)
            return shown
        shown["status"] = _STATES.get(run.state) or (
            "cancelled" if order.cancel_at else "completed"
        )
        ended = run.state == "finished"
        used = _usage_shown(self._desk.store.money(run=run.id).usage) if ended else None
        return shown | _run_shown(order, run) | {"usage": used}


def _before_run(order: Order) -> str:
    if order.state in ("failed", "cancelled"):
        return order.state
    return "validating" if order.cancel_at is None else "cancelling"


def _order_shown(order: Order) -> Shown:
    data = [
        {"code": "invalid_request", "line": wrong.line or None, "message": wrong.why, "param": None}
        for wrong in order.errors
    ]
    failed = order.decided_at if order.state == "failed" else None
    return {
        "id": order.id,
        "object": "batch",
        "endpoint": order.endpoint,
        "errors": {"object": "list", "data": data} if data else None,
        "input_file_id": order.upload,
        "completion_window": order.window,
        "status": order.state,
        "output_file_id": None,
        "error_file_id": None,
        "created_at": int(order.created_at),
        "in_progress_at": None,
        "expires_at": None,
        "completed_at": None,
        "failed_at": _whole(failed),
        "cancelling_at": _whole(order.cancel_at),
        "cancelled_at": _whole(order.decided_at) if order.state == "cancelled" else None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": None,
        "metadata": dict(order.metadata) or None,
    }


def _run_shown(order: Order, run: Run) -> Shown:
    failed = run.refused + run.unanswered
    ended = run.state == "finished"
    at = "cancelled_at" if order.cancel_at else "completed_at"
    counts = {"total": run.requests, "completed": run.answered, "failed": failed}
    return {
        "in_progress_at": int(run.created_at),
        "expires_at": None if run.deadline is None else _whole(max(run.deadline, run.created_at)),
        "request_counts": counts,
        "output_file_id": output_id(order.id, errors=False) if ended and run.answered else None,
        "error_file_id": output_id(order.id, errors=True) if ended and failed else None,
        at: _whole(run.finished_at),
    }


def _usage_shown(usage: Usage) -> Shown:
    """As in OpenAI's batches: what came from a cache is part of the input."""
    return {
        "input_tokens": usage.total_input,
        "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_input + usage.output,
    }


def _whole(at: float | None) -> int | None:
    return None if at is None else int(at)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY:
            raise BadInput(f"the body of this call may have {_MOST_BODY:,} bytes")
    return body


def _decoded(body: bytes) -> _Create:
    try:
        asked = msgspec.json.decode(body, type=_Create)
    except msgspec.DecodeError as error:
        raise BadInput(f"the body cannot be used: {error}") from error
    known = ENDPOINTS.get(asked.endpoint)
    if known is None or known.dialect is not Dialect.OPENAI:
        raise BadInput(f"`endpoint` takes {', '.join(OPENAI_ENDPOINTS)}")
    return asked
