"""Forecasts over a home: own batches teach; those in the sandbox teach about the sandbox only."""

from __future__ import annotations

from typing import Any

import pytest

from lanewise.app.forecasting import completion, forecast
from lanewise.domain.lanes import BATCH, FLEX, REALTIME
from lanewise.errors import BadInput
from lanewise.policy.completion import HALF_LIFE, Completion
from lanewise.store.forecasts import Duration

NOW = 1_796_000_000.0
OPENAI = "https://api.openai.com/v1"


class Seen:
    """A store that remembers durations only."""

    def __init__(self, *seen: Duration) -> None:
        self.seen, self.asked = seen, 0.0

    def durations(self, *, since: float, now: float, limit: int) -> list[Duration]:
        self.asked = since
        return list(self.seen)[:limit]


def took(seconds: float, **other: Any) -> Duration:
    known = {"provider": "openai", "base_url": OPENAI, "lane": BATCH, "model": "gpt-4o-mini"}
    known |= {"requests": 5, "started_at": NOW, "seconds": seconds, "finished": True}
    return Duration(**(known | other))


def known(*seen: Duration) -> Completion:
    store: Any = Seen(*seen)
    return completion(store, NOW)


def test_own_batches_teach_and_the_sandboxes_teach_the_sandbox_only() -> None:
    found = known(took(60.0), took(1.0, base_url="sandbox"), took(1.0, base_url="sandbox"))
    real = forecast(found, "openai", "gpt-4o-mini", 5, lane=BATCH, at=NOW)
    sandbox = forecast(found, "sandbox", "gpt-4o-mini", 5, lane=BATCH, at=NOW)
    assert (real.curve.sample.finished, sandbox.curve.sample.finished) == (1, 2)
    assert real.curve.quantile(0.05) > sandbox.curve.quantile(0.05)  # type: ignore[operator]


def test_anthropics_batches_hold_several_models_and_teach_about_all_of_them() -> None:
    seen = known(took(60.0, provider="anthropic", model=""))
    found = forecast(seen, "anthropic", "claude-haiku-4-5", 5, lane=BATCH, at=NOW)
    assert found.curve.basis.startswith("1 own batch of any model done; the prior (assumed) weighs")


def test_batches_are_counted_by_what_the_provider_and_the_settings_allow() -> None:
    nothing = known()
    assert forecast(nothing, "openai", "m", 50_000, lane=BATCH, at=NOW).batches == 1
    assert forecast(nothing, "openai", "m", 50_001, lane=BATCH, at=NOW).batches == 2
    assert forecast(nothing, "anthropic", "m", 50_001, lane=BATCH, at=NOW).batches == 1
    assert forecast(nothing, "openai", "m", 50_000, lane=BATCH, at=NOW, most=100).batches == 500
    assert forecast(nothing, "openai", "m", 50_000, lane=REALTIME, at=NOW).batches is None


def test_only_what_still_weighs_is_read() -> None:
    store: Any = Seen()
    completion(store, NOW)
    assert store.asked == NOW - 8 * HALF_LIFE


def test_what_cannot_be_forecast_is_refused_with_what_can() -> None:
    with pytest.raises(BadInput, match=r"at least 1 request, not 0"):
        forecast(known(), "openai", "m", 0, lane=BATCH, at=NOW)
    with pytest.raises(
        BadInput, match=r"anthropic does not sell .*'flex'; it sells realtime, batch"
    ):
        forecast(known(), "anthropic", "m", 1, lane=FLEX, at=NOW)
