"""Rescue: stragglers together, at the latest safe moment, in the way that costs least from there."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from lanewise.domain.lanes import BACKGROUND_8H, BATCH, FLEX, REALTIME
from lanewise.policy.choosing import Ladder
from lanewise.policy.rescuing import (
    Drain,
    Live,
    Load,
    Move,
    Stay,
    decide,
    earliest_promise,
    fits,
    latest_starts,
    review,
    stuck,
)

from .test_choosing import ALL, BATCHED, HOUR, REAL, TYPICAL, offer, option

DRAIN = Drain(requests_per_second=10, tokens_per_second=20_000, call_seconds=60, margin=30)
FASTER = Ladder((REAL,))
EARLY = (
    360 + 600 + 28_810 + 90
)  # the deadline with which background makes its last call after 6 min
loads = st.lists(
    st.builds(
        lambda n, deadline, requests, tokens, ahead: (n, deadline, requests, tokens, ahead),
        st.integers(0, 10**6),
        st.floats(0, 90_000) | st.sampled_from([3_600.0, 7_200.0]),
        st.integers(1, 5_000),
        st.integers(0, 10**7),
        st.booleans(),
    ),
    max_size=30,
    unique_by=lambda found: found[0],
).map(lambda found: [Load(str(n), *rest) for n, *rest in found])


def finishes(work: list[Load], starts: dict[str, float], drain: Drain) -> dict[str, float]:
    """When each would be answered if nothing is begun before its latest start, due first."""
    at, ends = float("-inf"), {}
    for load in sorted(work, key=lambda one: (one.deadline, not one.ahead, one.id)):
        at = max(at, starts[load.id]) + drain.seconds(load)
        ends[load.id] = at + drain.call_seconds
    return ends


def test_what_is_ahead_is_sent_before_what_is_due_at_the_same_time() -> None:
    work = [Load("a", HOUR, 100, 0), Load("z", HOUR, 100, 0, ahead=True)]
    starts = latest_starts(work, replace(DRAIN, committed=(Load("y", HOUR, 50, 0, ahead=True),)))
    last = HOUR - DRAIN.lead
    assert starts == {"a": last - 10, "z": last - 20, "y": last - 25}


@given(loads, loads)
def test_everything_begun_at_its_latest_start_arrives_and_nothing_could_begin_later(
    work: list[Load], other: list[Load]
) -> None:
    drain = replace(DRAIN, committed=tuple(replace(o, id=f"c{o.id}") for o in other))
    starts = latest_starts(work, drain)
    together = [*work, *drain.committed]
    ends = finishes(together, starts, drain)
    assert all(ends[load.id] <= load.deadline - drain.margin + 1e-3 for load in together)
    if together:  # a second later for the one that is due first, and something is late
        first = min(together, key=lambda load: (load.deadline, load.id))
        later = finishes(together, starts | {first.id: starts[first.id] + 1}, drain)
        assert any(later[load.id] > load.deadline - drain.margin + 0.5 for load in together)


@given(loads, st.integers(1, 1_000), st.integers(0, 10**6))
def test_what_is_promised_can_be_kept_and_no_earlier_promise_could(
    work: list[Load], requests: int, tokens: int
) -> None:
    assume(fits(work, DRAIN, 0.0))
    new = Load("new", 0.0, requests, tokens)
    promised = earliest_promise(new, work, DRAIN, 0.0)
    assert fits([*work, replace(new, deadline=promised + 1e-6)], DRAIN, -1e-3)
    assert not fits([*work, replace(new, deadline=promised - 1.0)], DRAIN, 1e-3)


def test_a_promise_comes_after_work_that_is_too_much_already() -> None:
    late = [Load("late", 10.0, 1_000, 0)]
    assert earliest_promise(Load("new", 0.0, 10, 0), late, DRAIN, 0.0) == 100 + 1 + 90


def live(deadline: float, **more: object) -> Live:
    return Live(Load("b", deadline, 100, 0), BATCHED, 0.0, **more)  # type: ignore[arg-type]


@given(st.floats(800, 90_000), st.floats(0, 90_000), st.integers(1, 20_000))
def test_a_rescue_never_starts_after_the_latest_safe_moment(
    deadline: float, now: float, requests: int
) -> None:
    one = replace(live(deadline), load=Load("b", deadline, requests, 0))
    start = latest_starts([one.load], DRAIN)["b"]
    found = review(one, FASTER, start, DRAIN, now)
    assert isinstance(found, Move) == (now >= start - 600 - 0.01 * 90 - 1e-6)
    if isinstance(found, Stay):
        assert now < found.until <= start - 600 + 1e-6
    moved = replace(one, cancelling_since=now)
    assert isinstance(review(moved, FASTER, start, DRAIN, start), Move)


def test_a_thousand_stragglers_are_begun_long_before_one_would_be() -> None:
    many = [
        replace(live(8 * HOUR), load=Load(f"b{n:04}", 8 * HOUR, 100, 200_000)) for n in range(1_000)
    ]
    found = decide(many, {one.load.id: FASTER for one in many}, DRAIN, 8 * HOUR - 2_000)
    moves = [verdict for verdict in found.values() if isinstance(verdict, Move)]
    assert len(moves) > 850
    assert found["b0999"] != found["b0000"]
    assert isinstance(decide(many[:1], {"b0000": FASTER}, DRAIN, 8 * HOUR - 2_000)["b0000"], Stay)


def test_a_batch_is_cancelled_first_and_its_partial_results_are_kept() -> None:
    found = review(live(HOUR), FASTER, HOUR - 100, DRAIN, HOUR - 700)
    assert isinstance(found, Move)
    assert (found.order, found.cancel, found.waits) == ((REALTIME,), True, True)
    assert found.why == "real time: last call after 48 min without an end"


def test_what_cancelling_would_throw_away_is_let_run_beside_its_rescue() -> None:
    runs = replace(BATCHED, offer=offer(BATCH, partial_on_cancel=False))
    one = replace(live(HOUR), option=runs)
    assert isinstance(review(one, FASTER, HOUR - 100, DRAIN, HOUR - 700), Stay)
    found = review(one, FASTER, HOUR - 100, DRAIN, HOUR - 100)
    assert isinstance(found, Move)
    assert not found.cancel
    assert not found.waits


def test_what_never_left_needs_no_cancellation() -> None:
    one = live(HOUR, unsent=True)
    assert isinstance(review(one, FASTER, HOUR - 100, DRAIN, HOUR - 700), Stay)
    found = review(one, FASTER, HOUR - 100, DRAIN, HOUR - 100)
    assert isinstance(found, Move)
    assert not found.cancel


def test_a_cancellation_that_does_not_end_is_not_waited_for_past_the_latest_start() -> None:
    one = live(HOUR, cancelling_since=HOUR - 700)
    assert review(one, FASTER, HOUR - 100, DRAIN, HOUR - 650) == Stay(
        HOUR - 100, "waits for the cancellation to end"
    )
    found = review(one, FASTER, HOUR - 100, DRAIN, HOUR - 100)
    assert isinstance(found, Move)
    assert not found.waits


def test_flex_is_tried_before_real_time_where_its_saving_is_worth_the_wait() -> None:
    flexible = Ladder((REAL, option(FLEX, 500_000, refuses=0.2)))
    start = 8 * HOUR - 100
    found = review(live(8 * HOUR), flexible, start, DRAIN, start - 900 - 600)
    assert isinstance(found, Move)
    assert found.order == (FLEX, REALTIME)


def test_a_batch_goes_to_the_background_lane_at_its_last_call_only_if_that_is_cheaper() -> None:
    """After 14 h, what is typical is over and waiting is worth little; after 6 min it is worth much."""
    faster = Ladder([each for each in ALL if each.lane in (REALTIME, BACKGROUND_8H)])
    for deadline, moves in ((23 * HOUR, True), (EARLY, False)):
        start = deadline - 90
        last_call = start - 28_800 - 10 - 600
        found = review(live(deadline), faster, start, DRAIN, last_call)
        assert isinstance(found, Move) == moves
        if isinstance(found, Move):
            assert found.order == (BACKGROUND_8H, REALTIME)


def test_silence_that_most_batches_do_not_survive_is_noticed() -> None:
    assert stuck(live(8 * HOUR), 3 * HOUR, moved_at=0.0, finalizing_since=None) == (
        "no progress for 3 h; 91 % of those like it end in that time"
    )
    assert stuck(live(8 * HOUR), HOUR, moved_at=0.0, finalizing_since=None) is None
    assert stuck(live(8 * HOUR), 3 * HOUR, moved_at=2.9 * HOUR, finalizing_since=None) is None


def test_hours_of_finalizing_are_noticed() -> None:
    found = stuck(live(8 * HOUR), 2 * HOUR, moved_at=1.9 * HOUR, finalizing_since=0.5 * HOUR)
    assert found == "writing its results for 1 h 30 min"


def test_a_stuck_batch_is_not_waited_for_while_a_cheaper_lane_than_real_time_closes() -> None:
    faster = Ladder([each for each in ALL if each.lane in (REALTIME, BACKGROUND_8H)])
    deadline = EARLY
    start = deadline - 90
    last_call = start - 28_800 - 10 - 600
    well, ill = live(deadline), live(deadline, stuck="no progress for 3 h")
    assert isinstance(review(well, faster, start, DRAIN, last_call), Stay)
    found = review(ill, faster, start, DRAIN, last_call)
    assert isinstance(found, Move)
    assert found.order == (BACKGROUND_8H, REALTIME)


def test_after_every_last_call_what_is_missing_is_sent_without_waiting() -> None:
    found = review(live(HOUR), FASTER, HOUR - 100, DRAIN, HOUR - 50)
    assert isinstance(found, Move)
    assert (found.order, found.waits) == ((REALTIME,), False)


def test_the_outlook_of_a_stuck_batch_is_never() -> None:
    ill = live(HOUR, stuck="no progress").option_at(10.0)
    assert ill.outlook.done_within(1e9) == 0.0
    assert live(HOUR).option_at(480.0).outlook.done_within(1e9) == TYPICAL.given(480.0).done_within(
        1e9
    )
