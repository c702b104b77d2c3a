"""Anthropic's Message Batches."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lanewise.sandbox import creating, lines
from lanewise.sandbox.openai_files import deliver
from lanewise.sandbox.producing import results_of, standing
from lanewise.sandbox.state import State
from lanewise.sandbox.wire import Refusal, account_of, answer_json, fresh, state_of, strike_call

_MOST_BYTES: Final = 256_000_000
_MOST_REQUESTS: Final = 100_000
_CUSTOM_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")


class _Element(msgspec.Struct):
    custom_id: str
    params: msgspec.Raw


_decode: Final = msgspec.json.Decoder(_Element).decode


async def create(request: Request) -> Response:
    """Create a batch; the body is streamed to disk and cut into requests there."""
    account, state = account_of(request), state_of(request)
    faults = await strike_call(request, "batches.create")
    file_id = fresh("input-")
    await _receive(request, state, file_id)
    try:
        count = await run_in_threadpool(_take_apart, state, file_id)
    finally:
        state.path(f"{file_id}.json").unlink(missing_ok=True)
    if creating.queued_requests(state, account) + count > state.config.queued_requests:
        message = "Too many requests are queued in batches of this workspace."
        raise Refusal(429, "rate_limit_error", message, headers={"retry-after": "30"})
    row = creating.add_batch(
        state,
        account=account,
        provider="anthropic",
        endpoint="/v1/messages",
        input_file=file_id,
        metadata={},
        faults=faults,
        requests=count,
    )
    answer = answer_json(request, batch_object(request, row))
    return await creating.answered(request, answer, faults)


async def _receive(request: Request, state: State, file_id: str) -> None:
    size = 0
    if int(request.headers.get("content-length") or 0) > _MOST_BYTES:
        raise Refusal(413, "request_too_large", "Request exceeds the maximum size")
    with state.path(f"{file_id}.json").open("wb", 1024 * 1024) as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > _MOST_BYTES:
                raise Refusal(413, "request_too_large", "Request exceeds the maximum size")
            file.write(chunk)


def _take_apart(state: State, file_id: str) -> int:
    """The body's requests as lines; params are validated only when they are executed."""
    seen: set[str] = set()
    try:
        with state.path(file_id).open("wb", 1024 * 1024) as target:
            for index, raw in enumerate(lines.cut(state.path(f"{file_id}.json"))):
                element = _decode(raw)
                if not _CUSTOM_ID.match(element.custom_id):
                    message = (
                        f"requests.{index}.custom_id: String should match pattern "
                        "'^[a-zA-Z0-9_-]{1,64}$'"
                    )
                    raise Refusal(400, "invalid_request_error", message)
                if element.custom_id in seen:
                    raise Refusal(
                        400, "invalid_request_error", f"requests.{index}.custom_id: must be unique"
                    )
                seen.add(element.custom_id)
                target.write(raw.replace(b"\n", b" ") + b"\n")
    except (lines.NotABatch, msgspec.DecodeError) as error:
        raise Refusal(400, "invalid_request_error", str(error)) from error
    if not seen:
        raise Refusal(400, "invalid_request_error", "requests: List should have at least 1 item")
    if len(seen) > _MOST_REQUESTS:
        raise Refusal(400, "invalid_request_error", "requests: at most 100000 items")
    return len(seen)


async def listing(request: Request) -> Response:
    """Newest first, page by page."""
    account, state = account_of(request), state_of(request)
    await strike_call(request, "batches.list")
    rows = creating.listed(state, account, "anthropic")
    limit = min(int(request.query_params.get("limit", "20")), 1_000)
    before = request.query_params.get("before_id")
    rows = _between(rows, request.query_params.get("after_id"), before)
    near = rows[-limit:] if before else rows[:limit]  # the page next to the one that is named
    page = await run_in_threadpool(lambda: [batch_object(request, row) for row in near])
    body = {
        "data": page,
        "has_more": len(rows) > limit,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }
    return answer_json(request, body)


def _between(rows: list[sqlite3.Row], after: str | None, before: str | None) -> list[sqlite3.Row]:
    ids = [row["id"] for row in rows]
    start = ids.index(after) + 1 if after in ids else 0
    stop = ids.index(before) if before in ids else len(rows)
    return rows[start:stop]


async def get(request: Request) -> Response:
    """One batch; an unfinished one says when to ask again."""
    await strike_call(request, "batches.get")
    shown = await run_in_threadpool(batch_object, request, _batch(request))
    unfinished = shown["processing_status"] != "ended"
    return answer_json(request, shown, headers={"retry-after": "10"} if unfinished else None)


async def cancel(request: Request) -> Response:
    """Stop a batch; one that has ended stays as it is."""
    await strike_call(request, "batches.cancel")
    state = state_of(request)
    row = _batch(request)
    now = state.now()
    if standing(row, now).phase != "ended" and row["cancel_at"] is None:
        quick = min(state.config.cancel_seconds, row["ended"])
        state.run(
            "UPDATE batches SET cancel_at = ?, cancel_done = ? WHERE id = ?",
            now,
            now + quick,
            row["id"],
        )
    return answer_json(request, await run_in_threadpool(batch_object, request, _batch(request)))


async def delete(request: Request) -> Response:
    """Delete a batch that has ended."""
    state = state_of(request)
    row = _batch(request)
    if standing(row, state.now()).phase != "ended":
        raise Refusal(400, "invalid_request_error", "Batches can be deleted when they have ended.")
    state.run("UPDATE batches SET deleted = 1 WHERE id = ?", row["id"])
    return answer_json(request, {"id": row["id"], "type": "message_batch_deleted"})


async def results(request: Request) -> Response:
    """The results, streamed."""
    state = state_of(request)
    faults = await strike_call(request, "results")
    row = _batch(request)
    now = state.now()
    if standing(row, now).phase != "ended":
        raise Refusal(404, "not_found_error", f"No results are available for {row['id']}.")
    expired = any(fault.kind == "results_expired" for fault in creating.plan_of(row))
    if expired or now > row["created_at"] + state.config.retention_days * 86_400:
        raise Refusal(404, "not_found_error", "The results of this batch have expired.")
    await run_in_threadpool(results_of, state, row, now)
    return deliver(request, state, f"{row['id']}.output", {}, faults)


def _batch(request: Request) -> sqlite3.Row:
    account, state = account_of(request), state_of(request)
    batch_id = request.path_params["batch_id"]
    row = creating.batch(state, account, batch_id)
    if row is None:
        raise Refusal(404, "not_found_error", f"Message batch {batch_id} not found")
    return row


def batch_object(request: Request, row: sqlite3.Row) -> dict[str, Any]:
    """A batch as the API shows it: all counts but `processing` stay zero until it has ended."""
    state = state_of(request)
    now = state.now()
    at = standing(row, now)
    ended = at.phase == "ended"
    counts = {
        "processing": row["requests"],
        "succeeded": 0,
        "errored": 0,
        "canceled": 0,
        "expired": 0,
    }
    archived = None
    if ended:
        made = results_of(state, row, now)["counts"]
        counts = {name: made.get(name, 0) for name in counts}
        counts["errored"] += row["requests"] - sum(counts.values())  # lost ones count as errored
        gone_at = row["created_at"] + state.config.retention_days * 86_400
        archived = _instant(gone_at) if now > gone_at else None
    status = "ended" if ended else "canceling" if at.cancelling else "in_progress"
    return {
        "id": row["id"],
        "type": "message_batch",
        "processing_status": status,
        "request_counts": counts,
        "created_at": _instant(row["created_at"]),
        "expires_at": _instant(row["created_at"] + row["window"]),
        "ended_at": _instant(row["cancel_done"] or row["born_at"] + row["ended"])
        if ended
        else None,
        "cancel_initiated_at": _instant(row["cancel_at"]) if row["cancel_at"] else None,
        "archived_at": archived,
        "results_url": f"{request.base_url}v1/messages/batches/{row['id']}/results"
        if ended
        else None,
    }


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


ROUTES: Final = [
    Route("/v1/messages/batches", create, methods=["POST"]),
    Route("/v1/messages/batches", listing, methods=["GET"]),
    Route("/v1/messages/batches/{batch_id}", get, methods=["GET"]),
    Route("/v1/messages/batches/{batch_id}", delete, methods=["DELETE"]),
    Route("/v1/messages/batches/{batch_id}/cancel", cancel, methods=["POST"]),
    Route("/v1/messages/batches/{batch_id}/results", results, methods=["GET"]),
]
