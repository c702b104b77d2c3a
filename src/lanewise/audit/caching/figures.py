"""From the sums of a replay to figures: what repeats, what the rules let be read, what it would save.

Money is in integer nano-USD, what caching saves against the same tokens at the plain input price, the premium
for writing taken off. It is a range: at the least every prompt is written to its end, at the most only
what is read again is written, as marks in the right places do. Where writing costs nothing they are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from lanewise.audit.caching.sums import Key, RatesOf, Sums, Table, Use
from lanewise.audit.money import Money
from lanewise.domain.lanes import BATCH
from lanewise.domain.usage import Usage
from lanewise.policy.caching import saved
from lanewise.pricing import Rates
from lanewise.pricing.arithmetic import Vector
from lanewise.replay.cache_rules import Life, Rules, rules_of


@dataclass(frozen=True, slots=True)
class Plan:
    """Caching everything of a line for one life. `saves` is None where no price is known."""

    life: str
    read: int  # tokens
    written_shared: int
    written_whole: int
    saves: Money | None


@dataclass(frozen=True, slots=True)
class Line:
    """One workflow and model. Token counts are of `input` unless they say otherwise.

    `repeated` has the tokens that repeat as a prefix by window in seconds, whatever the rules. `cached` and
    `saved` are what the log says was read and what that saved, None where some requests do not say.
    `gain` is what the best plan saves more than that; the least is 0 where the log does not say.
    Where no plan pays, `best` is None, and the gain is what marking cost that did not pay either.
    """

    workflow: str
    provider: str
    model: str
    requests: int
    input: int
    repeated: dict[float, int]
    cached: int | None
    saved: int | None
    plans: tuple[Plan, ...]
    best: Plan | None
    gain: Money
    unpriced: int  # requests without a known price
    rests_on: tuple[str, ...]

    @property
    def usable(self) -> int:
        """The tokens that the rules let be read, in the life that reads most."""
        return max((plan.read for plan in self.plans), default=0)

    def gained(self, life: str | None) -> Money:
        """What one life (None: nothing cached) saves more than what was cached; below nothing, it loses.

        The least is nothing where the log does not say what was cached.
        """
        plan = next((one for one in self.plans if one.life == life), None)
        saves = plan.saves if plan and plan.saves else Money()
        if self.saved is None:
            return Money(0, saves.high)
        return Money(saves.low - self.saved, saves.high - self.saved)

    def share(self, tokens: int) -> float:
        """Of the input; 0 where there is none."""
        return tokens / self.input if self.input else 0.0


@dataclass(frozen=True, slots=True)
class Whole:
    """All lines together."""

    requests: int
    input: int
    repeated: dict[float, int]
    usable: int
    gain: Money
    unpriced: int


def lines(table: Table, rates: RatesOf) -> tuple[Line, ...]:
    """The figures by workflow and model, the largest gain first."""
    found = [
        _line(workflow, provider, model, dict(rows), rates)
        for (workflow, provider, model), rows in groupby(sorted(table.items(), key=_first), _sold)
    ]
    return tuple(sorted(found, key=lambda line: (-line.gain.high, -line.input, line.workflow)))


def whole(found: tuple[Line, ...]) -> Whole:
    """Their sum."""
    repeated: dict[float, int] = {}
    gain = Money()
    for line in found:
        gain += line.gain
        for window, tokens in line.repeated.items():
            repeated[window] = repeated.get(window, 0) + tokens
    return Whole(
        sum(line.requests for line in found),
        sum(line.input for line in found),
        repeated,
        sum(line.usable for line in found),
        gain,
        sum(line.unpriced for line in found),
    )


def _first(row: tuple[Key, Sums]) -> Key:
    return row[0]


def _sold(row: tuple[Key, Sums]) -> tuple[str, str, str]:
    return row[0][:3]


def _line(workflow: str, provider: str, model: str, rows: dict[Key, Sums], rates: RatesOf) -> Line:
    summed = Sums()
    for sums in rows.values():
        summed.add(sums)
    rules = rules_of(model)
    plans = tuple(_plan(life, rows, rates) for life in rules.lives)
    best = _best(plans)
    logged = None if summed.unlogged else _logged(rows, rates)
    unpriced = sum(sums.requests for key, sums in rows.items() if rates(*key[1:4]) is None)
    return Line(
        workflow,
        provider,
        model,
        summed.requests,
        summed.input,
        summed.repeated,
        None if summed.unlogged else summed.cached,
        logged,
        plans,
        best,
        _gain(best, logged),
        unpriced,
        tuple(_grounds(rules, summed, rows, unpriced)),
    )


def _plan(life: Life, rows: dict[Key, Sums], rates: RatesOf) -> Plan:
    uses = [(key, sums.uses.get(life.name, Use())) for key, sums in rows.items()]
    low = _saved(((key, _usage(life, use.read, use.written_whole)) for key, use in uses), rates)
    high = _saved(((key, _usage(life, use.read, use.written_shared)) for key, use in uses), rates)
    return Plan(
        life.name,
        sum(use.read for _, use in uses),
        sum(use.written_shared for _, use in uses),
        sum(use.written_whole for _, use in uses),
        # a sample may begin with what others have written: then writing all is the cheaper end
        None if low is None or high is None else Money(min(low, high), max(low, high)),
    )


def _best(plans: tuple[Plan, ...]) -> Plan | None:
    """The one whose range has the highest middle, if it saves anything at all."""
    paying = [(plan.saves, plan) for plan in plans if plan.saves and plan.saves.high > 0]
    return max(paying, key=lambda pair: pair[0].low + pair[0].high)[1] if paying else None


def _gain(best: Plan | None, logged: int | None) -> Money:
    saves = best.saves if best and best.saves else Money()
    if logged is None:
        return Money(0, saves.high)
    return Money(max(saves.low - logged, 0), max(saves.high - logged, 0))


def _logged(rows: dict[Key, Sums], rates: RatesOf) -> int | None:
    used = (
        (
            key,
            Usage(
                cache_read=sums.cached,
                cache_write_5m=sums.written_5m,
                cache_write_1h=sums.written_1h,
                cache_write_other=sums.written_other,
            ),
        )
        for key, sums in rows.items()
    )
    return _saved(used, rates)


def _usage(life: Life, read: int, written: int) -> Usage:
    usage = Usage(cache_read=read)
    if life.written == "5m":
        return replace(usage, cache_write_5m=written)
    if life.written == "1h":
        return replace(usage, cache_write_1h=written)
    return replace(usage, cache_write_other=written)


def _saved(used: Iterator[tuple[Key, Usage]], rates: RatesOf) -> int | None:
    """Over what has a price; None if nothing has."""
    found = [(key, usage, rates(key.provider, key.model, key.lane)) for key, usage in used]
    priced = [saved(usage, _vector(rate, key)) for key, usage, rate in found if rate is not None]
    return sum(priced) if priced else None


def _vector(rates: Rates, key: Key) -> Vector:
    return rates.base if key.tier == 0 else rates.tiers[key.tier - 1][1]


def _grounds(rules: Rules, sums: Sums, rows: Table, unpriced: int) -> Iterator[str]:
    """What the figures rest on, in words."""
    yield f"at least {rules.least:,} tokens, in steps of {rules.step} ({rules.why})"
    if rules.marked:
        yield "most: marks end where prompts part, four of them being enough; least: all is written"
    if sums.unlogged:
        yield f"{sums.unlogged:,} of {sums.requests:,} requests do not say what was cached already"
    batched = sum(row.requests for key, row in rows.items() if key.lane == BATCH)
    if batched:
        yield f"{batched:,} of {sums.requests:,} requests went in batches, which do not read what they write"
    if unpriced:
        yield f"{unpriced:,} of {sums.requests:,} requests have no known price and count for nothing"
