"""What waits is packed for its deadline, above floors; no wishes are mixed up, nobody waits behind all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from lanewise.app import RunRequest
from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.intake import ReadOptions, read
from lanewise.providers import offers

MODEL = "gpt-4o-mini"
HOUR = 3_600.0


@pytest.fixture
def floor(monkeypatch: pytest.MonkeyPatch) -> int:
    """As if OpenAI took no batch of fewer requests than Bedrock does."""
    least = offers.least_batch("bedrock")
    assert least == 100
    known = offers.offer("openai", BATCH)
    assert known is not None
    monkeypatch.setitem(offers._BY_LANE, ("openai", BATCH), replace(known, floor=least))
    return least


def test_no_batch_is_below_the_providers_least_size_and_the_last_requests_travel_along(
    make_world: Any, floor: int
) -> None:
    world = make_world()
    account = world.engine.accounts.payer("openai", chosen=None).row.id
    submit(world, "w", chats(floor, 1_000), deadline="20h")
    world.engine.store.learn(account, MODEL, "requests_per_minute", 10, world.clock.at)
    world.passes(2, seconds=60.0)
    run = submit(world, "w", chats(237), deadline="20h")
    world.passes()
    assert sorted(row.requests for row in at_provider(world)) == [118, 119]
    assert world.finish(run).answered == 237
    world.check_books()


def test_several_small_runs_make_up_the_providers_least_size(make_world: Any, floor: int) -> None:
    world = make_world()
    runs = [submit(world, f"w{n}", chats(37, 100 * n), deadline="20h") for n in range(2)]
    world.passes(3, seconds=600.0)
    assert at_provider(world) == []
    runs.append(submit(world, "w2", chats(37, 200), deadline="20h"))
    world.passes()
    assert [row.requests for row in at_provider(world)] == [3 * 37]
    for run in runs:
        assert world.finish(run).answered == 37
    assert world.engine.store.money().waste_nano == 0
    world.check_books()


@pytest.mark.parametrize(("deadline", "patience"), [("20h", 2 * HOUR), ("none", 24 * HOUR)])
def test_too_few_for_the_provider_wait_for_a_tenth_of_their_slack_and_then_go_one_by_one(
    make_world: Any, floor: int, deadline: str, patience: float
) -> None:
    world = make_world()
    run = submit(world, "w", chats(37), deadline=deadline)
    world.passes(2, seconds=patience - 60.0)
    world.clock.at = run.created_at + patience - 1.0
    world.passes()
    assert world.engine.run(run.id).answered == 0, world.story()
    done = world.finish(run)
    assert (done.answered, done.late) == (37, 0), world.story()
    assert done.finished_at < run.created_at + patience + 120.0
    assert dict(world.engine.store.money(run.id).lanes) == {REALTIME: 37}
    world.check_books()


def test_runs_that_may_take_other_lanes_do_not_share_a_batch(make_world: Any) -> None:
    """Else what may not be rescued would keep what may be from its rescue."""
    world = make_world(batch_seconds=5 * HOUR)
    world.reopen(poll_seconds=300.0)
    (world.folder / "home" / "policy.toml").write_text(
        '[[rule]]\nname = "batch only"\nworkflow = "only"\nlanes = ["batch"]\n'
    )
    submit(world, "only", chats(10), deadline="2h")
    run = submit(world, "any", chats(10, 100), deadline="2h")
    done = world.finish(run)
    assert (done.answered, done.late) == (10, 0), world.story()


def test_a_small_workflow_does_not_stand_behind_all_of_a_large_one_of_the_same_deadline(
    make_world: Any,
) -> None:
    """51 batches of which one is at the provider at a time: the five requests go in the first two."""
    world = make_world(batch_seconds=600.0, enqueued_tokens=1_500)
    world.reopen(poll_seconds=60.0, batch_requests=20)
    account = world.engine.accounts.payer("openai", chosen=None).row.id
    world.taught()
    large = submit(world, "large", chats(1_015), deadline="20h")
    world.engine.store.learn(account, MODEL, "enqueued_tokens", 1_500, world.clock.at)
    small = submit(world, "small", chats(5, 2_000), deadline="20h")
    done = world.finish(small)
    assert done.finished_at - done.created_at < 2 * 600.0 + 300.0, world.story()
    assert world.engine.run(large.id).remaining > 900


def test_while_work_waits_for_company_the_worker_rests(make_world: Any, floor: int) -> None:
    world = make_world()
    run = submit(world, "w", chats(10), deadline="20h")
    looks = 0
    start = world.clock.at

    def over() -> bool:
        nonlocal looks
        looks += 1
        return bool(world.clock.at > start + 60.0)

    asyncio.run(world.engine.worker().run(until=over))
    assert world.engine.run(run.id).remaining == 10
    assert looks < 200


# -- ways to do ordinary things -------------------------------------------------------------------
def chats(count: int, start: int = 0) -> list[dict[str, Any]]:
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


def at_provider(world: Any) -> list[Any]:
    return [
        row for row in world.engine.store.batches(live_only=True) if row.batch.state == "submitted"
    ]
