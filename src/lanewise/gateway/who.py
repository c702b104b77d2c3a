"""Who asks: the tenant that a key stands for, and what that key may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from lanewise.domain.lanes import LaneName


@dataclass(frozen=True, slots=True)
class Who:
    """The caller of one request. Tenants never see each other; `""` is the one of an open gateway."""

    tenant: str = ""
    key: str = ""  # the name of the virtual key, for policy and accounts; never the key itself
    workflow: str = "default"
    models: tuple[str, ...] = ()  # patterns; none: all
    lanes: tuple[LaneName, ...] = ()  # none: all
    endpoints: tuple[str, ...] = ()  # none: all
    deadline: str | None = None  # where the request says nothing
    monthly_nano: int | None = None  # the key's monthly budget, nano-USD; None: no limit
    limited: bool = False  # whether it has a budget or a rate at all


OPEN: Final = Who()


class Identify(Protocol):
    """Finds out who asks."""

    def __call__(self, headers: Mapping[bytes, bytes]) -> Who | None:
        """The caller of a request with these (lower-case) headers; None where no valid key is among them."""
        ...
