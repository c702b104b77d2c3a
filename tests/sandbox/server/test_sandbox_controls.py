"""The sandbox's controls ask for no key, and answer to this machine only."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lanewise.sandbox.control import local


async def yes(request: Request) -> Response:
    return JSONResponse({"now": 1})


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 403), ("2001:db8::1", 403)]
)
async def test_only_this_machine_may_use_the_controls(host: str, status: int) -> None:
    request = Request({"type": "http", "method": "GET", "headers": [], "client": (host, 5)})
    assert (await local(yes)(request)).status_code == status
