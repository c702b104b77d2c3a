"""What only a replay tells: prompt caches, and what levers save together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lanewise.audit.levers import used as using
from lanewise.audit.levers.caches import levers
from lanewise.audit.levers.finding import Found
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.prefixes import Caches, Sold, caches
from lanewise.audit.levers.sample import Sample
from lanewise.audit.levers.together import Lanes, Together, together
from lanewise.audit.levers.used import Prices
from lanewise.audit.money import Money
from lanewise.audit.waiting import Waiting

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Replayed:
    """What levers save together, and what caches would.

    `together` is of the requests that were replayed; `joint` is its saving in the whole log, of which `now`
    is the cost, and None where all was replayed or too little to tell. `caches` is None without prompts.
    """

    sample: Sample
    together: Together
    caches: Caches | None
    levers: tuple[Lever, ...]
    now: int
    joint: Money | None


def replayed(
    connection: DuckDBPyConnection,
    sample: Sample,
    found: Found,
    prices: Prices,
    grounds: tuple[str, ...] = (),
) -> Replayed | None:
    """Replay a sample; None where no request has a time and tokens.

    grounds: what besides the log its tokens rest on.
    """
    if not sample.requests:
        return None
    names = {group.id: group.name for group in found.groups}
    waits = {group.name: group.judged.waiting for group in found.groups}
    costs, inputs = _used(connection, names, prices)
    cached = caches(
        sample, names, inputs, prices,
        lambda name: waits.get(name) in (Waiting.BACKGROUND, Waiting.UNKNOWN),
    )  # fmt: skip
    all_ = together(sample, _lanes(found), prices)
    now = sum(costs.values())
    return Replayed(
        sample,
        all_,
        cached,
        tuple(levers(cached, costs, grounds)) if cached else (),
        now,
        None if sample.stretches is None else all_.of(now),
    )


def _used(
    connection: DuckDBPyConnection, names: dict[int, str], prices: Prices
) -> tuple[dict[Sold, int], dict[Sold, int]]:
    """What each workflow and model cost in real time, and its input tokens."""
    costs: defaultdict[Sold, int] = defaultdict(int)
    inputs: defaultdict[Sold, int] = defaultdict(int)
    for id_, used in using.gather(connection).items():
        for one in used:
            sold = names.get(id_, ""), one.provider, one.model
            costs[sold] += prices.cost(one) or 0
            inputs[sold] += one.usage.total_input
    return dict(costs), dict(inputs)


def _lanes(found: Found) -> Lanes:
    """Where what nobody waits for would go."""
    ids = {group.name: group.id for group in found.groups}
    return {
        (ids[lever.group], *sold): lane
        for lever in found.levers
        if lever.counts
        for sold, lane in lever.lanes.items()
    }
