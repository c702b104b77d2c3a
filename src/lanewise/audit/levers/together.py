"""Lanes, caches and repeats together, by replay: what one lever takes is not there for the next.

What is not asked again fills no cache; what waits in a batch reads none and warms none for those who do not
wait; what is read from a cache is cheap already, so that moving it saves less.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, TypeVar

from lanewise.audit.caching.sampling import ratio
from lanewise.audit.levers.asked import Asked, Key, Place
from lanewise.audit.levers.kept import Kept
from lanewise.audit.levers.lanes import worst, worth
from lanewise.audit.levers.used import Prices
from lanewise.audit.money import Money
from lanewise.domain.lanes import LaneName

Lanes: TypeAlias = Mapping[Key, LaneName]
Name = TypeVar("Name", Key, int)


@dataclass(frozen=True, slots=True)
class Levers:
    """Which levers are pulled."""

    lanes: Lanes = field(default_factory=dict)
    cache: bool = False
    once: Collection[int] = ()  # groups whose repeats are not asked again


@dataclass(frozen=True, slots=True)
class Together:
    """What each lever saves alone, and all of them. `requests` were replayed, which cost `now` nano-USD.

    `joint` is the best of three plans: what can wait goes to its lanes, or stays where it can read from
    caches, or each group and model goes where it saves more. `steps` goes through that plan one lever after
    another; each saves what it adds to those before it, in this order, so that they add up to `joint`, end
    by end; of one step the low end may be above the high one. `stretches`: for each what it cost and what
    `joint` saves of it.
    """

    requests: int
    now: int
    lanes: Money
    cache: Money
    dedupe: Money
    joint: Money
    steps: Mapping[str, Money]
    stretches: tuple[tuple[int, Money], ...] = ()

    def of(self, cost: int) -> Money | None:
        """What `joint` saves of all that cost so much, if this is a sample: nine of ten draws lie within."""
        least = ratio([(saves.low, now) for now, saves in self.stretches])
        most = ratio([(saves.high, now) for now, saves in self.stretches])
        if least is None or most is None:
            return None
        return Money(round(cost * least.low), round(cost * most.high))


def together(
    asked: Callable[[], Iterable[Asked]], lanes: Lanes, once: Collection[int], prices: Prices
) -> Together:
    """Replay each lever alone, and all at once.

    asked: requests by stretches, each in the order of time. once: groups whose repeats count.
    """
    now, cached = _World(Levers(), prices), _World(Levers(cache=True), prices)
    kept = _Plan.of({}, once, prices)
    moved = _Plan.of(lanes, once, prices) if lanes else kept
    plans = [kept, moved] if lanes else [kept]
    requests = _replayed(asked(), (now, cached, *(world for plan in plans for world in plan)))
    if lanes:
        plans.append(_Plan.of(_mixed(kept.all, moved.all, lanes), once, prices))
        _replayed(asked(), plans[-1])
    cost = now.whole().high
    best = min(plans, key=lambda plan: _middle(plan.all.whole()))
    alone = (moved.lanes, cached, kept.dedupe)
    lane, cache, dedupe = (_saved(cost, world.whole()) for world in alone)
    costs, joint = now.by_stretch(), best.all.by_stretch()
    each = tuple((cost.high, _saved(cost.high, joint[name])) for name, cost in costs.items())
    whole = _saved(cost, best.all.whole())
    return Together(requests, cost, lane, cache, dedupe, whole, best.steps(cost), each)


class _Plan(NamedTuple):
    """Lanes, then repeats too, then caches too."""

    lanes: _World
    dedupe: _World
    all: _World

    @classmethod
    def of(cls, lanes: Lanes, once: Collection[int], prices: Prices) -> _Plan:
        levers = (Levers(lanes), Levers(lanes, once=once), Levers(lanes, cache=True, once=once))
        return cls(*(_World(one, prices) for one in levers))

    def steps(self, now: int) -> dict[str, Money]:
        """What each adds to those before it."""
        lanes, dedupe, all_ = (_saved(now, world.whole()) for world in self)
        return {"lane": lanes, "dedupe": _beyond(dedupe, lanes), "cache": _beyond(all_, dedupe)}


def _replayed(asked: Iterable[Asked], worlds: Sequence[_World]) -> int:
    """Show each request to each world; how many were counted."""
    count = 0
    for one in asked:
        count += one.counted
        for world in worlds:
            world.add(one)
    return count


def _saved(now: int, cost: Money) -> Money:
    return Money(max(now - cost.high, 0), max(now - cost.low, 0))


def _mixed(kept: _World, moved: _World, lanes: Lanes) -> Lanes:
    """The lanes of those that save more there than by reading from caches."""
    there, here = moved.by_key(), kept.by_key()
    return {
        key: lane
        for key, lane in lanes.items()
        if _middle(there.get(key, Money())) < _middle(here.get(key, Money()))
    }


class _World:
    """What requests would cost with some levers pulled, between the least and the most.

    Each stretch begins with nothing in the caches and nothing answered.
    """

    def __init__(self, levers: Levers, prices: Prices) -> None:
        self._levers = levers
        self._prices = prices
        self._same: dict[Place, Money] = {}
        self._moved = _Moved(prices)
        self._kept = Kept(prices)
        self._answered: dict[tuple[int, int, str, str, int], int | None] = {}

    def add(self, one: Asked) -> None:
        """The next request."""
        again = _repeated(one, self._answered) if one.group in self._levers.once else None
        lane = self._levers.lanes.get(one.place[1])
        if again is True:
            self._stay(one, Money())
        elif lane is None and self._levers.cache:
            self._kept.add(one, free=again is False)
        elif lane is None:
            now = self._prices.cost(one.used) or 0
            self._stay(one, Money(0 if again is False else now, now))
        elif one.counted:
            self._moved.add(one, lane, free=again is False)

    def _stay(self, one: Asked, cost: Money) -> None:
        if one.counted:
            self._same[one.place] = self._same.get(one.place, Money()) + cost

    def by_key(self) -> dict[Key, Money]:
        """By group and model."""
        return _summed((key, cost) for (_, key), cost in self._all())

    def by_stretch(self) -> dict[int, Money]:
        """By the number of the stretch."""
        return _summed((stretch, cost) for (stretch, _), cost in self._all())

    def whole(self) -> Money:
        """Of all of them."""
        return sum((cost for _, cost in self._all()), Money())

    def _all(self) -> Iterator[tuple[Place, Money]]:
        yield from self._same.items()
        yield from self._moved.costs()
        yield from self._kept.costs()


class _Moved:
    """Requests in other lanes, reckoned for each group and model as a whole, as the lane lever does."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._costs: dict[Key, dict[Place, tuple[int, Money]]] = {}  # in real time, and there

    def add(self, one: Asked, lane: LaneName, *, free: bool) -> None:
        """The next request. `free`: at the least it would not have been asked."""
        now, best = self._prices.cost(one.used) or 0, self._prices.cost(one.used, lane) or 0
        there = Money(0 if free else best, worst(one.used, lane, self._prices) or 0)
        places = self._costs.setdefault(one.place[1], {})
        before, cost = places.get(one.place, (0, Money()))
        places[one.place] = before + now, cost + there

    def costs(self) -> Iterator[tuple[Place, Money]]:
        """Of all of them; an end at which a group would cost more than in real time is what it costs now."""
        for places in self._costs.values():
            now = sum(cost for cost, _ in places.values())
            there = sum((cost for _, cost in places.values()), Money())
            for place, (cost, moved) in places.items():
                least = worth(cost - moved.high) if there.high < now else 0
                yield place, Money(moved.low if there.low < now else cost, cost - least)


def _summed(costs: Iterable[tuple[Name, Money]]) -> dict[Name, Money]:
    found: dict[Name, Money] = {}
    for name, cost in costs:
        found[name] = found.get(name, Money()) + cost
    return found


def _repeated(
    one: Asked, answered: dict[tuple[int, int, str, str, int], int | None]
) -> bool | None:
    """Whether it was asked and answered before: True if answered alike, False if it need not have been."""
    if one.content is None:
        return None
    key = (one.stretch, one.group, one.used.provider, one.used.model, one.content)
    if key not in answered:
        if one.ok:
            answered[key] = one.answer
        return None
    first = answered[key]
    if first is None and one.ok:
        answered[key] = one.answer
    return first is not None and one.answer == first


def _beyond(saved: Money, before: Money) -> Money:
    return Money(saved.low - before.low, saved.high - before.high)


def _middle(cost: Money) -> int:
    return cost.low + cost.high
