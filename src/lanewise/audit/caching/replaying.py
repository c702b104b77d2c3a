"""The prompts of a log, one after the other, through the caches that a provider would have kept for them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final, TypeAlias

from lanewise.audit.caching.prompts import Prompt
from lanewise.audit.caching.sums import Key, RatesOf, Sums, Use
from lanewise.pricing import Rates
from lanewise.replay.cache_rules import Life, Rules, rules_of
from lanewise.replay.caches import Cache, Found

WINDOWS: Final = (300.0, 3_600.0)
_Account: TypeAlias = tuple[str, str, str]  # organisation, provider, model


class Replay:
    """Give it prompts in the order of time and read `sums`.

    Caches are kept apart by organisation, provider and model, and by `windows` and lives, since what is there
    depends on how long it lives. What has expired is dropped once a lifetime.
    """

    def __init__(self, rates: RatesOf, *, windows: Sequence[float] = WINDOWS) -> None:
        self.sums: dict[Key, Sums] = {}
        self.held = 0  # the most blocks that were remembered, looked at once every shortest window
        self._rates = rates
        self._windows = tuple(windows)
        self._accounts: dict[_Account, dict[float, Cache]] = {}
        self._sweep_at = -inf
        self._starts: dict[tuple[str, str, str], tuple[int, ...]] = {}

    def add(self, prompt: Prompt, *, counted: bool = True) -> None:
        """Take the next prompt; one that is not counted only warms the caches.

        Raises `ValueError` if it was asked before the one before it.
        """
        rules = rules_of(prompt.model)
        caches = self._caches(prompt, rules)
        ready = prompt.at + prompt.begins
        least = prompt.blocks_for(rules.least)
        found = {
            seconds: cache.ask(prompt.at, prompt.blocks, ready=ready, least=least)
            for seconds, cache in caches.items()
        }
        if counted:
            self._count(prompt, rules, found)
        self._sweep(prompt.at)

    def close(self) -> None:
        """Let go of the caches; the sums stay."""
        self._accounts.clear()

    def _caches(self, prompt: Prompt, rules: Rules) -> dict[float, Cache]:
        account = prompt.organisation, prompt.provider, prompt.model
        caches = self._accounts.get(account)
        if caches is None:
            kept = dict.fromkeys((*self._windows, *(life.seconds for life in rules.lives)))
            caches = self._accounts[account] = {seconds: Cache(seconds) for seconds in kept}
        return caches

    def _count(self, prompt: Prompt, rules: Rules, found: dict[float, Found]) -> None:
        sums = self._row(prompt)
        sums.requests += 1
        sums.input += prompt.tokens
        for window in self._windows:
            tokens = prompt.at_depth(found[window].seen)
            sums.repeated[window] = sums.repeated.get(window, 0) + tokens
        for life in rules.lives:
            _use(prompt, rules, life, found[life.seconds], sums)
        if prompt.cached is None:
            sums.unlogged += 1
        else:
            sums.cached += prompt.cached
            sums.written_5m += prompt.written_5m
            sums.written_1h += prompt.written_1h
            sums.written_other += prompt.written_other

    def _row(self, prompt: Prompt) -> Sums:
        sold = prompt.provider, prompt.model, prompt.lane
        starts = self._starts.get(sold)
        if starts is None:
            starts = self._starts[sold] = _starts(self._rates(*sold))
        tier = sum(prompt.tokens > start for start in starts) if starts else 0
        key = Key(prompt.workflow, *sold, tier)
        row = self.sums.get(key)
        if row is None:
            row = self.sums[key] = Sums()
        return row

    def _sweep(self, at: float) -> None:
        """Drop what has expired, and the accounts that have nothing left."""
        if at < self._sweep_at:
            return
        self._sweep_at = at + min(self._windows)
        self.held = max(self.held, sum(self._held(account) for account in self._accounts))
        for account, caches in list(self._accounts.items()):
            for cache in caches.values():
                cache.expire(at)
            if not self._held(account):
                del self._accounts[account]

    def _held(self, account: _Account) -> int:
        return sum(cache.held for cache in self._accounts[account].values())


def _starts(rates: Rates | None) -> tuple[int, ...]:
    return () if rates is None else tuple(start for start, _ in rates.tiers)


def _use(prompt: Prompt, rules: Rules, life: Life, found: Found, sums: Sums) -> None:
    """What this prompt reads and writes, under the rules, where entries live so long.

    What is shared is written once before it can be read: that is charged to the first who reads it. Whoever
    asks while another's answer has not begun writes it as well.
    """
    use = sums.uses.get(life.name)
    if use is None:
        use = sums.uses[life.name] = Use()
    read = rules.readable(prompt.at_depth(found.usable))
    use.read += read
    use.written_shared += max(read - prompt.at_depth(found.written), 0)
    shared = rules.readable(prompt.at_depth(found.seen))
    use.written_shared += max(shared - read, 0) if shared else 0
    if prompt.tokens >= rules.least:
        use.written_whole += prompt.tokens - read
