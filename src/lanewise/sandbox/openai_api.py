"""OpenAI's Batches."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lanewise.sandbox import creating
from lanewise.sandbox.openai_files import page_of
from lanewise.sandbox.producing import Standing, results_of, standing
from lanewise.sandbox.state import State
from lanewise.sandbox.validating import validate
from lanewise.sandbox.wire import Refusal, account_of, answer_json, state_of, strike_call

_BEGINNING: Final = Standing("validating", "", 0.0, cancelling=False)  # however fast the batch is
ENDPOINTS: Final = (
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
)


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
        quick = min(state.config.cancel_seconds, row["ended"])
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


ROUTES: Final = [
    Route("/v1/batches", create_batch, methods=["POST"]),
    Route("/v1/batches", list_batches, methods=["GET"]),
    Route("/v1/batches/{batch_id}", get_batch, methods=["GET"]),
    Route("/v1/batches/{batch_id}/cancel", cancel_batch, methods=["POST"]),
]
