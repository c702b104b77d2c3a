"""When all of several works will be done: the last of them decides. Seconds and shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lanewise.policy.completion import ALIKE
from lanewise.policy.outlook import Outlook

_LONGEST: Final = 8 * 86_400.0  # seconds: what is later is as good as never
_FINE: Final = 1.0  # seconds: no forecast is finer


@dataclass(frozen=True, slots=True)
class Steady:
    """The outlook of work that takes so many seconds more, as far as rates tell."""

    seconds: float

    def done_within(self, seconds: float) -> float:
        """All of it then, and nothing before."""
        return 1.0 if seconds >= self.seconds else 0.0

    def given(self, elapsed: float) -> Outlook:
        """The same, later."""
        return Steady(max(self.seconds - elapsed, 0.0))


@dataclass(frozen=True, slots=True)
class AllOf:
    """The outlook of the last of several works, each given with how many there are of it.

    Batches of one time share the provider's queue: n of them fail together as n / (1 + (n - 1) * ALIKE) would
    that know nothing of each other, which is how `lanewise.policy.completion` weighs them as well. What rates
    decide is no matter of chance and counts for none.

    >>> AllOf([(Steady(60.0), 1), (Steady(90.0), 1)]).done_within(75.0)
    0.0
    """

    works: Sequence[tuple[Outlook, int]]

    def done_within(self, seconds: float) -> float:
        """P(T <= seconds), never decreasing, from 0 to 1."""
        count = sum(number for work, number in self.works if not isinstance(work, Steady))
        share = 1.0 / (1.0 + max(count - 1, 0) * ALIKE)
        logs = 0.0
        for work, number in self.works:
            done = work.done_within(seconds)
            if done <= 0.0:
                return 0.0
            logs += number * share * math.log(done)
        return math.exp(logs)

    def given(self, elapsed: float) -> Outlook:
        """The same, later."""
        return AllOf([(work.given(elapsed), number) for work, number in self.works])


def quantile(outlook: Outlook, share: float) -> float | None:
    """The seconds within which all is done with that chance, to a second; None where it is never reached.

    >>> quantile(Steady(90.0), 0.5)
    90.0
    """
    if outlook.done_within(_LONGEST) < share:
        return None
    low, high = 0.0, _LONGEST
    while high - low > _FINE:
        middle = (low + high) / 2.0
        if outlook.done_within(middle) >= share:
            high = middle
        else:
            low = middle
    return float(math.floor(high))
