"""Who watches calls: what counts them, what traces them, and the line that the log has for each."""

from __future__ import annotations

from dataclasses import dataclass, field

from lanewise.gateway.counting import Counts
from lanewise.gateway.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Watch:
    """For one process."""

    counts: Counts = field(default_factory=Counts)
    tracing: Tracing | None = None  # None: off
