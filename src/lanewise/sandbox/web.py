"""The application: every route of both APIs and the controls."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lanewise.sandbox import (
    anthropic_api,
    background,
    control,
    costs,
    live,
    openai_api,
    openai_files,
    uploads,
)
from lanewise.sandbox.state import State
from lanewise.sandbox.wire import Refusal, refusal_answer


def build_app(state: State) -> Starlette:
    """The sandbox over one state, as an ASGI application."""
    app = Starlette(
        routes=[
            *openai_files.ROUTES,
            *openai_api.ROUTES,
            *uploads.ROUTES,
            *anthropic_api.ROUTES,
            *live.ROUTES,
            *background.ROUTES,
            *control.ROUTES,
            *costs.ROUTES,
        ],
        exception_handlers={Refusal: _refused, HTTPException: _no_route},
    )
    app.state.sandbox = state
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal), "registered for refusals"
    return refusal_answer(request, error)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for these"
    message = f"Invalid URL ({request.method} {request.url.path})"
    kind = "not_found_error" if error.status_code == 404 else "invalid_request_error"
    return refusal_answer(request, Refusal(error.status_code, kind, message))
