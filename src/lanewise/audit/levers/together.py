"""Lanes, caches and repeats together, by replay: what one lever takes is not there for the next.

What is not asked again fills no cache; what waits in a batch reads none and warms none for those who do not
wait; what is read from a cache is cheap already, so that moving it saves less.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeAlias

from lanewise.audit.caching import Prompt
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

_AS_NOW: Final = ""


class Asked(NamedTuple):
    """One request in the order of time. `content` and `answer` are hashes, None where the log has no text."""

    group: int
    used: Used  # one request
    prompt: Prompt
    content: int | None = None
    answer: int | None = None
    ok: bool = True


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
    another; each saves what it adds to those before it, in this order, so that they add up to `joint`.
    """

    requests: int
    now: int
    lanes: Money
    cache: Money
    dedupe: Money
    joint: Money
    steps: Mapping[str, Money]


def together(asked: Sequence[Asked], lanes: Lanes, prices: Prices) -> Together:
    """Replay each lever alone, and all at once. `asked` is in the order of time."""
    now = sum(prices.cost(one.used) or 0 for one in asked)

    def saves(levers: Levers) -> Money:
        cost = sum(_costs(asked, levers, prices).values(), Money())
        return Money(max(now - cost.high, 0), max(now - cost.low, 0))

    plans: tuple[Lanes, ...] = (lanes, {}, _mixed(asked, lanes, prices))
    joint, plan = max(
        ((saves(Levers(plan, cache=True, dedupe=True)), plan) for plan in plans),
        key=lambda one: _middle(one[0]),
    )
    moved, asked_once = saves(Levers(plan)), saves(Levers(plan, dedupe=True))
    return Together(
        len(asked),
        now,
        lanes=saves(Levers(lanes)),
        cache=saves(Levers(cache=True)),
        dedupe=saves(Levers(dedupe=True)),
        joint=joint,
        steps={
            "lane": moved,
            "dedupe": _beyond(asked_once, moved),
            "cache": _beyond(joint, asked_once),
        },
    )


def _mixed(asked: Sequence[Asked], lanes: Lanes, prices: Prices) -> Lanes:
    """The lanes of those that save more there than by reading from caches."""
    kept = _costs(asked, Levers(cache=True, dedupe=True), prices)
    moved = _costs(asked, Levers(lanes, cache=True, dedupe=True), prices)
    return {
        key: lane
        for key, lane in lanes.items()
        if _middle(moved.get(key, Money())) < _middle(kept.get(key, Money()))
    }


def _costs(asked: Iterable[Asked], levers: Levers, prices: Prices) -> dict[Key, Money]:
    """What each group and model would have cost, between the least and the most."""
    costs: dict[Key, Money] = {}
    kept = _Kept(prices)
    answered: dict[tuple[int, str, str, int], int | None] = {}
    for one in asked:
        repeated = _repeated(one, answered) if levers.dedupe else None
        if repeated is True:
            continue
        key = one.group, one.used.provider, one.used.model
        lane = levers.lanes.get(key)
        if lane is None and levers.cache:
            kept.add(one, free=repeated is False)
            continue
        cost = _moved(one.used, lane, prices) if lane else _same(prices.cost(one.used) or 0)
        counted = Money(0, cost.high) if repeated is False else cost
        costs[key] = costs.get(key, Money()) + counted
    for key, cost in kept.costs():
        costs[key] = costs.get(key, Money()) + cost
    return costs


def _repeated(one: Asked, answered: dict[tuple[int, str, str, int], int | None]) -> bool | None:
    """Whether it was asked and answered before: True if answered alike, False if it need not have been."""
    if one.content is None:
        return None
    key = (one.group, one.used.provider, one.used.model, one.content)
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
        self._caches: dict[tuple[str, Sold, str], Cache] = {}
        self._costs: dict[Sold, dict[str, dict[int, Money]]] = {}

    def add(self, one: Asked, *, free: bool) -> None:
        """The next request. `free`: at the least it would not have been asked."""
        sold = one.used.provider, one.used.model
        rules = rules_of(one.used.model)
        now = self._prices.cost(one.used) or 0
        ways = {_AS_NOW: _same(now)}
        ways |= {life.name: self._cached(one, sold, rules, life, now) for life in rules.lives}
        for name, cost in ways.items():
            groups = self._costs.setdefault(sold, {}).setdefault(name, {})
            counted = Money(0, cost.high) if free else cost
            groups[one.group] = groups.get(one.group, Money()) + counted

    def costs(self) -> Iterator[tuple[Key, Money]]:
        """Of all of them, by group and model."""
        for sold, ways in self._costs.items():
            chosen = min(ways.values(), key=lambda groups: _middle(sum(groups.values(), Money())))
            for group, cost in chosen.items():
                yield (group, *sold), cost

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
        if not prompt.size:
            return _same(now)
        read = rules.readable(prompt.at_depth(found.usable))
        first = max(read - prompt.at_depth(found.written), 0)
        whole = prompt.tokens - read if prompt.tokens >= rules.least else 0
        costs = [
            self._priced(one.used, life, read, written, again)
            for written, again in ((0, first), (whole, 0))
        ]
        return Money(min(costs), max(costs))

    def _priced(self, used: Used, life: Life, read: int, written: int, again: int) -> int:
        """`again`: what somebody before had to write; the first who reads it is charged the premium."""
        name = {"5m": "cache_write_5m", "1h": "cache_write_1h"}.get(
            life.written, "cache_write_other"
        )
        plain = Usage(
            input=used.usage.total_input - read - written, cache_read=read, output=used.usage.output
        )
        cost = self._prices.cost(replace(used, usage=replace(plain, **{name: written}))) or 0
        if not again:
            return cost
        dear = self._prices.cost(replace(used, usage=Usage(**{name: again}))) or 0
        return cost + max(
            dear - (self._prices.cost(replace(used, usage=Usage(input=again))) or 0), 0
        )


def _beyond(saved: Money, before: Money) -> Money:
    return Money(saved.low - before.low, saved.high - before.high)


def _middle(cost: Money) -> int:
    return cost.low + cost.high
