"""Whether requests that share a prefix are marked, primed or keyed, so that the prompt cache pays.

A batch does not warm its own cache: measured live by two users, cold batches whose requests were all marked
read nothing and paid for every write, while all requests read what a batch of one had written before.
So marks go with priming or not at all: the group's first request goes ahead as a batch of its own, and the
others follow when it has landed. Prices are per token, times in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from lanewise.domain.caching import TTL_SECONDS, Breakpoint, Prefix, Ttl
from lanewise.domain.usage import Usage
from lanewise.pricing.arithmetic import PICO_PER_NANO, Rates, Vector, divide

# Shares of the requests that find the entry while it lives, before anything is learned.
HITS_AHEAD: Final = 0.95  # one went ahead and has landed [measured: 100 %; held a little lower]
PRIOR_REQUESTS: Final = 20  # how many observed requests weigh as much as these
MARGIN: Final = 0.25  # a saving is worth the wait from this share of what is risked on
KEY_PER_MINUTE: Final = 15.0  # requests that may have one key [OpenAI's prompt caching guide]
SAMPLE: Final = 30  # requests that could have read, before a verdict
OFF_SECONDS: Final = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Tally:
    """What marked requests of one workflow and model used, of groups that are over, primers included."""

    requests: int = 0
    primers: int = 0  # of them, those that went ahead and could not read
    usage: Usage = field(default_factory=Usage)

    def __add__(self, other: Tally) -> Tally:
        """Part by part."""
        return Tally(
            self.requests + other.requests,
            self.primers + other.primers,
            self.usage + other.usage,
        )

    @property
    def followers(self) -> int:
        """The requests that could have read."""
        return self.requests - self.primers

    @property
    def hits(self) -> float:
        """The share of the followers that read, taking their prefixes to be equally long.

        >>> Tally(11, 1, Usage(cache_read=8_000, cache_write_1h=3_000)).hits
        0.8
        """
        read, kept = self.usage.cache_read, written(self.usage)
        if self.followers <= 0 or read + kept == 0:
            return 0.0
        return min(read / (read + kept) * self.requests / self.followers, 1.0)


@dataclass(frozen=True, slots=True)
class Group:
    """Requests of one workflow and one lane that share a prefix and wait to be sent."""

    prefix: Prefix
    requests: int
    rates: Rates  # of their model in that lane
    slack: float  # how long they can wait before they must leave
    dearer: float = 0.0  # nano-USD that each costs more where it misses the lane


@dataclass(frozen=True, slots=True)
class Ahead:
    """What can be said of letting one request go ahead."""

    landing: float  # how long the others wait for it, at most
    alive: dict[Ttl, float]  # chance that the others run while an entry of that life is there
    lands: float = 1.0  # chance that it has landed by then
    late: float = 0.0  # share of the others that miss their lane because they waited


@dataclass(frozen=True, slots=True)
class Grouped:
    """How a group is sent, and why.

    `prime`: its first request goes ahead, and the others when `follow` says so. `saving` is expected, against
    sending all of them as they are.
    """

    at: Breakpoint
    mark: bool = False
    ttl: Ttl | None = None
    prime: bool = False
    key: bool = False  # each is given a key of its prefix
    saving: int = 0  # nano-USD
    why: str = ""


class Follow(Enum):
    """What the others of a primed group do now."""

    WAIT = "wait"
    MARKED = "marked"  # they go, and read
    PLAIN = "plain"  # they go as they are: a mark would only pay for writing


@dataclass(frozen=True, slots=True)
class Verdict:
    """What marking was worth, and whether it goes on."""

    keep: bool
    saved: int  # nano-USD, against the same tokens at the plain price; negative: it cost
    why: str
    off_until: float | None = None


def plan_group(
    group: Group,
    ahead: Ahead,
    *,
    learned: Tally | None = None,
    warm: Ttl | None = None,
    off: bool = False,
) -> Grouped:
    """How a group is sent at the lowest expected cost.

    `learned` is what the workflow and model showed before, `warm` the life of an entry of this prefix that
    is known to be there when they run, `off` whether a `verdict` that still holds ended it.

    >>> from dataclasses import replace
    >>> rates = Rates(Vector(500, 50, 625, 1_000, 625, 2_500))
    >>> ahead = Ahead(landing=900, alive={"5m": 0.3, "1h": 0.98})
    >>> group = Group(Prefix(7, 4_096, Breakpoint.SYSTEM), 100, rates, slack=3_600)
    >>> plan = plan_group(group, ahead)
    >>> plan.ttl, plan.prime, plan.why
    ('1h', True, 'primed: 100 requests share about 4,096 tokens, which cost 75 % less that way')
    >>> plan_group(replace(group, slack=600), ahead).why
    'not marked: no time for one to go ahead, and a cold batch reads nothing'
    """
    at = group.prefix.at
    if group.prefix.own:
        return Grouped(at, why="left alone: the bodies set their own caching")
    if off:
        return Grouped(at, why="not marked: it did not pay for this workflow and model")
    if not at.marked:
        return _keyed(group)
    if group.requests < 2 and warm is None:
        return Grouped(at, why="not marked: nobody shares the prefix")
    if warm is None and group.slack < ahead.landing:
        why = "not marked: no time for one to go ahead, and a cold batch reads nothing"
        return Grouped(at, why=why)
    return _marked(group, ahead, learned or Tally(), warm)


def follow(
    ttl: Ttl, *, landed_at: float | None, now: float, leave_by: float, lead: float
) -> Follow:
    """What the others do while one is ahead: `landed_at` is when it was answered, None while it is not.

    `lead` is how long those that are sent now take to begin. A batch of one ends when its only request does,
    so the entry's life is counted from there.

    >>> follow("1h", landed_at=None, now=100, leave_by=500, lead=60).value
    'wait'
    >>> [
    ...     follow("1h", landed_at=100, now=now, leave_by=9_000, lead=60).value
    ...     for now in (200, 3_690)
    ... ]
    ['marked', 'plain']
    """
    if landed_at is None:
        return Follow.WAIT if now < leave_by else Follow.PLAIN
    alive = now + lead < landed_at + TTL_SECONDS[ttl]
    return Follow.MARKED if alive else Follow.PLAIN


def verdict(tally: Tally, rates: Rates, now: float) -> Verdict:
    """Whether marking goes on for a workflow and model, by what it saved or cost so far.

    >>> rates = Rates(Vector(500, 50, 625, 1_000, 625, 2_500))
    >>> verdict(Tally(40, 1, Usage(cache_write_1h=40_000)), rates, now=0.0)
    Verdict(keep=False, saved=-20000, why='off: 39 requests read 0 %, it pays from 53 %', off_until=604800.0)
    """
    gained = saved(tally.usage, rates.base)
    if tally.followers < SAMPLE:
        return Verdict(True, gained, f"kept: {tally.followers} of {SAMPLE} requests seen")
    if gained >= 0:
        return Verdict(True, gained, f"kept: {tally.followers} requests read {tally.hits:.0%}")
    ttl: Ttl = "1h" if tally.usage.cache_write_1h else "5m"
    needed = break_even(rates.base, ttl)
    why = f"off: {tally.followers} requests read {tally.hits:.0%}, it pays from {needed:.0%}"
    return Verdict(False, gained, why.replace("%", " %"), now + OFF_SECONDS)


def saved(usage: Usage, prices: Vector) -> int:
    """What caching saved in nano-USD, against the same tokens at the plain input price."""
    pico = (
        usage.cache_read * (prices.input - prices.cache_read)
        - usage.cache_write_5m * (prices.cache_write_5m - prices.input)
        - usage.cache_write_1h * (prices.cache_write_1h - prices.input)
        - usage.cache_write_other * (prices.cache_write_other - prices.input)
    )
    return divide(pico, PICO_PER_NANO)


def break_even(prices: Vector, ttl: Ttl) -> float:
    """The share of marked requests that must read for marking to cost nothing; infinite where it never pays.

    >>> half = Vector(500, 50, 625, 1_000, 625, 2_500)
    >>> [round(break_even(half, ttl), 2) for ttl in ("5m", "1h")]
    [0.22, 0.53]
    """
    write = _write(prices, ttl)
    if write <= prices.input:
        return 0.0
    if prices.cache_read >= prices.input:
        return math.inf
    return (write - prices.input) / (write - prices.cache_read)


def written(usage: Usage) -> int:
    """Tokens that were written to a cache."""
    return usage.cache_write_5m + usage.cache_write_1h + usage.cache_write_other


def keys_for(requests: float, per_minute: float) -> int:
    """Over how many keys a group is spread that is asked at this rate, so that each stays below its limit.

    >>> (
    ...     keys_for(1_000, per_minute=60.0),
    ...     keys_for(20, per_minute=60.0),
    ...     keys_for(5, per_minute=60.0),
    ... )
    (4, 2, 1)
    """
    return max(math.ceil(min(requests, per_minute) / KEY_PER_MINUTE), 1)


def _keyed(group: Group) -> Grouped:
    """For providers that cache by themselves. Whether a key is heeded in a batch is not documented."""
    if group.prefix.at is not Breakpoint.KEY:
        return Grouped(group.prefix.at, why="as it is: the provider caches by itself")
    if group.requests < 2:
        return Grouped(group.prefix.at, why="no key: nobody shares the prefix")
    why = "keyed: the model finds a shared prefix surely only with a key"
    return Grouped(group.prefix.at, key=True, why=why)


def _marked(group: Group, ahead: Ahead, learned: Tally, warm: Ttl | None) -> Grouped:
    """Marked for the life that costs least, if that is enough less than not marking."""
    prices, tokens = group.rates.above(group.prefix.tokens), group.prefix.tokens
    lives: tuple[Ttl, ...] = ("5m", "1h") if warm is None else (warm,)
    costs = {
        ttl: _cost(group, prices, ttl, _hits(HITS_AHEAD * ahead.alive[ttl], learned), warm)
        for ttl in lives
    }
    ttl = min(lives, key=costs.__getitem__)
    plain, risked = group.requests * prices.input, max(_write(prices, ttl) - prices.input, 0)
    gained = plain - costs[ttl]
    if (
        warm is None
    ):  # where it does not land, the others go as they are, and it has written in vain
        gained = ahead.lands * gained - (1.0 - ahead.lands) * risked
    saving = gained * tokens / PICO_PER_NANO - ahead.late * group.requests * group.dearer
    if saving <= MARGIN * risked * tokens / PICO_PER_NANO:
        return Grouped(group.prefix.at, why="not marked: it would not pay for itself")
    share = f"{saving * PICO_PER_NANO / (plain * tokens):.0%}".replace("%", " %")
    how = "primed" if warm is None else "marked"
    shared = f"{group.requests:,} requests share about {tokens:,} tokens"
    return Grouped(
        group.prefix.at,
        mark=True,
        ttl=ttl,
        prime=warm is None,
        saving=int(saving),
        why=f"{how}: {shared}, which cost {share} less that way",
    )


def _cost(group: Group, prices: Vector, ttl: Ttl, hits: float, warm: Ttl | None) -> float:
    """Expected price of the group for each token of its prefix; who does not read, writes."""
    write = _write(prices, ttl)
    writers = 1 if warm is None else 0
    each = hits * prices.cache_read + (1 - hits) * write
    return writers * write + (group.requests - writers) * each


def _hits(prior: float, learned: Tally) -> float:
    seen = max(learned.followers, 0)
    return (prior * PRIOR_REQUESTS + learned.hits * seen) / (PRIOR_REQUESTS + seen)


def _write(prices: Vector, ttl: Ttl) -> int:
    return prices.cache_write_5m if ttl == "5m" else prices.cache_write_1h
