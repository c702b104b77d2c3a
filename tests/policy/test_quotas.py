"""Admission to a provider's queue: nothing beyond a quota, nothing lost, and a fair order."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lanewise.policy.packing import deadline_class
from lanewise.policy.quotas import ALL_MODELS, HOLDS, Quota, Unit, Wanting, admit, doubted

MODELS = ("m", "n")


def wanting() -> st.SearchStrategy[list[Wanting[int]]]:
    one = st.tuples(
        st.sampled_from(MODELS),
        st.sampled_from("abc"),
        st.none() | st.floats(-10, 90_000),
        st.integers(1, 500),
        st.integers(1, 50),
        st.integers(0, 2_000),
    )
    return st.lists(one, max_size=30).map(
        lambda found: [Wanting(number, *of) for number, of in enumerate(found)]
    )


def quotas(*, doubt: bool) -> st.SearchStrategy[list[Quota]]:
    one = st.builds(
        Quota,
        subject=st.sampled_from((*MODELS, ALL_MODELS)),
        unit=st.sampled_from(Unit),
        limit=st.integers(1, 1_000),
        used=st.integers(0, 1_200),
        doubted=st.booleans() if doubt else st.just(False),
    )
    return st.lists(one, max_size=4, unique_by=lambda quota: (quota.subject, quota.unit))


def added(queue: list[Wanting[int]], admitted: list[int], quota: Quota) -> list[int]:
    """What each of the admitted takes of a quota, in order; only those that take any."""
    by_number = {want.what: want for want in queue}
    return [amount for n in admitted if (amount := by_number[n].asks(quota))]


@given(wanting(), quotas(doubt=False))
def test_what_is_admitted_exceeds_no_quota_unless_it_goes_alone(
    queue: list[Wanting[int]], rooms: list[Quota]
) -> None:
    admitted = admit(queue, rooms)
    for quota in rooms:
        took = added(queue, admitted, quota)
        if sum(took) + quota.used > quota.limit and took:
            assert quota.used == 0
            assert len(took) == 1


@given(wanting(), quotas(doubt=True))
def test_a_doubted_limit_is_exceeded_by_one_batch_at_most(
    queue: list[Wanting[int]], rooms: list[Quota]
) -> None:
    admitted = admit(queue, rooms)
    for quota in rooms:
        took = added(queue, admitted, quota)
        if quota.used > quota.limit:
            assert not took
        else:
            assert not took or sum(took[:-1]) + quota.used <= quota.limit


@given(wanting(), quotas(doubt=True))
def test_nothing_is_admitted_twice_and_as_room_comes_everything_is(
    queue: list[Wanting[int]], rooms: list[Quota]
) -> None:
    left, seen = queue, Counter[int]()
    for _ in range(len(queue) + 1):
        emptied = [Quota(q.subject, q.unit, q.limit, 0, q.doubted) for q in rooms]
        admitted = admit(left, emptied)
        assert admitted or not left
        seen.update(admitted)
        left = [want for want in left if want.what not in set(admitted)]
    assert not left
    assert seen == Counter(want.what for want in queue)


@given(wanting(), quotas(doubt=False))
def test_whoever_waits_is_overtaken_for_the_same_room_only_by_its_own_deadline_class_or_a_tighter_one(
    queue: list[Wanting[int]], rooms: list[Quota]
) -> None:
    admitted = set(admit(queue, rooms))
    for held in (want for want in queue if want.what not in admitted):
        shared = [quota for quota in rooms if held.asks(quota)]
        rivals = [
            want
            for want in queue
            if want.what in admitted and all(want.asks(quota) for quota in shared)
        ]
        assert all(rank(rival) <= rank(held) for rival in rivals)


def rank(want: Wanting[int]) -> float:
    found = deadline_class(want.slack)
    return float("inf") if found is None else found


def test_without_quotas_all_go_the_tightest_first() -> None:
    slacks = [90_000.0, None, 60.0, 7_200.0]
    queue = [Wanting(n, "m", "a", slack, 10, 1) for n, slack in enumerate(slacks)]
    assert admit(queue, []) == [2, 3, 0, 1]


def test_a_small_workflow_is_not_starved_by_a_large_one() -> None:
    large = [Wanting(n, "m", "large", 3_600.0, 100, 1) for n in range(50)]
    small = [Wanting(100 + n, "m", "small", 3_600.0, 100, 1) for n in range(2)]
    assert {100, 101} <= set(admit([*large, *small], [Quota("m", Unit.TOKENS, 400, 0)]))


def test_a_workflow_that_has_much_in_the_queue_waits_for_one_that_has_nothing() -> None:
    queue = [Wanting("had", "m", "large", 3_600.0, 100, 1), Wanting("new", "m", "b", 3_600.0, 1, 1)]
    room = [Quota("m", Unit.TOKENS, 1_000, 900)]
    assert admit(queue, room, served={"large": 900}) == ["new"]


def test_a_batch_too_large_for_a_quota_goes_alone() -> None:
    queue = [Wanting(n, "m", "a", 60.0 + n, tokens, 1) for n, tokens in enumerate((2_000, 10))]
    assert admit(queue, [Quota("m", Unit.TOKENS, 1_000, 0)]) == [0]
    assert admit(queue, [Quota("m", Unit.TOKENS, 1_000, 5)]) == []


def test_a_quota_of_one_model_holds_no_other_model_back_and_a_shared_one_does() -> None:
    queue = [Wanting("m", "m", "a", 60.0, 100, 1), Wanting("n", "n", "a", 60.0, 100, 1)]
    assert admit(queue, [Quota("m", Unit.TOKENS, 100, 50)]) == ["n"]
    assert admit(queue, [Quota(ALL_MODELS, Unit.REQUESTS, 10, 10)]) == []


def test_an_hours_creations_are_given_to_the_tightest() -> None:
    queue = [Wanting(n, "m", "a", 7_200.0 - n * 3_000.0, 10, 1) for n in range(3)]
    assert admit(queue, [Quota(ALL_MODELS, Unit.CREATIONS, 2_000, 1_999)]) == [2]


def test_full_storage_holds_uploads_back_and_lets_what_is_uploaded_go() -> None:
    queue = [
        Wanting("here", "m", "a", 60.0, 10, 1, bytes=100),
        Wanting("there", "m", "a", 900.0, 10, 1),
    ]
    assert admit(queue, [Quota(ALL_MODELS, Unit.BYTES, 1_000, 950)]) == ["there"]


def test_a_limit_is_believed_for_an_hour_then_one_batch_more_is_tried() -> None:
    queue = [Wanting(n, "m", "a", 60.0, 100, 1) for n in range(3)]
    assert not doubted(0.0, HOLDS - 1)
    assert doubted(0.0, HOLDS)
    assert admit(queue, [Quota("m", Unit.TOKENS, 100, 100, doubted=True)]) == [0]
    assert admit(queue, [Quota("m", Unit.TOKENS, 100, 200, doubted=True)]) == []  # it is there now
