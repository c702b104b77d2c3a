"""Which webhook a call wants told of its end: one of its own tenant's, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lanewise.errors import NotFound
from lanewise.store.protocol import Store

WEBHOOK: Final = b"x-lanewise-webhook"
_LONGEST: Final = 64


def webhook_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The name that a call gives; None where it names none.

    >>> webhook_of({b"x-lanewise-webhook": b" orders "})
    'orders'
    """
    said = headers.get(WEBHOOK)
    return None if said is None else said.decode("latin-1").strip()


def require_webhook(store: Store, tenant: str, name: str | None) -> None:
    """Raises `NotFound` for a name that is no webhook of the tenant's, whoever else has one of that name."""
    if name is not None and not store.has_webhook(tenant, name):
        shown = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."
        raise NotFound(
            f"there is no webhook {shown!r}, or it is disabled; x-lanewise-webhook takes the name of one "
            "that was registered for this key"
        )
