"""Where a provider has no room, work waits here in order; nothing is refused, lost or counted as a try."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from lanewise.app import RunRequest
from lanewise.domain.batches import Settled
from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.intake import ReadOptions, read
from lanewise.policy.quotas import ALL_MODELS, HOLDS

MODEL = "gpt-4o-mini"
HOUR = 3_600.0


@pytest.fixture
def make_world(make_world: Any) -> Callable[..., Any]:
    """Worlds whose workers poll once a minute, and whose batches hold ten requests."""

    def make(**config: Any) -> Any:
        world = make_world(**config)
        world.reopen(poll_seconds=60.0, batch_requests=10)
        return world

    return make


def test_batches_over_the_enqueued_token_limit_wait_in_order_and_all_are_answered(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=180.0, enqueued_tokens=1_500)  # three batches
    world.taught()
    large = submit(world, "large", chats(70), deadline="20h")
    small = submit(world, "small", chats(20, start=100), deadline="20h")
    urgent = submit(world, "urgent", chats(10, start=200), deadline="10h")
    done = [world.finish(run) for run in (urgent, small, large)]
    assert [run.answered for run in done] == [10, 20, 70], world.story()
    assert tries(world) == {1}
    assert learned(world)[MODEL, "enqueued_tokens"] == 1_500
    assert done[1].finished_at < done[2].finished_at, world.story()
    sent = {run.workflow: submissions(world, run) for run in done}
    assert len([at for at in sent["large"] if at < min(sent["urgent"])]) <= 3  # of the first wave
    assert max(sent["small"]) < max(sent["large"])  # the small one took its turns
    assert all(set(world.engine.store.money(run.id).lanes) == {BATCH} for run in done)
    world.check_books()


def test_once_the_limit_is_known_the_tightest_deadline_takes_the_room_and_nothing_is_refused(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=180.0, enqueued_tokens=1_100)  # two batches
    world.engine.store.learn(account(world), MODEL, "enqueued_tokens", 1_100, world.clock.at)
    slow = submit(world, "slow", chats(40), deadline="20h")
    urgent = submit(world, "urgent", chats(20, start=100), deadline="10h")
    world.passes()
    assert [row.workflow for row in at_provider(world)] == ["urgent", "urgent"]
    assert "batch.waits" in world.kinds()
    for run in (slow, urgent):
        assert world.finish(run).answered == run.requests
    assert "batch.rejected" not in world.kinds(), world.story()
    world.check_books()


def test_batches_on_their_way_count_while_a_worker_goes_on(make_world: Any) -> None:
    world = make_world(batch_seconds=30.0, enqueued_tokens=1_100)
    world.reopen(poll_seconds=5.0)
    world.engine.store.learn(account(world), MODEL, "enqueued_tokens", 1_100, world.clock.at)
    run = submit(world, "w", chats(80), deadline="none")
    worker = world.engine.worker()
    asyncio.run(worker.run(until=lambda: world.engine.run(run.id).state == "finished"))
    assert world.engine.run(run.id).answered == 80
    assert "batch.rejected" not in world.kinds(), world.story()
    world.check_books()


def test_a_limit_that_was_raised_is_found_by_trying_one_batch_more(make_world: Any) -> None:
    world = make_world(batch_seconds=1_000.0)  # the provider has any amount of room now
    world.engine.store.learn(account(world), MODEL, "enqueued_tokens", 1_100, world.clock.at)
    run = submit(world, "w", chats(120), deadline="none")
    world.passes()
    assert len(at_provider(world)) == 2
    world.passes(int(HOLDS / 300), seconds=300.0)
    assert learned(world)[MODEL, "enqueued_tokens"] == 1_100  # believed for an hour
    assert len(at_provider(world)) <= 2
    world.passes(5, seconds=300.0)
    assert learned(world)[MODEL, "enqueued_tokens"] > 1_300, world.story()
    assert "quota.raised" in world.kinds()
    assert world.finish(run).answered == 120
    world.check_books()


def test_a_limit_that_holds_is_tried_once_an_hour_and_costs_nothing(make_world: Any) -> None:
    world = make_world(batch_seconds=3 * HOUR, enqueued_tokens=1_100)
    world.engine.store.learn(account(world), MODEL, "enqueued_tokens", 1_100, world.clock.at)
    submit(world, "w", chats(40), deadline="none")
    world.passes(30, seconds=240.0)
    refused = world.kinds().count("batch.rejected")
    assert refused == 1, world.story()
    assert learned(world)[MODEL, "enqueued_tokens"] == 1_100
    assert len(at_provider(world)) == 2


def test_where_others_fill_the_queue_what_was_there_of_ours_is_the_limit(make_world: Any) -> None:
    """The provider states 100,000 tokens, and refuses far fewer of ours."""
    world = make_world(batch_seconds=600.0)
    submit(world, "w", chats(10), deadline="none")
    world.passes(2, seconds=60.0)
    world.fault("token_limit_exceeded", limit=100_000)
    run = submit(world, "w", chats(10, start=100), deadline="none")
    world.passes(3, seconds=60.0)
    assert 500 < learned(world)[MODEL, "enqueued_tokens"] < 1_100, world.story()
    assert world.finish(run).answered == 10
    assert tries(world) == {1}
    world.check_books()


def test_anthropics_queued_requests_are_learned_from_the_refusal(
    make_world: Any, requests_of: Any
) -> None:
    world = make_world(batch_seconds=180.0, queued_requests=25)  # two batches and a half
    run = world.finish(submit(world, "w", requests_of("anthropic", 60), deadline="20h"))
    assert run.answered == 60, world.story()
    assert tries(world) == {1}
    mine = world.engine.store.batches(run.id)[0].key.account
    assert world.engine.store.learned(mine)[ALL_MODELS, "queued_requests"] == 29
    refused = [line for line in world.story().splitlines() if "Too many requests are" in line]
    assert 1 <= len(refused) <= 3, world.story()
    world.check_books()


def test_an_hours_creations_are_learned_and_the_rest_waits_for_the_next(make_world: Any) -> None:
    world = make_world(batch_seconds=60.0, creations_per_hour=3)
    run = submit(world, "w", chats(50), deadline="20h")
    world.passes(10, seconds=300.0)
    assert learned(world)[ALL_MODELS, "creations_per_hour"] == 3
    assert len(world.engine.store.settled()) == 3, world.story()
    done = world.finish(run)
    assert done.answered == 50, world.story()
    assert done.finished_at - done.created_at > HOUR
    assert "quota.raised" not in world.kinds(), world.story()
    assert tries(world) == {1}
    world.check_books()


def test_where_file_storage_is_full_settled_files_go_early_and_uploads_wait(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=180.0, storage_bytes=9_000)
    run = submit(world, "w", chats(80), deadline="20h")
    done = world.finish(run)
    assert done.answered == 80, world.story()
    assert tries(world) == {1}
    assert done.finished_at < done.created_at + HOUR, world.story()
    cleaned = [row for row in world.engine.store.settled() if is_cleaned(row)]
    assert cleaned, world.story()  # a day before they would have gone
    assert ("*", "stored_bytes") in learned(world)
    world.check_books()


def test_a_rate_limit_on_calls_slows_them_and_fails_none(make_world: Any) -> None:
    world = make_world(requests_per_minute=20)
    world.reopen(poll_seconds=1.0)
    done = world.finish(submit(world, "w", chats(60), deadline="30m"))
    assert done.answered == 60, world.story()
    assert tries(world) == {1}
    assert world.engine.store.money(done.id).waste_nano == 0
    world.check_books()


def test_what_waits_for_room_and_would_be_late_is_sent_in_real_time(make_world: Any) -> None:
    world = make_world(batch_seconds=1.5 * HOUR, enqueued_tokens=600)
    world.engine.store.learn(account(world), MODEL, "enqueued_tokens", 600, world.clock.at)
    first = submit(world, "first", chats(10), deadline="none")
    world.passes(2, seconds=60.0)
    second = submit(world, "second", chats(10, start=100), deadline="1h")
    world.passes(2, seconds=60.0)
    [waits] = [row for row in world.engine.store.live(account(world)) if row.workflow == "second"]
    assert (waits.lane, waits.batch.state) == (BATCH, "packed"), world.story()
    done = world.finish(second)
    assert done.answered == 10
    assert done.late == 0, world.story()
    assert done.finished_at <= done.deadline
    assert dict(world.engine.store.money(second.id).lanes) == {REALTIME: 10}
    assert world.finish(first).answered == 10
    world.check_books()


def test_a_request_larger_than_the_whole_queue_goes_another_way_and_holds_nobody_up(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=180.0, enqueued_tokens=1_500)
    huge = chats(1)
    huge[0]["body"]["messages"][0]["content"] = "many words of one request " * 700
    runs = [
        submit(world, "huge", huge, deadline="none"),
        submit(world, "small", chats(20, start=100), deadline="none"),
    ]
    done = [world.finish(run, longest=2 * HOUR) for run in runs]
    assert [run.answered for run in done] == [1, 20], world.story()
    assert dict(world.engine.store.money(runs[0].id).lanes) == {REALTIME: 1}
    assert dict(world.engine.store.money(runs[1].id).lanes) == {BATCH: 20}
    world.check_books()


def test_a_request_larger_than_the_whole_queue_ends_clearly_where_no_other_lane_is_allowed(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=180.0, enqueued_tokens=1_500)
    (world.folder / "home" / "policy.toml").write_text(
        '[[rule]]\nname = "cheap"\nworkflow = "huge"\nlanes = ["batch"]\n'
    )
    huge = chats(1)
    huge[0]["body"]["messages"][0]["content"] = "many words of one request " * 700
    run = world.finish(submit(world, "huge", huge, deadline="none"), longest=2 * HOUR)
    assert (run.answered, run.refused) == (0, 1), world.story()
    [result] = world.results(run)
    assert "the queue of gpt-4o-mini takes 1,500; no batch can hold it" in str(result)


def test_a_run_that_waits_for_room_can_be_cancelled_at_once(make_world: Any) -> None:
    world = make_world(batch_seconds=HOUR)
    world.engine.store.learn(account(world), MODEL, "enqueued_tokens", 600, world.clock.at)
    submit(world, "first", chats(10), deadline="none")
    world.passes(2, seconds=60.0)
    waits = submit(world, "second", chats(10, start=100), deadline="none")
    world.passes(2, seconds=60.0)
    world.engine.store.cancel_run(waits.id, world.clock.at)
    world.passes(2, seconds=60.0)
    done = world.engine.run(waits.id)
    assert (done.state, done.unanswered) == ("finished", 10), world.story()


# -- ways to do ordinary things -------------------------------------------------------------------
def chats(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Requests of some 50 tokens."""
    return [
        {
            "custom_id": f"o-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": MODEL,
                "messages": [{"role": "user", "content": f"Summarise: item {number} is late."}],
            },
        }
        for number in range(start, start + count)
    ]


def submit(world: Any, workflow: str, requests: list[dict[str, Any]], **wanted: Any) -> Any:
    received = world.engine.accept(
        read([requests], ReadOptions()), RunRequest(workflow, "test", **wanted)
    )
    assert received.run is not None
    return received.run


def account(world: Any) -> Any:
    return world.engine.accounts.payer("openai", chosen=None).row.id


def learned(world: Any) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = world.engine.store.learned(account(world))
    return found


def at_provider(world: Any) -> list[Any]:
    return [
        row for row in world.engine.store.batches(live_only=True) if row.batch.state == "submitted"
    ]


def tries(world: Any) -> set[int]:
    """How often requests of settled batches were asked."""
    store = world.engine.store
    return {
        part.tries + 1 for row in store.settled() for part in store.contents(row.batch.id).parts
    }


def submissions(world: Any, run: Any) -> list[float]:
    """When each settled batch of a run was created at the provider."""
    store = world.engine.store
    mine = {row.batch.id for row in store.batches(run.id) if row.batch.state == "settled"}
    return [
        attempt.sent_at for attempt in store.attempts(account(world), 0.0) if attempt.batch in mine
    ]


def is_cleaned(row: Any) -> bool:
    return isinstance(row.batch, Settled) and row.batch.due_at is None
