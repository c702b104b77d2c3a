"""The lanes in virtual time keep the promises that the benchmark measures, in small."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import accumulate
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanewise.domain.lanes import BACKGROUND_2H, BACKGROUND_8H, BATCH, FLEX, REALTIME, LaneName
from lanewise.policy.choosing import Outlook
from lanewise.policy.options import needs
from lanewise.policy.priors import prior
from lanewise.providers.offers import offers
from lanewise.replay.beliefs import PRIOR, Points, Prior
from lanewise.replay.engine import Replay
from lanewise.replay.nouns import Arrival, Arrivals, Menu, Outcome, Sold
from lanewise.replay.rivals import all_batch, all_realtime, clairvoyant, fixed_buffer
from lanewise.replay.worlds import WORLDS, Timing, World

HOUR = 3_600.0
SHARES = {REALTIME: 100, FLEX: 50, BATCH: 50, "background_2h": 70, "background_8h": 60}


def menu(provider: str, *lanes: LaneName, **limits: object) -> Menu:
    sold = tuple(
        Sold(offer, 12_500 * SHARES[offer.lane], 100_000 * SHARES[offer.lane])
        for offer in offers(provider)
        if offer.lane in (lanes or SHARES)
    )
    return Menu(provider, sold, 5_000 / 60, 2_000_000 / 60, **limits)  # type: ignore[arg-type]


HARD = menu("openai", BATCH, REALTIME)
ALL = menu("openai")


def requests(seed: int, count: int = 2_000, rate: float = 0.5) -> list[Arrival]:
    dice = random.Random(seed)
    times = accumulate(dice.expovariate(rate) for _ in range(count))
    slacks = dice.choices((1 * HOUR, 8 * HOUR, 24 * HOUR), (0.3, 0.4, 0.3), k=count)
    return [
        Arrival(at, at + slack, dice.randint(50, 3_000), dice.randint(1, 500), dice.choice("ab"))
        for at, slack in zip(times, slacks, strict=True)
    ]


def replayed(work: list[Arrival], sold: Menu, world: str, seed: int = 1) -> Outcome:
    return Replay(Arrivals.of(work), sold, World(world, seed), Prior()).run()


@pytest.mark.parametrize("sold", [HARD, ALL], ids=["batch and real time", "all lanes"])
@pytest.mark.parametrize(("world", "most"), [("fast", 1.03), ("typical", 1.03), ("bad-day", 1.10)])
def test_every_deadline_is_kept_at_nearly_the_least_cost(
    sold: Menu, world: str, most: float
) -> None:
    cost = bound = 0
    for seed in range(4):
        arrivals = Arrivals.of(requests(seed))
        ours = Replay(arrivals, sold, World(world, seed), Prior()).run()
        _, first = all_batch(arrivals, sold, World(world, seed))
        assert ours.answered == ours.requests == 2_000
        assert (ours.broken, ours.unpromised) == (0, 0)
        cost += ours.cost_nano
        bound += clairvoyant(arrivals, sold, World(world, seed), first).cost_nano
    assert bound * 0.99 <= cost <= bound * most


def test_it_beats_all_real_time_in_cost_and_all_batch_and_peers_in_deadlines() -> None:
    arrivals, world = Arrivals.of(requests(3, rate=2.0)), World("bad-day", 3)
    ours = Replay(arrivals, HARD, world, Prior()).run()
    batch, first = all_batch(arrivals, HARD, world)
    peers = fixed_buffer(arrivals, HARD, first)
    real = all_realtime(arrivals, HARD)
    assert ours.met == real.met == 2_000
    assert ours.cost_nano < peers.cost_nano < real.cost_nano
    assert batch.met < peers.met < ours.met


@pytest.mark.parametrize("world", WORLDS)
def test_the_same_seed_gives_the_same_to_the_bit_whatever_the_order_of_the_input(
    world: str,
) -> None:
    work = requests(5)
    first = replayed(work, ALL, world)
    random.Random(1).shuffle(work)
    assert replayed(work, ALL, world) == first
    assert replayed(work, ALL, world, seed=2) != first


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 5_000), st.floats(1, 90_000) | st.just(inf), st.integers(1, 50_000)),
        max_size=60,
    ),
    st.sampled_from(WORLDS),
    st.sampled_from([HARD, ALL, menu("gemini"), menu("bedrock")]),
    st.sampled_from([None, 100_000]),
    st.sampled_from([2_000_000 / 60, 200_000 / 60]),
)
def test_nothing_is_lost_and_no_promise_is_broken(
    work: list[tuple[float, float, int]], world: str, sold: Menu, quota: int | None, tokens: float
) -> None:
    scarce = replace(sold, queued_tokens=quota, tokens_per_second=tokens)
    arrivals = [Arrival(at, at + slack, size, 10) for at, slack, size in work]
    found = replayed(arrivals, scarce, world)
    assert found.answered == len(work)
    own = sum(scarce.sold(REALTIME).nano((size, 10)) for _, _, size in work)
    assert found.baseline_nano == pytest.approx(own, abs=len(work))
    assert found.broken == 0


def test_what_is_not_kept_on_cancelling_is_let_run_and_booked_as_waste_when_it_comes_late() -> None:
    found = replayed(requests(7), menu("gemini", BATCH, REALTIME), "typical")
    assert found.broken == 0
    assert found.waste_nano > 0
    assert found.cancelled == 0


def test_below_the_providers_floor_requests_go_one_by_one() -> None:
    alone = replayed([Arrival(0.0, HOUR, 100, 10)] * 99, menu("bedrock", BATCH, REALTIME), "fast")
    assert set(alone.lanes) == {REALTIME}
    enough = replayed([Arrival(0.0, HOUR, 100, 10)] * 100, menu("bedrock", BATCH, REALTIME), "fast")
    assert set(enough.lanes) == {BATCH}


def test_a_full_queue_at_the_provider_makes_work_wait_here_and_never_late() -> None:
    found = replayed(requests(9), replace(HARD, queued_tokens=200_000), "typical")
    assert found.most_held > 0
    assert (found.answered, found.broken) == (2_000, 0)


def test_creations_stay_within_the_providers_hourly_limit() -> None:
    found = replayed(requests(9), replace(HARD, creations_per_hour=10), "typical")
    assert found.most_created == 10
    assert (found.answered, found.broken) == (2_000, 0)


def test_where_real_time_has_no_room_it_is_known_when_the_request_comes() -> None:
    scarce = replace(HARD, tokens_per_second=100.0)
    found = replayed(requests(11, rate=2.0), scarce, "bad-day")
    assert found.unpromised > 0
    assert len(found.late) > 0
    assert found.broken == 0


class OnceBitten:
    """Believes in no batch any more once one was given up unfinished."""

    def __init__(self) -> None:
        self.prior, self.bitten = Prior(), False

    def outlook(self, lane: LaneName) -> Outlook:
        never = Points(((0.0, 0.0),))
        return never if self.bitten and lane == BATCH else self.prior.outlook(lane)

    def refuses(self, lane: LaneName) -> float:
        return self.prior.refuses(lane)

    def saw(self, lane: LaneName, seconds: float, *, finished: bool) -> bool:
        changed, self.bitten = not finished and not self.bitten, self.bitten or not finished
        return changed


def test_what_was_seen_to_end_or_not_changes_what_is_chosen() -> None:
    far = [Arrival(at, deadline, *rest) for at, deadline, *rest in requests(13)]
    let_run = menu("gemini", BATCH, REALTIME)
    learned = Replay(Arrivals.of(far), let_run, World("bad-day", 1), OnceBitten()).run()
    assumed = Replay(Arrivals.of(far), let_run, World("bad-day", 1), Prior()).run()
    assert learned.batches < assumed.batches
    assert learned.waste_nano < assumed.waste_nano


def test_a_batch_stuck_in_writing_its_results_cannot_be_cancelled() -> None:
    timing = Timing(begins=60.0, worked=1_800.0, ends=20_000.0, share=1.0, cancels_in=100.0)
    assert timing.cancelled(1_000.0) == 1_100.0
    assert timing.cancelled(3_000.0) == 20_000.0
    assert timing.done(100, 930.0) == 50


def test_worlds_are_as_they_are_described() -> None:
    batch = HARD.sold(BATCH)

    def ends(world: str) -> list[Timing]:
        return [World(world, 1).timing(batch, str(number)) for number in range(2_000)]

    typical = sorted(timing.ends for timing in ends("typical"))
    assert [sum(end <= at * HOUR for end in typical) / 2_000 for at in (1, 4)] == pytest.approx(
        [0.70, 0.90], abs=0.03
    )
    assert sum(timing.share < 1.0 for timing in ends("typical")) / 2_000 == pytest.approx(
        0.01, abs=0.01
    )
    assert sum(timing.share < 1.0 for timing in ends("bad-day")) / 2_000 == pytest.approx(
        0.5, abs=0.04
    )
    fast = sorted(timing.ends for timing in ends("fast"))
    assert (fast[1_000], fast[1_800]) == pytest.approx((60.0, 420.0), rel=0.15)


@given(st.floats(0, 90_000), st.floats(0, 90_000))
def test_the_assumed_curve_never_falls_and_agrees_with_itself(elapsed: float, more: float) -> None:
    curve = PRIOR[BATCH]
    assert 0.0 <= curve.done_within(elapsed) <= curve.done_within(elapsed + more) <= 1.0
    left = 1.0 - curve.done_within(elapsed)
    later = (curve.done_within(elapsed + more) - curve.done_within(elapsed)) / left
    assert curve.given(elapsed).done_within(more) == pytest.approx(later, abs=1e-6)


@pytest.mark.parametrize("lane", [REALTIME, FLEX, BACKGROUND_2H, BACKGROUND_8H, BATCH])
@pytest.mark.parametrize("seconds", [0.0, 30.0, 600.0, 7_200.0, 100_000.0])
def test_the_replay_assumes_what_the_lanes_assume(lane: LaneName, seconds: float) -> None:
    assumed = prior("openai", lane).done_within(seconds)
    assert Prior().outlook(lane).done_within(seconds) == pytest.approx(assumed)


def test_the_replay_gives_flex_the_time_that_the_lanes_give_it() -> None:
    sold = menu("openai", FLEX, REALTIME)
    replay = Replay(Arrivals.of(requests(1, 2)), sold, World("fast", 1), Prior())
    assert replay._option(sold.sold(FLEX)).needs == needs(sold.sold(FLEX).offer)
