"""What a replay of prompt caches says of each workflow and model, and of the whole log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Final, TypeAlias

from lanewise.audit.caching import (
    Interval,
    Line,
    Prompt,
    RatesOf,
    Replay,
    Whole,
    interval,
    lines,
    ratio,
    regrouped,
    repeated,
    replayed,
    tokens,
    total,
    whole,
)
from lanewise.audit.caching.replaying import WINDOWS
from lanewise.audit.caching.sampling import Placed
from lanewise.audit.caching.sums import Table
from lanewise.audit.costing import listed_as
from lanewise.audit.levers.asked import Asked
from lanewise.audit.levers.sample import Sample
from lanewise.audit.levers.used import Prices
from lanewise.audit.money import Money
from lanewise.domain.lanes import LaneName
from lanewise.pricing import Rates

SORTED: Final = 86_400.0  # seconds within which requests that may wait are sorted by prefix
_ROOM: Final = 96 << 20  # bytes of blocks that are held to be sorted
Sold: TypeAlias = tuple[str, str, str]  # workflow, provider, model


@dataclass(frozen=True, slots=True)
class Spent:
    """What a workflow and model used in real time over the whole log: tokens of input, nano-USD."""

    requests: int = 0
    input: int = 0
    cost: int = 0

    def __add__(self, other: Spent) -> Spent:
        """Part by part."""
        return Spent(
            self.requests + other.requests, self.input + other.input, self.cost + other.cost
        )


@dataclass(frozen=True, slots=True)
class Cached:
    """One workflow and model. Shares and plans are of what was replayed, `money` of the whole log.

    `spent` is of the whole log. `money` is what the best life saves more than what was cached; of a sample
    nine of ten draws lie within.
    `usable` is the interval of the usable share, None where all was replayed or one stretch alone has it.
    `sorted` is the same line with what may wait sorted by prefix, None where nothing may; `adds` what that
    saves more of the whole log.
    """

    line: Line
    spent: Spent
    money: Money
    usable: Interval | None
    sorted: Line | None
    adds: Money

    @property
    def below(self) -> bool:
        """Whether much repeats and nothing of it is long enough to be read."""
        share = self.line.share(self.line.repeated.get(WINDOWS[0], 0))
        return not self.line.usable and share >= 0.2


@dataclass(frozen=True, slots=True)
class Caches:
    """What a replay of caches found, the largest gain first.

    `intervals` are those of the repeated shares by window, empty where all was replayed.
    """

    sample: Sample
    lines: tuple[Cached, ...]
    whole: Whole
    intervals: Mapping[float, Interval]
    not_sorted: str | None  # why no other order was tried

    @property
    def cached(self) -> int | None:
        """Tokens that were read by the log; None where it does not say of some."""
        told = [one.line.cached for one in self.lines]
        return None if None in told else sum(count or 0 for count in told)

    @property
    def sorted(self) -> int | None:
        """Tokens that could be read if what may wait were sorted by prefix; None where that reads no more."""
        best = sum(
            max(one.line.usable, one.sorted.usable if one.sorted else 0) for one in self.lines
        )
        return best if best > self.whole.usable else None


def caches(
    sample: Sample,
    names: Mapping[int, str],
    spent: Mapping[Sold, Spent],
    prices: Prices,
    may_wait: Callable[[str], bool],
) -> Caches | None:
    """Replay the caches of a sample; None where it has no prompts.

    names: what groups are called, by their ids. spent: what each workflow and model used over the log.
    may_wait: whether the requests of a workflow may be sent in another order.
    """
    if not sample.texts:
        return None
    rates = _rates(prices)
    room = _Room(may_wait)
    tables = replayed(room.watched(_placed(sample, names)), lambda: Replay(rates))
    found = lines(total(tables), rates)
    parts = [{sold(line): line for line in lines(table, rates)} for table in tables]
    another = _another(sample, names, rates, may_wait) if room.enough else {}
    return Caches(
        sample,
        tuple(
            _cached(line, spent.get(sold(line)), parts, another.get(sold(line))) for line in found
        ),
        whole(found),
        _intervals(tables),
        room.why,
    )


class _Room:
    """Watches how much room the prompts that may wait would take, if they were to be sorted."""

    def __init__(self, may_wait: Callable[[str], bool]) -> None:
        self._may_wait = cache(may_wait)
        self._bytes = 0

    def watched(self, placed: Iterator[Placed]) -> Iterator[Placed]:
        """The same."""
        for one in placed:
            if self._may_wait(one[2].workflow):
                self._bytes += len(one[2].blocks)
            yield one

    @property
    def enough(self) -> bool:
        """Whether there is anything to be sorted, and room for it."""
        return 0 < self._bytes <= _ROOM

    @property
    def why(self) -> str | None:
        """Why nothing is sorted."""
        if self.enough:
            return None
        return "their prompts are too many to be sorted" if self._bytes else "nothing may wait"


def _placed(sample: Sample, names: Mapping[int, str]) -> Iterator[Placed]:
    return ((one.stretch, one.counted, _named(one, names)) for one in sample)


def _named(one: Asked, names: Mapping[int, str]) -> Prompt:
    return one.prompt._replace(workflow=names.get(one.group, ""))


def _another(
    sample: Sample, names: Mapping[int, str], rates: RatesOf, may_wait: Callable[[str], bool]
) -> dict[Sold, Line]:
    """The lines if what may wait were sorted by prefix."""
    tables = replayed(_regrouped(_placed(sample, names), may_wait), lambda: Replay(rates))
    return {sold(line): line for line in lines(total(tables), rates)}


def _regrouped(placed: Iterator[Placed], may_wait: Callable[[str], bool]) -> Iterator[Placed]:
    """Stretch by stretch; what only warms stays where it is."""
    for number, stretch in groupby(placed, key=lambda one: one[0]):
        held = list(stretch)
        begins = next((prompt.at for _, counted, prompt in held if counted), 0.0)
        yield from (
            (number, prompt.at >= begins, prompt) for prompt in _moved(held, begins, may_wait)
        )


def _moved(
    held: Sequence[Placed], begins: float, may_wait: Callable[[str], bool]
) -> Iterator[Prompt]:
    prompts = (prompt for _, _, prompt in held)
    return regrouped(prompts, SORTED, lambda one: one.at >= begins and may_wait(one.workflow))


def _cached(
    line: Line, spent: Spent | None, parts: Sequence[Mapping[Sold, Line]], another: Line | None
) -> Cached:
    life = line.best.life if line.best else None
    told = [part[sold(line)] for part in parts if sold(line) in part]
    all_ = spent or Spent(line.requests, line.input)
    return Cached(
        line,
        all_,
        line.gain if len(parts) == 1 else _scaled(told, life, all_.input),
        None if len(parts) == 1 else ratio([(one.usable, one.input) for one in told]),
        another,
        _adds(line, another, all_.input),
    )


def _scaled(told: Sequence[Line], life: str | None, input_: int) -> Money:
    """The gain of the whole log, by what stretches of it gained for each token; of one alone, at the most."""
    gains = [(one.gained(life), one.input) for one in told]
    least = ratio([(gain.low, count) for gain, count in gains])
    most = ratio([(gain.high, count) for gain, count in gains])
    if least is None or most is None:
        return Money(0, max([0, *(gain.high * input_ // count for gain, count in gains if count)]))
    return Money(max(round(least.low * input_), 0), max(round(most.high * input_), 0))


def _adds(line: Line, another: Line | None, input_: int) -> Money:
    """Over the whole log, by its input."""
    if another is None or not line.input:
        return Money()
    low, high = another.gain.low - line.gain.low, another.gain.high - line.gain.high
    return Money(max(low, 0) * input_ // line.input, max(high, 0) * input_ // line.input)


def _intervals(tables: Sequence[Table]) -> dict[float, Interval]:
    if len(tables) == 1:
        return {}

    def share(window: float) -> Interval | None:
        return interval(tables, lambda table: repeated(table, window), tokens)

    found = {window: share(window) for window in WINDOWS}
    return {window: one for window, one in found.items() if one is not None}


def sold(line: Line) -> Sold:
    """What a line is of."""
    return line.workflow, line.provider, line.model


def _rates(prices: Prices) -> RatesOf:
    @cache
    def rates(provider: str, model: str, lane: str) -> Rates | None:
        seller, name, _ = listed_as(provider, model)
        return prices.book.resolve(seller, name, prices.at, LaneName(lane)).rates

    return rates
