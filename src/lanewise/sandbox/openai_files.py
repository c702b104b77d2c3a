"""OpenAI's Files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lanewise.sandbox.forms import read_form
from lanewise.sandbox.state import State
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
    check_storage(state, account, file_id)
    keep = float(form.fields.get("expires_after[seconds]", 30 * 86_400))
    row = state.add_file(file_id, account, form.filename, purpose, state.now() + keep)
    return answer_json(request, file_object(row))


def check_storage(state: State, account: str, file_id: str) -> None:
    """Refuse content that the account has no room for; how the provider says so is assumed."""
    room = state.config.storage_bytes
    if room is None:
        return
    row = state.first(
        "SELECT coalesce(sum(bytes), 0) AS used FROM files WHERE account = ? AND deleted = 0 "
        "AND (expires_at IS NULL OR expires_at > ?)",
        account,
        state.now(),
    )
    if row is not None and row["used"] + state.path(file_id).stat().st_size > room:
        state.path(file_id).unlink()
        message = "You have exceeded your file storage quota. Please delete files and try again."
        raise Refusal(400, "invalid_request_error", message, code="storage_quota_exceeded")


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
]
