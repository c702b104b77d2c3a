"""The lever of what can wait: the same in batch, flex or a background window, by each provider's prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.audit.waiting import Judged, Waiting
from lanewise.domain.lanes import BATCH, HELD, REALTIME, LaneName, Offer, Terms
from lanewise.providers.offers import offers

BACK: Final = (
    10  # per cent that are taken to go back to real time, refused or to be on time: assumed
)


class Moved(NamedTuple):
    """What was used, in another lane; money in nano-USD."""

    used: Used
    lane: LaneName
    now: int
    saves: Money


def wait(
    group: str, used: Sequence[Used], judged: Judged, prices: Prices, terms: Terms = Terms.ANY
) -> Lever | None:
    """What waiting would save of a group; None where somebody waits, or no lane under these terms is cheaper.

    Where nobody knows who waits it is what could be saved at the most, and nothing at the least.
    """
    if judged.waiting in (Waiting.INTERACTIVE, Waiting.BLOCKING):
        return None
    moved = _best(used, prices, terms)
    if not moved:
        return None
    unknown = judged.waiting is Waiting.UNKNOWN
    money = _total(moved)
    return Lever(
        kind="lane",
        group=group,
        does=("if nobody waits: " if unknown else "") + _names(moved),
        requests=sum(one.used.requests for one in moved),
        now=sum(one.now for one in moved),
        money=Money(0, money.high) if unknown else money,
        sure=judged.level,
        evidence=judged.evidence,
        rests_on=tuple(_grounds(moved, used)),
        lanes={
            (one.used.provider, one.used.model): one.lane for one in sorted(moved, key=_dearest)
        },
        by_terms={term: _total(_best(used, prices, term)) for term in Terms},
    )


def _best(used: Sequence[Used], prices: Prices, terms: Terms) -> list[Moved]:
    found = (max(_ways(one, prices, terms), key=_worth, default=None) for one in used)
    return [one for one in found if one is not None]


def _worth(moved: Moved) -> tuple[int, bool]:
    """Of lanes that save the same the one that refuses nothing."""
    return moved.saves.low + moved.saves.high, moved.lane == BATCH


def _ways(used: Used, prices: Prices, terms: Terms) -> Iterator[Moved]:
    """The lanes in which it would cost less."""
    now = prices.cost(used)
    for offer in offers(used.provider) if now else ():
        if (
            offer.lane in (REALTIME, HELD)
            or terms not in offer.terms
            or used.requests < offer.floor
        ):
            continue
        saves = _saves(used, now or 0, offer, prices)
        if saves is not None and saves.high > 0:
            yield Moved(used, offer.lane, now or 0, saves)


def _saves(used: Used, now: int, offer: Offer, prices: Prices) -> Money | None:
    """At the least, some go back, and of a batch nothing is read from a cache."""
    cost, dearest = prices.cost(used, offer.lane), worst(used, offer.lane, prices)
    if cost is None or dearest is None:
        return None
    return Money(worth(max(now - dearest, 0)), now - cost)


def worst(used: Used, lane: LaneName, prices: Prices) -> int | None:
    """What it costs in a lane at the most, in nano-USD: a batch may read nothing from a cache."""
    cost, plain = prices.cost(used, lane), prices.cost(used, lane, cached=False)
    if cost is None or plain is None:
        return None
    return max(cost, plain) if lane == BATCH else cost


def worth(saves: int) -> int:
    """What is left of a saving where some go back to real time."""
    return saves * (100 - BACK) // 100


def _dearest(moved: Moved) -> int:
    return moved.saves.high


def _total(moved: Sequence[Moved]) -> Money:
    return sum((one.saves for one in moved), Money())


def _names(moved: Sequence[Moved]) -> str:
    """`batch at openai`, the dearest first."""
    ranked = sorted(moved, key=lambda one: -one.saves.high)
    return ", ".join(dict.fromkeys(f"{one.lane} at {one.used.provider}" for one in ranked))


def _grounds(moved: Sequence[Moved], used: Sequence[Used]) -> Iterator[str]:
    for one in sorted(moved, key=lambda one: -one.saves.high)[:3]:
        if one.now:
            off = one.saves.high / one.now
            yield f"{one.used.model} in {one.lane}: {off:.0%} less than in real time, for these very tokens"
    yield f"at the least {BACK} % go back to real time (assumed)"
    if any(one.lane == BATCH and one.used.usage.cache_read for one in moved):
        yield "and a batch reads nothing from a cache; at the most it reads what was read before"
    if any(one.lane == BATCH and not one.saves.low for one in moved):
        yield "a batch that reads nothing from a cache saves nothing then, and may cost more"
    left = sum(one.requests for one in used) - sum(one.used.requests for one in moved)
    if left:
        yield f"{left:,} requests have no cheaper lane of a known price"
