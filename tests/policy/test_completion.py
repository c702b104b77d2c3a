"""Completion times: a prior until there is more, and nothing that still runs is ever counted as done."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.lanes import BATCH, FLEX, LaneName, Offer
from lanewise.errors import BadInput
from lanewise.policy.completion import GRID, Completion, Observation, size_bucket, week_block
from lanewise.policy.outlook import Curve, Sample
from lanewise.policy.priors import PRIORS, Prior, prior
from lanewise.providers.offers import OFFERS

HOUR = 3_600.0
DAY = 24 * HOUR
NOW = 1_796_000_000.0  # a Monday in November 2026

observed = st.lists(
    st.builds(
        Observation,
        provider=st.sampled_from(["openai", "anthropic"]),
        lane=st.sampled_from([BATCH, FLEX]),
        model=st.sampled_from(["small", "large"]),
        requests=st.sampled_from([1, 500, 20_000]),
        started_at=st.floats(NOW - 40 * DAY, NOW),
        seconds=st.floats(0.0, 5 * DAY) | st.sampled_from([0.0, HOUR, DAY, 4 * DAY]),
        finished=st.booleans(),
    ),
    max_size=60,
)
times = st.floats(0.0, 6 * DAY)


def batch(
    seconds: float, *, finished: bool = True, ago: float = 0.0, model: str = "m"
) -> Observation:
    return Observation("openai", BATCH, model, 1_000, NOW - ago, seconds, finished)


def curve(observations: Sequence[Observation], model: str = "m", requests: int = 1_000) -> Curve:
    return Completion(observations, NOW).curve("openai", BATCH, model, requests, NOW)


@given(observed, times, times)
def test_a_curve_never_falls_and_stays_between_none_and_all(
    observations: list[Observation], one: float, other: float
) -> None:
    found = Completion(observations, NOW).curve("openai", BATCH, "small", 500, NOW)
    assert found.done_within(0.0) == 0.0
    assert 0.0 <= found.done_within(min(one, other)) <= found.done_within(max(one, other)) <= 1.0
    assert found.done_within(float("inf")) < 1.0  # nothing is certain


@given(observed, times, times, times)
def test_what_still_runs_has_the_rest_of_the_curve(
    observations: list[Observation], first: float, second: float, more: float
) -> None:
    whole = Completion(observations, NOW).curve("openai", BATCH, "small", 500, NOW)
    rest = whole.given(first)
    still = 1.0 - whole.done_within(first)
    expected = (whole.done_within(first + more) - whole.done_within(first)) / still
    assert rest.done_within(more) == pytest.approx(expected, abs=1e-9)
    assert rest.given(second).done_within(more) == pytest.approx(
        whole.given(first + second).done_within(more), abs=1e-9
    )


@given(observed, st.floats(0.01, 0.99), times)
def test_a_quantile_is_the_first_time_by_which_so_much_is_done(
    observations: list[Observation], p: float, elapsed: float
) -> None:
    found = Completion(observations, NOW).curve("openai", BATCH, "small", 500, NOW).given(elapsed)
    at = found.quantile(p)
    if at is None:
        assert found.done_within(float("inf")) < p
    else:
        assert found.done_within(at) == pytest.approx(p, abs=1e-6)
        assert found.done_within(at * 0.999) <= p + 1e-6


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: f"{offer.provider}-{offer.lane}")
def test_without_batches_of_ones_own_the_curve_is_the_labelled_prior(offer: Offer) -> None:
    provider, lane = offer.provider, offer.lane
    found = Completion([], NOW).curve(provider, lane, "any", 50, NOW)
    assumed = prior(provider, lane)
    assert (found.basis, found.sample) == ("prior (assumed)", Sample(0, 0))
    for at in (0.0, 1.0, 59.0, 90.0, 500.0, HOUR, 3 * HOUR, DAY, 2 * DAY, 9 * DAY):
        assert found.done_within(at) == pytest.approx(assumed.done_within(at), abs=2e-3), at
    for at, share in assumed.points:
        assert found.done_within(at) == pytest.approx(share, abs=1e-12)
        assert found.quantile(share) == pytest.approx(at)


@pytest.mark.parametrize("known", PRIORS)
def test_every_prior_rises_and_says_where_it_comes_from(known: Prior) -> None:
    points, source = known.points, known.source
    assert sorted(points) == list(points)
    assert all(a[1] < b[1] for a, b in pairwise(points))
    assert points[-1][1] < 1.0
    assert source.startswith("assumed")


def test_with_many_finished_batches_the_curve_is_theirs() -> None:
    dice = random.Random(7)
    seconds = [120.0 * dice.lognormvariate(0.0, 1.0) for _ in range(20_000)]
    found = curve([batch(one, ago=n * 14 * DAY / 20_000) for n, one in enumerate(seconds)])
    for at in GRID[1:]:
        true = sum(one <= at for one in seconds) / len(seconds)
        assert found.done_within(at) == pytest.approx(true, abs=0.02), at


def test_leaving_out_what_still_runs_would_be_badly_optimistic() -> None:
    """Half of the batches take two days, and each is looked at after a random time of at most a day."""
    dice = random.Random(11)
    seen = []
    for n in range(1_500):
        true = dice.expovariate(1 / (10 * 60.0)) if dice.random() < 0.5 else 2 * DAY
        looked = dice.uniform(0.0, DAY)
        seen.append(
            Observation(
                "openai", BATCH, "m", 1_000, NOW - n * HOUR / 5, min(true, looked), true <= looked
            )
        )
    finished = [one.seconds for one in seen if one.finished]
    naive = sum(one <= HOUR for one in finished) / len(finished)
    ours = curve(seen).done_within(HOUR)
    assert naive > 0.95  # of those that finished, nearly all did so within the hour
    assert ours == pytest.approx(0.5, abs=0.06)


@given(st.lists(st.floats(0.0, 3 * DAY), min_size=1, max_size=30))
def test_batches_that_never_finished_only_lower_the_chance(seconds: list[float]) -> None:
    before, after = curve([]), curve([batch(one, finished=False) for one in seconds])
    for at in (60.0, HOUR, 4 * HOUR, DAY, 3 * DAY):
        assert after.done_within(at) <= before.done_within(at) + 1e-9
    assert after.sample == Sample(0, len(seconds))


def test_an_expired_batch_is_not_done_when_its_window_closes() -> None:
    day = [batch(DAY, finished=False, ago=n * HOUR) for n in range(60)]
    assert curve(day).done_within(2 * DAY) < 0.35  # the prior says 0.99
    assert curve(day).done_within(2 * DAY) == pytest.approx(curve(day).done_within(DAY))


def test_a_model_without_batches_borrows_from_its_neighbours_and_is_outgrown_by_its_own() -> None:
    slow = [batch(5 * HOUR, ago=n * DAY / 3, model="slow") for n in range(60)]
    quick = [batch(60.0, ago=n * DAY / 3, model="quick") for n in range(60)]
    stranger = curve(slow, model="new")
    assert stranger.done_within(HOUR) < 0.5 < curve([], model="new").done_within(HOUR)
    assert stranger.basis.startswith(
        "60 own batches of other models done; the prior (assumed) weighs"
    )
    both = [*slow, *quick]
    assert curve(both, model="quick").done_within(HOUR) > 0.8
    assert curve(both, model="slow").done_within(HOUR) < 0.25
    other = Completion(slow, NOW).curve("anthropic", BATCH, "slow", 1_000, NOW)
    assert other.basis == "prior (assumed)"


def test_one_batch_weighs_one_in_eleven_wherever_it_stands() -> None:
    """No batch counts twice, though it stands in four of the curves."""
    never = curve([batch(4 * DAY, finished=False)])
    kept = 10 / 11
    assert never.done_within(HOUR) == pytest.approx(0.7 * kept)
    assert "weighs 91 %" in never.basis
    assert never.assumed == pytest.approx(kept)
    elsewhere = curve([batch(4 * DAY, finished=False)], requests=1)
    assert elsewhere.done_within(HOUR) == pytest.approx(0.7 * kept)


def test_however_much_the_neighbours_have_seen_a_few_of_its_own_are_heard() -> None:
    """Sizes share what they have seen, but a thousand batches of one do not drown thirty of another."""
    large = [replace(batch(5 * HOUR, ago=n * HOUR / 4), requests=20_000) for n in range(1_000)]
    small = [replace(batch(60.0, ago=n * DAY / 3), requests=1) for n in range(30)]
    assert curve(large, requests=1).done_within(HOUR) < 0.1
    assert curve([*large, *small], requests=1).done_within(HOUR) > 0.4


def test_what_lies_back_longer_counts_less() -> None:
    slow_then_quick = [batch(10 * HOUR, ago=90 * DAY + n * HOUR) for n in range(30)] + [
        batch(60.0, ago=n * HOUR) for n in range(30)
    ]
    quick_then_slow = [batch(60.0, ago=90 * DAY + n * HOUR) for n in range(30)] + [
        batch(10 * HOUR, ago=n * HOUR) for n in range(30)
    ]
    assert curve(slow_then_quick).done_within(HOUR) > 0.85
    assert curve(quick_then_slow).done_within(HOUR) < 0.35


def test_batches_sent_together_are_not_so_many_opinions() -> None:
    together = curve([batch(60.0) for _ in range(200)])
    apart_hours = curve([batch(60.0, ago=n * 7 * DAY / 200) for n in range(200)])
    assert together.done_within(HOUR) < 0.8 < apart_hours.done_within(HOUR)
    assert together.sample == Sample(200, 0)  # what was seen is told as it was


def test_the_basis_tells_what_was_seen_and_what_is_assumed() -> None:
    seen = [batch(60.0, ago=n * HOUR) for n in range(31)]
    seen += [batch(HOUR, finished=False, ago=n * HOUR) for n in range(9)]
    found = curve(seen)
    assert found.basis == (
        "31 own batches of m done, 9 more still running or cut short; the prior (assumed) weighs 22 %"
    )
    assert found.sample == Sample(31, 9)
    other = curve([*seen, batch(60.0, model="n"), batch(60.0, finished=False, model="n")])
    assert "9 more still running or cut short; 2 of other models; the prior" in other.basis
    mixed = Completion([replace(batch(60.0), model="")], NOW).curve("openai", BATCH, "", 1_000, NOW)
    assert mixed.basis.startswith("1 own batch of any model done")


def test_a_clock_that_jumped_spoils_nothing() -> None:
    odd = [batch(-30.0), batch(60.0, ago=-DAY), batch(1e12, finished=False)]
    assert 0.0 < curve(odd).done_within(HOUR) < 1.0


def test_a_lane_nobody_knows_is_named_with_those_that_are() -> None:
    with pytest.raises(BadInput, match=r"lane 'express'; realtime, .*batch have one"):
        Completion([], NOW).curve("openai", LaneName("express"), "m", 1, NOW)


def test_the_week_is_parted_into_eight_and_sizes_into_four() -> None:
    blocks = [week_block(hour * HOUR) for hour in range(7 * 24)]
    assert {block: blocks.count(block) for block in set(blocks)} == {
        0: 30, 1: 30, 2: 30, 3: 30, 4: 12, 5: 12, 6: 12, 7: 12,
    }  # fmt: skip
    assert [size_bucket(n) for n in (1, 100, 101, 1_000, 1_001, 10_000, 10_001)] == [
        0, 0, 1, 1, 2, 2, 3,
    ]  # fmt: skip


def test_ten_thousand_observations_are_taken_in_well_under_a_second() -> None:
    dice = random.Random(3)
    seen = [
        Observation(
            "openai",
            BATCH,
            f"m{n % 20}",
            10 ** (n % 6),
            NOW - n * 300.0,
            dice.expovariate(1e-3),
            n % 9 > 0,
        )
        for n in range(10_000)
    ]
    begun = time.process_time()
    built = Completion(seen, NOW)
    assert time.process_time() - begun < 0.5  # about 0.05 s on a quiet machine
    first = built.curve("openai", BATCH, "m1", 10, NOW)
    assert built.curve("openai", BATCH, "m1", 10, NOW) is first
