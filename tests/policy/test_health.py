"""A server that fails is left alone, tried again, and taken back; turns are taken by weight."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from lanewise.policy.health import (
    FIRST_REST_SECONDS,
    LEAST_FAILED,
    LONGEST_REST_SECONDS,
    SPAN_SECONDS,
    TRIAL_SECONDS,
    Health,
    Outcome,
    Rotation,
    outcome,
)


def shut(at: float = 0.0) -> Health:
    health = Health()
    for _ in range(LEAST_FAILED):
        health.failed(at)
    return health


def test_a_server_that_fails_again_and_again_gets_no_calls_then_one_then_all() -> None:
    health = shut(at=100.0)
    assert not health.takes(100.0)
    assert health.wait(100.0) == FIRST_REST_SECONDS
    back = 100.0 + FIRST_REST_SECONDS
    assert health.takes(back)
    assert not health.takes(back + 1.0), "one trial at a time"
    health.well(back + 2.0)
    assert health.takes(back + 2.0)
    assert health.takes(back + 2.0)


def test_a_trial_that_fails_doubles_the_rest_up_to_a_bound() -> None:
    health, now, rests = shut(at=0.0), 0.0, []
    for _ in range(9):
        rests.append(health.wait(now))
        now += health.wait(now)
        assert health.takes(now)
        health.failed(now)
    assert rests[:3] == [FIRST_REST_SECONDS, 2 * FIRST_REST_SECONDS, 4 * FIRST_REST_SECONDS]
    assert rests[-1] == LONGEST_REST_SECONDS


def test_a_trial_that_is_never_heard_of_again_does_not_shut_the_server_for_ever() -> None:
    health = shut(at=0.0)
    assert health.takes(FIRST_REST_SECONDS)
    assert not health.takes(FIRST_REST_SECONDS + TRIAL_SECONDS - 1.0)
    assert health.takes(FIRST_REST_SECONDS + TRIAL_SECONDS)


def test_failures_among_many_answers_or_long_ago_do_not_shut_it() -> None:
    health = Health()
    for number in range(100):
        (health.failed if number % 3 == 0 else health.well)(float(number) / 10.0)
    assert health.takes(10.0)
    rare = Health()
    for number in range(20):
        rare.failed(number * SPAN_SECONDS)
    assert rare.takes(20 * SPAN_SECONDS)


def test_a_rest_that_was_asked_for_holds_for_its_model_and_ends() -> None:
    health = Health()
    health.spare("gpt-4o", 10.0, 30.0)
    health.spare("o3", 10.0, None)
    assert health.rests("gpt-4o", 11.0) == 29.0
    assert health.rests("gpt-4o-mini", 11.0) == 0.0
    assert 0.0 < health.rests("o3", 10.0) <= 1.0
    assert health.rests("gpt-4o", 41.0) == 0.0
    assert health.takes(11.0), "other models are not spared"


def test_names_of_models_that_callers_make_up_do_not_fill_memory() -> None:
    health = Health()
    for number in range(5_000):
        health.spare(f"m{number}", 0.0, 10.0)
    assert len(health._rests) <= 1_000
    health.spare("real", 11.0, 10.0)
    assert health.rests("real", 12.0) == 9.0


def test_what_was_certainly_not_executed_may_go_elsewhere_and_nothing_else_may() -> None:
    assert {s for s in range(200, 600) if outcome(s) in (Outcome.LATER, Outcome.ELSEWHERE)} == {
        401, 403, 404, 429, 503, 529,
    }  # fmt: skip
    assert outcome(500) is outcome(502) is outcome(504) is Outcome.FAILED


@given(st.lists(st.integers(0, 10), min_size=1, max_size=5))
def test_turns_are_taken_in_proportion_to_the_weights(weights: list[int]) -> None:
    servers = [SimpleNamespace(weight=weight, number=n) for n, weight in enumerate(weights)]
    turns, total = Rotation(), sum(weights) or 1
    taken = Counter(turns.next(servers).number for _ in range(3 * total))
    if sum(weights):
        assert [taken[n] for n in range(len(weights))] == [3 * weight for weight in weights]
    else:
        assert taken == {0: 3}
