"""What gathers before it is handed over, and what is asked for until it is taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from lanewise.domain.lanes import LaneName
from lanewise.policy.packing import OpenBatch


@dataclass(slots=True)
class Pack:
    """Requests that gather for one lane."""

    name: str
    order: tuple[LaneName, ...]
    opened_at: float
    deadline: float
    size: int
    which: list[int] = field(default_factory=list)

    def open_batch(self) -> OpenBatch:
        """As the policy sees it."""
        deadline = None if self.deadline == inf else self.deadline
        return OpenBatch(len(self.which), self.opened_at, deadline)


@dataclass(frozen=True, slots=True)
class Trial:
    """Requests for which flex is asked until it has capacity, or time is up."""

    name: str
    after: tuple[LaneName, ...]
    deadline: float
    until: float
