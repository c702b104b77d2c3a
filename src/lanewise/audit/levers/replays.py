"""What only a replay tells: prompt caches, and what levers save together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lanewise.audit.levers import used as using
from lanewise.audit.levers.caches import levers
from lanewise.audit.levers.finding import Found
from lanewise.audit.levers.lever import SURE, Lever
from lanewise.audit.levers.prefixes import Caches, Sold, Spent, caches
from lanewise.audit.levers.sample import Sample
from lanewise.audit.levers.together import Lanes, Together, together
from lanewise.audit.levers.used import Prices
from lanewise.audit.money import Money
from lanewise.audit.statements import statements
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
    estimated: Mapping[str, str] | None = None,
) -> Replayed | None:
    """Replay a sample; None where no request has a time and tokens.

    estimated: what the tokens of a model rest on where the log has none.
    """
    if not sample.requests:
        return None
    names = {group.id: group.name for group in found.groups}
    waits = {group.name: group.judged.waiting for group in found.groups}
    spent = _spent(connection, names, prices)
    cached = caches(
        sample, names, spent, prices,
        lambda name: waits.get(name) in (Waiting.BACKGROUND, Waiting.UNKNOWN),
    )  # fmt: skip
    again = sample.bare if sample.timeless else sample.__iter__
    all_ = together(again, _lanes(found), _once(found), prices)
    now = sum(one.cost for one in spent.values())
    return Replayed(
        sample,
        all_,
        cached,
        tuple(levers(cached, _told(connection, names, estimated or {}))) if cached else (),
        now,
        None if sample.stretches is None else all_.of(now),
    )


def _spent(
    connection: DuckDBPyConnection, names: dict[int, str], prices: Prices
) -> dict[Sold, Spent]:
    """What each workflow and model used in real time over the whole log."""
    found: defaultdict[Sold, Spent] = defaultdict(Spent)
    for id_, used in using.gather(connection).items():
        for one in used:
            sold = names.get(id_, ""), one.provider, one.model
            found[sold] += Spent(one.requests, one.usage.total_input, prices.cost(one) or 0)
    return dict(found)


def _told(
    connection: DuckDBPyConnection, names: dict[int, str], estimated: Mapping[str, str]
) -> dict[Sold, str]:
    """Which workflows and models have requests without tokens in the log, and what these rest on."""
    rows = connection.execute(statements("texts")["estimated"]).fetchall()
    return {
        (names.get(id_, ""), provider, model): estimated.get(model, "")
        for id_, provider, model in rows
    }


def _lanes(found: Found) -> Lanes:
    """Where what nobody waits for would go."""
    ids = {group.name: group.id for group in found.groups}
    return {
        (ids[lever.group], *sold): lane
        for lever in found.levers
        if lever.counts
        for sold, lane in lever.lanes.items()
    }


def _once(found: Found) -> frozenset[int]:
    """Groups whose repeats count: not those of which is to be asked whether the first answer does."""
    ids = {group.name: group.id for group in found.groups}
    levers = (one for one in found.levers if one.kind == "dedupe" and one.sure in SURE)
    return frozenset(ids[one.group] for one in levers)
