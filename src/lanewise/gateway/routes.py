"""Where requests go: a few hot paths straight to plain ASGI handlers, everything else to an ordinary app.

A module of the gateway that serves something offers `hot(parts) -> Hot` or `routes(parts) -> list[Route]`;
`lanewise.gateway.serving` puts them together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lanewise.app import Engine
from lanewise.gateway.keys import KeyRing
from lanewise.gateway.watch import Watch
from lanewise.gateway.who import Identify

Scope: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Handler: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Hot: TypeAlias = Mapping[tuple[str, str], Handler]  # (method, exact path) -> handler


@dataclass(frozen=True, slots=True)
class Parts:
    """What every part of the gateway may use."""

    engine: Engine
    identify: Identify
    keys: KeyRing | None = None  # None: nobody has limits
    watch: Watch = field(default_factory=Watch)
