"""A request as it is replayed, and where what it costs belongs."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from lanewise.audit.caching import Prompt
from lanewise.audit.levers.used import Used

Key: TypeAlias = tuple[int, str, str]  # group, provider, model
Place: TypeAlias = tuple[int, Key]  # the stretch


class Asked(NamedTuple):
    """One request in the order of time. `content` and `answer` are hashes, None where the log has no text."""

    group: int
    used: Used  # one request
    prompt: Prompt
    content: int | None = None
    answer: int | None = None
    ok: bool = True
    stretch: int = 0  # of a sample; what is in one knows nothing of the others
    counted: bool = True  # if not, it only warms caches

    @property
    def place(self) -> Place:
        """The stretch, and the group and model."""
        return self.stretch, (self.group, self.used.provider, self.used.model)
