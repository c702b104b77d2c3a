"""What is called back, raced or overtaken by the command line: nothing is lost, cut off or late for it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from lanewise.domain.ids import WorkerId
from lanewise.errors import Overtaken
from lanewise.lanes import background, worker
from lanewise.providers.calling import Answered, CallTag
from lanewise.providers.protocol import Doubtful

HOUR = 3_600.0


def test_cron_sends_in_the_same_pass_what_a_review_called_back(make_world: Any) -> None:
    world = make_world(batch_seconds=600.0)
    world.fault("http_error", operation="files.create", status=500)
    run = world.submit(chats(10), deadline="1h")
    world.passes()
    hold(world, run)
    world.clock.at = run.deadline - 80.0
    world.passes()
    assert world.engine.run(run.id).answered == 10, world.story()


def test_what_was_called_back_and_then_lost_by_the_provider_is_asked_again(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=300.0)
    run = world.submit(chats(5), deadline="8h")
    world.passes(2, seconds=60.0)
    store, [row] = world.engine.store, world.engine.store.batches(run.id)
    lease = store.acquire(row.key.account, WorkerId("person"), world.clock.at, 5.0)
    store.withdraw(lease, row.batch.id, world.clock.at, "late")
    [batch] = [b for b in store.due(row.key.account, 1e12) if b.id == row.batch.id]
    store.advance(lease, batch, batch.lost(world.clock.at), world.clock.at)
    store.release(lease)
    finished = world.finish(run)
    assert (finished.answered, finished.unanswered) == (5, 0), world.story()


def test_after_a_batch_was_told_to_stop_its_last_moment_is_not_slept_through(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(batch_seconds=2 * HOUR)
    world.reopen(poll_seconds=60.0)
    run = world.submit(chats(20), deadline="1h")
    looks: list[tuple[float, float]] = []
    real = worker.rescue

    def seen(shift: Any) -> float:
        again = real(shift)
        looks.append((shift.now(), again))
        return again

    monkeypatch.setattr(worker, "rescue", seen)
    while "batch.withdrawn" not in world.kinds() and world.clock.at < run.deadline:
        looks.clear()
        world.passes(seconds=30.0)
    [event] = [e for e in world.engine.store.events(limit=1_000) if e.kind == "batch.withdrawn"]
    assert next(again - at for at, again in looks if at == event.at) <= 1.0, looks


def test_a_step_that_the_command_line_overtook_does_not_give_the_account_up(
    make_world: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(batch_seconds=30.0)
    run = world.submit(chats(3))
    real, calls = world.engine.store.pack, []

    def overtaken(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise Overtaken("requests are no longer waiting")
        real(*arguments)

    monkeypatch.setattr(world.engine.store, "pack", overtaken)
    with caplog.at_level(logging.INFO):
        assert world.finish(run).answered == 3
    assert "lost the lease" not in caplog.text


def test_an_answer_is_taken_in_though_stopping_it_failed() -> None:
    answered: list[int] = []

    class Caller:
        async def cancel(self, receipt: str) -> None:
            raise Doubtful("HTTP 500")

        async def check(self, receipt: str, *, tag: CallTag) -> Answered:
            return Answered(b"{}", 200, None)  # type: ignore[arg-type]

    class Stub:
        heard = 0
        accepted: dict[int, Any]

        def caller(self) -> Caller:
            return Caller()

        def tag(self, custom_id: str) -> CallTag:
            return CallTag(custom_id, "a", "h")

        def answer(self, position: int, line: bytes) -> None:
            answered.append(position)
            self.accepted = {}

    stub: Any = Stub()
    stub.accepted = {0: ("resp-1", 0.0)}
    asyncio.run(background.Round(stub, stub, stub, {0}).make({0: "name"}))
    assert answered == [0]


def test_an_account_is_not_reviewed_and_packed_in_circles(make_world: Any) -> None:
    world = make_world(batch_seconds=30 * HOUR, window_seconds=24 * HOUR)
    world.reopen(poll_seconds=60.0)
    run = world.submit(chats(30), deadline="1h")
    finished = world.finish(run, longest=2 * HOUR)
    assert finished.answered == 30
    assert world.kinds().count("batch.packed") <= 4, world.story()


def test_where_no_quicker_lane_is_allowed_nothing_is_called_back_and_packed_for_ever(
    world: Any,
) -> None:
    text = '[default]\nlanes = ["held", "batch"]\nheld = "02:00-03:00 UTC"\n'
    (world.folder / "home" / "policy.toml").write_text(text, encoding="utf-8")
    run = world.submit(chats(3), deadline="10h")
    world.engine.store.pause("all", world.clock.at)
    world.passes()
    world.clock.at = run.deadline - 60.0
    world.engine.store.resume("all")
    world.passes()
    assert world.kinds().count("batch.packed") == 1, world.story()


def test_a_full_queue_holds_nothing_back_beyond_a_tenth_of_its_slack(make_world: Any) -> None:
    world = make_world(batch_seconds=2 * HOUR, validation_seconds=1.0)
    world.reopen(poll_seconds=None)
    world.fault("token_limit_exceeded", limit=1_000_000, times=4)
    run = world.submit(chats(3), deadline="20m")
    for _ in range(40):
        world.passes(seconds=10.0)
        if world.engine.run(run.id).state == "finished":  # what is due then is cleaning
            break
        due = world.engine.store.next_due(account(world))
        assert due is None or due - world.clock.at <= 120.0, world.story()
    assert world.kinds().count("batch.rejected") >= 3, world.story()
    finished = world.finish(run)
    assert finished.answered == 3
    assert finished.late == 0, world.story()


def test_a_batch_whose_requests_others_have_answered_is_stopped_when_it_turns_up(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=20 * HOUR, validation_seconds=0.0)
    world.reopen(poll_seconds=60.0)
    world.fault("accept_then_504")
    world.fault("http_error", operation="batches.list", times=30, status=500)
    run = world.finish(world.submit(chats(10), deadline="1h"))
    assert (run.answered, run.late) == (10, 0), world.story()
    for _ in range(60):
        world.passes(seconds=180.0)
    assert not world.engine.store.batches(live_only=True), world.story()
    money = world.engine.store.money(run.id)
    assert 0 <= money.waste_nano < money.cost_nano // 5  # by chance it had answered some
    world.check_books()


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


def hold(world: Any, run: Any) -> None:
    """Nothing is due of what is packed."""
    store, [row] = world.engine.store, world.engine.store.batches(run.id)
    lease = store.acquire(row.key.account, WorkerId("person"), world.clock.at, 5.0)
    store.postpone(lease, row.batch, row.batch.hold(1e12))
    store.release(lease)
