"""The lever of how prompts are made, reckoned from a few prompts of each workflow and model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import Final, NamedTuple

from lanewise.audit.levers.lever import Lever
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.audit.prompts import (
    Finding,
    Text,
    Worth,
    few_shots,
    instructions_last,
    pretty_json,
    variable_first,
)
from lanewise.audit.samples import Unit
from lanewise.domain.usage import Usage
from lanewise.replay.cache_rules import rules_of
from lanewise.tokens import TokenCounter

UNITS: Final = 40  # workflows and models whose prompts are looked at, the dearest
_LEAST: Final = 5  # prompts, of which something can be said
_Z: Final = 1.645  # of a 90 % interval
_MILLION: Final = 1_000_000
_RESTS: Final = {
    Worth.READ: "at the most a cache gives all of it back; at the least none, if late or in a batch",
    Worth.GONE: "at the least it is read from the cache today, and costs what a read costs",
    Worth.TRIAL: "at the most all of that is not needed; at the least nothing",
}


class Valued(NamedTuple):
    """A finding of one workflow and model, and what it is worth."""

    model: str
    finding: Finding
    requests: int  # of the workflow and model
    now: int  # nano-USD: their input
    money: Money


def units(used: Mapping[int, Sequence[Used]], prices: Prices) -> list[Unit]:
    """The workflows and models whose input costs most."""
    costs: defaultdict[Unit, int] = defaultdict(int)
    for id_, parts in used.items():
        for one in parts:
            costs[id_, one.provider, one.model] += input_cost(one, prices)
    ranked = sorted(costs, key=lambda unit: (-costs[unit], unit))
    return [unit for unit in ranked[:UNITS] if costs[unit]]


def prompt_levers(
    texts: Mapping[Unit, Sequence[Text]],
    names: Mapping[int, str],
    used: Mapping[int, Sequence[Used]],
    prices: Prices,
    estimated: Mapping[str, str],
) -> Iterator[Lever]:
    """A lever for each workflow and kind of finding. `names` and `used`: of groups by their ids.

    estimated: by model, what its tokens rest on where the log has none.
    """
    counter = TokenCounter()
    found: defaultdict[tuple[str, str], list[Valued]] = defaultdict(list)
    for (id_, provider, model), drawn in texts.items():
        parts = [one for one in used[id_] if (one.provider, one.model) == (provider, model)]
        for finding in _findings(drawn, model, counter):
            found[names[id_], finding.kind].append(valued(finding, model, parts, prices))
    for (group, _), same in found.items():
        told = [estimated[one.model] for one in same if one.model in estimated]
        yield _lever(group, sorted(same, key=lambda one: (-one.money.high, one.model)), told)


def valued(finding: Finding, model: str, used: Sequence[Used], prices: Prices) -> Valued:
    """What a finding in some requests is worth in all that `used` was used for: its share of their input."""
    requests = sum(one.requests for one in used)
    now = sum(input_cost(one, prices) for one in used)
    plain, read = (sum(_all(one, name, prices) for one in used) for name in ("input", "cache_read"))
    share = min(finding.tokens * _MILLION // max(finding.input, 1), _MILLION)
    low, high = (min(int(share * factor), _MILLION) for factor in _spread(finding, requests))
    most = {Worth.READ: max(plain - read, 0)}.get(finding.worth, now)
    least = {Worth.GONE: min(read, now)}.get(finding.worth, 0)
    top = min(high * most // _MILLION, max(now - read, 0) if finding.worth is Worth.READ else now)
    return Valued(model, finding, requests, now, Money(min(low * least // _MILLION, top), top))


def input_cost(used: Used, prices: Prices) -> int:
    """What the input cost, without any output; 0 where no price is known."""
    return prices.cost(replace(used, usage=replace(used.usage, output=0))) or 0


def _all(used: Used, name: str, prices: Prices) -> int:
    """What the input would cost if all of it were plain, or all read from a cache."""
    usage = Usage(**{name: used.usage.total_input})
    return prices.cost(replace(used, usage=usage)) or 0


def _findings(texts: Sequence[Text], model: str, counter: TokenCounter) -> Iterator[Finding]:
    if len(texts) < _LEAST:
        return
    rules = rules_of(model)
    for found in (
        variable_first(texts, rules),
        instructions_last(texts, rules),
        pretty_json(texts, lambda text: counter.count(text, model).tokens),
        few_shots(texts),
    ):
        if found is not None:
            yield found


def _spread(finding: Finding, requests: int) -> tuple[float, float]:
    """By what factors the share may be off, where only some requests were looked at (Wilson, 90 %)."""
    n, share = finding.requests, finding.affected / finding.requests
    if n >= requests:
        return 1.0, 1.0
    middle, width = (
        share + _Z * _Z / (2 * n),
        _Z * sqrt(share * (1 - share) / n + (_Z / (2 * n)) ** 2),
    )
    whole = 1 + _Z * _Z / n
    return (middle - width) / whole / share, (middle + width) / whole / share


def _lever(group: str, found: Sequence[Valued], told: Sequence[str]) -> Lever:
    finding = found[0].finding
    several = len(found) > 1
    return Lever(
        kind="prompt",
        group=group,
        does=finding.does,
        requests=sum(one.requests * one.finding.affected // one.finding.requests for one in found),
        now=sum(one.now for one in found),
        money=sum((one.money for one in found), Money()),
        sure="trial" if finding.trial else "medium",
        evidence=tuple((f"{one.model}: " if several else "") + one.finding.says for one in found),
        rests_on=(*_grounds(found), *told),
    )


def _grounds(found: Iterable[Valued]) -> Iterator[str]:
    for one in found:
        looked = one.finding.requests
        share = one.finding.tokens / max(one.finding.input, 1)
        yield (
            f"{looked:,} of {one.requests:,} requests to {one.model}, drawn at random; "
            f"it is {share:.0%} of their input tokens"
        )
        if looked < one.requests:
            yield "the range takes in what so few may miss (90 %)"
        worth, trial = one.finding.worth, one.finding.trial
    yield _RESTS[worth]
    if trial:
        yield "verify with a trial: answers may change"
