"""Watching what is no call to a model: files, batches, requests that are asked for, keys."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from lanewise.gateway import access
from lanewise.gateway.counting import OTHER
from lanewise.gateway.passage import MODELS
from lanewise.gateway.routes import Handler, Parts, Receive, Scope, Send
from lanewise.gateway.who import Who

ONE_MODEL: Final = f"{MODELS}/{{model:path}}"
# asked for by machines at short intervals; and what is watched on its way through
_UNWATCHED: Final = frozenset({"/healthz", "/readyz", "/metrics", ONE_MODEL})


class Watched:
    """An app whose requests are counted, and logged where that is on."""

    def __init__(self, app: Handler, parts: Parts, path: str | None = None) -> None:
        """`path`: what its requests are counted under; None: the route that they take."""
        self._app, self._parts, self._path = app, parts, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        began, status = monotonic(), 0

        async def noted(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = scope.get("route")
            path = self._path or (OTHER if route is None else str(route.path))
            if path not in _UNWATCHED:
                self._tell(scope, path, status, monotonic() - began)

    def _tell(self, scope: Scope, path: str, status: int, seconds: float) -> None:
        self._parts.watch.counts.ended((path, "", "", status // 100), seconds, None)
        if access.is_on():
            who = self._parts.identify(dict(scope["headers"])) or Who(workflow="")
            ms = round(seconds * 1_000.0, 3)
            access.write(
                access.Line(
                    method=scope["method"], path=path, status=status or None, ms=ms,
                    key=who.key, tenant=who.tenant, workflow=who.workflow,
                )
            )  # fmt: skip
