"""Deadlines are kept at the least cost: what would be late is called back, harvested and sent on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lanewise.domain.lanes import BATCH, FLEX, HELD, REALTIME, LaneName
from lanewise.errors import BadInput, TooSoon
from lanewise.lanes import worker
from lanewise.providers.openai_calls import OpenAICalls

SLOW_POLLS = 60.0  # seconds: hours pass in these tests
Requests = Callable[[str, int], list[dict[str, Any]]]
HOUR = 3_600.0


@pytest.fixture
def make_world(make_world: Any) -> Callable[..., Any]:
    """Worlds whose workers poll once a minute."""

    def make(**config: Any) -> Any:
        world = make_world(**config)
        world.reopen(poll_seconds=SLOW_POLLS)
        return world

    return make


@pytest.fixture
def world(make_world: Any) -> Any:
    """One of them."""
    return make_world()


def lanes(world: Any, run: Any) -> dict[str, int]:
    """Answers by the lane that delivered them."""
    return dict(world.engine.store.money(run.id).lanes)


def on_time(world: Any, run: Any) -> bool:
    """Every answer came before its deadline."""
    return bool(run.late == 0 and run.finished_at <= run.deadline)


def test_a_batch_that_ends_in_time_is_left_alone(
    make_world: Any, shape: str, requests_of: Requests
) -> None:
    world = make_world(batch_seconds=1_800.0)
    run = world.finish(world.submit(requests_of(shape, 20), deadline="2h"))
    assert run.answered == 20
    assert lanes(world, run) == {BATCH: 20}
    assert on_time(world, run)
    world.check_books()


def test_what_a_late_batch_did_is_kept_and_only_the_rest_is_sent_in_real_time(
    make_world: Any, shape: str, requests_of: Requests
) -> None:
    world = make_world(batch_seconds=2.0 * HOUR, validation_seconds=0.0)
    run = world.finish(world.submit(requests_of(shape, 100), deadline="1h"))
    assert run.answered == 100, world.story()
    assert on_time(world, run), world.story()
    found = lanes(world, run)
    assert found.get(BATCH, 0) > 10, world.story()
    assert found[REALTIME] > 10, found
    assert world.engine.store.money(run.id).waste_nano == 0
    assert len(world.results(run)) == 100
    world.check_books()


def test_many_stragglers_are_sent_together_in_time_under_the_rate_limit(
    make_world: Any,
) -> None:
    world = make_world(
        batch_seconds=30.0 * HOUR, window_seconds=24.0 * HOUR, requests_per_minute=120
    )
    world.engine.store.learn(account(world), "gpt-4o-mini", "requests_per_minute", 120, 0.0)
    run = world.finish(world.submit(chats(1_000), deadline="1h"))
    assert run.answered == 1_000
    assert on_time(world, run), world.story()
    world.check_books()


def test_a_create_whose_outcome_stays_unknown_does_not_cost_the_deadline(make_world: Any) -> None:
    world = make_world(batch_seconds=600.0)
    world.reopen(listing_lag_seconds=4 * HOUR)
    world.fault("accept_then_504")
    world.fault("http_error", operation="batches.list", times=-1, status=500)
    run = world.submit(chats(10), deadline="30m")
    finished = world.finish(run, longest=HOUR)
    assert finished.answered == 10, world.story()
    assert on_time(world, finished), world.story()
    assert lanes(world, finished) == {REALTIME: 10}
    world.sandbox.state.clear_faults()
    for _ in range(60):
        world.passes(seconds=120.0)
    money = world.engine.store.money(run.id)
    assert money.waste_nano > 0, world.story()  # the batch was accepted after all, and answered
    assert world.engine.run(run.id).answered == 10
    assert len(world.results(finished)) == 10
    world.check_books()


def test_where_cancelling_does_not_end_in_time_the_rest_is_sent_beside_it_and_the_first_answer_counts(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=1.1 * HOUR, validation_seconds=0.0)
    world.fault("http_error", operation="batches.cancel", times=-1, status=500)
    run = world.submit(chats(40), deadline="1h")
    finished = world.finish(run, longest=HOUR)
    assert finished.answered == 40, world.story()
    assert on_time(world, finished), world.story()
    for _ in range(30):
        world.passes(seconds=60.0)
    assert "batch.rescued" in world.kinds()
    money = world.engine.store.money(run.id)
    assert money.waste_nano > 0  # what was answered twice is paid twice, and booked
    assert money.n == 40
    assert world.engine.run(run.id).answered == 40
    world.check_books()


def test_what_was_called_back_for_its_deadline_is_not_given_to_another_batch(
    make_world: Any,
) -> None:
    """However much is due at the same instant: there would be no time to call it back once more."""
    world = make_world(batch_seconds=3.0 * HOUR, cancel_seconds=590.0, tokens_per_minute=10_000)
    world.fault("http_error", operation="batches.cancel", times=-1, status=500)
    world.finish(world.submit(chats(1), deadline="now"))  # states the limits
    lines = [
        {**line, "body": line["body"] | {"max_tokens": 1_000, "user": f"{place}"}}
        for place in range(10)
        for line in chats(60)
    ]
    runs = [world.submit(lines[start : start + 60], deadline="100m") for start in range(0, 600, 60)]
    ended = [world.finish(run) for run in runs]
    assert all(run.late == 0 and run.answered == 60 for run in ended), world.story()
    rescued = {
        event.at for event in world.engine.store.events(limit=10_000)
        if event.kind == "batch.rescued"
    }  # fmt: skip
    assert rescued, world.story()
    again = [row.lane for row in world.engine.store.batches() if row.created_at >= min(rescued)]
    assert again, world.story()
    assert set(again) == {REALTIME}, world.story()


def test_results_that_cannot_be_read_do_not_cost_the_deadline(make_world: Any) -> None:
    world = make_world(batch_seconds=2.0 * HOUR, validation_seconds=0.0)
    world.fault("http_error", operation="files.content", times=-1, status=500)
    run = world.submit(chats(20), deadline="1h")
    while (seen := world.engine.run(run.id)).state != "finished":
        assert world.clock.at < run.deadline, world.story()
        world.passes(seconds=SLOW_POLLS)
    assert seen.answered == 20
    assert on_time(world, seen), world.story()
    assert "batch.rescued" in world.kinds()
    assert len(world.results(seen)) == 20
    world.sandbox.state.clear_faults()
    for _ in range(60):
        world.passes(seconds=120.0)
    assert world.engine.store.money().waste_nano > 0, world.story()  # what the batch had answered
    assert world.engine.store.money().cost_nano == world.sandbox.books()["nano_usd"]


def test_a_batch_that_makes_no_progress_is_noticed(make_world: Any) -> None:
    world = make_world(profile="fast", batch_seconds=None)
    world.fault("stuck_finalizing", seconds=20.0 * HOUR)
    run = world.submit(chats(5), deadline="6h")
    finished = world.finish(run)
    assert finished.answered == 5
    assert on_time(world, finished), world.story()
    stuck = [e for e in world.engine.store.events(limit=1_000) if e.kind == "batch.stuck"]
    assert len(stuck) == 1, world.story()
    assert stuck[0].at < finished.deadline - 4.0 * HOUR


def test_a_deadline_that_cannot_be_met_even_in_real_time_is_refused_with_the_earliest_that_can(
    world: Any,
) -> None:
    world.engine.store.learn(account(world), "gpt-4o-mini", "requests_per_minute", 60, 0.0)
    with pytest.raises(
        TooSoon, match=r"The earliest that can be promised is 2026-09-\d\dT"
    ) as caught:
        world.submit(chats(3_000), deadline="30m")
    assert "Nothing was accepted" in str(caught.value)
    assert world.engine.store.runs() == []
    [said] = re.findall(r"promised is (\S+)\. ", str(caught.value))
    world.clock.at += 30.0  # read, and asked again
    assert world.submit(chats(3_000), deadline=said).requests == 3_000


def test_a_request_larger_than_the_limit_of_a_minute_is_promised_no_deadline(
    make_world: Any,
) -> None:
    world = make_world(tokens_per_minute=1_000)
    world.finish(world.submit(chats(1), deadline="now"))  # its answer states the limit
    [large] = chats(1)
    large["body"]["messages"][0]["content"] = "word " * 5_000
    with pytest.raises(BadInput, match=r"takes 1,000 tokens a minute .* Nothing was accepted"):
        world.submit([large], deadline="8h")
    assert world.submit([large], deadline="none").requests == 1


def test_each_deadline_of_a_mixed_run_is_held_against_what_is_due_by_then(world: Any) -> None:
    world.engine.store.learn(account(world), "gpt-4o-mini", "requests_per_minute", 60, 0.0)
    requests = chats(2_000)
    for number, item in enumerate(requests):
        item["deadline"] = "10m" if number < 200 else "4h"
    assert world.submit(requests).requests == 2_000
    for item in requests[:800]:
        item["deadline"] = "10m"
    with pytest.raises(TooSoon, match="800 requests"):
        world.submit(requests, again=True)


def test_what_is_promised_already_is_not_promised_again(world: Any) -> None:
    world.engine.store.learn(account(world), "gpt-4o-mini", "requests_per_minute", 60, 0.0)
    world.submit(chats(1_000), deadline="30m")  # waits: there is no worker
    with pytest.raises(TooSoon):
        world.submit(chats(1_001), deadline="30m")


@pytest.mark.parametrize("said", ["yesterday", "25:00", "2020-01-01T00:00+00:00", "-1h"])
def test_a_deadline_that_cannot_be_meant_is_refused_and_nothing_is_accepted(
    world: Any, said: str
) -> None:
    with pytest.raises(BadInput, match="--deadline"):
        world.submit(chats(1), deadline=said)
    assert world.engine.store.runs() == []


def test_now_goes_in_real_time_and_none_in_the_cheapest_lane(world: Any) -> None:
    quick = world.finish(world.submit(chats(3), deadline="now"))
    assert lanes(world, quick) == {REALTIME: 3}
    slow = world.finish(world.submit(chats(4), deadline="none"))
    assert lanes(world, slow) == {BATCH: 4}
    assert quick.late == slow.late == 0
    world.check_books()


def test_each_line_may_have_a_deadline_of_its_own(make_world: Any) -> None:
    world = make_world(batch_seconds=3.0 * HOUR)
    requests = chats(30)
    for number, item in enumerate(requests):
        item["deadline"] = ("now", "1h", "8h")[number % 3]
    run = world.finish(world.submit(requests))
    assert run.answered == 30
    found = lanes(world, run)
    assert found[REALTIME] > 10, found  # those for now, and what the batch for 1 h had not done
    assert found[BATCH] >= 10, found  # those for 8 h
    assert run.late == 0
    world.check_books()


def test_a_rollout_that_only_observes_sends_in_real_time_and_records_what_it_would_do(
    world: Any,
) -> None:
    policy(world, '[default]\ndeadline = "8h"\nrollout = "observe"\n')
    run = world.finish(world.submit(chats(4)))
    assert lanes(world, run) == {REALTIME: 4}
    [decision] = {row.decision for row in world.engine.store.batches(run.id)}
    assert (decision.lane, decision.wanted) == (REALTIME, BATCH)
    assert "only observed" in decision.why
    assert decision.policy


def test_a_rollout_by_percent_sends_a_fixed_share_by_the_lane_that_was_chosen(world: Any) -> None:
    policy(world, '[default]\ndeadline = "8h"\npercent = 30\n')
    run = world.finish(world.submit(chats(200)))
    found = lanes(world, run)
    assert 40 <= found[BATCH] <= 80, found
    assert found[BATCH] + found[REALTIME] == 200
    numbers = world.engine.store.decisions()
    assert len(numbers) <= 3  # two kinds of requests; two hundred of them
    world.check_books()


def test_a_rule_can_ask_another_model_and_bar_lanes_by_terms(world: Any) -> None:
    policy(
        world,
        '[[rule]]\nname = "private"\nworkflow = "tests"\nterms = "zdr"\nuse_model = "gpt-4o"\n',
    )
    run = world.finish(world.submit(chats(3), deadline="24h"))
    assert lanes(world, run) == {REALTIME: 3}  # batches are not offered without retention
    rows = [entry.row for entry in world.engine.store.ledger()]
    assert {row.model.startswith("gpt-4o-2") or row.model == "gpt-4o" for row in rows} == {True}
    world.check_books()


def test_held_requests_go_in_the_hours_that_policy_names(world: Any) -> None:
    policy(
        world,
        '[[rule]]\nname = "off peak"\nworkflow = "tests"\nlanes = ["held"]\npin = "held"\n'
        'held = "02:00-03:00 UTC"\n',
    )
    run = world.submit(chats(3))
    finished = world.finish(run)
    assert lanes(world, finished) == {"held": 3}
    assert 2 * HOUR <= finished.finished_at % 86_400.0 < 3 * HOUR
    world.check_books()


def test_a_window_that_was_missed_is_believed_less_the_next_time(world: Any) -> None:
    world.fault("miss_window", times=-1, seconds=20_000.0)
    policy(world, '[default]\nlanes = ["background_2h", "realtime"]\n')
    beliefs = []
    for day in range(3):
        requests = [
            {
                "custom_id": f"r-{number}",
                "method": "POST",
                "url": "/v1/responses",
                "body": {"model": "gpt-5-mini", "input": f"Day {day}: item {number} is late."},
            }
            for number in range(3)
        ]
        run = world.submit(requests, deadline="4h")
        *_, decided = world.engine.store.decisions().values()
        beliefs += re.findall(r"; (\d+) % of background", decided.why)
        assert on_time(world, world.finish(run))
        world.clock.at += HOUR
    first, second, third = map(int, beliefs)
    assert first > second > third, beliefs


@pytest.mark.parametrize(("deadline", "lane"), [("2h", REALTIME), ("20h", HELD)])
def test_a_cheaper_hour_is_waited_for_only_where_it_comes_before_the_deadline(
    world: Any, deadline: str, lane: LaneName
) -> None:
    prices = world.folder / "home" / "prices.toml"
    prices.write_text(
        '[[price]]\nprovider = "openai"\nmodel = "gpt-4o-mini"\nlanes = ["held"]\n'
        "input = 0.075\noutput = 0.30\n"
    )
    policy(world, '[default]\nlanes = ["held", "realtime"]\nheld = "02:00-03:00 UTC"\n')
    world.reopen()
    run = world.finish(world.submit(chats(3), deadline=deadline))
    assert lanes(world, run) == {lane: 3}, world.story()
    assert on_time(world, run)
    assert (2 * HOUR <= run.finished_at % 86_400.0 < 3 * HOUR) is (lane == HELD)
    money = world.engine.store.money(run.id)
    assert money.cost_nano * (2 if lane == HELD else 1) == money.baseline_nano


def test_a_lane_without_capacity_is_left_for_the_next_and_nothing_is_charged_for_it(
    make_world: Any,
) -> None:
    world = make_world(flex_refusals=1.0)
    policy(world, '[default]\nlanes = ["flex", "realtime"]\n')
    run = world.finish(world.submit(chats(5, "gpt-5-mini"), deadline="2h"))
    assert lanes(world, run) == {REALTIME: 5}, world.story()
    assert on_time(world, run)
    world.check_books()


def test_flex_is_used_where_it_is_as_cheap_as_a_batch_and_the_deadline_is_near(
    make_world: Any,
) -> None:
    world = make_world()
    run = world.finish(world.submit(chats(5, "gpt-5-mini"), deadline="1h"))
    assert lanes(world, run) == {FLEX: 5}, world.story()
    world.check_books()


def test_work_that_a_crash_leaves_behind_is_rescued_by_whoever_comes_next(make_world: Any) -> None:
    world = make_world(batch_seconds=5.0 * HOUR)
    run = world.submit(chats(30), deadline="2h")
    world.passes(2, seconds=60.0)
    world.clock.at += 1.5 * HOUR  # nobody was there for a while
    world.reopen()
    finished = world.finish(run)
    assert finished.answered == 30
    assert on_time(world, finished), world.story()
    world.check_books()


@pytest.mark.parametrize("hours", [-10.0, 1.0, 3.0, 30.0])
def test_a_clock_that_jumps_by_hours_loses_nothing_and_pays_nothing_twice(
    make_world: Any, hours: float
) -> None:
    world = make_world(batch_seconds=5.0 * HOUR)
    run = world.submit(chats(10), deadline="2h")
    world.passes(3, seconds=600.0)
    world.clock.at += hours * HOUR
    finished = world.finish(run)
    assert finished.answered == 10
    assert on_time(world, finished) or hours > 1.5, world.story()
    assert len(world.results(finished)) == 10
    world.check_books()


def test_what_is_named_as_the_earliest_is_kept_where_everything_goes_in_real_time(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=30.0 * HOUR, requests_per_minute=120)
    world.engine.store.learn(account(world), "gpt-4o-mini", "requests_per_minute", 120, 0.0)
    with pytest.raises(TooSoon) as caught:
        world.submit(chats(600), deadline="2m")
    earliest = caught.value.earliest
    run = world.submit(chats(600), deadline=earliest.isoformat())
    assert earliest.timestamp() - world.clock.at < 600 / 96 * 60 + 60 + 120  # no more than it says
    finished = world.finish(run)
    assert finished.answered == 600
    assert on_time(world, finished), world.story()
    world.check_books()


def test_a_clock_that_is_put_back_loses_nothing_and_rescues_all_the_same(make_world: Any) -> None:
    world = make_world(batch_seconds=5.0 * HOUR)
    run = world.submit(chats(10), deadline="2h")
    world.passes(3, seconds=600.0)
    world.clock.at -= 1_200.0
    finished = world.finish(run)
    assert finished.answered == 10
    assert on_time(world, finished), world.story()
    world.check_books()


@pytest.mark.parametrize("hours", [-10.0, -1.0])
def test_what_comes_after_a_clock_was_put_back_is_rescued_in_time_beside_what_came_before(
    make_world: Any, hours: float
) -> None:
    world = make_world(batch_seconds=5.0 * HOUR)
    before = world.submit(chats(10), deadline="2h")
    world.passes(3, seconds=600.0)
    world.clock.at += hours * HOUR
    run = world.submit(chats(5, "gpt-4.1-mini"), deadline="2h")
    finished = world.finish(run)
    assert finished.answered == 5
    assert on_time(world, finished), world.story()
    assert world.finish(before).answered == 10
    world.check_books()


def test_a_clock_put_back_does_not_hold_a_refused_account_for_longer(world: Any) -> None:
    world.fault("http_error", operation="live", status=401, times=1)
    world.submit(chats(5), deadline="now")
    worker, later = world.engine.worker(), []

    def until() -> bool:
        if not later and worker.troubles:
            world.clock.at -= 10.0 * HOUR
            later.append(world.submit(chats(2, "gpt-4.1-mini"), deadline="now"))
        if not later:
            return False
        late = bool(world.clock.at > later[0].created_at + 60.0)
        return late or world.engine.run(later[0].id).state == "finished"

    asyncio.run(worker.run(until=until))
    assert world.engine.run(later[0].id).answered == 2, world.story()


# -- ways to do ordinary things -------------------------------------------------------------------
def chats(count: int, model: str = "gpt-4o-mini") -> list[dict[str, Any]]:
    return [
        {
            "custom_id": f"o-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": model,
                "messages": [{"role": "user", "content": f"Summarise: item {number} is late."}],
            },
        }
        for number in range(count)
    ]


def account(world: Any) -> Any:
    return world.engine.accounts.payer("openai", chosen=None).row.id


def policy(world: Any, text: str) -> None:
    path: Path = world.folder / "home" / "policy.toml"
    path.write_text(text, encoding="utf-8")


def test_a_call_that_hangs_in_a_pass_of_cron_holds_up_nobodys_rescue(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_LONG", 0.02)
    slow = world.submit(chats(20), deadline="1h")
    world.passes()
    real, look, hung, called_back = OpenAICalls.call, worker.rescue, [], asyncio.Event()

    def looking(shift: Any) -> float:
        again = look(shift)
        if "batch.withdrawn" in world.kinds():
            called_back.set()
        return again

    async def hanging(*wanted: Any, **named: Any) -> Any:
        if not hung:
            hung.append(wanted)
            world.clock.at = slow.deadline - 700.0
            await called_back.wait()
        return await real(*wanted, **named)

    monkeypatch.setattr(worker, "rescue", looking)
    monkeypatch.setattr(OpenAICalls, "call", hanging)
    world.submit(chats(2, "gpt-4o"), deadline="now")
    asyncio.run(asyncio.wait_for(world.engine.worker().run_once(), timeout=60.0))
    assert hung
    done = world.finish(slow)
    assert (done.answered, done.late) == (20, 0), world.story()
