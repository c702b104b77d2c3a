"""What sending in another order would add: those that share a prefix right after one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from lanewise.audit.caching.prompts import Prompt


def regrouped(
    prompts: Iterable[Prompt], seconds: float, may_move: Callable[[Prompt], bool]
) -> Iterator[Prompt]:
    """The same prompts and the same instants, but within each stretch of `seconds` sorted by prefix.

    Takes and gives the order of time. Only what may move does, within its own organisation, provider, model
    and lane, so each sends as many at each instant as before. One stretch is held at a time; `inf` holds all.

    >>> rows = [
    ...     Prompt(at, row, 9, 9, 9)
    ...     for at, row in enumerate((b"aaaaaaaa", b"bbbbbbbb", b"aaaaaaaa"))
    ... ]
    >>> [(one.at, one.blocks[:1]) for one in regrouped(rows, 60, lambda _: True)]
    [(0, b'a'), (1, b'a'), (2, b'b')]
    """
    for _, stretch in groupby(prompts, key=lambda prompt: prompt.at // seconds):
        yield from _sorted(list(stretch), may_move)


def _sorted(stretch: list[Prompt], may_move: Callable[[Prompt], bool]) -> list[Prompt]:
    places: dict[tuple[str, ...], list[int]] = {}
    for place, prompt in enumerate(stretch):
        if may_move(prompt):
            sold = prompt.organisation, prompt.provider, prompt.model, prompt.lane
            places.setdefault(sold, []).append(place)
    moved = list(stretch)
    for taken in places.values():
        chosen = sorted((stretch[place] for place in taken), key=_by_prefix)
        for place, prompt in zip(taken, chosen, strict=True):
            moved[place] = prompt._replace(at=stretch[place].at)
    return moved


def _by_prefix(prompt: Prompt) -> tuple[bytes, str, int, float]:
    return prompt.blocks, prompt.workflow, prompt.tokens, prompt.at
