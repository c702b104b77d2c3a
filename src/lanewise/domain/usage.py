"""What a provider says it used to answer one request, in disjoint parts that can be priced."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer. The input parts are disjoint: their sum is all of the input.

    `reasoning` is the part of `output` that was spent on thinking; it is billed as output and kept
    for information. Providers differ: OpenAI's `prompt_tokens` includes the cached part, Anthropic's
    `input_tokens` does not; adapters translate, nobody else needs to know.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_write_other: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def total_input(self) -> int:
        """All input tokens, cached or not: what long-context price tiers are chosen by."""
        return (
            self.input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.cache_write_other
        )

    def __add__(self, other: Usage) -> Usage:
        """Part by part."""
        return Usage(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write_5m + other.cache_write_5m,
            self.cache_write_1h + other.cache_write_1h,
            self.cache_write_other + other.cache_write_other,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )

    def __sub__(self, other: Usage) -> Usage:
        """Part by part; a part may become negative, as in a correction."""
        return Usage(
            self.input - other.input,
            self.cache_read - other.cache_read,
            self.cache_write_5m - other.cache_write_5m,
            self.cache_write_1h - other.cache_write_1h,
            self.cache_write_other - other.cache_write_other,
            self.output - other.output,
            self.reasoning - other.reasoning,
        )
