"""When answers are due by the rules: a span is read once, an hour of the day once a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TypeAlias

from lanewise.domain.deadlines import By, Deadline, span
from lanewise.errors import BadInput
from lanewise.policy.rules import Ruling

Zones: TypeAlias = Callable[[str], tzinfo | None]
_MINUTE = 60


@dataclass(slots=True)
class Dues:
    """Remembers what the rules' deadlines mean."""

    zones: Zones
    _spans: dict[str, float | None] = field(default_factory=dict)
    _read: dict[tuple[str, int], Deadline | None] = field(default_factory=dict)

    def of(self, ruling: Ruling, at: float) -> Deadline | None:
        """The deadline of a request at that time; None where the rule's cannot be meant then."""
        if ruling.rule not in self._spans:
            found = span(ruling.deadline)
            self._spans[ruling.rule] = None if found is None else found.total_seconds()
        seconds = self._spans[ruling.rule]
        if seconds is not None:
            return By(at + seconds)
        key = (ruling.rule, int(at // _MINUTE))
        if key not in self._read:
            self._read[key] = self._due(ruling, at)
        return self._read[key]

    def _due(self, ruling: Ruling, at: float) -> Deadline | None:
        try:
            return ruling.due(at, zones=self.zones)
        except BadInput:
            return None
