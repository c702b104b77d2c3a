"""Round numbers for an axis."""

from __future__ import annotations

from collections.abc import Callable

from lanewise.reports.blocks import Tick


def ticks(highest: int, say: Callable[[int], str], most: int = 4) -> tuple[Tick, ...]:
    """From zero to beyond `highest` in steps of 1, 2 or 5 times a power of ten, at most `most` of them.

    >>> [tick.value for tick in ticks(730, str)], [tick.value for tick in ticks(0, str)]
    ([0, 200, 400, 600, 800], [0, 1])
    """
    power = 1
    while True:
        for factor in (1, 2, 5):
            step = factor * power
            if step * most >= highest:
                count = max(1, -(-highest // step))
                return tuple(Tick(n * step, say(n * step)) for n in range(count + 1))
        power *= 10
