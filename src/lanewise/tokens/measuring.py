"""The tokens of one request: in by counting its body, out by what is known or assumed."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from lanewise.tokens import bodies
from lanewise.tokens.bodies import Asked
from lanewise.tokens.counting import Gauge, TokenCounter
from lanewise.tokens.history import NOTHING, PARTS, Learned
from lanewise.tokens.models import Family, family


class Range(NamedTuple):
    """At the least, likely, at the most."""

    low: int
    likely: int
    high: int


NONE: Final = Range(0, 0, 0)
LIKELY_OUTPUT: Final = 300
MOST_OUTPUT: Final = 1_024  # where the body sets no limit
MOST_REASONED: Final = 8_192  # likewise, of a model that thinks unasked


class OutputFrom(StrEnum):
    """What the figures for the output rest on."""

    NOTHING = "none"  # there is no output: embeddings, moderations
    HISTORY = "history"  # the workflow's own answers
    LIMIT = "limit"  # the body's own limit at the most
    ASSUMED = "assumed"


class Subject(NamedTuple):
    """What is asked, where, and how its tokens are told."""

    endpoint: str
    model: str
    gauge: Gauge
    kind: Family
    learned: Learned


class Measured(NamedTuple):
    """One request. `own` is our count, before any history: what is compared with the provider's later."""

    own: int
    input: Range
    output: Range
    output_from: OutputFrom
    warnings: tuple[str, ...]
    parts: dict[str, int]
    schemas: bool


# Tokens of a part that cannot be counted here, assumed: at the least, likely, at the most.
PARTS_ASSUMED: Final = {
    "image": Range(70, 1_000, 4_800),
    "audio": Range(50, 1_000, 20_000),
    "file": Range(50, 2_000, 50_000),
    "video": Range(250, 5_000, 100_000),
    "stored prompt": Range(0, 500, 10_000),
    "earlier conversation": Range(0, 2_000, 50_000),
}
_DEAR_IMAGES: Final = Range(2_833, 25_501, 48_169)  # gpt-4o-mini counts 33 tokens for one of gpt-4o
_TOOL_PROMPT: Final = Range(0, 350, 700)  # what Anthropic adds when tools are given
_EMBEDDING_TOKENS: Final = 8_192  # of one input
_EMBEDDING_INPUTS: Final = 2_048  # of one request
_EMBEDDING_SUM: Final = 300_000  # tokens of one request


def measure(subject: Subject, body: bytes) -> Measured:
    """The tokens of a body. Raises `msgspec.DecodeError` if it is no JSON."""
    endpoint, model, gauge, kind, learned = subject
    asked = bodies.read(endpoint, body)
    counts = [gauge.count(text) for text in asked.texts]
    base = _input(asked, sum(counts), gauge, kind, model)
    output, output_from = _output(asked, kind, learned)
    return Measured(
        base.likely,
        _calibrated(base, learned),
        output,
        output_from,
        _warnings(endpoint, model, asked, counts, kind),
        asked.parts,
        bool(asked.schemas),
    )


def measure_alone(endpoint: str, model: str, body: bytes) -> tuple[int, int]:
    """The most tokens in and out of one body, for a model of which nothing was learned."""
    found = measure(_alone(endpoint, model), body)
    return found.input.high, found.output.high


def likely_input(endpoint: str, model: str, body: bytes) -> int:
    """The tokens in of one body, as `model` most likely counts them; 0 where it cannot be read."""
    try:
        return measure(_alone(endpoint, model), body).input.likely
    except (msgspec.DecodeError, RecursionError):
        return 0


@lru_cache(1_000)  # clients choose the names
def _alone(endpoint: str, model: str) -> Subject:
    return Subject(endpoint, model, TokenCounter().gauge(model), family(model), NOTHING)


def _input(asked: Asked, counted: int, gauge: Gauge, kind: Family, model: str) -> Range:
    schemas = sum(gauge.count(text) for text in asked.schemas)
    low, likely, high = gauge.tokens(counted + schemas)
    low -= schemas // 2  # a provider writes schemas in a form of its own, mostly a shorter one
    fixed = asked.token_ids
    if asked.messages:
        fixed += asked.messages * kind.framing[0] + kind.framing[1]
    more = [(assumed(part, model), count) for part, count in asked.parts.items()]
    if schemas and "claude" in model:
        more.append((_TOOL_PROMPT, 1))
    for part, count in more:
        low += part.low * count
        likely += part.likely * count
        high += part.high * count
    return Range(max(low, 0) + fixed, likely + fixed, high + fixed)


def assumed(part: str, model: str) -> Range:
    """What is assumed for a part that cannot be counted.

    >>> assumed("image", "gpt-4o")
    Range(low=70, likely=1000, high=4800)
    """
    return _DEAR_IMAGES if part == "image" and "gpt-4o-mini" in model else PARTS_ASSUMED[part]


def _calibrated(base: Range, learned: Learned) -> Range:
    """By what the provider counted for this workflow, once that is known."""
    if learned.ratio is None:
        return base
    low, likely, high = learned.ratio
    count = base.likely
    return Range(count * low // PARTS, -(-count * likely // PARTS), -(-count * high // PARTS))


def _output(asked: Asked, kind: Family, learned: Learned) -> tuple[Range, OutputFrom]:
    if asked.no_output:
        return NONE, OutputFrom.NOTHING
    answers, limit = asked.answers, asked.output_limit
    most = None if limit is None else max(limit, 0) * answers
    if learned.output is not None:
        spread = learned.output if most is None else [min(part, most) for part in learned.output]
        return Range(*spread), OutputFrom.HISTORY
    if most is not None:
        likely = min(most, LIKELY_OUTPUT * answers)
        return Range(min(answers, most), likely, most), OutputFrom.LIMIT
    each = MOST_REASONED if kind.reasoning else MOST_OUTPUT
    return Range(answers, LIKELY_OUTPUT * answers, each * answers), OutputFrom.ASSUMED


def _warnings(
    endpoint: str, model: str, asked: Asked, counts: list[int], kind: Family
) -> tuple[str, ...]:
    """What the provider would refuse, as far as a body tells."""
    if endpoint == "/v1/embeddings":
        return _embedding_warnings(asked, counts)
    if endpoint == "/v1/chat/completions" and kind.reasoning and asked.old_limit:
        return (f"{model} refuses `max_tokens`: use `max_completion_tokens`",)
    return ()


def _embedding_warnings(asked: Asked, counts: list[int]) -> tuple[str, ...]:
    found = []
    if asked.inputs > _EMBEDDING_INPUTS:
        found.append(f"more than {_EMBEDDING_INPUTS:,} inputs in one request")
    if counts and max(counts) > _EMBEDDING_TOKENS:
        found.append(f"an input of more than {_EMBEDDING_TOKENS:,} tokens")
    if sum(counts) + asked.token_ids > _EMBEDDING_SUM:
        found.append(f"inputs of more than {_EMBEDDING_SUM:,} tokens in one request")
    return tuple(found)
