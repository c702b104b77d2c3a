"""All levers of all groups, the dearest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lanewise.audit import waiting
from lanewise.audit.levers import routes
from lanewise.audit.levers import used as using
from lanewise.audit.levers.lanes import wait
from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.audit.waiting import Facts, Judged, Waiting, judge
from lanewise.domain.lanes import Terms
from lanewise.pricing import PriceBook

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
    used: tuple[Used, ...] = ()  # what it used in real time

    @property
    def elsewhere(self) -> bool:
        """Whether all of it is in cheaper lanes already. Buckets may be in both."""
        facts = self.facts
        live = facts.requests or self.now or facts.counted not in (None, facts.elsewhere)
        return bool(facts.elsewhere) and not live

    @property
    def waits(self) -> str:
        """Who waits, with how sure that is."""
        if self.elsewhere:
            return "not in real time"
        if self.judged.waiting is Waiting.UNKNOWN:
            return "unknown"
        return f"{self.judged.waiting} ({self.judged.level})"

    @property
    def looks(self) -> str:
        """What its requests look like, so that whoever sends them knows which are meant; "" if not told.

        >>> Group(
        ...     "(key web)",
        ...     1,
        ...     Facts(models=("gpt-5", "o4-mini"), input=900, output=40),
        ...     judge(Facts()),
        ...     0,
        ... ).looks
        'asks gpt-5 or o4-mini; half have 900 input tokens or more, and 40 output tokens or more'
        """
        facts, said = self.facts, []
        if facts.models:
            more = f" or {len(facts.models) - 2} more" if len(facts.models) > 2 else ""
            said.append(f"asks {' or '.join(facts.models[:2])}{more}")
        if facts.input:
            then = f", and {facts.output:,.0f} output tokens or more" if facts.output else ""
            said.append(f"half have {facts.input:,.0f} input tokens or more{then}")
        return "; ".join(said)


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

    def under(self, terms: Terms) -> Money:
        """The same under other data terms."""
        counting = (lever for lever in self.levers if lever.counts)
        return sum((lever.by_terms.get(terms, lever.money) for lever in counting), Money())

    def with_levers(self, more: Iterable[Lever]) -> Found:
        """The same with more levers, ranked among the others."""
        return replace(self, levers=tuple(sorted((*self.levers, *more), key=_rank)))


def find(
    connection: DuckDBPyConnection, book: PriceBook, now: float, terms: Terms | None = None
) -> Found:
    """Look at every group, at the prices as of `now`. Needs `requests` and `rates`, leaves `grouped`."""
    prices, groups, levers = Prices.of(book, now), list[Group](), list[Lever]()
    facts_by_group = waiting.gather(connection)
    uses, answers = using.gather(connection), routes.gather(connection)
    for id_, facts in facts_by_group.items():
        group = _group(id_, facts, uses.get(id_, []), prices)
        groups.append(group)
        levers += _levers(group, answers.get(id_, {}), prices, terms or Terms.ANY)
    return Found(
        tuple(sorted(groups, key=lambda group: (-group.now, -group.facts.rows, group.name))),
        tuple(sorted(levers, key=_rank)),
        terms,
        waiting.groups_found(connection),
    )


def named(facts: Facts) -> str:
    """What a group is called: the same in each audit of such requests.

    >>> named(Facts(name="triage")), named(Facts(key="web", agent="curl", shape=0xABCDEF12345))
    ('triage', '(key web, client curl, template 00000abc)')
    >>> named(Facts(key="web", prompts=9))
    '(key web, templates used rarely)'
    """
    if facts.name:
        return facts.name
    parts = [
        f"key {facts.key}" if facts.key else "",
        f"client {facts.agent}" if facts.agent else "",
    ]
    if facts.shape is not None:
        parts.append(f"template {facts.shape:016x}"[:17])
    elif facts.prompts:
        parts.append("templates used rarely")
    return f"({', '.join(part for part in parts if part) or 'no workflow'})"


def _group(id_: int, facts: Facts, used: list[Used], prices: Prices) -> Group:
    now = sum(prices.cost(one) or 0 for one in used)
    return Group(named(facts), id_, facts, judge(facts), now, tuple(used))


def _levers(
    group: Group, answers: Mapping[routes.Sold, routes.Answers], prices: Prices, terms: Terms
) -> Iterator[Lever]:
    for lever in (
        wait(group.name, group.used, group.judged, prices, terms),
        routes.route(group.name, group.used, answers, prices),
    ):
        if lever is not None:
            yield lever


def _rank(lever: Lever) -> tuple[int, int, str, str]:
    """By the middle of what it saves; what is not known last."""
    order = {"high": 0, "medium": 0, "trial": 0}.get(lever.sure, 1)
    return order, -(lever.money.low + lever.money.high), lever.group, lever.kind
