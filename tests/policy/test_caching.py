"""Caching never costs more in expectation, a cold batch is never marked, what does not pay is ended."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lanewise.domain.caching import Breakpoint, Prefix, Ttl
from lanewise.domain.usage import Usage
from lanewise.policy import caching
from lanewise.policy.caching import Ahead, Follow, Group, Tally, plan_group, verdict
from lanewise.pricing.arithmetic import Rates, Vector, price

CLAUDE = Vector(500, 50, 625, 1_000, 625, 2_500)  # of a Claude model in batch, in thousands
AHEAD = Ahead(landing=900.0, alive={"5m": 0.3, "1h": 1.0})
GROUP = Group(Prefix(7, 4_096, Breakpoint.SYSTEM), 100, Rates(CLAUDE), slack=3_600.0)

shares = st.floats(0, 1)
prices = st.builds(
    Vector, *(st.integers(0, 5_000) for _ in range(5)), output=st.integers(0, 50_000)
)
usual_prices = st.builds(  # reading is no dearer than plain input, writing no cheaper
    lambda read, plain, short, long: Vector(
        read + plain, read, read + plain + short, read + plain + short + long, 0, 0
    ),
    *(st.integers(0, 5_000) for _ in range(4)),
)
breakpoints = st.sampled_from(Breakpoint)
prefixes = st.builds(
    Prefix, st.integers(1, 2**64 - 1), st.integers(512, 200_000), breakpoints, st.booleans()
)
groups = st.builds(
    Group,
    prefixes,
    st.integers(1, 50_000),
    st.builds(Rates, prices),
    st.floats(0, 90_000),
    st.floats(0, 50_000),
)
aheads = st.builds(
    lambda landing, short, long, lands, late: Ahead(
        landing, {"5m": short, "1h": max(short, long)}, lands, late
    ),
    st.floats(0, 90_000),
    *(shares for _ in range(4)),
)
usages = st.builds(Usage, *(st.integers(0, 10**7) for _ in range(5)), output=st.integers(0, 10**6))
tallies = st.builds(Tally, st.integers(0, 1_000), st.integers(0, 50), usages)
warmths: st.SearchStrategy[Ttl | None] = st.sampled_from((None, "5m", "1h"))


@given(groups, aheads, st.none() | tallies, warmths)
def test_a_plan_is_never_expected_to_cost_more_than_sending_everything_as_it_is(
    group: Group, ahead: Ahead, learned: Tally | None, warm: Ttl | None
) -> None:
    plan = plan_group(group, ahead, learned=learned, warm=warm)
    assert plan.saving >= 0
    assert plan.mark or not plan.prime
    assert plan.why


@given(groups, usual_prices, aheads, st.none() | tallies)
@example(GROUP, CLAUDE, AHEAD, None)
def test_marking_saves_by_the_price_of_each_request_in_turn(
    group: Group, vector: Vector, ahead: Ahead, learned: Tally | None
) -> None:
    group = replace(group, requests=group.requests % 300 + 1, rates=Rates(vector))
    plan = plan_group(group, ahead, learned=learned)
    if not plan.mark:
        assert plan.saving == 0
        return
    assert plan.ttl is not None
    prior = ahead.alive[plan.ttl] * 0.95
    seen = max(learned.followers, 0) if learned else 0
    hits = (20 * prior + (learned.hits * seen if learned else 0.0)) / (20 + seen)
    base, tokens = group.rates.base, group.prefix.tokens
    write = base.cache_write_5m if plan.ttl == "5m" else base.cache_write_1h
    cost = float(write)  # the first writes, who follows reads or writes
    for _ in range(group.requests - 1):
        cost += hits * base.cache_read + (1 - hits) * write
    saving = (group.requests * base.input - cost) * ahead.lands
    saving -= (1 - ahead.lands) * (write - base.input)  # it wrote, and nobody reads
    saving *= tokens / 1_000
    saving -= ahead.late * group.requests * group.dearer
    assert saving > 0
    assert plan.saving == pytest.approx(saving, rel=1e-6, abs=2)


@given(groups, usual_prices, aheads, st.floats(0, 90_000))
def test_more_slack_never_saves_less(
    group: Group, vector: Vector, ahead: Ahead, more: float
) -> None:
    group = replace(group, rates=Rates(vector))
    later = plan_group(replace(group, slack=group.slack + more), ahead)
    assert later.saving >= plan_group(group, ahead).saving


@given(groups, aheads, st.none() | tallies)
def test_a_cold_batch_is_marked_only_behind_a_primer_that_has_time_to_land(
    group: Group, ahead: Ahead, learned: Tally | None
) -> None:
    plan = plan_group(group, ahead, learned=learned)
    assert plan.mark == plan.prime
    if plan.prime:
        assert group.slack >= ahead.landing
        assert group.requests >= 2


@given(groups, aheads, warmths)
def test_bodies_that_set_their_own_caching_and_workflows_that_are_off_are_left_alone(
    group: Group, ahead: Ahead, warm: Ttl | None
) -> None:
    own = replace(group, prefix=replace(group.prefix, own=True))
    for plan in (plan_group(own, ahead, warm=warm), plan_group(group, ahead, warm=warm, off=True)):
        assert (plan.mark, plan.prime, plan.key) == (False, False, False)


@pytest.mark.parametrize(("ttl", "least"), [("5m", 0.217), ("1h", 0.526)])
def test_the_hit_rates_that_break_even_follow_from_the_prices(ttl: Ttl, least: float) -> None:
    assert caching.break_even(CLAUDE, ttl) == pytest.approx(least, abs=1e-3)


@given(usual_prices, st.sampled_from(("5m", "1h")), shares)
def test_above_the_break_even_rate_marking_saves_and_below_it_costs(
    vector: Vector, ttl: Ttl, hits: float
) -> None:
    least = caching.break_even(vector, ttl)
    assume(abs(hits - least) > 1e-3)
    read = round(hits * 10**6)
    kept = {"5m": Usage(cache_write_5m=10**6 - read), "1h": Usage(cache_write_1h=10**6 - read)}
    gained = caching.saved(kept[ttl] + Usage(cache_read=read), vector)
    assert gained >= 0 if hits > least else gained <= 0


@given(usages, prices)
def test_what_was_saved_is_the_price_without_caching_less_the_price_with_it(
    usage: Usage, vector: Vector
) -> None:
    plain = Usage(input=usage.total_input, output=usage.output)
    difference = price(Rates(vector), plain) - price(Rates(vector), usage)
    assert abs(caching.saved(usage, vector) - difference) <= 1


def test_a_short_life_is_chosen_where_the_others_follow_at_once() -> None:
    soon = Ahead(landing=900.0, alive={"5m": 1.0, "1h": 1.0})
    assert plan_group(GROUP, soon).ttl == "5m"
    assert plan_group(GROUP, AHEAD).ttl == "1h"


def test_an_entry_that_is_there_needs_no_primer_and_no_time() -> None:
    plan = plan_group(replace(GROUP, slack=0.0), AHEAD, warm="1h")
    assert (plan.mark, plan.ttl, plan.prime) == (True, "1h", False)


def test_what_was_learned_outweighs_what_was_assumed() -> None:
    poor = Tally(1_000, 10, Usage(cache_write_1h=1_000_000))
    assert not plan_group(GROUP, AHEAD, learned=poor).mark


def test_calls_one_by_one_are_marked_from_the_second_on() -> None:
    real = replace(GROUP, rates=Rates(CLAUDE.scaled(2, 1)))
    near = Ahead(landing=5.0, alive={"5m": 1.0, "1h": 1.0})
    assert not plan_group(replace(real, requests=1), near).mark
    two = plan_group(replace(real, requests=2), near)
    assert (two.mark, two.ttl, two.prime) == (True, "5m", True)


@pytest.mark.parametrize("requests", [2, 3, 10, 1_000])
@pytest.mark.parametrize("prefix", [1_024, 4_096, 50_000])
@pytest.mark.parametrize("dearer", [0.0, 2_000.0, 40_000.0])
@pytest.mark.parametrize("late", [0.0, 0.01, 0.2])
@pytest.mark.parametrize("lands", [0.5, 0.9])
def test_who_goes_ahead_pays_for_the_wait_and_for_what_it_writes_in_vain(
    requests: int, prefix: int, dearer: float, late: float, lands: float
) -> None:
    group = Group(Prefix(7, prefix, Breakpoint.SYSTEM), requests, Rates(CLAUDE), 3_600.0, dearer)
    found = plan_group(group, Ahead(900.0, {"5m": 0.3, "1h": 0.9}, lands, late))

    def cost(life: str) -> float:
        """Nano-USD of all prefixes: of one that writes, and of others that read, write or go as they are."""
        write, hits = {"5m": (625, 0.95 * 0.3), "1h": (1_000, 0.95 * 0.9)}[life]
        each = lands * (hits * 50 + (1 - hits) * write) + (1 - lands) * 500
        return (write + (requests - 1) * each) * prefix / 1_000 + late * requests * dearer

    saving = {life: requests * 500 * prefix / 1_000 - cost(life) for life in ("5m", "1h")}
    if found.prime:
        assert found.ttl is not None
        assert found.saving == pytest.approx(saving[found.ttl], abs=2)
        assert found.saving > 0
    else:
        assert saving["1h"] <= 0.25 * 500 * prefix / 1_000 + 2
        assert requests < 10 or late * dearer > 0


def test_where_the_prefix_is_little_of_the_request_waiting_for_it_does_not_pay() -> None:
    late = replace(AHEAD, late=0.025)
    short = replace(GROUP, prefix=replace(GROUP.prefix, tokens=1_024))
    assert plan_group(replace(short, dearer=2_000.0), late).prime
    assert not plan_group(replace(short, dearer=20_000.0), late).prime


def test_a_long_prompt_is_reckoned_at_its_own_tier() -> None:
    dear = CLAUDE.scaled(2, 1)
    tiered = Rates(CLAUDE, ((200_000, dear),))
    long = replace(GROUP, prefix=replace(GROUP.prefix, tokens=250_000), rates=tiered)
    assert (
        plan_group(long, AHEAD).saving == plan_group(replace(long, rates=Rates(dear)), AHEAD).saving
    )


@given(st.floats(0, 10_000), st.integers(1, 50_000))
def test_a_key_stays_below_fifteen_requests_a_minute_and_no_more_keys_are_used_than_that_takes(
    rate: float, requests: int
) -> None:
    keys = caching.keys_for(requests, rate)
    asked = min(requests, rate)  # in any minute
    assert asked / keys <= 15
    assert keys == 1 or asked / (keys - 1) > 15


def test_what_shares_a_prefix_is_keyed_where_the_model_wants_it() -> None:
    keyed = replace(GROUP, prefix=Prefix(9, 1_024, Breakpoint.KEY))
    assert plan_group(keyed, AHEAD).key
    assert not plan_group(replace(keyed, requests=1), AHEAD).key


def test_models_that_cache_unasked_are_left_as_they_are() -> None:
    plan = plan_group(replace(GROUP, prefix=Prefix(9, 1_024, Breakpoint.UNASKED)), AHEAD)
    assert (plan.mark, plan.key) == (False, False)


@given(st.floats(0, 10_000), st.none() | st.floats(0, 10_000), st.floats(0, 2_000))
def test_the_others_never_wait_past_the_moment_they_must_leave(
    now: float, landed: float | None, lead: float
) -> None:
    chosen = caching.follow("5m", landed_at=landed, now=now, leave_by=5_000.0, lead=lead)
    if now >= 5_000.0:
        assert chosen is not Follow.WAIT
    if chosen is Follow.MARKED:
        assert landed is not None
        assert now + lead < landed + 300.0


def test_marking_ends_for_a_week_when_it_costs_and_not_before_enough_is_seen() -> None:
    cost = Tally(41, 1, Usage(cache_write_1h=41_000, cache_read=10_000))
    ended = verdict(cost, Rates(CLAUDE), now=1_000.0)
    assert not ended.keep
    assert ended.saved < 0
    assert ended.off_until == 1_000.0 + caching.OFF_SECONDS
    few = verdict(replace(cost, requests=30), Rates(CLAUDE), now=1_000.0)
    assert (few.keep, few.off_until) == (True, None)
    won = verdict(Tally(41, 1, Usage(cache_write_1h=1_000, cache_read=40_000)), Rates(CLAUDE), 0.0)
    assert won.keep
    assert won.saved > 0


@given(tallies, prices)
def test_a_verdict_ends_marking_exactly_where_enough_was_seen_and_it_cost(
    tally: Tally, vector: Vector
) -> None:
    given_ = verdict(tally, Rates(vector), now=0.0)
    enough = tally.followers >= caching.SAMPLE
    assert given_.keep == (not enough or caching.saved(tally.usage, vector) >= 0)
    assert (given_.off_until is None) == given_.keep


def test_primers_alone_do_not_speak_against_marking() -> None:
    assert verdict(Tally(60, 60, Usage(cache_write_1h=60_000)), Rates(CLAUDE), 0.0).keep


def test_tallies_add_up() -> None:
    one = Tally(3, 1, Usage(cache_read=5))
    assert one + one == Tally(6, 2, Usage(cache_read=10))
    assert (one + one).followers == 4


def test_the_third_request_repays_an_hours_entry() -> None:
    plans = [plan_group(replace(GROUP, requests=count), AHEAD) for count in (1, 2, 3)]
    assert [plan.prime for plan in plans] == [False, False, True]


def test_a_thin_saving_is_not_worth_the_wait() -> None:
    thin = Rates(replace(CLAUDE, cache_write_5m=10_000, cache_write_1h=860))
    assert caching.saved(Usage(cache_write_1h=10, cache_read=10), thin.base) > 0
    assert not plan_group(replace(GROUP, requests=2, rates=thin), AHEAD).prime
