"""Lane choice: the cheapest way that arrives, for every mix of lanes, prices and outlooks."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.deadlines import AtOnce, By, Whenever
from lanewise.domain.lanes import (
    BACKGROUND_2H,
    BACKGROUND_8H,
    BATCH,
    FLEX,
    REALTIME,
    LaneName,
    Offer,
)
from lanewise.errors import BadInput
from lanewise.policy.choosing import Chooser, Ladder, Option, Outlook, steps

HOUR = 3_600.0
WINDOWS = {FLEX: None, REALTIME: None, BACKGROUND_2H: 7_200.0, BACKGROUND_8H: 28_800.0}
NEEDS = {REALTIME: 90.0, FLEX: 900.0, BACKGROUND_2H: 7_200.0, BACKGROUND_8H: 28_800.0}


@dataclass(frozen=True)
class Steps:
    """Done at these times, each with its chance."""

    points: tuple[tuple[float, float], ...]

    def done_within(self, seconds: float) -> float:
        return min(sum(chance for at, chance in self.points if at <= seconds), 1.0)

    def given(self, elapsed: float) -> Outlook:
        left = 1.0 - self.done_within(elapsed)
        rest = (
            tuple((at - elapsed, p / left) for at, p in self.points if at > elapsed) if left else ()
        )
        return Steps(rest)


TYPICAL = Steps(((420.0, 0.5), (1_800.0, 0.2), (2.5 * HOUR, 0.21), (12 * HOUR, 0.08)))
SURE = Steps(((30.0, 1.0),))


def offer(lane: LaneName, **more: object) -> Offer:
    one_by_one = lane != BATCH
    facts: dict[str, object] = {
        "window_seconds": WINDOWS.get(lane, 86_400.0),
        "one_by_one": one_by_one,
        "may_refuse": lane == FLEX,
        "cancellable": lane not in (REALTIME, FLEX),
        "cancel_seconds": 600.0 if lane == BATCH else 10.0,
        "partial_on_cancel": lane == BATCH,
    }
    return Offer("openai", lane, **(facts | more))  # type: ignore[arg-type]


def option(lane: LaneName, cost: int, outlook: Outlook = TYPICAL, refuses: float = 0.0) -> Option:
    return Option(offer(lane), cost, outlook, NEEDS.get(lane, 86_400.0), refuses)


REAL = option(REALTIME, 1_000_000, SURE)
BATCHED = option(BATCH, 500_000)
ALL = (
    REAL,
    BATCHED,
    option(FLEX, 500_000, Steps(((120.0, 1.0),)), 0.3),
    option(BACKGROUND_2H, 700_000, Steps(((3_000.0, 0.9), (7_000.0, 0.09)))),
    option(BACKGROUND_8H, 600_000, Steps(((9_000.0, 0.9), (28_000.0, 0.09)))),
)


@st.composite
def outlooks(draw: st.DrawFn) -> Steps:
    points = draw(st.lists(st.tuples(st.floats(1, 2e5), st.floats(0.01, 1.0)), max_size=5))
    total = max(sum(chance for _, chance in points), 1.0)
    return Steps(tuple((at, chance / total) for at, chance in points))


@st.composite
def menus(draw: st.DrawFn) -> tuple[Option, ...]:
    """Any lanes at any prices, lets-run and refusing ones among them; real time is sure."""
    lanes = draw(st.sets(st.sampled_from([BATCH, FLEX, BACKGROUND_2H, BACKGROUND_8H])))
    chosen = [
        Option(
            offer(lane, partial_on_cancel=draw(st.booleans()), cancellable=draw(st.booleans())),
            draw(st.integers(0, 2_000_000)),
            draw(outlooks()),
            NEEDS.get(lane, 86_400.0),
            draw(st.floats(0, 1)) if lane == FLEX else 0.0,
        )
        for lane in sorted(lanes)
    ]
    return (option(REALTIME, draw(st.integers(1, 2_000_000)), SURE), *chosen)


slacks = st.floats(91.0, 3e5)


@given(menus(), slacks, slacks)
def test_more_slack_never_costs_more_in_expectation(
    menu: tuple[Option, ...], one: float, other: float
) -> None:
    ladder = Ladder(menu)
    less, more = sorted((one, other))
    assert ladder.within(more).expected_nano <= ladder.within(less).expected_nano + 1


@given(menus(), slacks)
def test_nothing_costs_more_in_expectation_than_the_same_in_real_time(
    menu: tuple[Option, ...], slack: float
) -> None:
    assert Ladder(menu).within(slack).expected_nano <= menu[0].cost_nano + 1


@given(menus(), slacks)
def test_no_saving_is_worth_a_chance_in_a_thousand_to_be_late(
    menu: tuple[Option, ...], slack: float
) -> None:
    assert Ladder(menu).within(slack).chance >= 0.999


@given(st.sets(st.sampled_from([o.lane for o in ALL]), min_size=1), slacks, st.integers(0, 2))
def test_only_lanes_that_are_allowed_are_chosen(
    lanes: set[LaneName], slack: float, form: int
) -> None:
    ladder = Ladder([each for each in ALL if each.lane in lanes])
    found = ladder.choose((By(slack), Whenever(), AtOnce())[form], 0.0)
    assert set(found.order) <= lanes
    assert found.lane == found.order[0]


@given(menus())
def test_whenever_takes_the_least_price_however_long_it_takes(menu: tuple[Option, ...]) -> None:
    found = Ladder(menu).whenever()
    assert found.expected_nano == min(each.cost_nano for each in menu)


def test_of_equal_prices_the_surer_lane_is_taken() -> None:
    surer = option(BACKGROUND_8H, 500_000, Steps(((60.0, 1.0),)))
    assert Ladder((REAL, BATCHED, surer)).whenever().lane == BACKGROUND_8H
    assert Ladder((REAL, BATCHED, surer)).within(20 * HOUR).lane == BACKGROUND_8H


def test_at_once_is_real_time_and_so_is_what_no_cheaper_lane_can_deliver() -> None:
    ladder = Ladder((REAL, BATCHED))
    assert ladder.at_once().lane == REALTIME
    assert ladder.within(600 + 90).lane == REALTIME
    assert ladder.within(600 + 90 + 421).lane == BATCH


def test_time_for_cancelling_and_for_the_rescue_is_kept_free() -> None:
    found = Ladder((REAL, BATCHED)).within(8 * HOUR)
    assert found.order == (BATCH, REALTIME)
    assert found.leave == 600.0 + 90.0


def test_a_refusal_costs_nothing_so_flex_is_asked_first_and_the_batch_is_next() -> None:
    found = Ladder(ALL).within(20 * HOUR)
    assert found.order[:2] == (FLEX, BATCH)
    assert found.expected_nano < 510_000


def test_the_windows_of_the_ladder_are_used_in_turn() -> None:
    found = Ladder([each for each in ALL if each.lane != FLEX]).within(24 * HOUR)
    assert found.order == (BATCH, BACKGROUND_8H, BACKGROUND_2H, REALTIME)


def test_what_cannot_be_cancelled_is_expected_to_be_paid_beside_its_rescue() -> None:
    runs_on = Option(offer(BATCH, partial_on_cancel=False), 600_000, TYPICAL, 86_400.0)
    assert Ladder((REAL, runs_on)).within(HOUR).expected_nano == round(
        0.7 * 600_000 + 0.3 * (600_000 + 1_000_000)
    )
    dear = Option(runs_on.offer, 800_000, TYPICAL, 86_400.0)
    assert Ladder((REAL, dear)).within(HOUR).lane == REALTIME


def test_a_deadline_that_is_upon_us_is_sent_in_real_time_and_said_to_be_late() -> None:
    found = Ladder(ALL).within(0.0)
    assert (found.lane, found.chance) == (REALTIME, 0.0)
    assert "may be late" in found.why


def test_without_a_lane_the_error_says_what_to_do() -> None:
    with pytest.raises(BadInput, match=r"allow one in policy\.toml"):
        Ladder(())


def test_why_gives_the_figures_a_person_would_ask_for() -> None:
    assert Ladder((REAL, BATCHED)).within(8 * HOUR).why == (
        "batch: $0.00055 expected against $0.0010 in real time; 91 % of batch work like this is done "
        "within 7 h 48 min; what is not goes to real time 11 min before the deadline"
    )


@given(st.floats(-10, 1e6))
def test_a_remembered_choice_never_counts_on_time_that_is_not_there(slack: float) -> None:
    assert steps(slack) <= max(slack, 0.0)
    chooser: Chooser[str] = Chooser(lambda key: (REAL, BATCHED))
    assert chooser.choose("class", By(slack), 0.0) == Ladder((REAL, BATCHED)).within(steps(slack))


def test_choices_are_remembered_until_what_is_known_changes() -> None:
    asked: list[str] = []

    def options(key: str) -> tuple[Option, ...]:
        asked.append(key)
        return (REAL, BATCHED)

    chooser = Chooser(options)
    first = chooser.choose("a", By(8 * HOUR + 1), 0.0)
    assert chooser.choose("a", By(8 * HOUR + 30), 0.0) is first
    assert asked == ["a"]
    chooser.forget()
    chooser.choose("a", By(8 * HOUR), 0.0)
    assert asked == ["a", "a"]
