"""What an organization was charged, by day: the report that both providers offer to its owners."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lanewise.sandbox.control import settle
from lanewise.sandbox.wire import Refusal, account_of, answer_json, state_of

_DAY: Final = 86_400


async def openai_costs(request: Request) -> Response:
    """`GET /v1/organization/costs?start_time=`: a bucket a day; amounts in dollars."""
    start = _seconds(request, "start_time", float)
    end = request.query_params.get("end_time")
    until = None if end is None else _seconds(request, "end_time", float)
    return answer_json(
        request,
        {
            "object": "page",
            "data": _buckets(_rows(request, "openai", start, until), _openai_bucket),
            "has_more": False,
            "next_page": None,
        },
    )


async def anthropic_costs(request: Request) -> Response:
    """`GET /v1/organizations/cost_report?starting_at=`: a bucket a day; amounts in cents, as texts."""
    start = _seconds(request, "starting_at", _instant)
    end = request.query_params.get("ending_at")
    until = None if end is None else _seconds(request, "ending_at", _instant)
    rows = _rows(request, "anthropic", start, until)
    return answer_json(
        request,
        {"data": _buckets(rows, _anthropic_bucket), "has_more": False, "next_page": None},
    )


def _rows(request: Request, provider: str, start: float, until: float | None) -> list[sqlite3.Row]:
    account_of(request)
    state = state_of(request)
    settle(state, state.now())
    return state.all(
        f"SELECT CAST(at / {_DAY} AS INTEGER) AS day, model, lane, sum(nano) AS nano FROM bills "
        "WHERE provider = ? AND at >= ? AND (? IS NULL OR at < ?) GROUP BY day, model, lane "
        "ORDER BY day, model, lane",
        provider,
        start,
        until,
        until,
    )


def _buckets(
    rows: list[sqlite3.Row], bucket: Callable[[int, list[sqlite3.Row]], dict[str, Any]]
) -> list[dict[str, Any]]:
    return [
        bucket(day * _DAY, list(group)) for day, group in groupby(rows, key=lambda row: row["day"])
    ]


def _openai_bucket(start: int, rows: list[sqlite3.Row]) -> dict[str, Any]:
    return {
        "object": "bucket",
        "start_time": start,
        "end_time": start + _DAY,
        "results": [
            {
                "object": "organization.costs.result",
                "amount": {"value": row["nano"] / 1_000_000_000, "currency": "usd"},
                "line_item": f"{row['model']}, {row['lane']}",
                "project_id": None,
                "organization_id": "org-sandbox",
            }
            for row in rows
        ],
    }


def _anthropic_bucket(start: int, rows: list[sqlite3.Row]) -> dict[str, Any]:
    return {
        "starting_at": _text(start),
        "ending_at": _text(start + _DAY),
        "results": [
            {
                "currency": "USD",
                "amount": _cents(row["nano"]),
                "workspace_id": None,
                "description": f"{row['model']} usage",
                "cost_type": "tokens",
                "context_window": None,
                "model": row["model"],
                "service_tier": "batch" if row["lane"] == "batch" else "standard",
                "token_type": None,
            }
            for row in rows
        ],
    }


def _cents(nano: int) -> str:
    """Exactly: ten million nano-dollars are a cent."""
    return f"{nano // 10_000_000}.{nano % 10_000_000:07d}"


def _text(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _seconds(request: Request, name: str, read: Callable[[str], float]) -> float:
    text = request.query_params.get(name, "")
    try:
        return read(text)
    except ValueError as error:
        raise Refusal(400, "invalid_request_error", f"{name}: invalid value {text!r}") from error


ROUTES: Final = [
    Route("/v1/organization/costs", openai_costs, methods=["GET"]),
    Route("/v1/organizations/cost_report", anthropic_costs, methods=["GET"]),
]
