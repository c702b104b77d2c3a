"""How batches begin, in either shape: drawn timings, planned faults, late and lost answers."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from lanewise.sandbox.config import FAULTS, Fault, fault_from
from lanewise.sandbox.producing import standing
from lanewise.sandbox.state import State
from lanewise.sandbox.timing import draw
from lanewise.sandbox.wire import Broken, Refusal, fresh, hang, provider_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """What validation found."""

    requests: int
    model: str | None
    tokens: int
    errors: list[dict[str, Any]] | None


def failed(
    code: str, message: str, *, line: int | None = None, param: str | None = None
) -> Verdict:
    """A batch that is refused as a whole."""
    return Verdict(0, None, 0, [{"code": code, "line": line, "message": message, "param": param}])


def add_batch(
    state: State,
    *,
    account: str,
    provider: str,
    endpoint: str,
    input_file: str,
    metadata: dict[str, Any],
    faults: list[Fault],
    requests: int | None = None,
    output_keep: float | None = None,
) -> sqlite3.Row:
    """Accept a batch."""
    batch_id = fresh("msgbatch_" if provider == "anthropic" else "batch_")
    timing = draw(state.config, batch_id)
    plan = [fault for fault in faults if FAULTS[fault.kind][0] == "batch"]
    late = sum(fault.seconds for fault in faults if fault.kind == "accept_late")
    stuck = sum(fault.seconds for fault in plan if fault.kind == "stuck_finalizing")
    expiring = [fault for fault in plan if fault.kind == "expire"]
    share = timing.done
    if expiring:
        share = 0.5 if expiring[0].fraction < 0 else expiring[0].fraction
    now = state.now()
    row = {
        "id": batch_id,
        "account": account,
        "provider": provider,
        "endpoint": endpoint,
        "input_file": input_file,
        "metadata": json.dumps(metadata),
        "created_at": now + late,
        "born_at": now + late,
        "visible_at": now + late + state.config.listing_lag_seconds,
        "validated": timing.validated,
        "finalizing": timing.finalizing,
        "ended": timing.ended + stuck,
        "window": state.config.window_seconds,
        "share": share,
        "expires": int(timing.expires or bool(expiring)),
        "plan": json.dumps(
            [{name: getattr(fault, name) for name in Fault.__dataclass_fields__} for fault in plan]
        ),
        "requests": requests,
        "output_keep": output_keep,
    }
    os.link(state.path(input_file), state.directory / "files" / f"{batch_id}.input")
    names = ", ".join(row)
    marks = ", ".join("?" for _ in row)
    state.run(f"INSERT INTO batches ({names}) VALUES ({marks})", *row.values())
    found = state.first("SELECT * FROM batches WHERE id = ?", batch_id)
    assert found is not None, "the row was just written"
    return found


def withdrawn(state: State, row: sqlite3.Row) -> bool:
    """Whether the input was deleted before a late acceptance; such a batch fails [assumed]."""
    file = state.first("SELECT deleted FROM files WHERE id = ?", row["input_file"])
    return file is not None and 0 < file["deleted"] < row["born_at"]


async def answered(request: Request, answer: Response, faults: list[Fault]) -> Response:
    """The answer to a create, unless a fault keeps it from arriving."""
    kinds = {fault.kind for fault in faults}
    if "accept_then_hang" in kinds:
        await hang(request)
    if "accept_then_reset" in kinds:
        return Broken(b"", claimed=100)  # type: ignore[return-value]
    if kinds & {"accept_then_504", "accept_late"}:
        anthropic = provider_of(request) == "anthropic"
        raise Refusal(504, "timeout_error" if anthropic else "server_error", "Gateway time-out")
    return answer


def plan_of(row: sqlite3.Row) -> list[Fault]:
    """The faults that were drawn for a batch."""
    return [fault_from(item) for item in json.loads(row["plan"])]


def batch(state: State, account: str, batch_id: str) -> sqlite3.Row | None:
    """A batch that has come into being and was not deleted."""
    return state.first(
        "SELECT * FROM batches WHERE id = ? AND account = ? AND deleted = 0 AND born_at <= ?",
        batch_id,
        account,
        state.now(),
    )


def listed(state: State, account: str, provider: str) -> list[sqlite3.Row]:
    """What a listing shows, newest first."""
    return state.all(
        "SELECT * FROM batches WHERE account = ? AND provider = ? AND deleted = 0 AND visible_at <= ? "
        "ORDER BY created_at DESC, rowid DESC",
        account,
        provider,
        state.now(),
    )


def validated(
    state: State, row: sqlite3.Row, validate: Callable[[State, sqlite3.Row], Verdict]
) -> sqlite3.Row:
    """Validate a batch whose time has come, once; returns its row."""
    with state.transaction():
        current = state.first("SELECT * FROM batches WHERE id = ?", row["id"])
        assert current is not None, "the batch exists"
        if current["requests"] is not None or current["errors"] is not None:
            return current
        found = validate(state, current)
        state.run(
            "UPDATE batches SET requests = ?, model = ?, tokens = ?, errors = ? WHERE id = ?",
            found.requests,
            found.model,
            found.tokens,
            None if found.errors is None else json.dumps(found.errors),
            row["id"],
        )
    fresh_row = state.first("SELECT * FROM batches WHERE id = ?", row["id"])
    assert fresh_row is not None, "the batch exists"
    return fresh_row


def queued_tokens(state: State, besides: sqlite3.Row, model: str) -> int:
    """Tokens of the account's batches of a model that have not ended."""
    now = state.now()
    rows = state.all(
        "SELECT * FROM batches WHERE account = ? AND model = ? AND id <> ? AND errors IS NULL",
        besides["account"],
        model,
        besides["id"],
    )
    return sum(row["tokens"] or 0 for row in rows if standing(row, now).phase != "ended")


def queued_requests(state: State, account: str) -> int:
    """Requests of the account's batches that have not ended."""
    now = state.now()
    rows = state.all("SELECT * FROM batches WHERE account = ? AND provider = 'anthropic'", account)
    return sum(row["requests"] or 0 for row in rows if standing(row, now).phase != "ended")
