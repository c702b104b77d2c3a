"""The compiled table says what the library says: the same model for an id, the same price for a usage."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import version
from types import ModuleType
from typing import Any

import pytest
from genai_prices import data_snapshot
from genai_prices import types as library

from lanewise.domain.usage import Usage
from lanewise.pricing import price
from lanewise.pricing.table import Table, shipped

CONTEXTS: dict[str, dict[str, str] | None] = {
    "realtime": None,
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
}
DAYS = ("2025-01-01", "2026-10-13", "2026-10-14", "2026-11-23", "2027-02-01")
USAGES = (
    Usage(1_000, 300, 20, 10, 0, 77),
    Usage(150_000, 60_000, 0, 0, 5, 1_000),
    Usage(300_000, 0, 0, 0, 0, 1),
)


@pytest.fixture(scope="module")
def fresh(compiler: ModuleType) -> bytes:
    return bytes(compiler.table(shipped().dated))


@pytest.fixture(scope="module")
def providers() -> dict[str, Any]:
    return {provider.id: provider for provider in data_snapshot.get_snapshot().providers}


@pytest.fixture(scope="module")
def table(fresh: bytes) -> Table:
    """Of the installed library, whichever version that is."""
    return Table(fresh)


def test_the_shipped_table_is_what_its_version_of_the_library_compiles_to(
    compiler: ModuleType, fresh: bytes
) -> None:
    if version("genai-prices") != shipped().version:
        pytest.skip("another version of genai-prices is installed than the table was made from")
    assert compiler.TARGET.read_bytes() == fresh


def names(model: Any) -> Iterator[str]:
    """The id of a model and what its matching rules name."""
    yield model.id
    parts = model.match.or_ if isinstance(model.match, library.ClauseOr) else [model.match]
    for part in parts:
        if isinstance(part, library.ClauseEquals):
            yield part.equals
            yield part.equals.upper()
        elif isinstance(part, library.ClauseStartsWith):
            yield part.starts_with
            yield f"{part.starts_with}-20260301"
            yield f"{part.starts_with}-tts-2026-03-01"


def test_an_id_means_the_model_that_it_means_to_the_library(
    table: Table, providers: dict[str, Any]
) -> None:
    everyone = list(providers.values())
    checked = 0
    for name in table.providers:
        for id_ in {id_ for model in providers[name].models for id_ in names(model)}:
            theirs = providers[name].find_model(id_, all_providers=everyone)
            ours = table.find(name, id_)
            lent = theirs is not None and not any(m is theirs for m in providers[name].models)
            assert (theirs and theirs.id) == (ours and ours.model.id), (name, id_)
            assert ours is None or ours.borrowed == lent, (name, id_)
            checked += 1
    assert checked > 1_000


def dearest(provider: Any, model: Any, day: datetime, lane: str, usage: Usage) -> Fraction:
    """The library's own sum, in nano-USD, at the dearest hour where prices go by the hour."""
    hours = range(24) if "TimeOfDate" in repr(model.prices) else (0,)
    return max(theirs(provider, model, day.replace(hour=hour), lane, usage) for hour in hours)


def theirs(provider: Any, model: Any, day: datetime, lane: str, usage: Usage) -> Fraction:
    """The library's own sum, in nano-USD."""
    written = usage.cache_write_5m + usage.cache_write_1h + usage.cache_write_other
    asked = library.Usage(
        input_tokens=usage.total_input,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=written,
        cache_write_1h_tokens=usage.cache_write_1h,
        output_tokens=usage.output,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of units that have nothing to do with tokens
        found = model.calc_price(
            asked, provider, genai_request_timestamp=day, price_context=CONTEXTS[lane]
        )
    return Fraction(found.total_price) * 10**9


def test_a_usage_costs_what_the_library_says_on_that_day_in_that_lane(
    table: Table, providers: dict[str, Any]
) -> None:
    checked = 0
    for name in table.providers:
        for ours, model in zip(table.provider(name).models, providers[name].models, strict=True):
            assert ours.id == model.id
            for day in DAYS:
                at = datetime.fromisoformat(day).replace(tzinfo=UTC)
                for lane in ours.lanes:
                    dated = ours.on(lane, day)
                    if dated is None:
                        continue
                    for usage in USAGES:
                        exact = dearest(providers[name], model, at, lane, usage)
                        assert price(dated.rates(), usage) == round(exact), (name, ours.id)
                        checked += 1
    assert checked > 5_000


def test_a_price_that_goes_by_the_hour_is_the_dearest_and_not_sure(table: Table) -> None:
    found = table.find("deepseek", "deepseek-v4-pro")
    assert found is not None
    assert (found.model.by_clock, found.sure) == (True, False)
    dated = found.model.on("realtime", "2026-11-23")
    assert dated is not None
    assert dated.base[0] == 1_320_000


def test_a_provider_that_nobody_lists_has_no_models(table: Table) -> None:
    assert table.find("nobody", "gpt-4o") is None


@pytest.mark.parametrize(
    ("provider", "name", "sure"),
    [
        ("openai", "gpt-4o", True),
        ("openai", "gpt-4o-20240806", True),
        ("openai", "ft:gpt-4o-2024-08-06:acme::9Kx", True),
        ("anthropic", "claude-sonnet-4-6-20260301", True),
        ("anthropic", "claude-sonnet-4-20250514", True),
        ("anthropic", "claude-3-5-haiku-latest", True),
        ("anthropic", "claude-sonnet-4-65", False),
        ("anthropic", "claude-sonnet-4-6-turbo", False),
        ("azure", "gpt-4o", False),
    ],
)
def test_a_likeness_is_told_from_a_snapshot(provider: str, name: str, sure: bool) -> None:
    found = shipped().find(provider, name)
    assert found is not None
    assert found.sure is sure
