"""All of several works are done when the last of them is."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.lanes import BATCH
from lanewise.policy.completion import Completion
from lanewise.policy.finishing import AllOf, Steady, quantile

CURVE = Completion([], now=0.0).curve("openai", BATCH, "gpt-4o-mini", 1_000, at=0.0)
DAY = 86_400.0


def test_one_work_is_done_when_it_is_done() -> None:
    alone = AllOf([(CURVE, 1)])
    for hours in (0.25, 1.0, 8.0, 24.0):
        seconds = 3_600.0 * hours
        assert math.isclose(alone.done_within(seconds), CURVE.done_within(seconds), rel_tol=1e-9)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(60.0, DAY))
def test_more_batches_are_never_done_sooner_and_not_as_late_as_if_each_stood_alone(
    few: int, more: int, seconds: float
) -> None:
    less, all_of_them = AllOf([(CURVE, few)]), AllOf([(CURVE, few + more)])
    share = CURVE.done_within(seconds)
    assert all_of_them.done_within(seconds) <= less.done_within(seconds) + 1e-12
    assert all_of_them.done_within(seconds) >= share ** (few + more) - 1e-12
    assert all_of_them.done_within(seconds) <= share + 1e-12


@given(st.floats(0.0, DAY), st.floats(0.0, DAY))
def test_the_chance_never_falls_with_time(first: float, second: float) -> None:
    works = AllOf([(CURVE, 7), (CURVE.given(3_600.0), 2), (Steady(600.0), 30)])
    early, late = sorted((first, second))
    assert works.done_within(early) <= works.done_within(late) + 1e-12


def test_what_rates_decide_makes_no_batch_surer() -> None:
    beside = AllOf([(CURVE, 1), (Steady(60.0), 400)])
    assert math.isclose(beside.done_within(3_600.0), CURVE.done_within(3_600.0), rel_tol=1e-9)
    assert beside.done_within(59.0) == 0.0


def test_a_chance_that_is_never_reached_has_no_time() -> None:
    assert quantile(AllOf([(Steady(math.inf), 1), (CURVE, 1)]), 0.5) is None
    assert quantile(Steady(0.0), 0.9) == 0.0


@given(st.floats(0.05, 0.95))
def test_the_time_of_a_chance_has_that_chance(share: float) -> None:
    found = quantile(AllOf([(CURVE, 3)]), share)
    assert found is not None
    assert AllOf([(CURVE, 3)]).done_within(found + 1.0) >= share
