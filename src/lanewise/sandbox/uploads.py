"""OpenAI's Uploads: a file in parts of up to 64 MB, put together on completion [documented]."""

from __future__ import annotations

import json
import shutil
import sqlite3
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lanewise.sandbox.forms import read_form
from lanewise.sandbox.openai_files import check_storage, file_object
from lanewise.sandbox.state import State
from lanewise.sandbox.wire import Refusal, account_of, answer_json, fresh, state_of, strike_call

_MOST_PART: Final = 64 * 1024 * 1024
_MOST_BATCH_FILE: Final = 200_000_000
_LIVES: Final = 3_600.0
_KEPT: Final = 30 * 86_400.0


async def create(request: Request) -> Response:
    """Announce a file: its name, purpose and size."""
    account, state = account_of(request), state_of(request)
    await strike_call(request, "files.create")
    asked = _object_in(await request.body())
    for name, kind in (("purpose", str), ("filename", str), ("bytes", int), ("mime_type", str)):
        if not isinstance(asked.get(name), kind):
            raise _refusal(f"Missing required parameter: '{name}'.", name)
    if asked["purpose"] == "batch" and asked["bytes"] > _MOST_BATCH_FILE:
        raise _refusal("File is too large.", "bytes")
    upload_id = fresh("upload_")
    state.run(
        "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, 'pending', ?, '{}')",
        upload_id,
        account,
        asked["filename"],
        asked["purpose"],
        asked["bytes"],
        state.now(),
    )
    return answer_json(request, _shown(state, _find(state, account, upload_id)))


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _refusal("We could not parse the JSON body of your request.", None)
    return found


def _refusal(message: str, param: str | None) -> Refusal:
    return Refusal(400, "invalid_request_error", message, param=param)


def _find(state: State, account: str, upload_id: str) -> sqlite3.Row:
    row = state.first("SELECT * FROM uploads WHERE id = ? AND account = ?", upload_id, account)
    if row is None:
        message = f"No such Upload object: {upload_id}"
        raise Refusal(404, "invalid_request_error", message, param="id")
    return row


def _status(state: State, row: sqlite3.Row) -> str:
    late = row["status"] == "pending" and state.now() >= row["created_at"] + _LIVES
    return "expired" if late else str(row["status"])


def _pending(request: Request) -> sqlite3.Row:
    state = state_of(request)
    row = _find(state, account_of(request), request.path_params["upload_id"])
    if _status(state, row) != "pending":
        raise _refusal(f"Upload {row['id']} is {_status(state, row)}.", "id")
    return row


def _shown(state: State, row: sqlite3.Row, file: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "upload",
        "bytes": row["bytes"],
        "created_at": int(row["created_at"]),
        "expires_at": int(row["created_at"] + _LIVES),
        "filename": row["filename"],
        "purpose": row["purpose"],
        "status": _status(state, row),
        "file": file,
    }


async def add_part(request: Request) -> Response:
    """One part; parts may come in any order and at once."""
    state, row = state_of(request), _pending(request)
    part_id = fresh("part_")
    form = await read_form(request, state.path(part_id), _MOST_PART)
    if form.filename is None:
        raise _refusal("'data' is a required property", "data")
    with state.transaction():
        current = _find(state, row["account"], row["id"])
        parts = {**json.loads(current["parts"]), part_id: form.size}
        state.run("UPDATE uploads SET parts = ? WHERE id = ?", json.dumps(parts), row["id"])
    part = {"id": part_id, "object": "upload.part", "created_at": int(state.now())}
    return answer_json(request, {**part, "upload_id": row["id"]})


async def complete(request: Request) -> Response:
    """Put the named parts together, in the order they are named."""
    state, row = state_of(request), _pending(request)
    wanted = _object_in(await request.body()).get("part_ids")
    parts = json.loads(row["parts"])
    if not isinstance(wanted, list) or not wanted or any(one not in parts for one in wanted):
        raise _refusal("'part_ids' must name parts of this upload.", "part_ids")
    total = sum(parts[one] for one in wanted)
    if total != row["bytes"]:
        raise _refusal(f"Expected {row['bytes']} bytes in all, got {total}.", "part_ids")
    file_id = fresh("file-")
    await run_in_threadpool(_join, state, file_id, wanted)
    check_storage(state, row["account"], file_id)
    expires = state.now() + _KEPT
    with state.transaction():
        file = state.add_file(file_id, row["account"], row["filename"], row["purpose"], expires)
        _end(state, row, "completed")
    ended = _find(state, row["account"], row["id"])
    return answer_json(request, _shown(state, ended, file_object(file)))


def _join(state: State, file_id: str, parts: list[str]) -> None:
    with state.path(file_id).open("wb") as whole:
        for part in parts:
            with state.path(part).open("rb") as piece:
                shutil.copyfileobj(piece, whole, 1 << 20)


async def cancel(request: Request) -> Response:
    """Give an upload up."""
    state, row = state_of(request), _pending(request)
    _end(state, row, "cancelled")
    return answer_json(request, _shown(state, _find(state, row["account"], row["id"])))


def _end(state: State, row: sqlite3.Row, status: str) -> None:
    state.run("UPDATE uploads SET status = ? WHERE id = ?", status, row["id"])
    for part in json.loads(row["parts"]):
        state.path(part).unlink(missing_ok=True)


ROUTES: Final = [
    Route("/v1/uploads", create, methods=["POST"]),
    Route("/v1/uploads/{upload_id}/parts", add_part, methods=["POST"]),
    Route("/v1/uploads/{upload_id}/complete", complete, methods=["POST"]),
    Route("/v1/uploads/{upload_id}/cancel", cancel, methods=["POST"]),
]
