"""A pace never lets more through than the limits, and a queue neither starves nor disorders."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.allowances import NOTHING_SAID, Allowance, Load, Measure, Rate
from lanewise.policy.pacing import (
    BURST_SECONDS,
    CLASS_SECONDS,
    CUT,
    FIRST_WINDOW,
    LEAST_SHARE,
    WHENEVER_SECONDS,
    Pace,
    Queue,
)

NOW = 1_790_000_000.0
MINUTE = 60.0


def limited(requests: int = 60, tokens: int = 6_000) -> Allowance:
    return Allowance((Rate(Measure.REQUESTS, requests), Rate(Measure.TOKENS, tokens)))


def sent(pace: Pace, loads: list[Load], *, until: float = NOW + 400.0) -> list[tuple[float, Load]]:
    """What a caller sends who never rests: each call ends as soon as it is sent."""
    now, gone = NOW, []
    for load in loads:
        while (wait := pace.reserve(load, now)) > 0.0:
            assert wait >= 0.001
            now += wait
        if now > until:
            break
        gone.append((now, load))
        pace.ended(NOTHING_SAID, now)
    return gone


@given(
    st.integers(1, 1_000),
    st.integers(100, 100_000),
    st.lists(st.integers(1, 5_000), min_size=1, max_size=300),
)
def test_no_minute_holds_more_than_the_limit_and_a_burst_or_one_call(
    requests: int, tokens: int, sizes: list[int]
) -> None:
    gone = sent(Pace(limited(requests, tokens)), [Load(size) for size in sizes])
    burst = BURST_SECONDS / MINUTE
    for at, _ in gone:
        minute = [load for when, load in gone if at <= when < at + MINUTE]
        assert len(minute) <= requests * (1 + burst) + 1 + 1e-6
        most = tokens + max(tokens * burst, *sizes, 1.0)
        assert sum(load.input for load in minute) <= most * (1 + 1e-9)


def test_a_caller_who_never_rests_gets_the_whole_limit() -> None:
    gone = sent(Pace(limited(requests=600, tokens=10**9)), [Load(1)] * 10_000, until=NOW + 300.0)
    assert 2_990 <= len(gone) <= 3_021


def test_a_call_larger_than_a_minutes_burst_goes_and_is_paid_off_by_waiting() -> None:
    pace = Pace(limited(requests=1_000, tokens=6_000))
    assert pace.reserve(Load(3_000), NOW) == 0.0
    assert pace.reserve(Load(200), NOW) == pytest.approx((3_000 - 200 + 200) / 100)


def test_a_call_that_waits_reserves_nothing() -> None:
    pace = Pace(limited(requests=30, tokens=10**9))
    assert pace.reserve(Load(1), NOW) == 0.0
    waits = [pace.reserve(Load(1), NOW) for _ in range(5)]
    assert waits == [waits[0]] * 5
    assert pace.in_flight == 1


def test_limits_that_answers_state_are_taken_over() -> None:
    pace = Pace()
    pace.learn(Allowance((Rate(Measure.REQUESTS, 120, 119),)), NOW)
    assert pace.drain().requests == 2.0
    pace.learn(Allowance((Rate(Measure.REQUESTS, 60, 59),)), NOW)
    assert pace.drain().requests == 1.0
    assert [rate.limit for rate in pace.limits()] == [60]


def test_less_remaining_than_we_reckoned_is_believed_and_more_is_not() -> None:
    pace = Pace(limited(requests=6_000, tokens=10**9))
    pace.learn(Allowance((Rate(Measure.REQUESTS, 6_000, 0),)), NOW)
    assert pace.reserve(Load(1), NOW) == pytest.approx(0.01)
    pace.learn(Allowance((Rate(Measure.REQUESTS, 6_000, 6_000),)), NOW)
    assert pace.reserve(Load(1), NOW) == pytest.approx(0.01)


@given(st.floats(0.01, 1_000.0), st.floats(0.0, 0.99))
def test_nothing_goes_before_the_time_that_a_refusal_names(after: float, share: float) -> None:
    pace = Pace(limited())
    assert pace.reserve(Load(1), NOW) == 0.0
    pace.refused(Allowance(retry_after=after), NOW)
    assert pace.reserve(Load(1), NOW + after * share) > 0.0
    assert pace.reserve(Load(1), NOW + after + 60.0) == 0.0


def test_refusals_within_our_limit_lower_our_share_and_time_raises_it_again() -> None:
    pace = Pace(limited(requests=600, tokens=10**9))
    for number in range(40):
        assert pace.reserve(Load(1), NOW + number * 60) == 0.0
        pace.refused(Allowance(retry_after=0.0), NOW + number * 60)
        if number == 0:
            assert pace.drain().requests == pytest.approx(10.0 * CUT)
    low = pace.drain().requests
    assert 10.0 * LEAST_SHARE <= low < 10.0 * 0.2
    pace.learn(NOTHING_SAID, NOW + 40 * 60 + 1_200)
    assert pace.drain().requests == 10.0


def test_refusals_that_come_together_count_once() -> None:
    pace = Pace(limited(requests=1_200, tokens=10**9))
    for _ in range(20):
        assert pace.reserve(Load(1), NOW) == 0.0
    for _ in range(20):
        pace.refused(Allowance(retry_after=1.0), NOW)
    assert pace.drain().requests == pytest.approx(20.0 * CUT)


def test_without_a_known_limit_calls_in_flight_grow_with_answers_and_are_cut_by_refusals() -> None:
    pace = Pace(most=100)

    def fill(now: float) -> int:
        while pace.reserve(Load(1), now) == 0.0:
            pass
        return pace.in_flight

    assert fill(NOW) == FIRST_WINDOW
    assert pace.reserve(Load(1), NOW) == math.inf
    for _ in range(8):
        pace.ended(NOTHING_SAID, NOW, took=1.0)
    assert fill(NOW) == 2 * FIRST_WINDOW
    pace.refused(Allowance(retry_after=1.0), NOW)
    while pace.in_flight:
        pace.ended(NOTHING_SAID, NOW)
    assert fill(NOW + 2.0) == FIRST_WINDOW
    for _ in range(8):
        pace.ended(NOTHING_SAID, NOW + 3.0, took=1.0)
    assert fill(NOW + 3.0) == FIRST_WINDOW  # from now on by one a window
    for _ in range(300):
        pace.ended(NOTHING_SAID, NOW + 3.0, took=1.0)
        assert pace.in_flight < 100
        pace.reserve(Load(1), NOW + 3.0)


def test_drain_counts_what_calls_in_flight_can_carry() -> None:
    pace = Pace(limited(requests=60_000, tokens=10**9), most=10)
    for _ in range(100):
        assert pace.reserve(Load(1), NOW) == 0.0
        pace.ended(NOTHING_SAID, NOW, took=2.0)
    assert pace.drain().requests == pytest.approx(5.0, rel=0.01)
    assert pace.drain().seconds(Load(1_000, requests=100)) == pytest.approx(20.0, rel=0.01)


@given(st.lists(st.floats(-7_200.0, 7_200.0), max_size=30))
def test_a_clock_that_jumps_lets_no_more_than_a_burst_through_at_once(jumps: list[float]) -> None:
    pace, now = Pace(limited(requests=600, tokens=10**9)), NOW
    for jump in jumps:
        now += jump
        at_once = 0
        while pace.reserve(Load(1), now) == 0.0:
            at_once += 1
        assert at_once <= 600 * BURST_SECONDS / MINUTE
        for _ in range(at_once):
            pace.ended(NOTHING_SAID, now)


def test_a_clock_put_back_does_not_prolong_a_block() -> None:
    pace = Pace(limited())
    pace.reserve(Load(1), NOW)
    pace.refused(Allowance(retry_after=10.0), NOW)
    assert pace.reserve(Load(1), NOW - 3_600.0) == pytest.approx(10.0)
    assert pace.reserve(Load(1), NOW - 3_590.0) == 0.0


# -- the queue ------------------------------------------------------------------------------------
calls = st.lists(
    st.tuples(
        st.floats(0.0, 7_200.0),
        st.one_of(st.none(), st.floats(0.0, 90_000.0)),
        st.sampled_from("abc"),
    ),
    max_size=60,
)


def filled(items: list[tuple[float, Any, str]]) -> tuple[Queue[int], dict[int, tuple[float, str]]]:
    queue: Queue[int] = Queue()
    known = {}
    for number, (came, slack, workflow) in enumerate(items):
        due = None if slack is None else NOW + came + slack
        queue.put(number, now=NOW + came, due=due, workflow=workflow)
        known[number] = (NOW + came + WHENEVER_SECONDS if due is None else due, workflow)
    return queue, known


@given(calls)
def test_every_call_is_taken_once_and_classes_in_the_order_in_which_they_are_due(
    items: Any,
) -> None:
    queue, known = filled(items)
    taken = []
    while queue:
        head = queue.head()
        taken.append(queue.take())
        assert head == taken[-1]
    assert queue.head() is None
    assert sorted(taken) == sorted(known)
    minutes = [known[number][0] // CLASS_SECONDS for number in taken]
    assert minutes == sorted(minutes)


@given(calls)
def test_a_workflows_calls_go_in_the_order_in_which_they_are_due(items: Any) -> None:
    queue, known = filled(items)
    by_workflow: dict[str, list[float]] = defaultdict(list)
    while queue:
        due, workflow = known[queue.take()]
        by_workflow[workflow].append(due)
    for dues in by_workflow.values():
        assert dues == sorted(dues)


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 30), min_size=2))
def test_workflows_take_turns_among_calls_due_alike(counts: dict[str, int]) -> None:
    queue: Queue[str] = Queue()
    for workflow, count in counts.items():
        for _ in range(count):
            queue.put(workflow, now=NOW, due=NOW + 60.0, workflow=workflow)
    left = dict(counts)
    while queue:
        waiting = sum(1 for count in left.values() if count)
        turn = [queue.take() for _ in range(waiting)]
        assert len(set(turn)) == waiting
        for workflow in turn:
            left[workflow] -= 1


def test_work_that_is_never_due_goes_before_what_comes_a_day_later() -> None:
    queue: Queue[str] = Queue()
    queue.put("patient", now=NOW, due=None, workflow="a")
    for hour in range(48):
        at = NOW + hour * 3_600.0
        queue.put("urgent", now=at, due=at + 60.0, workflow="b")
        if queue.take() == "patient":
            assert hour == 24
            break
    else:
        pytest.fail("it starved")
