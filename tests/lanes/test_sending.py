"""Lanes without batches: each request is sent by itself, answered once and paid for once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lanewise.domain.ids import AccountId, BatchId, WorkerId, fresh_id
from lanewise.domain.lanes import (
    BACKGROUND_2H,
    BACKGROUND_8H,
    BATCH,
    FLEX,
    HELD,
    REALTIME,
    LaneName,
)
from lanewise.lanes import calls, sending
from lanewise.lanes import worker as working
from lanewise.providers.calling import Answered
from lanewise.providers.openai_calls import OpenAICalls
from lanewise.providers.protocol import Doubtful, NotSent
from lanewise.store.nouns import NewBatch, Part, Run, WaitingGroup
from lanewise.store.outbox import FileOutbox

Requests = Callable[[str, int], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def packed_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests are about begins with a packed batch, in a lane of their choice."""
    monkeypatch.setattr(working, "pack", lambda shift: 0)


def responses(count: int) -> list[dict[str, Any]]:
    """Requests for OpenAI's responses endpoint, which has every lane."""
    return [
        {
            "custom_id": f"r-{number}",
            "method": "POST",
            "url": "/v1/responses",
            "body": {"model": "gpt-5-mini", "input": f"Summarise: item {number} is late."},
        }
        for number in range(count)
    ]


def put(world: Any, run: Run, lane: LaneName, **new: Any) -> list[BatchId]:
    """Pack what waits of a run into one batch in this lane."""
    store, now = world.engine.store, world.clock.at
    made = []
    for row in store.accounts_of(run.id):
        lease = store.acquire(row.id, WorkerId("packer"), now, 30.0)
        assert lease is not None
        for group in store.waiting(row.id, now):
            part = Part(group.waiting.segment, group.waiting.ordinals, group.waiting.tries)
            size = sum(item.bytes for item in store.sizes(part.segment, part.ordinals))
            made.append(
                NewBatch(
                    BatchId(fresh_id()), group.key, lane, (part,), len(part.ordinals), size, **new
                )
            )
        store.pack(lease, made, now)
        store.release(lease)
    return [batch.id for batch in made]


def sent(world: Any, lane: LaneName, requests: list[dict[str, Any]], **new: Any) -> Run:
    """A run whose requests are packed into one batch in this lane."""
    run: Run = world.submit(requests)
    put(world, run, lane, **new)
    return run


ALL = [
    ("openai", REALTIME),
    ("anthropic", REALTIME),
    ("responses", REALTIME),
    ("responses", FLEX),
    ("responses", BACKGROUND_2H),
    ("responses", BACKGROUND_8H),
]


@pytest.mark.parametrize(("form", "lane"), ALL)
def test_every_lane_answers_each_request_once_and_the_ledger_equals_the_invoice(
    world: Any, requests_of: Requests, form: str, lane: LaneName
) -> None:
    requests = responses(7) if form == "responses" else requests_of(form, 7)
    run = world.finish(sent(world, lane, requests))
    assert run.answered == 7, world.story()
    assert world.sandbox.books()["batches"] == 0
    assert [row["custom_id"] for row in world.results(run)] == [r["custom_id"] for r in requests]
    assert {entry.row.lane for entry in world.engine.store.ledger()} == {lane}
    world.check_books()


def test_a_held_batch_is_sent_when_its_hour_has_come(
    world: Any, shape: str, requests_of: Requests
) -> None:
    at = world.clock.at + 7_200.0
    run = sent(world, HELD, requests_of(shape, 3), due_at=at)
    world.passes(3, seconds=60.0)
    assert world.sandbox.books()["requests"] == 0
    assert world.finish(run).answered == 3
    assert world.clock.at >= at


@pytest.mark.parametrize("lane", [REALTIME, FLEX])
def test_many_requests_keep_the_rate_limit_and_none_is_lost(
    make_world: Any, lane: LaneName
) -> None:
    world = make_world(requests_per_minute=60)
    began = world.clock.at
    run = world.finish(sent(world, lane, responses(200)))
    assert run.answered == 200, world.story()
    assert world.clock.at - began >= 60.0  # 60 at once by the sandbox's bucket, then one a second
    assert world.engine.store.learned(account(world))[("gpt-5-mini", "requests_per_minute")] == 60
    world.check_books()


def test_a_limit_that_was_learned_is_kept_from_the_first_call_on(make_world: Any) -> None:
    world = make_world(requests_per_minute=30)
    world.finish(sent(world, REALTIME, responses(40)))
    world.reopen()
    worker = world.engine.worker()
    drain = worker.paces.drain(account(world), "gpt-5-mini")
    assert drain.requests == pytest.approx(0.5)
    assert worker.paces.committed(account(world), "gpt-5-mini").requests == 0


def test_two_thousand_requests_go_through_in_one_pass_with_few_fsyncs(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = 0
    real = FileOutbox.sync

    def counted(self: FileOutbox) -> None:
        nonlocal syncs
        syncs += 1
        real(self)

    monkeypatch.setattr(FileOutbox, "sync", counted)
    world = make_world(requests_per_minute=100_000)
    run = sent(world, REALTIME, responses(2_000))
    world.passes()
    assert world.engine.run(run.id).answered == 2_000, world.story()
    assert syncs < 2_000  # of 4,000 moments at which a call waits for the disk
    world.check_books()


# -- refusals -------------------------------------------------------------------------------------
def test_a_rate_limit_that_nobody_announced_costs_no_try(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.fault("rate_limit", operation="live", times=5, seconds=40.0)
    run = world.finish(sent(world, REALTIME, requests_of(shape, 12)))
    assert run.answered == 12, world.story()
    assert world.kinds().count("batch.settled") == 1
    world.check_books()


def test_flex_refusals_are_asked_again_and_remembered(make_world: Any) -> None:
    world = make_world(flex_refusals=0.3)
    run = world.finish(sent(world, FLEX, responses(60)))
    assert run.answered == 60, world.story()
    learned = world.engine.store.learned(account(world))
    calls, refusals = (learned[("gpt-5-mini", name)] for name in ("flex_calls", "flex_refusals"))
    assert calls == 60 + refusals
    assert refusals > 0
    world.check_books()


def test_flex_that_was_answered_in_real_time_is_booked_at_the_price_of_real_time(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OpenAICalls.call

    async def downgraded(self: OpenAICalls, *args: Any, **named: Any) -> Any:
        found = await real(self, *args, **named)
        assert isinstance(found, Answered)
        line = re.sub(rb'"service_tier":\s*"flex"', b'"service_tier":"default"', found.line)
        assert line != found.line
        return replace(found, line=line)

    monkeypatch.setattr(OpenAICalls, "call", downgraded)
    run = world.finish(sent(world, FLEX, responses(3)))
    [entry] = world.engine.store.ledger()
    assert (run.answered, entry.row.lane) == (3, REALTIME)
    assert entry.row.cost_nano == entry.row.baseline_nano


def test_a_lane_that_refuses_some_goes_on_with_the_others(world: Any) -> None:
    world.fault("no_capacity", times=20)
    run = sent(world, FLEX, responses(60))
    world.passes()
    assert world.engine.run(run.id).answered == 60, world.story()
    world.check_books()


def test_a_lane_without_capacity_is_left_and_the_requests_wait_again_without_a_try(
    make_world: Any,
) -> None:
    world = make_world(flex_refusals=1.0)
    run = sent(world, FLEX, responses(9), deadline=world.clock.at + 1_800.0)
    began = world.clock.at
    waiting = until_waiting(world, run)
    assert [(group.waiting.tries, len(group.waiting.ordinals)) for group in waiting] == [(0, 9)]
    assert world.clock.at - began < 600.0
    put(world, run, REALTIME)
    assert world.finish(run).answered == 9, world.story()
    world.check_books()


def test_a_lane_without_capacity_is_asked_by_a_few_requests_for_all(make_world: Any) -> None:
    """Fifty that are each refused four times would take the turns of others for minutes."""
    world = make_world(flex_refusals=1.0, requests_per_minute=6)
    world.taught("gpt-5-mini", requests_per_minute=6)
    sent(world, FLEX, responses(50), deadline=world.clock.at + 28_800.0)
    world.passes()
    calls = world.engine.store.learned(account(world))["gpt-5-mini", "flex_calls"]
    assert 8 <= calls <= 16, world.story()  # two rounds of two requests that ask four times


def test_a_refused_call_is_not_made_again_once_nobody_wants_it_from_this_batch(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request may have been given to real time meanwhile, and would be paid twice."""
    real, calls = OpenAICalls.call, []

    async def refused_and_called_back(*wanted: Any, **named: Any) -> Any:
        calls.append(wanted)
        try:
            return await real(*wanted, **named)
        finally:
            world.engine.store.cancel_run(run.id, world.clock.at)
            world.sandbox.state.clear_faults()

    world.fault("no_capacity", times=-1)
    run = sent(world, FLEX, responses(1))
    monkeypatch.setattr(OpenAICalls, "call", refused_and_called_back)
    done = world.finish(run)
    assert (done.answered, done.unanswered, len(calls)) == (0, 1, 1), world.story()
    assert world.sandbox.books()["requests"] == 0


def test_an_overload_is_waited_out(world: Any, shape: str, requests_of: Requests) -> None:
    world.fault("overloaded", times=6)
    run = world.finish(sent(world, REALTIME, requests_of(shape, 5)))
    assert run.answered == 5, world.story()
    world.check_books()


def test_an_outage_of_errors_pauses_the_batch_and_blames_no_request(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.fault("http_error", operation="live", status=500, times=-1)
    run = sent(world, REALTIME, requests_of(shape, 10))
    world.passes(2, seconds=120.0)
    assert world.kinds().count("batch.settled") == 0, world.story()
    world.sandbox.state.clear_faults()
    run = world.finish(run)
    assert run.answered == 10, world.story()
    assert world.kinds().count("batch.settled") == 1
    world.check_books()


def test_without_a_connection_the_batch_pauses_and_no_try_is_used_up(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = OpenAICalls.call, 0

    async def cut_off(*wanted: Any, **named: Any) -> Any:
        nonlocal failures
        failures += 1
        if failures <= 30:
            raise NotSent("no connection")
        return await real(*wanted, **named)

    monkeypatch.setattr(OpenAICalls, "call", cut_off)
    began = world.clock.at
    run = world.finish(sent(world, REALTIME, responses(20)))
    assert run.answered == 20, world.story()
    assert world.clock.at > began
    assert world.kinds().count("batch.settled") == 1
    world.check_books()


def test_an_outage_that_begins_half_way_blames_no_request_either(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.fault("http_error", operation="live", status=503, after=30, times=150)
    run = world.finish(sent(world, REALTIME, requests_of(shape, 100)))
    assert run.answered == 100, world.story()
    assert world.kinds().count("batch.settled") == 1
    world.check_books()


def test_a_request_on_which_the_provider_always_fails_uses_up_its_tries_alone(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OpenAICalls.call

    async def call(self: OpenAICalls, key: Any, body: bytes, *rest: Any, **named: Any) -> Any:
        if b"item 4 " in body:
            raise Doubtful("it fails", status=500)
        return await real(self, key, body, *rest, **named)

    monkeypatch.setattr(OpenAICalls, "call", call)
    run = sent(world, REALTIME, responses(40))
    (group,) = until_waiting(world, run)
    assert (group.waiting.tries, len(group.waiting.ordinals)) == (1, 1)
    assert world.engine.run(run.id).answered == 39
    world.check_books()


def test_a_refused_request_is_final_and_does_not_disturb_the_others(
    world: Any, shape: str, requests_of: Requests
) -> None:
    requests = requests_of(shape, 4)
    (requests[2].get("body") or requests[2]["params"])["temperature"] = 9
    run = world.finish(sent(world, REALTIME, requests))
    assert (run.answered, run.refused) == (3, 1), world.story()
    world.check_books()


def test_a_refused_credential_holds_the_account_and_loses_nothing(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.fault("http_error", operation="live", status=401, times=1)
    run = sent(world, REALTIME, requests_of(shape, 5))
    world.passes()
    assert "account.held" in world.kinds()
    world.clock.at += 301.0
    assert world.finish(run).answered == 5, world.story()
    world.check_books()


# -- calls of which nobody knows what became -------------------------------------------------------
@pytest.mark.parametrize("kind", ["accept_then_504", "accept_then_reset"])
def test_an_answer_that_is_lost_is_booked_as_an_upper_bound_and_asked_again_as_a_try(
    world: Any, shape: str, requests_of: Requests, kind: str
) -> None:
    world.fault(kind, operation="live", times=2)
    run = sent(world, REALTIME, requests_of(shape, 6))
    waiting = until_waiting(world, run)
    assert [(group.waiting.tries, len(group.waiting.ordinals)) for group in waiting] == [(1, 2)]
    put(world, run, REALTIME)
    assert world.finish(run).answered == 6, world.story()
    assert world.sandbox.books()["requests"] == 8
    check_bounds(world, unknown=2)


# -- background -----------------------------------------------------------------------------------
@pytest.mark.parametrize("lane", [BACKGROUND_2H, BACKGROUND_8H])
def test_no_worker_is_held_while_the_provider_works_and_any_may_go_on(
    make_world: Any, lane: LaneName
) -> None:
    world = make_world(batch_seconds=1_500.0)
    world.reopen(poll_seconds=None)
    run = sent(world, lane, responses(8))
    for _ in range(5):
        world.passes()
        world.reopen()
        world.clock.at += 60.0
    assert world.sandbox.books()["requests"] == 0
    assert world.finish(run).answered == 8, world.story()
    assert world.sandbox.books()["requests"] == 8
    world.check_books()


def test_a_response_that_fails_is_asked_again_as_a_try(world: Any) -> None:
    world.fault("fail_response", times=2)
    run = sent(world, BACKGROUND_2H, responses(5))
    waiting = until_waiting(world, run)
    assert [(group.waiting.tries, len(group.waiting.ordinals)) for group in waiting] == [(1, 2)]
    put(world, run, BACKGROUND_2H)
    assert world.finish(run).answered == 5, world.story()
    world.check_books()


def test_a_hiccup_of_the_provider_loses_no_response(world: Any) -> None:
    world.fault("not_found", operation="responses.get", times=3)
    world.fault("http_error", operation="responses.get", status=502, times=3)
    run = world.finish(sent(world, BACKGROUND_2H, responses(4)))
    assert run.answered == 4, world.story()
    assert world.sandbox.books()["requests"] == 4
    world.check_books()


def test_a_cancelled_run_stops_what_the_provider_works_on(make_world: Any) -> None:
    world = make_world(batch_seconds=3_000.0)
    run = sent(world, BACKGROUND_8H, responses(6))
    world.passes()
    world.engine.store.cancel_run(run.id, world.clock.at)
    done = world.finish(run)
    assert (done.answered, done.unanswered) == (0, 6), world.story()
    assert world.sandbox.books()["requests"] == 0
    world.check_books()


def test_a_run_cancelled_half_way_keeps_what_was_answered_and_sends_no_more(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(requests_per_minute=60)
    run = sent(world, REALTIME, responses(200))
    answered = 0

    def reach(place: str) -> None:
        nonlocal answered
        answered += place == "call.answered"
        if place == "call.answered" and answered == 70:
            world.engine.store.cancel_run(run.id, world.clock.at)

    monkeypatch.setattr(calls, "reach", reach)
    monkeypatch.setattr(sending, "_MOST_CALLS", 16)
    done = world.finish(run)
    assert 70 <= done.answered < 100, world.story()
    assert done.answered + done.unanswered == 200
    assert world.sandbox.books()["requests"] == done.answered
    world.check_books()


# -- who may send ---------------------------------------------------------------------------------
def test_nothing_is_sent_while_paused_and_what_is_accepted_is_still_collected(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=100.0)
    accepted = sent(world, BACKGROUND_2H, responses(3))
    world.passes()
    world.engine.store.pause("all", world.clock.at)
    new = sent(world, REALTIME, responses(4))
    world.passes(12, seconds=10.0)
    assert world.engine.run(accepted.id).answered == 3, world.story()
    assert world.engine.run(new.id).answered == 0
    assert world.sandbox.books()["requests"] == 3
    world.engine.store.resume("all")
    assert world.finish(new).answered == 4
    world.check_books()


@pytest.mark.parametrize("place", ["call.sent", "call.answered"])
def test_a_takeover_sends_nothing_that_may_have_been_answered(
    world: Any, shape: str, requests_of: Requests, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    die_at(monkeypatch, place, after=5)
    run = sent(world, REALTIME, requests_of(shape, 12))
    with pytest.raises(Killed):
        world.passes()
    billed = world.sandbox.books()["requests"]
    world.reopen()
    waiting = until_waiting(world, run)
    asked_again = sum(len(group.waiting.ordinals) for group in waiting)
    assert {group.waiting.tries for group in waiting} == {1}
    assert world.sandbox.books()["requests"] <= 12
    put(world, run, REALTIME)
    assert world.finish(run).answered == 12, world.story()
    assert billed <= 12
    check_bounds(world, unknown=asked_again)


def test_a_worker_that_lost_the_lease_makes_no_call(
    world: Any, shape: str, requests_of: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = sent(world, REALTIME, requests_of(shape, 6))
    store, another = world.engine.store, WorkerId("another")
    real = FileOutbox.send
    taken = False

    def overtaken(self: FileOutbox, positions: Any, now: float) -> None:
        nonlocal taken
        real(self, positions, now)
        if not taken:
            taken = True
            later = now + 1_000.0  # the lease has run out by then
            assert store.acquire(account(world), another, later, 0.5) is not None

    with store.register_worker(another, world.clock.at), monkeypatch.context() as patched:
        patched.setattr(FileOutbox, "send", overtaken)
        world.passes()
        assert world.sandbox.books()["requests"] == 0
    world.clock.at += 2_000.0
    until_waiting(world, run)
    put(world, run, REALTIME)
    assert world.finish(run).answered == 6, world.story()
    assert world.sandbox.books()["requests"] == 6


def test_the_earliest_deadline_of_an_account_goes_first(make_world: Any) -> None:
    world = make_world(requests_per_minute=60)
    late = sent(world, REALTIME, responses(150), deadline=world.clock.at + 7_200.0)
    soon = [{**item, "custom_id": f"s-{item['custom_id']}"} for item in responses(60)]
    first = sent(world, REALTIME, soon, deadline=world.clock.at + 600.0)
    world.finish(late)
    assert world.engine.run(first.id).answered == 60
    ends = [e.subject for e in world.engine.store.events(limit=1_000) if e.kind == "run.finished"]
    assert ends == [first.id, late.id]


def test_what_a_rescued_batch_answered_after_all_is_not_sent_any_more(
    world: Any, shape: str, requests_of: Requests
) -> None:
    run = sent(world, BATCH, requests_of(shape, 5))
    world.passes(2, seconds=1.0)
    store, now = world.engine.store, world.clock.at
    slow = store.batches(run.id)[0].batch.id
    lease = store.acquire(account(world), WorkerId("rescuer"), now, 30.0)
    assert store.rescue(lease, slow, now, "it would be late") == 5
    store.release(lease)
    put(world, run, REALTIME, due_at=now + 600.0)
    assert world.finish(run).answered == 5, world.story()
    world.clock.at = now + 700.0
    assert until_waiting(world, run) == []
    assert world.sandbox.books()["requests"] == 5
    world.check_books()


def test_a_withdrawn_background_batch_is_stopped_and_its_requests_wait_again(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=3_000.0)
    run = sent(world, BACKGROUND_8H, responses(4))
    world.passes()
    store = world.engine.store
    lease = store.acquire(account(world), WorkerId("rescuer"), world.clock.at, 30.0)
    store.withdraw(lease, store.batches(run.id)[0].batch.id, world.clock.at, "it would be late")
    store.release(lease)
    assert sum(len(g.waiting.ordinals) for g in until_waiting(world, run, longest=60.0)) == 4
    put(world, run, REALTIME)
    assert world.finish(run).answered == 4, world.story()
    assert world.sandbox.books()["requests"] == 4
    world.check_books()


def test_a_leaving_worker_hears_its_calls_out(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.fault("slow", operation="live", seconds=0.4, times=-1)
    world.clock.waits = False
    run = sent(world, REALTIME, requests_of(shape, 40))
    asked = 0

    def until() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    asyncio.run(world.engine.worker().run(until=until))
    billed = world.sandbox.books()["requests"]
    assert 0 < billed < 40
    assert world.finish(run).answered == 40, world.story()
    assert world.sandbox.books()["requests"] == 40
    world.check_books()


# -- ways to do ordinary things -------------------------------------------------------------------
class Killed(BaseException):
    """The process is gone."""


def die_at(monkeypatch: pytest.MonkeyPatch, name: str, *, after: int) -> None:
    """Die once, when the named place is reached after so many times."""
    passed = 0

    def reach(place: str) -> None:
        nonlocal passed
        passed += place == name
        if place == name and passed == after + 1:
            raise Killed

    monkeypatch.setattr(calls, "reach", reach)


def account(world: Any) -> AccountId:
    """The only account there is."""
    found: AccountId = world.engine.store.runs()[0].id
    return world.engine.store.accounts_of(found)[0].id  # type: ignore[no-any-return]


def until_waiting(world: Any, run: Run, *, longest: float = 86_400.0) -> list[WaitingGroup]:
    """Pass until nothing of the run is out any more; what waits again."""
    until = world.clock.at + longest
    store = world.engine.store
    while world.clock.at < until:
        world.passes()
        if not store.batches(run.id, live_only=True):
            return list(store.waiting(account(world), world.clock.at))
        due = store.next_due(account(world))
        world.clock.at = max(due or 0.0, world.clock.at + 0.5)
    raise AssertionError(world.story())


def check_bounds(world: Any, *, unknown: int) -> None:
    """What is booked for answers is on the invoice, and the invoice is within the upper bounds."""
    rows = [entry.row for entry in world.engine.store.ledger()]
    bounds = [row for row in rows if row.kind == "unknown_upper_bound"]
    certain = sum(row.cost_nano or 0 for row in rows) - sum(row.cost_nano or 0 for row in bounds)
    invoice = world.sandbox.books()["nano_usd"]
    assert sum(row.n for row in bounds) == unknown, world.story()
    assert certain <= invoice <= certain + sum(row.cost_nano or 0 for row in bounds)
