"""Counting the tokens of texts, always labelled with how."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from lanewise.tokens import encodings
from lanewise.tokens.encodings import Counting
from lanewise.tokens.models import Encoding, Method, Ratio, family


class Count(NamedTuple):
    """Tokens of a text, and how they were counted."""

    tokens: int
    method: Method


class Gauge(NamedTuple):
    """Counts texts for one model. `ratio` turns a count into the model's own tokens."""

    count: Counting
    encoding: Encoding
    method: Method
    ratio: Ratio

    def tokens(self, counted: int) -> tuple[int, int, int]:
        """The model's tokens behind a count: at the least, likely and at the most.

        >>> Gauge(len, Encoding.O200K, Method.CALIBRATED, Ratio(112, 125, 150)).tokens(10)
        (11, 13, 15)
        """
        if self.ratio.plain:
            return counted, counted, counted
        low, likely, high = self.ratio
        return counted * low // 100, -(-counted * likely // 100), -(-counted * high // 100)


class TokenCounter:
    """Counts offline. The first count for a family of models loads its vocabulary.

    >>> TokenCounter().count("How many tokens?", "gpt-4o-mini")
    Count(tokens=4, method=<Method.EXACT: 'exact'>)
    """

    def __init__(self, load: Callable[[Encoding], Counting | None] = encodings.load) -> None:
        self._load = load
        self._gauge = lru_cache(1_024)(self._find)

    def count(self, text: str, model: str) -> Count:
        """The likely tokens of `text` for `model`. Any text will do, also one that is no UTF-8."""
        gauge = self.gauge(model)
        return Count(gauge.tokens(gauge.count(text))[1], gauge.method)

    def gauge(self, model: str) -> Gauge:
        """The best way to count for `model` that is installed."""
        return self._gauge(model)

    def _find(self, model: str) -> Gauge:
        for encoding, method, ratio in family(model).ways:
            count = self._load(encoding)
            if count is not None:
                return Gauge(count, encoding, method, ratio)
        raise AssertionError("bytes can always be counted")
