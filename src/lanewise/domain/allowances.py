"""How much a provider lets one account ask of a model, as its answers tell, and how much a call asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Measure(StrEnum):
    """What a rate limit counts, by the minute."""

    REQUESTS = "requests"
    TOKENS = "tokens"  # input and output together, as OpenAI counts them
    INPUT_TOKENS = "input_tokens"  # Anthropic counts the two apart
    OUTPUT_TOKENS = "output_tokens"


@dataclass(frozen=True, slots=True)
class Rate:
    """One limit as an answer states it; None for what it does not say."""

    measure: Measure
    limit: int | None = None  # a minute
    remaining: int | None = None  # now, after this call and those of whoever else uses the account
    resets_in: float | None = None  # seconds until all of `limit` may be used again


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the headers of one answer say about limits; empty where they say nothing."""

    rates: tuple[Rate, ...] = ()
    retry_after: float | None = None  # seconds

    def rate(self, measure: Measure) -> Rate | None:
        """What is said about one measure.

        >>> Allowance((Rate(Measure.REQUESTS, 500),)).rate(Measure.REQUESTS).limit
        500
        """
        return next((rate for rate in self.rates if rate.measure is measure), None)

    @property
    def spent(self) -> Measure | None:
        """The measure of which nothing remains; None where none is said to be used up."""
        return next((rate.measure for rate in self.rates if rate.remaining == 0), None)


NOTHING_SAID = Allowance()


@dataclass(frozen=True, slots=True)
class Load:
    """What calls ask of the limits. `output` is what providers reckon with: the most it may become."""

    input: int
    output: int = 0
    requests: int = 1

    @property
    def tokens(self) -> int:
        """Both, as limits do that count them together."""
        return self.input + self.output

    def of(self, measure: Measure) -> int:
        """How much of one measure.

        >>> Load(input=900, output=100).of(Measure.TOKENS)
        1000
        """
        match measure:
            case Measure.REQUESTS:
                return self.requests
            case Measure.TOKENS:
                return self.tokens
            case Measure.INPUT_TOKENS:
                return self.input
            case Measure.OUTPUT_TOKENS:
                return self.output
