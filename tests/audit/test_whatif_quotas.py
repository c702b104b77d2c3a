"""Budgets refuse, repeats are asked once, and quotas hold work back, in a what-if as in the lanes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lanewise.app import policies
from lanewise.audit.whatif import Known, Limit, Logged, Plan, planned, replayed, summed
from lanewise.domain.lanes import BATCH, FLEX, REALTIME
from lanewise.policy.document import read
from lanewise.pricing import PriceBook
from lanewise.providers.offers import offers

BEGIN = datetime(2026, 11, 28, tzinfo=UTC).timestamp()  # three days before the month ends
DAY = 86_400.0
BOOK = PriceBook.load()
WAITS = '[default]\ndeadline = "24h"\nlanes = ["batch", "realtime"]\n'


def logged(at: float, **known: object) -> Logged:
    base = Logged(
        BEGIN + at, "openai", "gpt-5", REALTIME, "tickets", "", (), 1_000, 0, 0, 0, 100, 1, ""
    )
    return base._replace(**known)


def plan(requests: list[Logged], text: str, known: Known | None = None) -> Plan:
    rules = read(text, "policy.toml", policies.world(BEGIN)).sound()
    return planned(requests, rules, BOOK, policies.zone_named, known or Known())


EACH = plan([logged(0.0)], WAITS)
BATCHED = replayed(EACH, 0, "fast").cost_nano  # one of them in a batch


def budget(requests: float) -> str:
    """As many dollars as so many of them cost in a batch."""
    return f"budget = {requests * BATCHED / 1e9:.9f}\n"


# -- budgets --------------------------------------------------------------------------------------
def test_what_a_monthly_budget_has_no_room_for_is_refused_and_in_no_sum() -> None:
    found = plan([logged(float(n)) for n in range(10)], WAITS + budget(4.5))
    assert (found.requests, found.work[0].arrivals.at[-1]) == (4, BEGIN + 3)
    [(whose, aside)] = found.refused.items()
    assert whose == "the monthly budget of [default]"
    assert (aside.requests, aside.nano) == (6, 6 * EACH.today_nano)
    assert found.today_nano == 4 * EACH.today_nano
    assert found.aside_nano == 6 * EACH.today_nano


def test_a_budget_begins_anew_with_each_month_in_utc() -> None:
    rows = [logged(day * DAY + n) for day in (0, 2.9, 3) for n in range(3)]
    assert plan(rows, WAITS + budget(4.5)).requests == 4 + 3


def test_a_budget_counts_all_that_its_rule_fits_and_nothing_else() -> None:
    rules = f'[[rule]]\nname = "search"\ntag = "team=search"\n{budget(2.5)}{WAITS}'
    tagged = [logged(9.0 + n, tags=("team=search",)) for n in range(3)]

    def refused(*others: Logged) -> int:
        return sum(one.requests for one in plan([*others, *tagged], rules).refused.values())

    assert refused() == 1
    assert refused(logged(0.0), logged(1.0)) == 1
    other = [logged(n, workflow="other", tags=("team=search",)) for n in (0.0, 1.0)]
    assert refused(*other) == 3


# -- repeats --------------------------------------------------------------------------------------
ONCE = WAITS + "dedupe = true\n"


def test_equal_requests_of_one_run_are_asked_once_and_all_are_answered() -> None:
    rows = [logged(float(n), prompt=n % 5 + 1) for n in range(20)]
    found = plan(rows, ONCE)
    seed = replayed(found, 0, "fast")
    assert (found.requests, found.copies.total(), seed.lane_requests.total()) == (20, 15, 5)
    assert seed.cost_nano == 5 * BATCHED
    assert found.today_nano == 20 * EACH.today_nano
    assert sum(hour.answered for hour in seed.hours.told()) == 20


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (WAITS, [logged(0.0, prompt=1), logged(1.0, prompt=1)]),
        (ONCE, [logged(0.0), logged(1.0)]),
        (ONCE, [logged(0.0, prompt=1), logged(1.0, prompt=2)]),
        (ONCE, [logged(0.0, prompt=1), logged(1.0, prompt=1, model="gpt-5-mini")]),
        (ONCE, [logged(0.0, prompt=1), logged(1.0, prompt=1, workflow="other")]),
        (ONCE, [logged(0.0, prompt=1), logged(1.0, prompt=1, input=999)]),
        (ONCE, [logged(0.0, prompt=1), logged(61.0, prompt=1)]),
        (ONCE + 'rollout = "observe"\n', [logged(0.0, prompt=1), logged(1.0, prompt=1)]),
    ],
    ids=[
        "not wanted", "no texts", "another text", "another model", "another workflow",
        "another size", "another run", "only observed",
    ],
)  # fmt: skip
def test_what_is_not_surely_the_same_in_the_same_run_is_asked_again(
    text: str, rows: list[Logged]
) -> None:
    assert plan(rows, text).copies.total() == 0


# -- quotas ---------------------------------------------------------------------------------------
MANY = [logged(10.0 * n) for n in range(2_000)]


def test_a_stated_queue_is_never_overfull_and_work_waits_for_room() -> None:
    queue = {("gpt-5", "enqueued_tokens"): 100_000}
    found = plan(MANY, WAITS, Known(stated=queue))
    seed = replayed(found, 0, "typical")
    [use] = seed.use.values()
    assert 0 < use.tokens <= 100_000
    assert use.held > 0
    assert seed.late.total() == 0
    free = replayed(plan(MANY, WAITS), 0, "typical")
    assert max(use.tokens for use in free.use.values()) > 100_000
    assert free.cost_nano <= seed.cost_nano


def test_creations_stay_within_what_is_stated_for_an_hour() -> None:
    few = Known(stated={("*", "creations_per_hour"): 3})
    summary = summed(found := plan(MANY, WAITS, few), [replayed(found, 0, "fast")])
    [quota] = summary.quotas
    assert 0 < quota.created.high <= 3
    assert Limit("creations_per_hour", 3, "stated") in quota.limits
    assert summary.created["openai"].high <= 6  # an hour of the clock holds parts of two


def test_requests_in_the_queue_are_held_to_their_quota_where_a_provider_counts_them() -> None:
    claude = [one._replace(provider="anthropic", model="claude-sonnet-4-5") for one in MANY]
    few = Known(learned={"anthropic": {("*", "queued_requests"): 200}})
    [use] = replayed(plan(claude, WAITS, few), 0, "typical").use.values()
    assert 0 < use.requests <= 200
    assert use.held > 0


def test_what_is_stated_goes_before_what_was_learned_and_that_before_what_is_assumed() -> None:
    learned = {"openai": {("gpt-5", "requests_per_minute"): 60, ("gpt-5", "tokens_per_minute"): 9}}
    known = Known(learned=learned, stated={("*", "requests_per_minute"): 30})
    [work] = plan([logged(0.0)], WAITS, known).work
    assert {limit.name: limit[1:] for limit in work.limits} == {
        "requests_per_minute": (30, "stated"),
        "tokens_per_minute": (9, "learned"),
        "creations_per_hour": (2_000, "documented"),
    }
    assert work.menu.requests_per_second == pytest.approx(30 * 0.8 / 60)


def test_the_busiest_minute_of_the_log_proves_more_than_is_assumed() -> None:
    [work] = plan([logged(0.01 * n) for n in range(1_000)], WAITS).work
    limits = {limit.name: limit for limit in work.limits}
    assert limits["requests_per_minute"].source == limits["tokens_per_minute"].source == "the log"
    assert work.menu.requests_per_second == pytest.approx(1_000 / 60, rel=0.01)


def test_what_was_refused_before_is_believed_to_be_refused_again() -> None:
    [flex] = [offer for offer in offers("openai") if offer.lane == FLEX]
    refused = {("gpt-5", "flex_calls"): 95, ("gpt-5", "flex_refusals"): 94}
    known = Known(learned={"openai": refused})
    assert known.refuses("openai", "gpt-5", flex) == 0.95
    assert Known().refuses("openai", "gpt-5", flex) == 0.2


# -- caches ---------------------------------------------------------------------------------------
def test_what_caches_could_add_in_lanes_that_wait_is_told_and_not_counted() -> None:
    claude = {"provider": "anthropic", "model": "claude-sonnet-4-5"}
    cold, warm = (
        plan([logged(float(n), cached=cached, **claude) for n in range(50)], WAITS)
        for cached in (0, 900)
    )
    one, other = (replayed(found, 0, "fast") for found in (cold, warm))
    assert one.cost_nano == other.cost_nano
    assert (one.cached_nano, other.lane_requests) == (0, {BATCH: 50})
    assert 0 < other.cached_nano < other.cost_nano
