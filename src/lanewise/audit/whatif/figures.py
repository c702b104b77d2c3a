"""Figures over seeds: the middle, and between which two nine seeds in ten lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from lanewise.audit.whatif.hours import Hour
from lanewise.audit.whatif.planning import Plan
from lanewise.audit.whatif.replaying import Seed

_LOW, _MIDDLE, _HIGH = 5, 50, 95  # per cent of the seeds


class Range(NamedTuple):
    """Nine seeds in ten lie between `low` and `high`; half lie below `middle`."""

    low: int
    middle: int
    high: int


NOTHING: Final = Range(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Summary:
    """A plan over all seeds. Money in nano-USD; hours are those of the seed whose cost is in the middle."""

    plan: Plan
    seeds: tuple[Seed, ...]
    cost: Range
    saving: Range  # against how the same requests were sent
    lanes: dict[str, tuple[Range, Range]]  # lane -> requests, money
    workflows: dict[str, Range]  # money; waste is in none
    waste: Range
    deadlines: int  # requests that have one
    late: Range
    reasons: dict[str, Range]
    rescued: Range
    batches: Range
    cancelled: Range
    most_created: Range
    most_held: Range
    most_calls: Range
    hours: tuple[Hour, ...]


def spread(values: Iterable[int]) -> Range:
    """The range of some figures, one for each seed; straight lines between neighbours.

    >>> spread([3, 1, 2]), spread([7])
    (Range(low=1, middle=2, high=3), Range(low=7, middle=7, high=7))
    """
    found = sorted(values)
    return Range(_at(found, _LOW), _at(found, _MIDDLE), _at(found, _HIGH))


def _at(values: Sequence[int], percent: int) -> int:
    place, part = divmod((len(values) - 1) * percent, 100)
    above = values[min(place + 1, len(values) - 1)]
    return values[place] + ((above - values[place]) * part + 50) // 100


def summed(plan: Plan, seeds: Sequence[Seed]) -> Summary:
    """All seeds of a plan; there is at least one."""

    def over(figure: Callable[[Seed], int]) -> Range:
        return spread(figure(seed) for seed in seeds)

    lanes = _names(seed.lane_requests for seed in seeds)
    typical = sorted(seeds, key=lambda seed: (seed.cost_nano, seed.number))[(len(seeds) - 1) // 2]
    return Summary(
        plan,
        tuple(seeds),
        over(lambda seed: seed.cost_nano),
        over(lambda seed: plan.today_nano - seed.cost_nano),
        {
            lane: (
                over(lambda seed, lane=lane: seed.lane_requests[lane]),  # type: ignore[misc]
                over(lambda seed, lane=lane: seed.lanes[lane]),  # type: ignore[misc]
            )
            for lane in lanes
        },
        {
            name: over(lambda seed, name=name: seed.workflows[name])  # type: ignore[misc]
            for name in sorted(plan.workflows)
        },
        over(lambda seed: seed.waste_nano),
        plan.deadlines,
        over(lambda seed: seed.late.total()),
        {
            reason: over(lambda seed, reason=reason: seed.late[reason])  # type: ignore[misc]
            for reason in _names(seed.late for seed in seeds)
        },
        over(lambda seed: seed.rescued),
        over(lambda seed: seed.batches),
        over(lambda seed: seed.cancelled),
        over(lambda seed: seed.most_created),
        over(lambda seed: seed.most_held),
        over(lambda seed: seed.most_calls),
        tuple(typical.hours.told()),
    )


def difference(one: Summary, other: Summary) -> tuple[Range, Range]:
    """By how much the other costs more, and misses more deadlines, on the same days."""
    pairs = list(zip(one.seeds, other.seeds, strict=True))
    return (
        spread(b.cost_nano - a.cost_nano for a, b in pairs),
        spread(b.late.total() - a.late.total() for a, b in pairs),
    )


def _names(counts: Iterable[Counter[Any]]) -> list[Any]:
    return sorted({name for found in counts for name, count in found.items() if count})
