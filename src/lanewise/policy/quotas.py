"""Which batches may be created now, where the provider's queue, or an hour's creations, have no room for all.

Work waits here rather than fail there: in the order of its slack, workflows taking turns. What does not fit
holds back what comes after it for the same quota, or a large batch would wait for ever while small ones
slip by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from lanewise.policy.packing import Queued, order

T = TypeVar("T")

ALL_MODELS: Final = "*"  # the subject of a quota that models share


@dataclass(frozen=True, slots=True)
class Quota:
    """Work that a provider lets an account have in its queue at once."""

    subject: str  # a model, or `ALL_MODELS`
    unit: str  # "tokens" or "requests"
    limit: int
    used: int  # by what is there now

    @property
    def room(self) -> int:
        """What may be added."""
        return max(self.limit - self.used, 0)


@dataclass(frozen=True, slots=True)
class Wanting(Generic[T]):
    """A batch that wants to be created."""

    what: T
    model: str
    workflow: str
    slack: float | None  # None: nobody waits
    tokens: int
    requests: int

    def asks(self, quota: Quota) -> int:
        """What it takes of a quota; 0 where it is another model's."""
        if quota.subject not in (self.model, ALL_MODELS):
            return 0
        return self.tokens if quota.unit == "tokens" else self.requests


def admit(
    queue: Sequence[Wanting[T]],
    quotas: Iterable[Quota],
    *,
    creations: int | None = None,
    served: Mapping[str, int] | None = None,
) -> list[T]:
    """Those that may be created now, in the order in which they go.

    `creations`: how many more the provider lets be created, None for any number; `served`: tokens that each
    workflow has in the provider's queue. What is larger than a whole quota goes when nothing else is there:
    the provider then says whether it takes it.

    >>> wants = [Wanting("big", "m", "a", 60.0, 900, 9), Wanting("small", "m", "a", 9_000.0, 10, 1)]
    >>> admit(wants, [Quota("m", "tokens", 1_000, 200)])
    []
    >>> admit(wants, [Quota("m", "tokens", 1_000, 0)])
    ['big', 'small']
    """
    left = {quota: quota.room for quota in quotas}
    empty = {quota: quota.used == 0 for quota in left}
    full: set[Quota] = set()
    admitted: list[T] = []
    waiting = [Queued(want, want.workflow, want.slack, want.tokens) for want in queue]
    for item in order(waiting, served):
        want = item.what
        asked = {quota: amount for quota in left if (amount := want.asks(quota))}
        if creations is not None and len(admitted) >= creations:
            break
        if full.intersection(asked):
            continue
        lacking = [quota for quota, amount in asked.items() if amount > left[quota]]
        if any(not empty[quota] for quota in lacking):
            full.update(lacking)
            continue
        for quota, amount in asked.items():
            left[quota] -= amount
            empty[quota] = False
        admitted.append(want.what)
    return admitted
