"""OpenAI's Files and Batches."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lanewise.sandbox import creating
from lanewise.sandbox.forms import read_form
from lanewise.sandbox.producing import Standing, results_of, standing
from lanewise.sandbox.state import State
from lanewise.sandbox.validating import validate
from lanewise.sandbox.wire import (
    Broken,
    Refusal,
    account_of,
    answer_json,
    file_pieces,
    fresh,
    headers_for,
    range_start,
    state_of,
    strike_call,
)

_MOST_BYTES: Final = 200_000_000
_MOST_FILE: Final = 512_000_000
_CANCEL_SECONDS: Final = 60.0
_BEGINNING: Final = Standing("validating", "", 0.0, cancelling=False)  # however fast the batch is
ENDPOINTS: Final = (
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
)


# -- files ----------------------------------------------------------------------------------------
async def create_file(request: Request) -> Response:
    """Upload: streamed to disk."""
    account, state = account_of(request), state_of(request)
    await strike_call(request, "files.create")
    file_id = fresh("file-")
    form = await read_form(request, state.path(file_id), _MOST_FILE)
    purpose = form.fields.get("purpose", "")
    if purpose not in ("batch", "assistants", "fine-tune", "user_data", "vision", "evals"):
        state.path(file_id).unlink(missing_ok=True)
        raise Refusal(
            400, "invalid_request_error", f"'{purpose}' is not one of the purposes", param="purpose"
        )
    if form.filename is None:
        raise Refusal(400, "invalid_request_error", "'file' is a required property", param="file")
    if purpose == "batch" and form.size > _MOST_BYTES:
        state.path(file_id).unlink(missing_ok=True)
        raise Refusal(400, "invalid_request_error", "File is too large.", param="file")
    keep = float(form.fields.get("expires_after[seconds]", 30 * 86_400))
    row = state.add_file(file_id, account, form.filename, purpose, state.now() + keep)
    return answer_json(request, file_object(row))


async def list_files(request: Request) -> Response:
    """Newest first, filtered by purpose, page by page."""
    account, state = account_of(request), state_of(request)
    limit = int(request.query_params.get("limit", "10000"))
    purpose, after = request.query_params.get("purpose"), request.query_params.get("after")
    rows = state.all(
        "SELECT * FROM files WHERE account = ? AND deleted = 0 AND visible_at <= ? "
        "AND (? IS NULL OR purpose = ?) ORDER BY created_at DESC, rowid DESC",
        account,
        state.now(),
        purpose,
        purpose,
    )
    return answer_json(request, page_of(rows, limit, after, file_object))


async def get_file(request: Request) -> Response:
    """One file's data."""
    return answer_json(request, file_object(_file(request)))


async def delete_file(request: Request) -> Response:
    """Forget one file."""
    await strike_call(request, "files.delete")
    row = _file(request)
    state_of(request).delete_file(row["id"])
    return answer_json(request, {"id": row["id"], "object": "file", "deleted": True})


async def file_content(request: Request) -> Response:
    """The content of a file, input or result; resumable."""
    state = state_of(request)
    faults = [
        fault for op in ("files.content", "results") for fault in await strike_call(request, op)
    ]
    row = _file(request)
    name = row["filename"]
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return deliver(request, state, row["id"], headers, faults)


def deliver(
    request: Request, state: State, file_id: str, headers: dict[str, str], faults: list[Any]
) -> Response:
    """A file's bytes, from where the client wants them; a fault may break it off."""
    path = state.path(file_id)
    size = path.stat().st_size
    start = range_start(request, size)
    for fault in faults:
        if fault.kind in ("drop_download", "drop_without_range"):
            begin = start or 0
            with path.open("rb") as file:
                file.seek(begin)
                body = file.read(fault.bytes)
            if begin + len(body) < size:
                return Broken(body, claimed=size - begin, status=206 if begin else 200)  # type: ignore[return-value]
    if any(fault.kind == "drop_without_range" for fault in faults):
        start = None
    headers = {**headers_for(request), **headers, "content-length": str(size - (start or 0))}
    if start is not None:
        headers["content-range"] = f"bytes {start}-{size - 1}/{size}"
    return StreamingResponse(
        file_pieces(path, start or 0, size),
        206 if start is not None else 200,
        headers,
        media_type="application/octet-stream",
    )


def _file(request: Request) -> sqlite3.Row:
    account, state = account_of(request), state_of(request)
    file_id = request.path_params["file_id"]
    row = state.file(account, file_id)
    if row is None:
        raise Refusal(404, "invalid_request_error", f"No such File object: {file_id}", param="id")
    return row


def file_object(row: sqlite3.Row) -> dict[str, Any]:
    """A file as the API shows it."""
    return {
        "id": row["id"],
        "object": "file",
        "bytes": row["bytes"],
        "created_at": int(row["created_at"]),
        "expires_at": int(row["expires_at"]) if row["expires_at"] else None,
        "filename": row["filename"],
        "purpose": row["purpose"],
        "status": "processed",
        "status_details": None,
    }


# -- batches --------------------------------------------------------------------------------------
async def create_batch(request: Request) -> Response:
    """Create a batch; its content is validated later."""
    account, state = account_of(request), state_of(request)
    faults = await strike_call(request, "batches.create")
    body = await _body(request)
    _check(state, account, body, faults)
    _check_rate(state, account)
    keep = (body.get("output_expires_after") or {}).get("seconds")
    row = creating.add_batch(
        state,
        account=account,
        provider="openai",
        endpoint=body["endpoint"],
        input_file=body["input_file_id"],
        metadata=body.get("metadata") or {},
        faults=faults,
        output_keep=keep,
    )
    answer = answer_json(request, batch_object(state, row, new=True))
    return await creating.answered(request, answer, faults)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(
            400, "invalid_request_error", "We could not parse the JSON body of your request."
        )
    return body


def _check(state: State, account: str, body: dict[str, Any], faults: list[Any]) -> None:
    for field in ("input_file_id", "endpoint", "completion_window"):
        if not isinstance(body.get(field), str):
            message = f"Missing required parameter: '{field}'."
            raise Refusal(
                400,
                "invalid_request_error",
                message,
                code="missing_required_parameter",
                param=field,
            )
    if body["completion_window"] != "24h":
        raise Refusal(
            400,
            "invalid_request_error",
            "Invalid value: completion_window must be '24h'.",
            param="completion_window",
        )
    if body["endpoint"] not in ENDPOINTS:
        raise Refusal(
            400, "invalid_request_error", f"Invalid value: '{body['endpoint']}'", param="endpoint"
        )
    metadata = body.get("metadata") or {}
    if len(metadata) > 16 or any(len(k) > 64 or len(str(v)) > 512 for k, v in metadata.items()):
        raise Refusal(400, "invalid_request_error", "metadata: at most 16 pairs", param="metadata")
    row = state.file(account, body["input_file_id"])
    if row is None or any(fault.kind == "file_not_found" for fault in faults):
        message = f"Invalid 'input_file_id': cannot find file {body['input_file_id']}."
        raise Refusal(404, "invalid_request_error", message, param="input_file_id")
    if row["purpose"] != "batch":
        raise Refusal(
            400,
            "invalid_request_error",
            "The file's purpose must be 'batch'.",
            param="input_file_id",
        )


def _check_rate(state: State, account: str) -> None:
    now = state.now()
    count = "SELECT count(*) n FROM batches WHERE account = ? AND created_at > ?"
    row = state.first(count, account, now - 3_600.0)
    if row is not None and row["n"] >= state.config.creations_per_hour:
        raise Refusal(
            429,
            "requests",
            "Rate limit reached for batch creations.",
            code="rate_limit_exceeded",
            headers={"retry-after": "60"},
        )


async def list_batches(request: Request) -> Response:
    """Newest first; a new one shows after the listing lag."""
    account, state = account_of(request), state_of(request)
    await strike_call(request, "batches.list")
    rows = creating.listed(state, account, "openai")
    limit = int(request.query_params.get("limit", "20"))
    after = request.query_params.get("after")
    page = await run_in_threadpool(
        page_of, rows, min(limit, 100), after, lambda row: batch_object(state, row)
    )
    return answer_json(request, page)


async def get_batch(request: Request) -> Response:
    """One batch."""
    await strike_call(request, "batches.get")
    state = state_of(request)
    row = _batch(request)
    return answer_json(request, await run_in_threadpool(batch_object, state, row))


async def cancel_batch(request: Request) -> Response:
    """Stop a batch; what is answered by now stays."""
    await strike_call(request, "batches.cancel")
    state = state_of(request)
    row = _batch(request)
    now = state.now()
    shown = await run_in_threadpool(batch_object, state, row)
    if shown["status"] not in ("validating", "in_progress", "finalizing", "cancelling"):
        message = f"Cannot cancel a batch with status '{shown['status']}'."
        raise Refusal(409, "invalid_request_error", message)
    if row["cancel_at"] is None:
        quick = min(_CANCEL_SECONDS, row["ended"])
        state.run(
            "UPDATE batches SET cancel_at = ?, cancel_done = ? WHERE id = ?",
            now,
            now + quick,
            row["id"],
        )
    return answer_json(request, await run_in_threadpool(batch_object, state, _batch(request)))


def _batch(request: Request) -> sqlite3.Row:
    account, state = account_of(request), state_of(request)
    batch_id = request.path_params["batch_id"]
    row = creating.batch(state, account, batch_id)
    if row is None:
        raise Refusal(404, "invalid_request_error", f"No batch found with id '{batch_id}'.")
    return row


def batch_object(state: State, row: sqlite3.Row, *, new: bool = False) -> dict[str, Any]:
    """A batch as the API shows it now; its content is validated when its time has come."""
    now = state.now()
    row = row if new else judged(state, row, now)
    at = _BEGINNING if new else standing(row, now)
    status = {"running": "cancelling" if at.cancelling else "in_progress"}.get(at.phase, at.phase)
    created = row["born_at"]
    shown: dict[str, Any] = {
        "id": row["id"],
        "object": "batch",
        "endpoint": row["endpoint"],
        "model": row["model"],
        "errors": None,
        "input_file_id": row["input_file"],
        "completion_window": "24h",
        "status": status,
        "output_file_id": None,
        "error_file_id": None,
        "created_at": int(row["created_at"]),
        "in_progress_at": int(created + row["validated"]) if row["requests"] else None,
        "expires_at": int(created + row["window"]),
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": int(row["cancel_at"]) if row["cancel_at"] else None,
        "cancelled_at": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": _usage([0, 0, 0, 0]),
        "metadata": json.loads(row["metadata"]) or None,
    }
    if at.phase == "failed":
        shown |= {"failed_at": int(created + row["validated"])}
        shown["errors"] = {"object": "list", "data": json.loads(row["errors"])}
    elif at.phase == "ended":
        _show_end(state, row, shown, at.ending, now)
    elif at.phase != "validating":
        done = int(at.share * row["requests"])
        shown["request_counts"] = {"total": row["requests"], "completed": done, "failed": 0}
        if at.phase == "finalizing":
            shown["finalizing_at"] = int(created + row["finalizing"])
    return shown


def judged(state: State, row: sqlite3.Row, now: float) -> sqlite3.Row:
    """The row, its input validated if the time for that has come."""
    if row["requests"] is None and standing(row, now).phase != "validating":
        return creating.validated(state, row, validate)
    return row


def _show_end(
    state: State, row: sqlite3.Row, shown: dict[str, Any], ending: str, now: float
) -> None:
    made = results_of(state, row, now)
    plan = {item["kind"] for item in json.loads(row["plan"])}
    shown["status"] = ending
    ended = int(row["cancel_done"] or row["born_at"] + row["ended"])
    shown[
        {"completed": "completed_at", "expired": "expired_at", "cancelled": "cancelled_at"}[ending]
    ] = ended
    shown["finalizing_at"] = ended
    counts = made["counts"]
    shown["request_counts"] = {
        "total": row["requests"],
        "completed": counts.get("succeeded", 0),
        "failed": counts.get("errored", 0) + counts.get("expired", 0) + counts.get("canceled", 0),
    }
    usage = list(made["usage"])
    if "usage_mismatch" in plan:
        usage[0] += 7
    shown["usage"] = _usage(usage)
    empty = "" if "empty_file_ids" in plan else None
    for kind in ("output", "error"):
        has = made[kind] > 0 or (kind == "output" and "malformed_lines" in plan)
        shown[f"{kind}_file_id"] = _result_file(state, row, kind) if has else empty


def _result_file(state: State, row: sqlite3.Row, kind: str) -> str:
    """The file that holds one kind of results; registered when it is first shown."""
    file_id = f"{row['id']}.{kind}"
    if state.first("SELECT 1 FROM files WHERE id = ?", file_id) is None:
        plan = {item["kind"] for item in json.loads(row["plan"])}
        keep = row["output_keep"] or 30 * 86_400
        with state.transaction():
            if state.first("SELECT 1 FROM files WHERE id = ?", file_id) is None:
                expires = state.now() + (-1.0 if "results_expired" in plan else keep)
                state.add_file(
                    file_id, row["account"], f"{row['id']}_{kind}.jsonl", "batch_output", expires
                )
    return file_id


def _usage(parts: list[int]) -> dict[str, Any]:
    total, cached, output, reasoning = parts
    return {
        "input_tokens": total,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": total + output,
    }


def page_of(
    rows: list[sqlite3.Row], limit: int, after: str | None, show: Callable[[sqlite3.Row], Any]
) -> dict[str, Any]:
    """A page of a listing, newest first."""
    if after is not None:
        ids = [row["id"] for row in rows]
        rows = rows[ids.index(after) + 1 :] if after in ids else []
    page = [show(row) for row in rows[:limit]]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(rows) > limit,
    }


ROUTES: Final = [
    Route("/v1/files", create_file, methods=["POST"]),
    Route("/v1/files", list_files, methods=["GET"]),
    Route("/v1/files/{file_id}", get_file, methods=["GET"]),
    Route("/v1/files/{file_id}", delete_file, methods=["DELETE"]),
    Route("/v1/files/{file_id}/content", file_content, methods=["GET"]),
    Route("/v1/batches", create_batch, methods=["POST"]),
    Route("/v1/batches", list_batches, methods=["GET"]),
    Route("/v1/batches/{batch_id}", get_batch, methods=["GET"]),
    Route("/v1/batches/{batch_id}/cancel", cancel_batch, methods=["POST"]),
]
