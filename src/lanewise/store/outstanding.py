"""What a home has outstanding, in a few numbers that are quick to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

ByLane: TypeAlias = Mapping[str, int]  # lane, "" while none is decided -> requests


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Requests and batches that have not come to their end; instants in seconds since the epoch."""

    waiting: ByLane  # in no batch
    sent: ByLane  # in a batch
    batches: Mapping[tuple[str, str], int]  # state and lane -> batches
    oldest: float | None  # when the one that waits longest was accepted
    deadline: float | None  # the earliest of all, those left out that were over from the start


@dataclass(frozen=True, slots=True)
class Spent:
    """What rows of the ledger come to for one lane, nano-USD; rows of unknown price are in no sum."""

    answers: int = 0
    cost_nano: int = 0
    baseline_nano: int = 0
    waste_nano: int = 0

    @property
    def saved_nano(self) -> int:
        """Negative where the lane cost more than real time would have."""
        return self.baseline_nano - self.cost_nano

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.answers + other.answers,
            self.cost_nano + other.cost_nano,
            self.baseline_nano + other.baseline_nano,
            self.waste_nano + other.waste_nano,
        )
