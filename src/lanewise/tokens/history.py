"""What a workflow's own answers teach about its next requests: how far counts were off, how long answers are.

Providers bill what they counted. Once there are enough pairs of our count and theirs, their ratio is
better than any table, and so are the lengths of the answers than any assumption.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lanewise.domain.usage import Usage
from lanewise.pricing.names import stem

ENOUGH: Final = 30  # samples before they are believed
PARTS: Final = 1_000  # a ratio is in thousandths


class Spread(NamedTuple):
    """Percentiles 5, 50 and 95."""

    low: int
    likely: int
    high: int


@dataclass(frozen=True, slots=True)
class Learned:
    """Of one model: `ratio` is the provider's input tokens in thousandths of our count.

    Each is None where there are fewer than `ENOUGH` samples.
    """

    ratio: Spread | None = None
    output: Spread | None = None  # output tokens of one request
    pairs: int = 0  # behind `ratio`
    answers: int = 0  # behind `output`


NOTHING: Final = Learned()


@dataclass(frozen=True, slots=True)
class History:
    """What was learned of each model; made by `history_of`."""

    models: Mapping[str, Learned] = field(default_factory=dict)

    def of(self, model: str) -> Learned:
        """What is known of a model; its dated snapshots are the same model."""
        return self.models.get(_name(model), NOTHING)


def history_of(pairs: Iterable[tuple[str, int, Usage]]) -> History:
    """Learn from answered requests: (model, the count that `Estimator.add` returned, usage).

    A count of 0 says that the request was not counted; its answer's length is still learned from.

    >>> usage = Usage(input=120, output=7)
    >>> history_of([("gpt-4o-mini", 100, usage)] * 30).of("gpt-4o-mini-2024-07-18").ratio
    Spread(low=1200, likely=1200, high=1200)
    """
    ratios: dict[str, list[int]] = {}
    outputs: dict[str, list[int]] = {}
    for model, count, usage in pairs:
        name = _name(model)
        outputs.setdefault(name, []).append(usage.output)
        if count > 0 and usage.total_input > 0:
            ratios.setdefault(name, []).append(-(-usage.total_input * PARTS // count))
    return History(
        {
            name: Learned(
                _spread(ratios.get(name, ())), _spread(found), len(ratios.get(name, ())), len(found)
            )
            for name, found in outputs.items()
        }
    )


def _name(model: str) -> str:
    return stem(model.lower())


def _spread(values: Iterable[int]) -> Spread | None:
    ordered = sorted(values)
    if len(ordered) < ENOUGH:
        return None
    return Spread(*(ordered[_rank(percent, len(ordered))] for percent in (5, 50, 95)))


def _rank(percent: int, count: int) -> int:
    """The nearest rank, from 0."""
    return max(-(-percent * count // 100) - 1, 0)
