"""All levers of all groups, the dearest first, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lanewise.audit import waiting
from lanewise.audit.levers import used as using
from lanewise.audit.levers.lanes import wait
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.routes import route
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.audit.waiting import Facts, Judged, Waiting
from lanewise.domain.lanes import Terms
from lanewise.pricing import PriceBook
from lanewise.pricing.dollars import dollars

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that belong together, and who waits for their answers. `now`: what they cost in real time."""

    name: str
    id: int  # in `grouped`
    facts: Facts
    judged: Judged
    now: int  # nano-USD; 0 where no price is known


@dataclass(frozen=True, slots=True)
class Found:
    """Groups and levers, the dearest first. `terms` is None where nobody said which data terms hold."""

    groups: tuple[Group, ...]
    levers: tuple[Lever, ...]
    terms: Terms | None
    count: int  # groups, also those that were not looked at

    @property
    def total(self) -> Money:
        """Of the levers that count. No request is in two of them, so they add up."""
        return sum((lever.money for lever in self.levers if lever.counts), Money())

    def with_levers(self, levers: Iterable[Lever]) -> Found:
        """The same with more levers among them."""
        return replace(self, levers=tuple(sorted((*self.levers, *levers), key=_rank)))

    def under(self, terms: Terms) -> Money:
        """The same under other data terms."""
        counting = (lever for lever in self.levers if lever.counts)
        return sum((lever.by_terms.get(terms, lever.money) for lever in counting), Money())


def find(
    connection: DuckDBPyConnection, book: PriceBook, now: float, terms: Terms | None = None
) -> Found:
    """Look at every group, at the prices as of `now`. Needs `requests` and `rates`, leaves `grouped`."""
    prices, groups, levers = Prices.of(book, now), list[Group](), list[Lever]()
    facts_by_group = waiting.gather(connection)
    uses = using.gather(connection)
    for id_, facts in facts_by_group.items():
        group = _group(id_, facts, uses.get(id_, []), prices)
        groups.append(group)
        levers += _levers(group, uses.get(id_, []), prices, terms or Terms.ANY)
    return Found(
        tuple(sorted(groups, key=lambda group: (-group.now, -group.facts.rows, group.name))),
        tuple(sorted(levers, key=_rank)),
        terms,
        waiting.groups_found(connection),
    )


def next_steps(found: Found) -> tuple[str, ...]:
    """At most three, in the order in which they are to be taken."""
    return tuple(_steps(found))[:3]


def named(facts: Facts) -> str:
    """What a group is called.

    >>> named(Facts(name="triage")), named(Facts(key="web", agent="curl", shape=0xABCDEF12345))
    ('triage', '(key web, client curl, template 00000abc)')
    """
    if facts.name:
        return facts.name
    parts = [
        f"key {facts.key}" if facts.key else "",
        f"client {facts.agent}" if facts.agent else "",
    ]
    parts.append("" if facts.shape is None else f"template {facts.shape:016x}"[:17])
    return f"({', '.join(part for part in parts if part) or 'none'})"


def _group(id_: int, facts: Facts, used: list[Used], prices: Prices) -> Group:
    now = sum(prices.cost(one) or 0 for one in used)
    return Group(named(facts), id_, facts, waiting.judge(facts), now)


def _levers(group: Group, used: list[Used], prices: Prices, terms: Terms) -> Iterator[Lever]:
    for lever in (
        wait(group.name, used, group.judged, prices, terms),
        route(group.name, used, group.facts, prices),
    ):
        if lever is not None:
            yield lever


def _rank(lever: Lever) -> tuple[int, int, str, str]:
    """By the middle of what it saves; what is not known last."""
    order = {"high": 0, "medium": 0, "trial": 0}.get(lever.sure, 1)
    return order, -(lever.money.low + lever.money.high), lever.group, lever.kind


def _steps(found: Found) -> Iterator[str]:
    lanes = [lever for lever in found.levers if lever.kind == "lane" and lever.counts]
    if lanes and found.terms is None:
        yield (
            f"Say which data terms hold, with --terms: {found.under(Terms.ANY)} is saved with any, "
            f"{found.under(Terms.ZDR)} with zero data retention (zdr), "
            f"{found.under(Terms.EU)} with processing in the EU (eu)."
        )
    sure = [lever for lever in lanes if lever.sure == "high"] or lanes
    if sure:
        names = ", ".join(lever.group for lever in sure[:3])
        money = sum((lever.money for lever in sure[:3]), Money())
        yield f"Begin with what nobody waits for: {names} ({money}); a small share first, then all."
    live = (group for group in found.groups if group.facts.requests or group.facts.aggregates)
    first = next((group for group in live if group.judged.waiting is Waiting.UNKNOWN), None)
    if first is not None:
        yield f"Find out who waits for {first.name}: log {'; '.join(first.judged.to_log[:3])}."
    for lever in found.levers:
        if lever.kind == "route":
            most = dollars(lever.money.high)
            yield f"Try on a few hundred requests of {lever.group}: {lever.does} (up to {most})."
