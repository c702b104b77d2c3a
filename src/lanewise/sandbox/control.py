"""The sandbox's own controls: time, faults, books. Meant for loopback; they ask for no key."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lanewise.sandbox.background import bill_background
from lanewise.sandbox.config import BadFault, fault_from
from lanewise.sandbox.creating import listed
from lanewise.sandbox.openai_api import judged
from lanewise.sandbox.producing import results_of, standing
from lanewise.sandbox.state import State
from lanewise.sandbox.wire import state_of

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


async def status(request: Request) -> Response:
    """What it is and what time it has."""
    state = state_of(request)
    shown = {"sandbox": "lanewise", "now": state.now(), "speed": state.clock.speed}
    return JSONResponse({**shown, "profile": state.config.profile})


async def advance(request: Request) -> Response:
    """Let time pass: `{"seconds": 3600}`."""
    state = state_of(request)
    state.advance(float(json.loads(await request.body())["seconds"]))
    return JSONResponse({"now": state.now()})


async def faults(request: Request) -> Response:
    """The fault script: GET shows, POST adds (one rule or a list), DELETE clears."""
    state = state_of(request)
    if request.method == "DELETE":
        state.clear_faults()
    if request.method == "POST":
        body = json.loads(await request.body())
        try:
            rules = [fault_from(item) for item in (body if isinstance(body, list) else [body])]
        except BadFault as error:
            return JSONResponse({"error": str(error)}, 400)
        for rule in rules:
            state.add_fault(rule)
    return JSONResponse(state.faults())


async def books(request: Request) -> Response:
    """The invoice."""
    return JSONResponse(invoice(state_of(request)))


def invoice(state: State) -> dict[str, Any]:
    """What the sandbox would have charged so far, and whether anything was charged twice."""
    now = state.now()
    settle(state, now)
    rows = state.all(
        "SELECT account, provider, model, lane, sum(n) n, sum(nano) nano, sum(realtime_nano) realtime "
        "FROM bills GROUP BY account, provider, model, lane ORDER BY account, model, lane"
    )
    billed: Counter[bytes] = Counter()
    for path in (state.directory / "bills").iterdir():
        if path.suffix == "":
            with path.open("rb") as file:
                billed.update(file)
    return {
        "lines": [dict(row) for row in rows],
        "requests": sum(row["n"] for row in rows),
        "nano_usd": sum(row["nano"] for row in rows),
        "realtime_nano_usd": sum(row["realtime"] for row in rows),
        "batches": state.all("SELECT count(*) n FROM batches")[0]["n"],
        "billed_ids": len(billed),
        "billed_twice": sum(1 for count in billed.values() if count > 1),
    }


def settle(state: State, now: float) -> None:
    """Bill what has ended, whether anybody has looked at it or not."""
    bill_background(state, now)
    for row in state.all(
        "SELECT * FROM batches WHERE errors IS NULL AND produced IS NULL AND born_at <= ?", now
    ):
        current = judged(state, row, now)
        if current["requests"] and standing(current, now).phase == "ended":
            results_of(state, current, now)


def batches_of(state: State, account: str, provider: str) -> list[dict[str, Any]]:
    """Every batch of an account with where it stands."""
    now = state.now()
    return [
        {"id": row["id"], "requests": row["requests"], "phase": standing(row, now).phase}
        for row in listed(state, account, provider)
    ]


def local(endpoint: Endpoint) -> Endpoint:
    """The controls ask for no key, so only this machine may use them."""

    async def guarded(request: Request) -> Response:
        if request.client is not None and not ip_address(request.client.host).is_loopback:
            return JSONResponse(
                {"error": "the sandbox's controls answer to this machine only"}, 403
            )
        return await endpoint(request)

    return guarded


ROUTES: Final = [
    Route("/sandbox", local(status), methods=["GET"]),
    Route("/sandbox/advance", local(advance), methods=["POST"]),
    Route("/sandbox/faults", local(faults), methods=["GET", "POST", "DELETE"]),
    Route("/sandbox/books", local(books), methods=["GET"]),
]
