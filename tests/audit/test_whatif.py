"""Logged traffic under a policy: every request is accounted for, as the rules say, the same each time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanewise.app import policies
from lanewise.app.rulings import case
from lanewise.audit.database import database
from lanewise.audit.logs.importing import Wishes, load
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.whatif import (
    NOTHING_KNOWN,
    Aside,
    Known,
    Logged,
    Plan,
    Seed,
    difference,
    planned,
    replayed,
    summed,
    traffic,
)  # fmt: skip
from lanewise.audit.whatif.lanes import Costs, way
from lanewise.audit.whatif.planning import TOO_SOON
from lanewise.audit.whatif.replaying import NO_RESCUE
from lanewise.domain.lanes import BATCH, FLEX, HELD, REALTIME, LaneName
from lanewise.policy.document import read
from lanewise.policy.outlook import Curve, Sample
from lanewise.policy.rules import Policy, Traits
from lanewise.pricing import PriceBook

from .conftest import write

HOUR = 3_600.0
BEGIN = datetime(2026, 11, 2, tzinfo=UTC).timestamp()  # a Monday
BOOK = PriceBook.load()
STRICT = "to which rule 'strict' leaves no lane (anthropic was chosen)"
MAP = "at=at,model=model,workflow=workflow,input_tokens=input,output_tokens=output"


def policy(text: str) -> Policy:
    return read(text, "policy.toml", policies.world(BEGIN)).sound()


def logged(at: float, *, lane: LaneName = REALTIME, unfit: str = "", **known: object) -> Logged:
    base = Logged(
        BEGIN + at, "openai", "gpt-5", lane, "tickets", "", (), 1_000, 0, 0, 0, 100, 1, unfit
    )
    return base._replace(**known)


def many(count: int, **known: object) -> list[Logged]:
    """One every ten seconds, of differing sizes."""
    dice = random.Random(count)
    return [logged(10.0 * n, input=dice.randint(50, 3_000), **known) for n in range(count)]


def plan(requests: Iterable[Logged], text: str, known: Known = NOTHING_KNOWN) -> Plan:
    return planned(requests, policy(text), BOOK, policies.zone_named, known)


def replay(requests: Iterable[Logged], text: str, model: str = "typical", seed: int = 0) -> Seed:
    return replayed(plan(requests, text), seed, model)


def test_what_may_wait_for_a_day_costs_half_and_is_in_time() -> None:
    held = plan(many(500), '[default]\ndeadline = "24h"\nlanes = ["batch", "realtime"]')
    seed = replayed(held, 1, "fast")
    assert seed.cost_nano == pytest.approx(held.today_nano / 2, rel=0.001)
    assert seed.lane_requests == {BATCH: 500}
    assert seed.late.total() == seed.waste_nano == 0


@pytest.mark.parametrize("model", ["fast", "typical", "bad-day"])
def test_deadlines_are_kept_on_every_kind_of_day_where_real_time_may_rescue(model: str) -> None:
    seed = replay(many(1_000), '[default]\ndeadline = "4h"', model)
    assert seed.lane_requests.total() == 1_000
    assert seed.late.total() == 0


def test_without_real_time_there_is_no_rescue_and_the_reason_is_told() -> None:
    seed = replay(many(300), '[default]\ndeadline = "2h"\nlanes = ["batch"]', "bad-day")
    assert seed.lane_requests == {BATCH: 300}
    assert seed.late[NO_RESCUE] == seed.late.total() > 0


@pytest.mark.parametrize(
    "text",
    [
        '[default]\nrollout = "observe"\ndeadline = "24h"',
        '[default]\ndeadline = "now"',
        '[default]\npin = "realtime"',
    ],
    ids=["observed", "at once", "pinned"],
)
def test_what_goes_in_real_time_costs_what_it_cost(text: str) -> None:
    held = plan(many(100), text)
    seed = replayed(held, 0, "bad-day")
    assert seed.cost_nano == held.today_nano == held.realtime_nano
    assert seed.lane_requests == {REALTIME: 100}
    assert held.observed == (100 if "observe" in text else 0)


def test_a_rollout_takes_about_its_share_and_the_same_requests_at_a_larger_one() -> None:
    def cost(percent: int) -> Plan:
        return plan(many(1_000), f'[default]\npercent = {percent}\ndeadline = "24h"')

    assert 100 < 1_000 - cost(20).observed < 300
    fifth, half = (set(cost(share).work[0].arrivals.at) for share in (20, 50))
    assert fifth < half


def test_equal_requests_are_on_both_sides_of_a_rollout() -> None:
    held = plan([logged(0.0)] * 1_000, '[default]\npercent = 50\ndeadline = "24h"')
    assert 400 < held.observed < 600


def test_requests_held_for_hours_go_in_real_time_then_and_may_come_too_late() -> None:
    text = '[default]\npin = "held"\nheld = "06:00-07:00"\ndeadline = "{}"'
    early = replay(many(10), text.format("8h"))
    assert (early.late.total(), list(early.hours.calls)) == (0, [int(BEGIN // HOUR) + 6])
    late = replay(many(10), text.format("2h"))
    assert dict(late.late) == {"its rule holds it for hours that come too late": 10}


def test_what_cannot_be_replayed_is_counted_by_reason_and_is_in_no_sum() -> None:
    rows = [
        logged(0.0),
        logged(1.0, unfit="without a time"),
        logged(2.0, provider="bedrock"),
        logged(3.0, model="gpt-nobody-knows"),
        logged(4.0, workflow="strict"),
    ]
    rules = '[[rule]]\nname = "strict"\nworkflow = "strict"\nprovider = "anthropic"\n'
    held = plan(rows, rules)
    assert held.requests == 1
    whole = held.today_nano
    assert held.unfit == {
        "without a time": Aside(1, whole),
        "asked of bedrock, to whom lanewise does not send": Aside(1, whole),
        "of gpt-nobody-knows, whose price is not known": Aside(1, 0, unpriced=1),
        STRICT: Aside(1, whole),
    }
    assert held.aside_nano == 3 * whole
    assert held.today_nano == plan(rows[:1], rules).today_nano > 0


def test_what_is_due_sooner_than_a_call_takes_is_late_and_the_reason_is_told() -> None:
    rows = [logged(6 * HOUR - before) for before in (20.0, 900.0)]
    for lanes in ('["realtime"]', '["batch", "realtime"]'):
        seed = replay(sorted(rows), f'[default]\nlanes = {lanes}\ndeadline = "06:00"')
        assert seed.late == {TOO_SOON: 1}


def test_what_was_cheap_because_of_a_cache_is_not_taken_to_be_so_in_a_batch() -> None:
    text = '[default]\ndeadline = "24h"\nlanes = ["batch"]'
    cold, warm = plan([logged(0.0)], text), plan([logged(0.0, cached=900)], text)
    assert warm.today_nano < cold.today_nano
    assert replayed(warm, 0, "fast").cost_nano == replayed(cold, 0, "fast").cost_nano


def test_another_model_is_asked_and_paid_where_a_rule_says_so() -> None:
    held = plan(many(50), '[[rule]]\nname = "small"\ndeadline = "24h"\nuse_model = "gpt-5-mini"')
    seed = replayed(held, 0, "fast")
    assert held.work[0].stream.model == "gpt-5-mini"
    assert seed.cost_nano < held.today_nano / 4


def test_what_is_asked_of_another_model_without_knowing_what_it_cost_is_left_out() -> None:
    rules = '[[rule]]\nname = "small"\ndeadline = "24h"\nuse_model = "gpt-5-mini"'
    held = plan([logged(0.0, model="gpt-nobody-knows")], rules)
    assert (held.requests, [one.requests for one in held.unfit.values()]) == (0, [1])


def test_a_rule_that_chooses_another_provider_leaves_no_lane_whatever_model_it_names() -> None:
    rules = (
        '[[rule]]\nname = "strict"\nprovider = "anthropic"\nuse_model = "claude-haiku-4-5"\n'
        'deadline = "24h"'
    )
    held = plan(many(3), rules)
    assert {why: one.requests for why, one in held.unfit.items()} == {STRICT: 3}
    assert (held.rules["strict"], held.rules_left_out["strict"]) == (0, 3)


def test_what_is_held_and_not_yet_acted_on_goes_at_once() -> None:
    text = '[default]\npin = "held"\nheld = "06:00-07:00"\nrollout = "observe"'
    seed = replay(many(10), text)
    assert (list(seed.hours.calls), seed.late.total()) == ([int(BEGIN // HOUR)], 0)


def test_what_a_batch_read_from_a_cache_is_part_of_what_it_cost() -> None:
    text = '[default]\ndeadline = "24h"'
    claude = {"provider": "anthropic", "model": "claude-sonnet-4-5", "lane": BATCH}
    cold, warm = (plan([logged(0.0, cached=cached, **claude)], text) for cached in (0, 900))
    assert warm.today_nano < cold.today_nano


def test_what_went_by_batch_already_is_today_at_its_price() -> None:
    held = plan(many(20, lane=BATCH), '[default]\ndeadline = "24h"')
    assert held.today_nano < held.realtime_nano
    assert held.today_requests == {BATCH: 20}


@pytest.mark.parametrize(
    ("workflow", "model"),
    [("chat", "gpt-5"), ("records", "gpt-5"), ("other", "gpt-4o"), ("other", "claude-sonnet-4-5")],
)
def test_the_lanes_are_those_that_policy_explain_names(workflow: str, model: str) -> None:
    rules = policy(
        '[[rule]]\nname = "chat"\nworkflow = "chat"\nlanes = ["flex", "realtime"]\n'
        '[[rule]]\nname = "records"\nworkflow = "records"\nterms = "zdr"\n'
    )
    claude = "claude" in model
    request = logged(
        0.0, workflow=workflow, model=model, provider="anthropic" if claude else "openai"
    )
    endpoint = "/v1/messages" if claude else "/v1/chat/completions"
    traits = Traits(workflow, model, endpoint)
    explained = case(rules, BOOK, traits, BEGIN).allowed
    found = way(rules.ruling(traits, BEGIN), request, Costs(BOOK))
    assert found.lanes == set(explained) - {HELD}


def test_hours_add_up_to_all_requests_and_end_empty() -> None:
    rules = '[[rule]]\nname = "a"\nworkflow = "a"\ndeadline = "now"\n[default]\ndeadline = "3h"'
    work = sorted([*many(400), *many(50, workflow="a")])
    hours = replay(work, rules, "bad-day").hours.told()
    assert sum(hour.accepted for hour in hours) == sum(hour.answered for hour in hours) == 450
    assert max(hour.waiting for hour in hours) > 0
    assert max(hour.queued_tokens for hour in hours) > 0
    assert hours[-1].waiting == hours[-1].queued_tokens == 0


def test_a_log_of_years_is_told_by_days_that_begin_at_midnight() -> None:
    rules = '[default]\ndeadline = "3h"'
    days = replay([logged(5_000.0), logged(9_000 * HOUR)], rules).hours.told()
    assert 300 < len(days) < 400
    assert all(day.at % 86_400 == 0 for day in days)
    assert sum(day.answered for day in days) == 2


def test_a_learned_model_goes_by_its_curves_and_believes_them() -> None:
    def quick(provider: str, model: str, lane: LaneName) -> Curve:
        return Curve((0.0, 60.0, 1_200.0), (1.0, 0.5, 0.0), "own", Sample(50, 0))

    rules = '[default]\ndeadline = "1h"\nlanes = ["batch", "realtime"]'
    held = plan(many(300), rules, Known(quick))
    seed = replayed(held, 0, "learned")
    assert seed.lane_requests == {BATCH: 300}
    assert seed.late.total() == seed.rescued == 0


def test_two_policies_are_compared_on_the_same_days() -> None:
    requests = many(400)
    plans = [plan(requests, f'[default]\ndeadline = "{text}"') for text in ("now", "24h")]
    dear, cheap = (
        summed(one, [replayed(one, number, "typical") for number in range(4)]) for one in plans
    )
    found = difference(dear, cheap)
    assert found.cost.low <= found.cost.middle <= found.cost.high < 0
    assert (found.late, found.requests) == ((0, 0, 0), 0)
    assert found.workflows == {"tickets": found.cost}
    assert difference(cheap, dear).cost.middle == -found.cost.middle


def test_the_same_seed_gives_the_same_to_the_bit_and_another_one_another_day() -> None:
    held = plan(many(500), '[default]\ndeadline = "2h"')
    assert replayed(held, 3, "typical") == replayed(held, 3, "typical")
    assert len({replayed(held, seed, "typical").lanes[BATCH] for seed in range(3, 8)}) > 1


REQUESTS = st.builds(
    logged,
    st.integers(0, 40_000).map(float),
    workflow=st.sampled_from(["a", "b", ""]),
    model=st.sampled_from(["gpt-5", "gpt-4o", "gpt-5-mini"]),
    input=st.integers(0, 20_000),
    output=st.integers(0, 2_000),
    lane=st.sampled_from([REALTIME, BATCH, FLEX]),
    prompt=st.integers(0, 3),
)
LANES = st.sampled_from(
    ['["batch"]', '["flex"]', '["batch", "realtime"]', '["flex", "batch"]', '["realtime"]']
)
ONE_AN_HOUR = {("*", "creations_per_hour"): 1}
DEADLINES = st.sampled_from(["none", "30m", "6h", "06:00", "friday 18:00"])


@settings(max_examples=80, deadline=None)
@given(
    requests=st.lists(REQUESTS, min_size=1, max_size=50),
    lanes=LANES,
    deadline=DEADLINES,
    percent=st.sampled_from([0, 30, 100]),
    more=st.sampled_from(["", "budget = 0.02\n", "dedupe = true\n"]),
    limits=st.sampled_from([{}, {("*", "enqueued_tokens"): 15_000}, ONE_AN_HOUR]),
    model=st.sampled_from(["fast", "typical", "bad-day"]),
)
def test_whatever_the_rules_every_request_is_answered_and_paid_once(
    *,
    requests: list[Logged],
    lanes: str,
    deadline: str,
    percent: int,
    more: str,
    limits: dict[tuple[str, str], int],
    model: str,
) -> None:
    rules = (
        f'[[rule]]\nname = "b"\nworkflow = "b"\ndeadline = "1h"\n'
        f'[default]\nlanes = {lanes}\ndeadline = "{deadline}"\npercent = {percent}\n{more}'
    )
    held = plan(sorted(requests), rules, Known(stated=limits))
    seed = replayed(held, 1, model)
    aside = sum(one.requests for one in (*held.refused.values(), *held.unfit.values()))
    assert seed.lane_requests.total() + held.copies.total() == held.requests
    assert held.requests + aside == len(requests)
    assert sum(hour.answered for hour in seed.hours.told()) == held.requests
    if limits == ONE_AN_HOUR:
        assert all(use.created <= 1 for use in seed.use.values())
    assert sum(seed.workflows.values()) == sum(seed.lanes.values())
    assert seed.late.total() <= held.deadlines


@settings(max_examples=8, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(REQUESTS, min_size=2, max_size=30))
def test_the_order_of_the_lines_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, dice: random.Random, requests: list[Logged]
) -> None:
    text = '[default]\ndeadline = "2h"\npercent = 50'
    lines = [
        {"at": one.at, "model": one.model, "workflow": one.workflow or None, "input": one.input}
        | {"output": one.output}
        for one in (*requests, *requests[:5])
    ]
    shuffled = dice.sample(lines, len(lines))
    folder = tmp_path_factory.mktemp("logs")
    found = [
        _read(write(folder / f"{number}.jsonl", rows), text)
        for number, rows in enumerate((lines, shuffled))
    ]
    assert found[0] == found[1]
    assert replayed(found[0], 7, "typical") == replayed(found[1], 7, "typical")


def _read(path: Path, text: str) -> Plan:
    assert json.loads(path.read_text(encoding="utf-8").partition("\n")[0])
    with database() as connection:
        load(connection, (str(path),), Wishes(mapped(MAP)))
        return plan(traffic(connection), text)
