"""What stays in real time: what it would cost with prompt caches, by the rules of each provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from lanewise.audit.caching import Prompt
from lanewise.audit.levers.asked import Asked, Key, Place
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.domain.usage import Usage
from lanewise.replay.cache_rules import Life, Rules, rules_of
from lanewise.replay.caches import Cache, Found

Costs: TypeAlias = dict[Place, Money]

_AS_NOW: Final = ""
_PLAIN: Final = "plain"  # nothing is cached


class Kept:
    """Requests that stay in real time, with their cache in each of the lives that it may have.

    For each group and model the life is taken that its line in the table of caches has, so that both say the
    same; where writing costs more than it gives back, what is done now.
    """

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._stretch = 0
        self._caches: dict[tuple[str, str, str, str], Cache] = {}
        self._costs: dict[Key, dict[str, Costs]] = {}
        self._untold: set[Key] = set()  # where the log does not say of all what was cached

    def add(self, one: Asked, *, free: bool) -> None:
        """The next request. `free`: at the least it would not have been asked."""
        if one.stretch != self._stretch:
            self._stretch = one.stretch
            self._caches.clear()
        place = one.place
        for name, cost in self._ways(one):
            if one.counted:
                costs = self._costs.setdefault(place[1], {}).setdefault(name, {})
                counted = Money(0, cost.high) if free else cost
                costs[place] = costs.get(place, Money()) + counted
        if one.counted and one.prompt.cached is None:
            self._untold.add(place[1])

    def costs(self) -> Iterator[tuple[Place, Money]]:
        """Of all of them."""
        for key, ways in self._costs.items():
            now, best = ways[_AS_NOW], _best(ways)
            low = best if _total(best).low < _total(now).low else now
            told = key not in self._untold
            high = best if told and _total(best).high < _total(now).high else now
            yield from ((place, Money(low[place].low, high[place].high)) for place in now)

    def _ways(self, one: Asked) -> Iterator[tuple[str, Money]]:
        """What it costs now, with nothing cached, and in each life; all the same if its text is not known."""
        rules, now = rules_of(one.used.model), _as_one(self._prices.cost(one.used) or 0)
        yield _AS_NOW, now
        known = one.prompt.size > 0
        plain = self._prices.cost(one.used, cached=False) or 0
        yield _PLAIN, _as_one(plain) if known else now
        for life in rules.lives:
            found = self._found(one.prompt, one.used, rules, life)
            yield life.name, self._cached(one, rules, life, found) if known else now

    def _found(self, prompt: Prompt, used: Used, rules: Rules, life: Life) -> Found:
        account = prompt.organisation, used.provider, used.model, life.name
        cache = self._caches.setdefault(account, Cache(life.seconds))
        least = prompt.blocks_for(rules.least)
        found = cache.ask(prompt.at, prompt.blocks, ready=prompt.at + prompt.begins, least=least)
        cache.expire(prompt.at)
        return found

    def _cached(self, one: Asked, rules: Rules, life: Life, found: Found) -> Money:
        """With only what is read again written, and with every prompt written to its end."""
        prompt = one.prompt
        read = rules.readable(prompt.at_depth(found.usable))
        late = rules.readable(prompt.at_depth(found.seen)) - read  # asked for, and not yet there
        first = max(read - prompt.at_depth(found.written), 0) + max(late, 0)
        whole = prompt.tokens - read if prompt.tokens >= rules.least else 0
        shared = self._priced(one.used, life, read, 0, first)
        return Money(shared, self._priced(one.used, life, read, whole, 0))

    def _priced(self, used: Used, life: Life, read: int, written: int, again: int) -> int:
        """`again`: what somebody wrote so that it can be shared; who reads it is charged the premium."""
        plain, output = used.usage.total_input - read - written, used.usage.output
        cost = self._price(used, _written(life, written, plain, read, output))
        if not again:
            return cost
        dear = self._price(used, _written(life, again))
        return cost + max(dear - self._price(used, Usage(input=again)), 0)

    def _price(self, used: Used, usage: Usage) -> int:
        one = Used(used.provider, used.model, used.above, used.requests, usage)
        return self._prices.cost(one) or 0


def _best(ways: Mapping[str, Costs]) -> Costs:
    """The life with the lowest middle of those that may save anything; none of them: all input plain."""
    plain = _total(ways[_PLAIN])
    lives = [costs for name, costs in ways.items() if name not in (_AS_NOW, _PLAIN)]
    paying = [_ordered(costs) for costs in lives if _total(costs).low < plain.low]
    return min(paying, key=_middle, default=ways[_PLAIN])


def _ordered(costs: Costs) -> Costs:
    """Writing all is the dearer end, but in a sample that begins with what others have written."""
    whole = _total(costs)
    if whole.low <= whole.high:
        return costs
    return {place: Money(cost.high, cost.low) for place, cost in costs.items()}


def _total(costs: Costs) -> Money:
    return sum(costs.values(), Money())


def _as_one(cost: int) -> Money:
    return Money(cost, cost)


def _written(life: Life, tokens: int, plain: int = 0, read: int = 0, output: int = 0) -> Usage:
    """Tokens that are written at the price of a life, beside others."""
    short, long = (tokens if life.written == name else 0 for name in ("5m", "1h"))
    return Usage(plain, read, short, long, tokens - short - long, output)


def _middle(costs: Costs) -> int:
    whole = _total(costs)
    return whole.low + whole.high
