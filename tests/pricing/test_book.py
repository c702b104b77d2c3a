"""The price book: dated, sourced, and never silently the standard price or zero."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from lanewise.domain.lanes import (
    BACKGROUND_2H,
    BACKGROUND_8H,
    BATCH,
    FLEX,
    LANES,
    REALTIME,
    LaneName,
)
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook
from lanewise.pricing.overlay import shipped as overlay
from lanewise.pricing.table import Model, shipped

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BOOK = PriceBook.load()
MILLION = Usage(input=1_000_000)


def dollars(
    provider: str, model: str, lane: LaneName, usage: Usage = MILLION, at: datetime = NOW
) -> float:
    """Dollars for a usage, for reading tests; the book itself has no floats."""
    pricer = BOOK.pricer(provider, model, at, lane)
    assert pricer is not None, (provider, model, lane)
    return pricer.cost(usage) / 1_000_000_000


@pytest.mark.parametrize(
    ("provider", "model", "realtime", "batch"),
    [
        ("openai", "gpt-4o", 2.5, 1.25),
        ("openai", "gpt-4o-mini", 0.15, 0.075),
        ("openai", "gpt-4o-mini-2024-07-18", 0.15, 0.075),
        ("openai", "gpt-4.1", 2.0, 1.0),
        ("openai", "gpt-5", 1.25, 0.625),
        ("openai", "gpt-5-mini", 0.25, 0.125),
        ("openai", "text-embedding-3-small", 0.02, 0.01),
        ("openai", "text-embedding-3-large", 0.13, 0.065),
        ("anthropic", "claude-sonnet-4-6", 3.0, 1.5),
        ("anthropic", "claude-haiku-4-5", 1.0, 0.5),
        ("google", "gemini-2.5-flash", 0.3, 0.15),
        ("x-ai", "grok-4.7", 2.0, 1.6),
    ],
)
def test_published_prices(provider: str, model: str, realtime: float, batch: float) -> None:
    small = Usage(input=100_000)
    assert dollars(provider, model, REALTIME, small) * 10 == pytest.approx(realtime)
    assert dollars(provider, model, BATCH, small) * 10 == pytest.approx(batch)


def test_the_reference_table_ten_million_input_tokens_a_day_for_thirty_days() -> None:
    month = [Usage(input=10_000)] * 30_000
    for provider, model, realtime, batch in (
        ("openai", "gpt-4o", 750, 375),
        ("anthropic", "claude-sonnet-4-6", 900, 450),
    ):
        for lane, expected in ((REALTIME, realtime), (BATCH, batch)):
            pricer = BOOK.pricer(provider, model, NOW, lane)
            assert pricer is not None
            assert sum(map(pricer.cost, month)) == expected * 1_000_000_000


def test_a_provider_that_borrows_anothers_models_gets_no_borrowed_cache_discount() -> None:
    cached = Usage(cache_read=1_000_000)
    assert dollars("azure", "gpt-5", BATCH, cached) == dollars("azure", "gpt-5", BATCH)


@pytest.mark.parametrize("model", ["gpt-4o-realtime-preview", "gpt-4o-mini-tts"])
def test_a_model_that_cannot_wait_has_no_price_in_a_batch(model: str) -> None:
    assert BOOK.resolve("openai", model, NOW, REALTIME).status == "listed"
    assert BOOK.resolve("openai", model, NOW, BATCH).status == "unknown"


def test_a_lane_a_provider_does_not_sell_has_no_price() -> None:
    assert BOOK.resolve("anthropic", "claude-sonnet-4-6", NOW, FLEX).rates is None


def test_an_id_that_is_only_like_a_listed_one_is_an_estimate() -> None:
    found = BOOK.resolve("anthropic", "claude-sonnet-4-6-turbo", NOW, BATCH)
    assert found.status == "estimated"
    assert found.rates == BOOK.resolve("anthropic", "claude-sonnet-4-6", NOW, BATCH).rates


@pytest.mark.parametrize("model", ["Text-Embedding-3-Small", "GPT-4.1", "Omni-Moderation-Latest"])
def test_an_id_means_the_same_in_capitals(model: str) -> None:
    assert BOOK.resolve("openai", model, NOW, BATCH) == BOOK.resolve(
        "openai", model.lower(), NOW, BATCH
    )
    assert BOOK.resolve("openai", model, NOW, BATCH).rates is not None


def test_prices_are_those_of_the_day_in_utc() -> None:
    assert dollars("openai", "o3", REALTIME, at=datetime(2025, 6, 9, tzinfo=UTC)) == 10
    assert dollars("openai", "o3", REALTIME, at=datetime(2025, 6, 10, tzinfo=UTC)) == 2
    late_in_new_york = datetime(2025, 6, 9, 21, tzinfo=timezone(timedelta(hours=-4)))
    assert dollars("openai", "o3", REALTIME, at=late_in_new_york) == 2


def test_a_batch_of_before_the_listing_follows_the_standard_price_of_its_own_day() -> None:
    small = Usage(input=100_000)
    early, later = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)
    assert dollars("openai", "gpt-5.6-sol", BATCH, small, early) == 0.25
    assert dollars("openai", "gpt-5.6-sol", BATCH, small, later) == 0.2


def test_price_changes_that_are_known_already_are_announced() -> None:
    assert BOOK.changes("google", "gemini-3.8-flash", NOW) == ("2027-01-01",)
    assert BOOK.changes("google", "gemini-3.8-flash", datetime(2027, 1, 1, tzinfo=UTC)) == ()
    assert BOOK.changes("openai", "gpt-nonsense", NOW) == ()


def test_an_announced_price_holds_from_its_day_on_in_every_lane() -> None:
    eve, day = datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    for lane, before, after in ((REALTIME, 0.75, 1.5), (BATCH, 0.375, 0.75), (FLEX, 0.375, 0.75)):
        assert dollars("google", "gemini-3.8-flash", lane, at=eve) == before
        assert dollars("google", "gemini-3.8-flash", lane, at=day) == after


def test_every_day_that_is_announced_changes_a_price_and_no_other_day_does() -> None:
    announced = 0
    for provider, model in LISTED:
        told = BOOK.changes(provider, model.id, NOW)
        listed = {item.since for lane in model.lanes.values() for item in lane}
        assert set(told) <= {day for day in listed if day > "2026-11-23"}
        for day in told:
            at = datetime.fromisoformat(day).replace(tzinfo=UTC)
            before = at - timedelta(days=1)
            assert any(
                BOOK.resolve(provider, model.id, at, lane).rates
                != BOOK.resolve(provider, model.id, before, lane).rates
                for lane in LANES
            )
            announced += 1
    assert announced > 5


def test_ones_own_future_prices_and_ending_discounts_are_announced_too(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nsince = 2026-12-01\n'
        "input = 2\noutput = 8\n"
        '[[discount]]\nprovider = "openai"\npercent = 10\nuntil = 2027-03-31\n'
        '[[discount]]\nprovider = "anthropic"\npercent = 10\nsince = 2027-01-15\n'
    )
    book = PriceBook.load(user_prices=path)
    assert book.changes("openai", "gpt-4o", NOW) == ("2026-12-01", "2027-04-01")
    assert book.changes("openai", "gpt-4o-mini", NOW) == ("2027-04-01",)
    assert book.changes("anthropic", "claude-sonnet-4-6", NOW) == ("2027-01-15",)


def test_an_alias_that_the_library_has_wrong_means_the_model_of_today() -> None:
    assert dollars("mistral", "mistral-large-latest", REALTIME) == pytest.approx(0.7)
    assert dollars("mistral", "mistral-large-latest", BATCH) == pytest.approx(0.35)


def test_a_region_has_its_surcharge_in_every_lane_and_an_unheard_of_one_no_price() -> None:
    for provider, model in (("openai", "gpt-5"), ("anthropic", "claude-sonnet-4-6")):
        for lane in (REALTIME, BATCH):
            anywhere = BOOK.pricer(provider, model, NOW, lane)
            there = BOOK.pricer(provider, model, NOW, lane, "us")
            assert anywhere is not None
            assert there is not None
            assert there.cost(MILLION) * 10 == anywhere.cost(MILLION) * 11
            assert there.status == "rule"
    assert BOOK.resolve("mistral", "mistral-large-4", NOW, REALTIME, "eu").status == "unknown"


def test_gemini_keeps_the_real_time_price_of_cached_tokens_in_a_batch_unless_it_lists_another() -> (
    None
):
    cached = Usage(cache_read=100_000)
    for model, share in (("gemini-2.5-flash", 1), ("gemini-3.8-flash", 0.5)):
        real = dollars("google", model, REALTIME, cached)
        assert dollars("google", model, BATCH, cached) == pytest.approx(real * share)


def test_gemini_keeps_it_for_long_contexts_too_and_before_the_listing() -> None:
    early = datetime(2026, 9, 1, tzinfo=UTC)
    for cached in (Usage(cache_read=100_000), Usage(cache_read=300_000)):
        real = dollars("google", "gemini-2.5-pro", REALTIME, cached, early)
        assert dollars("google", "gemini-2.5-pro", BATCH, cached, early) == real
    assert BOOK.resolve("google", "gemini-2.5-pro", early, BATCH).status == "rule"


def test_a_voyage_batch_costs_a_third_less() -> None:
    real = dollars("voyageai", "voyage-4", REALTIME)
    assert dollars("voyageai", "voyage-4", BATCH) == pytest.approx(real * 0.67)


def test_a_long_context_is_dearer_in_every_lane_from_its_own_input_on() -> None:
    below, above = Usage(input=200_000), Usage(input=200_001)
    for lane in (REALTIME, BATCH):
        jump = dollars("google", "gemini-2.5-pro", lane, above) / dollars(
            "google", "gemini-2.5-pro", lane, below
        )
        assert jump == pytest.approx(2, rel=1e-4)


def test_a_batch_before_batches_existed_has_no_price() -> None:
    assert BOOK.resolve("openai", "gpt-4o", datetime(2024, 1, 1, tzinfo=UTC), BATCH).rates is None


@pytest.mark.parametrize(
    "model", ["", "gpt-nonsense", "gpt-4o-2099-01-01", "claude", "text-embedding-9", "whisper-1"]
)
def test_an_unknown_model_is_unknown_and_never_free(model: str) -> None:
    for lane in (REALTIME, BATCH):
        found = BOOK.resolve("openai", model, NOW, lane)
        assert (found.rates, found.status) == (None, "unknown")


def test_moderation_is_free_because_a_source_says_so() -> None:
    assert dollars("openai", "omni-moderation-latest", BATCH) == 0
    assert BOOK.resolve("openai", "omni-moderation-latest", NOW, REALTIME).status == "listed"


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4.1", "o4-mini"])
def test_cached_tokens_in_a_batch_without_a_cached_price_are_billed_as_plain_batch_input(
    model: str,
) -> None:
    cached = Usage(cache_read=1_000_000)
    assert dollars("openai", model, BATCH, cached) == dollars("openai", model, BATCH)


def test_gpt_5_and_anthropic_keep_their_cache_discount_in_batches() -> None:
    assert dollars("openai", "gpt-5", BATCH, Usage(cache_read=1_000_000)) == pytest.approx(0.0625)
    haiku = "claude-haiku-4-5"
    assert dollars("anthropic", haiku, BATCH, Usage(cache_read=1_000_000)) == pytest.approx(0.05)
    assert dollars("anthropic", haiku, BATCH, Usage(cache_write_1h=1_000_000)) == pytest.approx(1.0)


def test_the_background_windows_cost_seventy_and_sixty_percent() -> None:
    full = dollars("openai", "gpt-5", REALTIME)
    assert dollars("openai", "gpt-5", BACKGROUND_2H) == pytest.approx(full * 0.7)
    assert dollars("openai", "gpt-5", BACKGROUND_8H) == pytest.approx(full * 0.6)


LISTED = [
    (provider, model)
    for provider in shipped().providers
    for model in shipped().provider(provider).models
    if model.lanes
]


def days(provider: str, model: Model) -> list[str]:
    """Every day on which a price of this model becomes another, and the day before each."""
    listed = {item.since for lane in model.lanes.values() for item in lane}
    rules = {rule.since for rule in overlay().rules if rule.provider == provider}
    begins = sorted((listed | rules) - {""}) or ["2026-11-23"]
    before = (date.fromisoformat(day) - timedelta(days=1) for day in begins)
    return sorted({*begins, *(day.isoformat() for day in before)})


@pytest.mark.parametrize("lane", [BATCH, FLEX, BACKGROUND_2H, BACKGROUND_8H])
def test_no_lane_is_dearer_than_real_time_for_any_uncached_usage_of_any_listed_model_on_any_day(
    lane: LaneName,
) -> None:
    """Of every price that anything is worked out with, so of every usage: amounts grow with prices."""
    checked = 0
    for provider, model in LISTED:
        for day in days(provider, model):
            at = datetime.fromisoformat(day).replace(tzinfo=UTC)
            cost = BOOK.resolve(provider, model.id, at, lane).rates
            realtime = BOOK.resolve(provider, model.id, at, REALTIME).rates
            if cost is None:
                continue
            assert realtime is not None, (provider, model.id, day)
            for start in (-1, *(start for rates in (cost, realtime) for start, _ in rates.tiers)):
                ours, theirs = cost.above(start), realtime.above(start)
                assert ours.input <= theirs.input, (provider, model.id, day, start)
                assert ours.output <= theirs.output, (provider, model.id, day, start)
                checked += 1
    assert checked > 100


def test_the_days_that_are_checked_are_all_there_are() -> None:
    everything = {day for provider, model in LISTED for day in days(provider, model)}
    assert {"2026-10-13", "2026-10-14", "2026-11-30", "2026-12-01", "2027-01-01"} <= everything


def test_what_a_lane_lists_is_what_its_rule_says_so_that_earlier_days_agree_with_it() -> None:
    checked = 0
    for name in shipped().providers:
        for model in shipped().provider(name).models:
            for lane, listed in model.lanes.items():
                standard = model.on(REALTIME, listed[0].since)
                if lane == REALTIME or standard is None:
                    continue
                rules = [rule for rule in overlay().rules if rule.provider == name]
                fits = [r for r in rules if r.applies(name, model.id, lane, "2026-10-15")]
                assert fits, (name, model.id, lane)
                for part in (0, 5):  # input and output
                    assert standard.base[part] * fits[0].numerator == (
                        listed[0].base[part] * fits[0].denominator
                    ), (name, model.id, lane)
                checked += 1
    assert checked > 100


def test_where_caching_makes_a_batch_dearer_the_saving_is_negative_not_hidden() -> None:
    well_cached = Usage(input=1_000, cache_read=99_000)
    cost = BOOK.pricer("openai", "gpt-4.1", NOW, BATCH)
    baseline = BOOK.pricer("openai", "gpt-4.1", NOW, REALTIME)
    assert cost is not None
    assert baseline is not None
    assert cost.cost(well_cached) == 100_000_000  # all of it as plain batch input, at 1.00
    assert baseline.cost(well_cached) == 2_000_000 + 49_500_000  # at 2.00, and 0.50 from the cache
    assert baseline.cost(well_cached) - cost.cost(well_cached) == -48_500_000


def test_the_basis_names_the_versions_that_a_price_rests_on() -> None:
    assert "genai-prices 0.2" in BOOK.basis
    assert "overlay 2026" in BOOK.basis


def test_loading_the_book_does_not_import_the_library() -> None:
    code = (
        "import sys; from lanewise.pricing import PriceBook; PriceBook.load(); "
        "sys.exit('genai_prices' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_negotiated_prices_and_discounts_win_and_say_that_they_are_overrides(
    tmp_path: Path,
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nsince = "2026-09-01"\n'
        'input = "2.0"\noutput = "8"\n\n'
        '[[price]]\nprovider = "openai"\nmodel = "our-own"\nlanes = ["realtime", "batch"]\n'
        'input = "1"\noutput = "1"\n\n'
        '[[discount]]\nprovider = "anthropic"\npercent = "12.5"\nuntil = "2026-12-31"\n'
    )
    book = PriceBook.load(user_prices=path)

    def cost(provider: str, model: str, lane: LaneName, at: datetime = NOW) -> tuple[int, str]:
        pricer = book.pricer(provider, model, at, lane)
        assert pricer is not None
        return pricer.cost(MILLION), pricer.status

    assert cost("openai", "gpt-4o", REALTIME) == (2_000_000_000, "override")
    assert cost("openai", "gpt-4o", BATCH)[0] == 1_000_000_000
    assert cost("openai", "gpt-4o", REALTIME, datetime(2026, 8, 1, tzinfo=UTC))[0] == 2_500_000_000
    assert cost("openai", "our-own", BATCH) == (1_000_000_000, "override")
    assert cost("anthropic", "claude-haiku-4-5", BATCH) == (437_500_000, "override")
    assert (
        cost("anthropic", "claude-haiku-4-5", BATCH, datetime(2027, 1, 1, tzinfo=UTC))[0]
        == 500_000_000
    )
    assert "user sha256:" in book.basis
