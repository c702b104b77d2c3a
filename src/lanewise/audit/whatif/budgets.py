"""Monthly budgets of rules: what no longer fits is refused when it comes, as the lanes refuse it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Final

from lanewise.policy.rules import Ruling

_DAY: Final = 86_400


class Budgets:
    """What the requests under each rule have cost in each calendar month (UTC), nano-USD.

    Requests come in the order of time. Each is booked with what it costs in the lane that is chosen first:
    what a rescue costs besides is not reserved, and no seed refuses what another does not.
    """

    def __init__(self) -> None:
        self._spent: Counter[tuple[str, int, int]] = Counter()
        self._months: dict[int, tuple[int, int]] = {}  # day -> year and month

    def takes(self, ruling: Ruling, at: float, nano: int) -> bool:
        """Whether there is room for it, which is then less."""
        key = (ruling.rule, *self._month(at))
        if ruling.budget_nano is not None and self._spent[key] + nano > ruling.budget_nano:
            return False
        self._spent[key] += nano
        return True

    def _month(self, at: float) -> tuple[int, int]:
        day = int(at // _DAY)
        if day not in self._months:
            found = datetime.fromtimestamp(at, UTC)
            self._months[day] = (found.year, found.month)
        return self._months[day]
