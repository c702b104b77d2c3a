"""Files and batches that tenants hand in over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

OrderState: TypeAlias = Literal["validating", "accepted", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a tenant handed in."""

    id: str
    tenant: str
    name: str
    bytes: int
    created_at: float
    expires_at: float | None = None
    trouble: str = ""  # why it holds no requests; "" where it does


class Wrong(NamedTuple):
    """What is wrong with an order: in which line of its file, 0 for the whole, and why."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a tenant ordered as a batch: it becomes the run of its name."""

    id: str
    tenant: str
    key: str
    upload: str
    endpoint: str
    window: str  # as the caller wrote it
    workflow: str
    deadline: str
    models: tuple[str, ...]  # patterns of what its key may ask for; none: all
    metadata: Mapping[str, str]
    content: bytes  # a digest of the call that ordered it
    created_at: float
    state: OrderState = "validating"
    decided_at: float | None = None
    cancel_at: float | None = None
    errors: tuple[Wrong, ...] = ()
