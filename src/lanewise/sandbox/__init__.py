"""A provider to run against without a key: OpenAI- and Anthropic-shaped, with clock, faults and books.

It shares no code with the rest of lanewise, so that a mistake about the wire cannot cancel itself out.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lanewise.sandbox.config import Fault, SandboxConfig, load_faults
    from lanewise.sandbox.server import RunningSandbox, serve, start_in_thread
    from lanewise.sandbox.web import build_app

__all__ = [
    "Fault",
    "RunningSandbox",
    "SandboxConfig",
    "build_app",
    "load_faults",
    "serve",
    "start_in_thread",
]
_HOMES = {
    "Fault": "config",
    "SandboxConfig": "config",
    "load_faults": "config",
    "RunningSandbox": "server",
    "serve": "server",
    "start_in_thread": "server",
    "build_app": "web",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for, and no web server before that."""
    if name in _HOMES:
        return getattr(import_module(f"lanewise.sandbox.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'lanewise.sandbox' has no attribute {name!r}")
