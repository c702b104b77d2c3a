"""Figures over seeds: the middle, and between which two nine seeds in ten lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from lanewise.audit.whatif.hours import Hour
from lanewise.audit.whatif.known import Limit
from lanewise.audit.whatif.lanes import Stream
from lanewise.audit.whatif.plan import Plan
from lanewise.audit.whatif.replaying import Seed

ENOUGH: Final = 10  # seeds of which it is said between what nine in ten lie
_LOW, _MIDDLE, _HIGH = 5, 50, 95  # per cent of the seeds


class Range(NamedTuple):
    """Half of the seeds lie below `middle`, nine in ten between `low` and `high`.

    Of fewer than `ENOUGH` seeds these are the least and the most; of one they say nothing.
    """

    low: int
    middle: int
    high: int


NOTHING: Final = Range(0, 0, 0)


class Quota(NamedTuple):
    """What a provider sells of a model, and the most that was used of it at once."""

    stream: Stream
    limits: tuple[Limit, ...]
    created: Range
    tokens: Range
    requests: Range
    held: Range
    calls: Range


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
    cached: Range  # how much less it cost if what waits read from caches as when it was sent
    quotas: tuple[Quota, ...]
    created: dict[str, Range]  # by provider: batches of all models in its busiest hour of the clock
    hours: tuple[Hour, ...]


def spread(values: Iterable[int]) -> Range:
    """The range of some figures, one for each seed; straight lines between neighbours.

    >>> spread([3, 1, 2]), spread([7])
    (Range(low=1, middle=2, high=3), Range(low=7, middle=7, high=7))
    """
    found = sorted(values)
    if len(found) < ENOUGH:
        return Range(found[0], _at(found, _MIDDLE), found[-1])
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
            reason: over(partial(_late, reason=reason))
            for reason in _names(seed.late for seed in seeds)
        },
        over(lambda seed: seed.rescued),
        over(lambda seed: seed.batches),
        over(lambda seed: seed.cancelled),
        over(lambda seed: max(seed.cached_nano, 0)),
        tuple(_quota(work.stream, work.limits, seeds) for work in plan.work),
        {
            name: over(partial(_busiest, provider=name))
            for name in sorted({work.stream.provider for work in plan.work})
        },
        tuple(typical.hours.told()),
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much one policy differs from another on the same days: more is positive. Money in nano-USD."""

    requests: (
        int  # that are replayed; not 0 where one of them refuses or leaves out what the other takes
    )
    cost: Range
    late: Range
    workflows: dict[str, Range]  # cost; waste is in none


def difference(one: Summary, other: Summary) -> Difference:
    """What the other has more than the one."""
    pairs = list(zip(one.seeds, other.seeds, strict=True))
    names = sorted({*one.plan.workflows, *other.plan.workflows})
    return Difference(
        other.plan.requests - one.plan.requests,
        spread(b.cost_nano - a.cost_nano for a, b in pairs),
        spread(b.late.total() - a.late.total() for a, b in pairs),
        {name: spread(b.workflows[name] - a.workflows[name] for a, b in pairs) for name in names},
    )


def _quota(stream: Stream, limits: tuple[Limit, ...], seeds: Sequence[Seed]) -> Quota:
    uses = [seed.use[stream] for seed in seeds]
    created, tokens, requests, held, calls = map(spread, zip(*uses, strict=True))
    return Quota(stream, limits, created, tokens, requests, held, calls)


def _late(seed: Seed, reason: str) -> int:
    return seed.late[reason]


def _busiest(seed: Seed, provider: str) -> int:
    return max((made for (who, _), made in seed.created.items() if who == provider), default=0)


def _names(counts: Iterable[Counter[Any]]) -> list[Any]:
    return sorted({name for found in counts for name, count in found.items() if count})
