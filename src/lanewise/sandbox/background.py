"""OpenAI's background responses: accepted at once, worked on within a window, handed out by id."""

from __future__ import annotations

import json
import random
import sqlite3
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lanewise.sandbox import books
from lanewise.sandbox.answering import answer
from lanewise.sandbox.answers import Answer
from lanewise.sandbox.config import Fault
from lanewise.sandbox.state import State
from lanewise.sandbox.wire import Refusal, account_of, answer_json, state_of, strike_call

_WINDOWS: Final = {"2h": 7_200.0, "8h": 28_800.0}
_UNSTORED_SECONDS: Final = 600.0  # how long a response that is not stored is handed out


async def begin(
    request: Request, state: State, account: str, model: str, body: dict[str, Any]
) -> Response:
    """Accept a response; it is made now and shown when its time has come."""
    window = _window(body)
    faults = await strike_call(request, "background")
    lane = f"background_{window}" if window in _WINDOWS else "realtime"
    made = await run_in_threadpool(answer, request, state, account, body, lane)
    ready_at = state.now() + _seconds(state, window, faults)
    failing = next((fault for fault in faults if fault.kind == "fail_response"), None)
    kept = {
        "background": True,
        "background_options": {"completion_window": window},
        "metadata": body.get("metadata") or {},
        "store": body.get("store") is True,
    }
    full = {**made.body, **kept}
    if failing is not None:
        error = {"code": failing.code or "server_error", "message": "A fault struck it."}
        full = {**_unready(full, "failed"), "error": error}
    charge = _charge(account, made, model, lane, ready_at)
    state.run(
        "INSERT INTO responses (id, account, body, ready_at, charge, billed) VALUES (?, ?, ?, ?, ?, ?)",
        full["id"],
        account,
        json.dumps(full),
        ready_at,
        json.dumps(charge),
        int(failing is not None),  # failed ones are free [assumed]
    )
    return answer_json(request, _unready(full, "queued"))


def _window(body: dict[str, Any]) -> str:
    """The window that is asked for; windows are sold with standard processing and not streamed."""
    window = str((body.get("background_options") or {}).get("completion_window", "soonest"))
    if window not in ("soonest", *_WINDOWS):
        raise _refusal("Invalid completion_window", "background_options")
    if window != "soonest" and body.get("stream"):
        raise _refusal("A completion window cannot be streamed.", "stream")
    if window != "soonest" and body.get("service_tier", "auto") not in ("auto", "default"):
        raise _refusal("A completion window needs standard processing.", "service_tier")
    if len(body.get("metadata") or {}) > 16:
        raise _refusal("metadata: at most 16 pairs", "metadata")
    return window


def _refusal(message: str, param: str) -> Refusal:
    return Refusal(400, "invalid_request_error", message, param=param)


def _seconds(state: State, window: str, faults: list[Fault]) -> float:
    """How long it takes: somewhere within its window, unless a fault lets it miss that."""
    length = _WINDOWS.get(window, 30.0)
    for fault in faults:
        if fault.kind == "miss_window":
            return length + fault.seconds
    quick = state.config.profile == "instant" or state.config.batch_seconds is not None
    return state.config.batch_seconds or 0.0 if quick else length * (0.2 + 0.6 * random.random())


def _charge(account: str, made: Answer, model: str, lane: str, ready_at: float) -> list[Any]:
    """The row of bills for when it is done."""
    nano = books.charge("openai", model, lane, made.tokens)
    realtime = books.charge("openai", model, "realtime", made.tokens)
    return [account, made.body["id"], model, lane, "openai", 1, nano, realtime, ready_at]


def bill_background(state: State, now: float) -> None:
    """Bill the background responses that are done; cancelled ones are free [assumed]."""
    done = "billed = 0 AND cancelled = 0 AND ready_at <= ?"
    with state.transaction():
        for row in state.all(f"SELECT charge FROM responses WHERE {done}", now):
            state.run(
                "INSERT OR IGNORE INTO bills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *json.loads(row["charge"]),
            )
        state.run(f"UPDATE responses SET billed = 1 WHERE {done}", now)


def _unready(full: dict[str, Any], status: str) -> dict[str, Any]:
    return {**full, "status": status, "output": [], "usage": None}


async def get_response(request: Request) -> Response:
    """A background response, ready or not."""
    await strike_call(request, "responses.get")
    return answer_json(request, _shown(request))


async def cancel_response(request: Request) -> Response:
    """Stop a background response that is not ready; one that has ended stays as it is."""
    await strike_call(request, "responses.cancel")
    shown = _shown(request)
    if shown["status"] in ("queued", "in_progress"):
        state_of(request).run("UPDATE responses SET cancelled = 1 WHERE id = ?", shown["id"])
    return answer_json(request, _shown(request))


def _shown(request: Request) -> dict[str, Any]:
    account, state = account_of(request), state_of(request)
    response_id = request.path_params["response_id"]
    row = state.first("SELECT * FROM responses WHERE id = ? AND account = ?", response_id, account)
    if row is None or _gone(row, state.now()):
        message = f"Response with id '{response_id}' not found."
        raise Refusal(404, "invalid_request_error", message)
    full: dict[str, Any] = json.loads(row["body"])
    if row["cancelled"]:
        return _unready(full, "cancelled")
    return full if state.now() >= row["ready_at"] else _unready(full, "in_progress")


def _gone(row: sqlite3.Row, now: float) -> bool:
    stored: bool = json.loads(row["body"])["store"]
    return not stored and now > row["ready_at"] + _UNSTORED_SECONDS


ROUTES: Final = [
    Route("/v1/responses/{response_id}", get_response, methods=["GET"]),
    Route("/v1/responses/{response_id}/cancel", cancel_response, methods=["POST"]),
]
