"""How many calls at once a server gains from is found, on simulated servers in virtual time."""

from __future__ import annotations

import importlib.util
import math
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanewise.policy.breadth import FIRST, MOST, Breadth, Line


def simulation() -> Any:
    """The benchmark's server, as a module."""
    path = Path(__file__).parents[2] / "benchmarks/breadth.py"
    spec = importlib.util.spec_from_file_location("breadth_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


sim = simulation()
SEEDS = st.integers(0, 10_000)


def server(at_once: int, seed: int, **options: Any) -> Any:
    return sim.Server(at_once, noise=random.Random(seed), **options)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(3, 100), SEEDS)
def test_it_comes_to_the_best_number_and_keeps_nine_tenths_of_the_throughput(
    at_once: int, seed: int
) -> None:
    own, breadth = server(at_once, seed), Breadth()
    sim.drive(own, breadth, 200.0)  # a call takes a second
    told = sim.drive(own, breadth, 300.0)
    assert told.rate >= 0.9 * own.best()
    assert 0.8 * at_once <= told.width <= 1.5 * at_once + 6


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(3, 40), st.integers(3, 40), SEEDS)
def test_it_follows_a_server_that_becomes_slower_or_quicker(
    before: int, after: int, seed: int
) -> None:
    own, breadth = server(before, seed), Breadth()
    sim.drive(own, breadth, 200.0)
    own.at_once = after
    sim.drive(own, breadth, 600.0)
    told = sim.drive(own, breadth, 300.0)
    assert told.rate >= 0.88 * own.best()
    assert told.width <= 2.0 * after + 8


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.sampled_from([4, 16, 48]), SEEDS)
def test_answers_that_say_no_tokens_are_counted_instead(at_once: int, seed: int) -> None:
    own, breadth = server(at_once, seed, told=False), Breadth()
    sim.drive(own, breadth, 300.0)
    told = sim.drive(own, breadth, 600.0)
    assert told.rate * sim.MEAN_TOKENS >= 0.8 * own.best()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(SEEDS)
def test_a_few_failing_calls_do_not_throttle_a_server(seed: int) -> None:
    chance = random.Random(seed)
    own = server(16, seed, fails=lambda now: chance.random() < 0.02)
    breadth = Breadth()
    sim.drive(own, breadth, 200.0)
    told = sim.drive(own, breadth, 400.0)
    assert told.failed > 0
    assert told.rate >= 0.75 * own.best()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(SEEDS)
def test_an_outage_leaves_one_call_at_once_and_is_recovered_from(seed: int) -> None:
    own = server(16, seed, fails=lambda now: 200.0 < now < 230.0)
    breadth = Breadth()
    sim.drive(own, breadth, 225.0)
    assert breadth.width == 1
    sim.drive(own, breadth, 200.0)
    assert sim.drive(own, breadth, 200.0).rate >= 0.9 * own.best()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["began", "answered", "refused", "failed"]),
        st.floats(0.0, 1e6),
        st.floats(0.001, 1e6),
        st.floats(0.01, 1e9),
        st.integers(1, 10**6),
    ),
    max_size=300,
)


@given(STEPS, st.integers(1, MOST))
def test_whatever_it_is_told_it_stays_within_its_bounds(steps: Any, most: int) -> None:
    breadth = Breadth(most)
    for what, at, took, work, beside in steps:
        if what == "began":
            breadth.began(at, full=True)
        elif what == "answered":
            breadth.answered(at, at + took, work, beside)
        elif what == "refused":
            breadth.refused(at, at + took)
        else:
            breadth.failed(at, at + took)
        assert 1 <= breadth.width <= most


@pytest.mark.parametrize(("at_once", "share"), [(1, 0.95), (2, 0.75)])
def test_a_server_that_does_one_or_two_things_at_a_time_is_hardly_crowded(
    at_once: int, share: float
) -> None:
    own, breadth = server(at_once, 1), Breadth()
    sim.drive(own, breadth, 200.0)
    told = sim.drive(own, breadth, 600.0)
    assert told.rate >= share * own.best()
    assert told.width <= at_once + 3


def test_a_server_that_always_gains_gets_as_many_calls_as_there_may_be() -> None:
    own, breadth = server(10_000, 1), Breadth()
    sim.drive(own, breadth, 300.0)
    assert breadth.width == MOST


def test_nothing_is_learned_from_a_number_that_was_never_reached() -> None:
    breadth, now = Breadth(), 0.0
    for _ in range(1_000):
        breadth.began(now, full=False)
        breadth.answered(now, now + 1.0, 10.0, 1)
        now += 1.0
    assert breadth.width == FIRST


def test_one_refusal_halves_it_and_those_that_were_under_way_do_not_halve_it_again() -> None:
    breadth = Breadth(MOST)
    for number in range(FIRST):
        breadth.refused(0.0, 1.0 + number)
    assert breadth.width == FIRST // 2
    breadth.refused(5.0, 6.0)
    assert breadth.width == 1


def test_a_line_tells_the_slope_of_its_points_and_how_far_off_another_is() -> None:
    line = Line().through(0.0, 1.0).through(1.0, 1.5).through(2.0, 2.0)
    assert line.slope() == pytest.approx(0.5)
    assert line.off(3.0, 2.5) == pytest.approx(0.0)
    assert line.off(3.0, 1.5) == pytest.approx(-1.0)
    assert Line().through(1.0, 1.0).slope() is None
    assert Line().through(0.0, 0.0).off(math.log(2), 0.4) == 0.0  # between no gain and all
