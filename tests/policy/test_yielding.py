"""Work that can wait leaves room to people, stands still for none, and takes it back in time."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lanewise.policy.yielding import QUIET_SECONDS, SLACK_FACTOR, SLACK_SECONDS, Live, room

NOW = 1_790_000_000.0
BREADTHS, CALLS = st.integers(1, 256), st.integers(0, 500)
NEEDS = st.floats(0.0, 1e6)


def patient(needs: float) -> float:
    return SLACK_FACTOR * needs + SLACK_SECONDS + 1.0


@given(BREADTHS, st.integers(1, 500), NEEDS)
def test_with_people_it_leaves_most_of_the_server_to_them(
    breadth: int, calls: int, needs: float
) -> None:
    found = room(breadth, Live(calls), NOW, slack=patient(needs), needs=needs)
    assert found <= max(breadth / 4 - calls, 1)
    assert found >= (1 if breadth > 1 else 0)


@given(BREADTHS, NEEDS)
def test_who_was_answered_a_moment_ago_may_ask_again(breadth: int, needs: float) -> None:
    just = Live(0, NOW - QUIET_SECONDS / 2)
    assert room(breadth, just, NOW, slack=patient(needs), needs=needs) < max(breadth, 2)
    long_ago = Live(0, NOW - QUIET_SECONDS)
    assert room(breadth, long_ago, NOW, slack=patient(needs), needs=needs) == breadth


@given(BREADTHS, CALLS, NEEDS)
def test_nothing_is_late_for_the_sake_of_people(breadth: int, calls: int, needs: float) -> None:
    slack = math.nextafter(SLACK_FACTOR * needs + SLACK_SECONDS, -math.inf)
    assert room(breadth, Live(calls), NOW, slack=slack, needs=needs) == breadth


def test_a_clock_put_back_holds_nothing_up() -> None:
    ahead = Live(0, NOW + 3_600.0)
    assert room(8, ahead, NOW, slack=math.inf, needs=0.0) == 8
