"""Rate-limit headers of both providers are read; what cannot be read says nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.allowances import Allowance, Measure, Rate
from lanewise.providers.rate_headers import (
    anthropic_allowance,
    openai_allowance,
    retry_after_of,
    seconds,
)

OPENAI = [
    f"x-ratelimit-{what}-{of}"
    for what in ("limit", "remaining", "reset")
    for of in ("requests", "tokens", "project-tokens")
]
ANTHROPIC = [
    f"anthropic-ratelimit-{of}-{what}"
    for what in ("limit", "remaining", "reset")
    for of in ("requests", "tokens", "input-tokens", "output-tokens")
]
junk = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["-1", "1e9", "nan", "inf", "½", "٣", "1h1", "0x10", "2026-13-01T00:00:00Z"]),
)


@given(st.dictionaries(st.sampled_from([*OPENAI, *ANTHROPIC, "retry-after", "date"]), junk))
def test_junk_is_no_error_and_never_a_number_that_was_not_there(headers: dict[str, str]) -> None:
    for allowance in (openai_allowance(headers), anthropic_allowance(headers)):
        for rate in allowance.rates:
            assert rate.limit is None or 0 <= rate.limit < 10**15
            assert rate.remaining is None or rate.remaining >= 0
            assert rate.resets_in is None or rate.resets_in >= 0.0
        assert allowance.retry_after is None or 0.0 <= allowance.retry_after < 1e9


@given(
    st.integers(0, 99),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 999),
    st.integers(1, 9),
)
def test_durations_are_read_as_go_writes_them(
    hours: int, minutes: int, whole: int, milli: int, lone: int
) -> None:
    text = f"{hours}h{minutes}m{whole}.{milli:03}s"
    assert seconds(text) == pytest.approx(hours * 3_600 + minutes * 60 + whole + milli / 1_000)
    assert seconds(f"{lone}ms") == pytest.approx(lone / 1_000)
    assert seconds(f"{lone}m{whole}s") == lone * 60 + whole


@pytest.mark.parametrize("text", ["", "s", "12", "1h 2m", "-3s", "1h2x", "h1", "1..5s"])
def test_other_texts_are_no_durations(text: str) -> None:
    assert seconds(text) is None


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 3_600))
def test_openais_headers_are_read_whole(limit: int, remaining: int, reset: int) -> None:
    headers = {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(remaining),
        "x-ratelimit-reset-requests": f"{reset}s",
        "retry-after": "7",
    }
    rate = Rate(Measure.REQUESTS, limit, remaining, float(reset))
    assert openai_allowance(headers) == Allowance((rate,), 7.0)


def test_a_projects_lower_limit_counts() -> None:
    headers = {
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "30000",
        "x-ratelimit-limit-project-tokens": "1000",
        "x-ratelimit-remaining-project-tokens": "0",
    }
    allowance = openai_allowance(headers)
    assert allowance.rates == (Rate(Measure.TOKENS, 1_000, 0),)
    assert allowance.spent is Measure.TOKENS


def test_anthropics_resets_are_reckoned_from_its_own_date() -> None:
    headers = {
        "date": "Sun, 20 Sep 2026 12:00:00 GMT",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-09-20T12:00:30Z",
    }
    assert anthropic_allowance(headers).rates == (Rate(Measure.REQUESTS, 50, 49, 30.0),)


def test_a_reset_that_has_passed_is_now() -> None:
    headers = {
        "date": "Sun, 20 Sep 2026 12:00:00 GMT",
        "anthropic-ratelimit-requests-reset": "2026-09-20T11:59:59Z",
    }
    assert anthropic_allowance(headers).rates == (Rate(Measure.REQUESTS, resets_in=0.0),)


def test_anthropics_sum_of_tokens_counts_only_where_the_parts_are_not_given() -> None:
    total = {"anthropic-ratelimit-tokens-limit": "9"}
    assert anthropic_allowance(total).rates == (Rate(Measure.TOKENS, 9),)
    parts = {"anthropic-ratelimit-input-tokens-limit": "8"}
    assert anthropic_allowance(total | parts).rates == (Rate(Measure.INPUT_TOKENS, 8),)


def test_retry_after_in_milliseconds_is_more_exact_and_a_date_is_not_read() -> None:
    assert retry_after_of({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert retry_after_of({"retry-after": "Sun, 20 Sep 2026 12:00:00 GMT"}) is None
