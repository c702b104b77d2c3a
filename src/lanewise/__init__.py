"""Send LLM work that can wait through the cheapest lane that still arrives on time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lanewise.sdk import Books, Client, SyncClient, Ticket

__all__ = ["Books", "Client", "SyncClient", "Ticket"]


def __getattr__(name: str) -> Any:
    """Load the client when it is first asked for: the command line starts without it."""
    if name in __all__:
        from lanewise import sdk

        return getattr(sdk, name)
    raise AttributeError(f"module 'lanewise' has no attribute {name!r}")
