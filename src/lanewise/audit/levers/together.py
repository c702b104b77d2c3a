"""Lanes, caches and repeats together, by replay: what one lever takes is not there for the next.

What is not asked again fills no cache; what waits in a batch reads none and warms none for those who do not
wait; what is read from a cache is cheap already, so that moving it saves less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias, TypeVar

from lanewise.audit.caching import Prompt
from lanewise.audit.caching.sampling import ratio
from lanewise.audit.levers.lanes import BACK
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.domain.lanes import BATCH, LaneName
from lanewise.domain.usage import Usage
from lanewise.replay.cache_rules import Life, Rules, rules_of
from lanewise.replay.caches import Cache

Sold: TypeAlias = tuple[str, str]  # provider, model
Key: TypeAlias = tuple[int, str, str]  # group, provider, model
Lanes: TypeAlias = Mapping[Key, LaneName]
Place: TypeAlias = tuple[int, Key]  # the stretch
Name = TypeVar("Name", Key, int)

_AS_NOW: Final = ""


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


@dataclass(frozen=True, slots=True)
class Levers:
    """Which levers are pulled."""

    lanes: Lanes = field(default_factory=dict)
    cache: bool = False
    dedupe: bool = False


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


def together(asked: Callable[[], Iterable[Asked]], lanes: Lanes, prices: Prices) -> Together:
    """Replay each lever alone, and all at once. `asked`: requests by stretches, each in the order of time."""
    now, cached = _World(Levers(), prices), _World(Levers(cache=True), prices)
    kept = _Plan.of({}, prices)
    moved = _Plan.of(lanes, prices) if lanes else kept
    plans = [kept, moved] if lanes else [kept]
    requests = _replayed(asked(), (now, cached, *(world for plan in plans for world in plan)))
    if lanes:
        plans.append(_Plan.of(_mixed(kept.all, moved.all, lanes), prices))
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
    def of(cls, lanes: Lanes, prices: Prices) -> _Plan:
        levers = (Levers(lanes), Levers(lanes, dedupe=True), Levers(lanes, cache=True, dedupe=True))
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
        self._moved: dict[Place, Money] = {}
        self._kept = _Kept(prices)
        self._answered: dict[tuple[int, int, str, str, int], int | None] = {}

    def add(self, one: Asked) -> None:
        """The next request."""
        repeated = _repeated(one, self._answered) if self._levers.dedupe else None
        place = _place(one)
        if repeated is True:
            if one.counted:
                self._moved.setdefault(place, Money())
            return
        lane = self._levers.lanes.get(place[1])
        if lane is None and self._levers.cache:
            self._kept.add(one, free=repeated is False)
        elif one.counted:
            cost = _cost(one.used, lane, self._prices)
            counted = Money(0, cost.high) if repeated is False else cost
            self._moved[place] = self._moved.get(place, Money()) + counted

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
        yield from self._moved.items()
        yield from self._kept.costs()


def _place(one: Asked) -> Place:
    return one.stretch, (one.group, one.used.provider, one.used.model)


def _summed(costs: Iterable[tuple[Name, Money]]) -> dict[Name, Money]:
    found: dict[Name, Money] = {}
    for name, cost in costs:
        found[name] = found.get(name, Money()) + cost
    return found


def _cost(used: Used, lane: LaneName | None, prices: Prices) -> Money:
    return _moved(used, lane, prices) if lane else _same(prices.cost(used) or 0)


def _repeated(
    one: Asked, answered: dict[tuple[int, int, str, str, int], int | None]
) -> bool | None:
    """Whether it was asked and answered before: True if answered alike, False if it need not have been."""
    if one.content is None:
        return None
    key = (one.stretch, one.group, one.used.provider, one.used.model, one.content)
    if key in answered:
        return one.answer is not None and one.answer == answered[key]
    if one.ok:
        answered[key] = one.answer
    return None


def _moved(used: Used, lane: LaneName, prices: Prices) -> Money:
    """In another lane, as the lane lever reckons it."""
    now, best = prices.cost(used) or 0, prices.cost(used, lane) or 0
    plain = prices.cost(used, lane, cached=False) or 0
    worst = max(best, plain) if lane == BATCH else best
    return Money(min(best, now), now - max(now - worst, 0) * (100 - BACK) // 100)


def _same(cost: int) -> Money:
    return Money(cost, cost)


class _Kept:
    """Requests that stay in real time, with their cache in each of the lives that it may have.

    For each model the life is taken that costs least, or what is cached now where none costs less.
    """

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._stretch = 0
        self._caches: dict[tuple[str, Sold, str], Cache] = {}
        self._costs: dict[Sold, dict[str, dict[Place, Money]]] = {}

    def add(self, one: Asked, *, free: bool) -> None:
        """The next request. `free`: at the least it would not have been asked."""
        if one.stretch != self._stretch:
            self._stretch = one.stretch
            self._caches.clear()
        sold = one.used.provider, one.used.model
        rules = rules_of(one.used.model)
        now = self._prices.cost(one.used) or 0
        ways = {_AS_NOW: _same(now)}
        ways |= {life.name: self._cached(one, sold, rules, life, now) for life in rules.lives}
        for name, cost in ways.items() if one.counted else ():
            places = self._costs.setdefault(sold, {}).setdefault(name, {})
            counted = Money(0, cost.high) if free else cost
            places[_place(one)] = places.get(_place(one), Money()) + counted

    def costs(self) -> Iterator[tuple[Place, Money]]:
        """Of all of them."""
        for ways in self._costs.values():
            chosen = min(ways.values(), key=lambda places: _middle(sum(places.values(), Money())))
            yield from chosen.items()

    def _cached(self, one: Asked, sold: Sold, rules: Rules, life: Life, now: int) -> Money:
        """At the least only what is read again is written, at the most every prompt to its end."""
        prompt = one.prompt
        cache = self._caches.setdefault((prompt.organisation, sold, life.name), Cache(life.seconds))
        found = cache.ask(
            prompt.at,
            prompt.blocks,
            ready=prompt.at + prompt.begins,
            least=prompt.blocks_for(rules.least),
        )
        cache.expire(prompt.at)
        if not prompt.size or not one.counted:
            return _same(now)
        read = rules.readable(prompt.at_depth(found.usable))
        first = max(read - prompt.at_depth(found.written), 0)
        whole = prompt.tokens - read if prompt.tokens >= rules.least else 0
        costs = [
            self._priced(one.used, life, read, written, again)
            for written, again in ((0, first), (whole, 0))
        ]
        if prompt.cached is None:  # it may have been read from a cache already
            costs.append(now)
        return Money(min(costs), max(costs))

    def _priced(self, used: Used, life: Life, read: int, written: int, again: int) -> int:
        """`again`: what somebody before had to write; the first who reads it is charged the premium."""
        plain, output = used.usage.total_input - read - written, used.usage.output
        cost = self._price(used, _written(life, written, plain, read, output))
        if not again:
            return cost
        dear = self._price(used, _written(life, again))
        return cost + max(dear - self._price(used, Usage(input=again)), 0)

    def _price(self, used: Used, usage: Usage) -> int:
        one = Used(used.provider, used.model, used.above, used.requests, usage)
        return self._prices.cost(one) or 0


def _written(life: Life, tokens: int, plain: int = 0, read: int = 0, output: int = 0) -> Usage:
    """Tokens that are written at the price of a life, beside others."""
    short, long = (tokens if life.written == name else 0 for name in ("5m", "1h"))
    return Usage(plain, read, short, long, tokens - short - long, output)


def _beyond(saved: Money, before: Money) -> Money:
    return Money(saved.low - before.low, saved.high - before.high)


def _middle(cost: Money) -> int:
    return cost.low + cost.high
