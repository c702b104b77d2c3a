"""Five ways in which a batch silently gets the standard price from the library that our base comes from.

Each is reproduced with the library itself, so that one sees what the book is held against: the library's
answer is the standard price, ours is the batch price of that day, or unknown, and says on what it rests.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
from genai_prices import Usage as LibraryUsage
from genai_prices import calc_price

from lanewise.domain.lanes import BATCH, REALTIME, LaneName
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BEFORE_THE_LISTING = datetime(2026, 9, 15, tzinfo=UTC)
BOOK = PriceBook.load()
INPUT = Usage(input=100_000)


def theirs(provider: str, model: str, at: datetime, context: dict[str, str] | None) -> int:
    """The library's answer in nano-USD."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Any = calc_price(
            LibraryUsage(input_tokens=INPUT.input, output_tokens=0),
            model,
            provider_id=provider,
            genai_request_timestamp=at,
            price_context=context,
        )
    return int(found.total_price * 10**9)


def ours(provider: str, model: str, at: datetime, lane: LaneName) -> tuple[int, str]:
    pricer = BOOK.pricer(provider, model, at, lane)
    assert pricer is not None, (provider, model, lane)
    return pricer.cost(INPUT), pricer.status


def is_trapped(provider: str, model: str, at: datetime, context: dict[str, str]) -> bool:
    return theirs(provider, model, at, context) == theirs(provider, model, at, None)


def half_of_real_time(provider: str, model: str, at: datetime, status: str) -> None:
    standard, _ = ours(provider, model, at, REALTIME)
    assert standard > 0
    assert ours(provider, model, at, BATCH) == (standard // 2, status)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini"),
        ("openai", "gpt-5"),
        ("anthropic", "claude-sonnet-4-6"),
        ("google", "gemini-2.5-flash"),
    ],
)
def test_trap_1_a_batch_of_before_the_listing_has_the_ratio_that_it_had(
    provider: str, model: str
) -> None:
    assert is_trapped(provider, model, BEFORE_THE_LISTING, {"processing": "batch"})
    half_of_real_time(provider, model, BEFORE_THE_LISTING, "rule")
    half_of_real_time(provider, model, NOW, "listed")


@pytest.mark.parametrize(
    ("provider", "model", "share"),
    [
        ("openai", "text-embedding-3-small", (1, 2)),
        ("openai", "text-embedding-3-large", (1, 2)),
        ("google", "gemini-3.5-flash", (1, 2)),
        ("x-ai", "grok-4.7", (4, 5)),
    ],
)
def test_trap_2_a_model_without_a_batch_variant_is_priced_by_the_providers_rule(
    provider: str, model: str, share: tuple[int, int]
) -> None:
    assert is_trapped(provider, model, NOW, {"processing": "batch"})
    standard, _ = ours(provider, model, NOW, REALTIME)
    assert ours(provider, model, NOW, BATCH) == (standard * share[0] // share[1], "rule")


def test_trap_3_a_provider_that_sells_anothers_models_has_its_own_rule_as_an_estimate() -> None:
    assert is_trapped("azure", "gpt-5.4", NOW, {"processing": "batch"})
    half_of_real_time("azure", "gpt-5.4", NOW, "estimated")


def test_trap_3_a_borrowed_model_that_its_seller_does_not_batch_is_unknown() -> None:
    assert is_trapped("azure", "grok-4.3", NOW, {"processing": "batch"})
    assert BOOK.resolve("azure", "grok-4.3", NOW, BATCH).rates is None


def test_trap_3_a_provider_of_whom_nobody_lists_batches_is_unknown() -> None:
    model = "anthropic.claude-sonnet-4-6"
    assert is_trapped("aws", model, NOW, {"processing": "batch"})
    assert BOOK.resolve("aws", model, NOW, BATCH).rates is None
    assert BOOK.resolve("together", "openai/gpt-oss-120b", NOW, BATCH).rates is None


@pytest.mark.parametrize("name", ["bacth", "Batch", "batches", ""])
def test_trap_4_a_misspelt_lane_is_unknown(name: str) -> None:
    assert is_trapped("openai", "gpt-4o", NOW, {"procesing": "batch"})
    assert is_trapped("openai", "gpt-4o", NOW, {"processing": name})
    found = BOOK.resolve("openai", "gpt-4o", NOW, LaneName(name))
    assert (found.rates, found.status) == (None, "unknown")


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet-4-0",
        "claude-opus-4-0",
        "claude-3-opus-20240229",
        "claude-3-7-sonnet-20250219",
    ],
)
def test_trap_5_a_retired_model_has_the_batch_price_that_it_had(model: str) -> None:
    while_it_was_sold = datetime(2025, 6, 1, tzinfo=UTC)
    for at in (while_it_was_sold, NOW):
        assert is_trapped("anthropic", model, at, {"processing": "batch"})
        half_of_real_time("anthropic", model, at, "rule")
