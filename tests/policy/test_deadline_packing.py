"""Packing for deadlines: nothing is lost, no limit is broken, what is due first leaves first, all in turn."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.packing import Limits
from lanewise.policy.packing import (
    OpenBatch,
    Queued,
    Ripe,
    batch_size,
    deadline_class,
    even,
    linger,
    order,
)
from lanewise.policy.rescuing import Drain, Load

LIMITS = Limits(batch_requests=50_000, batch_bytes=10**8, line_bytes=10**6)
FLOOR = replace(LIMITS, min_batch_requests=100)
DRAIN = Drain(requests_per_second=50, tokens_per_second=20_000, call_seconds=30)
slacks = st.one_of(st.none(), st.floats(0, 10**7))
queues = st.lists(
    st.tuples(st.sampled_from("abc"), slacks, st.integers(1, 1_000)), max_size=60
).map(lambda items: [Queued(n, *item) for n, item in enumerate(items)])


@given(slacks, slacks)
def test_slack_within_a_class_differs_by_less_than_a_fifth(
    one: float | None, other: float | None
) -> None:
    if deadline_class(one) == deadline_class(other):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert max(one, other) <= max(min(one, other) * 1.19, 900.0 * 1.19)


@given(st.floats(0, 10**7), st.floats(0, 1))
def test_nobody_waits_for_company_longer_than_a_tenth_of_the_slack(
    slack: float, creations: float
) -> None:
    assert 0 <= linger(slack, creations) <= slack / 10
    assert linger(slack, creations) >= linger(slack)


@given(st.floats(901, 10**6), st.floats(1, 10**5), st.floats(0.1, 1_000), st.floats(10, 10**7))
def test_rescuing_one_batch_takes_a_hundredth_of_its_slack_or_the_batch_is_small(
    slack: float, tokens: float, requests_per_second: float, tokens_per_second: float
) -> None:
    drain = replace(
        DRAIN, requests_per_second=requests_per_second, tokens_per_second=tokens_per_second
    )
    size = batch_size(slack, drain, tokens, LIMITS)
    assert 1 <= size <= LIMITS.batch_requests
    load = Load("b", slack, size, int(size * tokens))
    assert size == 20 or drain.seconds(load) <= slack / 100 + 1e-6


def test_an_open_batch_leaves_when_it_is_full_or_has_waited_long_enough() -> None:
    opened = OpenBatch(requests=50, opened_at=0.0, deadline=3_600.0)
    assert opened.ripe(50, LIMITS, 1.0) is Ripe.SEND
    assert opened.ripe(51, LIMITS, 59.0) is Ripe.WAIT
    assert opened.ripe(51, LIMITS, 60.0) is Ripe.SEND
    assert opened.ripe(51, LIMITS, 60.0, creations=0.9) is Ripe.WAIT


@pytest.mark.parametrize(("deadline", "patience"), [(3_600.0, 360.0), (None, 86_400.0)])
def test_below_the_providers_least_size_it_waits_on_and_then_spills(
    deadline: float | None, patience: float
) -> None:
    opened = OpenBatch(requests=99, opened_at=0.0, deadline=deadline)
    assert opened.ripe(500, FLOOR, patience - 1) is Ripe.WAIT
    assert opened.ripe(500, FLOOR, patience) is Ripe.SPILL
    assert replace(opened, requests=100).ripe(500, FLOOR, patience) is Ripe.SEND


@given(queues)
def test_ordering_loses_nothing_and_keeps_the_order_within_a_workflow_and_class(
    queue: list[Queued[int]],
) -> None:
    found = order(queue)
    assert sorted(item.what for item in found) == list(range(len(queue)))
    for workflow in "abc":
        for key in {deadline_class(item.slack) for item in queue}:
            same = [
                i.what for i in found if (i.workflow, deadline_class(i.slack)) == (workflow, key)
            ]
            assert same == sorted(same)


@given(queues)
def test_the_tightest_class_leaves_first(queue: list[Queued[int]]) -> None:
    classes = [deadline_class(item.slack) for item in order(queue)]
    known = [found for found in classes if found is not None]
    assert known == sorted(known)
    assert all(found is None for found in classes[len(known) :])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 1_000)), max_size=60))
def test_workflows_in_one_class_are_served_alike_while_they_have_work(
    items: list[tuple[str, int]],
) -> None:
    queue = [Queued(n, workflow, 3_600.0, tokens) for n, (workflow, tokens) in enumerate(items)]
    left = {workflow: sum(w == workflow for w, _ in items) for workflow in "abc"}
    had = dict.fromkeys("abc", 0)
    for item in order(queue):
        assert all(had[item.workflow] <= had[other] for other in "abc" if left[other])
        had[item.workflow] += item.tokens
        left[item.workflow] -= 1


def test_who_was_served_lately_waits_for_the_others() -> None:
    queue = [Queued(1, "a", 60.0, 5), Queued(2, "b", 60.0, 5)]
    assert [item.what for item in order(queue, {"a": 10})] == [2, 1]


@given(
    requests=st.integers(1, 200_000),
    size=st.integers(1, 50_000),
    most=st.integers(1, 50_000),
    least=st.integers(1, 200),
)
def test_batches_about_even_hold_every_request_once_and_only_the_last_may_be_below_the_least(
    requests: int, size: int, most: int, least: int
) -> None:
    least, size = min(least, most), min(size, most)
    counts = even(requests, size, most, least)
    assert sum(counts) == requests
    assert all(0 < count <= most for count in counts)
    assert all(count >= least for count in counts[:-1])
