"""The create call whose outcome is not known: settled by looking, never by sending it again blindly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from lanewise.domain.batches import Creating, Unknown
from lanewise.lanes import submit as submitting
from lanewise.providers.anthropic import AnthropicBatches
from lanewise.providers.openai import OpenAIBatches

Requests = Callable[[str, int], list[dict[str, Any]]]


class Killed(BaseException):
    """The process is gone."""


def kill_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Die once when the named place is reached."""
    fired = False

    def reach(place: str) -> None:
        nonlocal fired
        if place == name and not fired:
            fired = True
            raise Killed

    monkeypatch.setattr(submitting, "reach", reach)


@pytest.mark.parametrize("kind", ["accept_then_504", "accept_then_reset"])
def test_a_create_whose_answer_is_lost_is_found_and_paid_once(
    world: Any, shape: str, requests_of: Requests, kind: str
) -> None:
    world.fault(kind)
    run = world.finish(world.submit(requests_of(shape, 7)))
    assert run.answered == 7
    assert world.sandbox.books()["batches"] == 1
    assert "batch.unknown" in world.kinds()
    world.check_books()


def test_a_create_that_never_answers_is_given_up_and_found(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.reopen(create_timeout_seconds=0.3)
    world.fault("accept_then_hang")
    run = world.finish(world.submit(requests_of(shape, 7)))
    assert run.answered == 7
    assert world.sandbox.books()["batches"] == 1
    world.check_books()


def test_a_create_that_failed_before_it_was_accepted_is_sent_again_only_after_the_listing_lag(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.fault("http_error", operation="batches.create", status=502)
    run = world.submit(requests_of(shape, 4))
    started = world.clock.at
    done = world.finish(run)
    assert done.answered == 4
    assert world.clock.at - started >= world.settings["listing_lag_seconds"]
    assert world.sandbox.books()["batches"] == 1
    world.check_books()


def test_a_batch_that_shows_late_in_the_listing_is_waited_for(
    make_world: Any, shape: str, requests_of: Requests
) -> None:
    world = make_world(listing_lag_seconds=45.0)
    world.fault("accept_then_504")
    run = world.finish(world.submit(requests_of(shape, 4)))
    assert run.answered == 4
    assert world.sandbox.books()["batches"] == 1
    world.check_books()


def test_a_look_that_took_long_says_nothing_about_what_has_appeared_since(
    make_world: Any, shape: str, requests_of: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is frozen between the listing and the verdict: the batch has become visible meanwhile."""
    world = make_world(listing_lag_seconds=45.0)
    world.fault("accept_then_504")
    adapter = {"openai": OpenAIBatches, "anthropic": AnthropicBatches}[shape]
    find = adapter.find

    async def frozen_after(self: Any, wanted: Any) -> Any:
        sighting = await find(self, wanted)
        monkeypatch.setattr(adapter, "find", find)
        world.clock.at += 10_000.0
        return sighting

    monkeypatch.setattr(adapter, "find", frozen_after)
    run = world.finish(world.submit(requests_of(shape, 4)))
    assert run.answered == 4
    assert world.sandbox.books()["batches"] == 1
    world.check_books()


@pytest.mark.parametrize("place", ["create.intent", "create.answered"])
def test_a_process_killed_around_the_create_call_leaves_nothing_to_pay_twice(
    world: Any, shape: str, requests_of: Requests, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_at(monkeypatch, place)
    run = world.submit(requests_of(shape, 6))
    with pytest.raises(Killed):
        world.passes()
    world.reopen()
    assert isinstance(world.engine.store.batches(run.id)[0].batch, Creating)
    done = world.finish(run)
    assert done.answered == 6
    assert world.sandbox.books()["batches"] == 1
    world.check_books()


def test_an_upload_that_was_abandoned_is_begun_again(
    world: Any, monkeypatch: pytest.MonkeyPatch, requests_of: Requests
) -> None:
    kill_at(monkeypatch, "upload.sent")
    run = world.submit(requests_of("openai", 3))
    with pytest.raises(Killed):
        world.passes()
    world.reopen()
    assert world.finish(run).answered == 3
    world.check_books()


def test_a_create_accepted_after_it_was_given_up_fails_for_want_of_input_where_there_are_files(
    world: Any, requests_of: Requests
) -> None:
    world.fault("accept_late", seconds=5_000.0)
    run = world.finish(world.submit(requests_of("openai", 5)))
    assert run.answered == 5
    world.clock.at += 10_000.0
    world.passes(3, seconds=4_000.0)
    world.check_books()


def test_an_orphan_is_found_stopped_and_booked_as_waste(world: Any, requests_of: Requests) -> None:
    world.fault("accept_late", seconds=5_000.0)
    run = world.finish(world.submit(requests_of("anthropic", 5)))
    assert run.answered == 5
    world.clock.at += 10_000.0
    world.passes(4, seconds=4_000.0)
    assert "orphan.found" in world.kinds(), world.story()
    assert "orphan.booked" in world.kinds()
    books = world.sandbox.books()
    money = world.engine.store.money()
    assert books["billed_twice"] == 5
    assert money.cost_nano == books["nano_usd"]
    assert money.waste_nano == books["nano_usd"] // 2
    assert world.engine.run(run.id).answered == 5


def test_somebody_elses_batch_of_the_same_size_is_disproved_by_its_results(
    world: Any, requests_of: Requests
) -> None:
    other = anthropic.Anthropic(
        base_url=world.sandbox.anthropic_base_url, api_key="sk-ant-test", max_retries=0
    )
    other.messages.batches.create(
        requests=[
            {
                "custom_id": f"theirs-{number}",
                "params": {
                    "model": "claude-haiku-4-5",
                    "max_tokens": 10,
                    "messages": [{"role": "user", "content": "theirs"}],
                },
            }
            for number in range(4)
        ]
    )
    world.clock.at += 10.0
    world.fault("accept_then_504")
    run = world.finish(world.submit(requests_of("anthropic", 4)))
    assert run.answered == 4
    assert any("answer other requests" in event.detail for event in world.engine.store.events())
    assert world.sandbox.books()["batches"] == 2


def test_somebody_elses_batch_is_never_taken_for_ours_when_ours_was_not_accepted(
    world: Any, requests_of: Requests
) -> None:
    test_somebody = anthropic.Anthropic(
        base_url=world.sandbox.anthropic_base_url, api_key="sk-ant-test", max_retries=0
    )
    test_somebody.messages.batches.create(
        requests=[
            {
                "custom_id": "theirs",
                "params": {
                    "model": "claude-haiku-4-5",
                    "max_tokens": 10,
                    "messages": [{"role": "user", "content": "theirs"}],
                },
            }
        ]
    )
    world.fault("http_error", operation="batches.create", status=500)
    run = world.finish(world.submit(requests_of("anthropic", 1)))
    assert run.answered == 1
    assert world.results(run)[0]["custom_id"] == "a-0"
    assert world.sandbox.books()["billed_twice"] == 0


def test_while_a_create_is_in_doubt_no_other_is_sent_where_batches_carry_no_tag(
    world: Any, requests_of: Requests
) -> None:
    world.reopen(batch_requests=3)
    world.fault("http_error", operation="batches.create", status=500)
    run = world.submit(requests_of("anthropic", 9))
    world.passes()
    states = [row.batch.state for row in world.engine.store.batches(run.id)]
    assert sorted(states) == ["packed", "packed", "unknown"]
    assert world.finish(run).answered == 9
    world.check_books()


def test_several_doubtful_creates_of_equal_size_each_find_their_own_batch(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.reopen(batch_requests=3)
    world.fault("accept_then_504", times=3)
    run = world.finish(world.submit(requests_of(shape, 12)))
    assert run.answered == 12
    assert world.sandbox.books()["batches"] == 4
    world.check_books()


def test_a_file_the_provider_does_not_see_yet_is_tried_again_and_in_the_end_uploaded_anew(
    world: Any, requests_of: Requests
) -> None:
    world.fault("file_not_found", times=8)
    run = world.finish(world.submit(requests_of("openai", 3)))
    assert run.answered == 3
    assert world.kinds().count("batch.uploading") == 2
    assert world.sandbox.books()["batches"] == 1


def test_nothing_new_is_sent_while_paused_and_what_is_out_is_still_collected(
    world: Any, requests_of: Requests
) -> None:
    first = world.submit(requests_of("openai", 2))
    world.passes()
    world.engine.store.pause("all", world.clock.now())
    second = world.submit(requests_of("anthropic", 2))
    world.passes(10, seconds=20.0)
    assert world.engine.run(first.id).state == "finished"
    assert world.engine.store.batches(second.id) == []
    world.engine.store.resume("all")
    assert world.finish(second).answered == 2


def test_the_provider_files_are_deleted_after_the_hold(world: Any, requests_of: Requests) -> None:
    run = world.finish(world.submit(requests_of("openai", 2)))
    count = "SELECT count(*) FROM files WHERE deleted = 0"
    assert world.sandbox.state.first(count)[0] == 2
    world.clock.at += 90_000.0
    world.passes()
    assert world.sandbox.state.first(count)[0] == 0
    assert len(world.results(run)) == 2


def test_unknown_says_when_it_was_sent_and_when_it_was_given_up(
    world: Any, requests_of: Requests
) -> None:
    world.fault("http_error", operation="batches.create", status=500)
    run = world.submit(requests_of("openai", 1))
    world.passes()
    batch = world.engine.store.batches(run.id)[0].batch
    assert isinstance(batch, Unknown)
    assert batch.sent_at <= world.clock.at < batch.give_up_at


def test_a_batch_in_doubt_is_never_taken_for_an_orphan(
    world: Any, shape: str, requests_of: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fault("http_error", operation="batches.create", status=500)
    first = world.finish(world.submit(requests_of(shape, 3)))  # leaves an attempt that was given up
    kill_at(monkeypatch, "create.answered")
    second = world.submit(requests_of(shape, 3), again=True)
    with pytest.raises(Killed):
        world.passes()
    world.reopen()
    assert world.finish(second).answered == first.answered == 3
    assert "orphan.found" not in world.kinds()
    assert world.engine.store.money().waste_nano == 0
    assert world.sandbox.books()["batches"] == 2
    world.check_books()


def test_a_process_that_was_frozen_between_intent_and_call_does_not_send_late(
    world: Any, shape: str, requests_of: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reach(place: str) -> None:
        if place == "create.intent":
            monkeypatch.setattr(submitting, "reach", lambda _: None)
            world.clock.at += 3_600.0

    monkeypatch.setattr(submitting, "reach", reach)
    run = world.finish(world.submit(requests_of(shape, 3)))
    assert run.answered == 3
    assert any("time to send was over" in event.detail for event in world.engine.store.events())
    assert world.sandbox.books()["batches"] == 1
    world.check_books()


def test_no_more_batches_are_created_in_an_hour_than_the_provider_allows(
    world: Any, requests_of: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    from lanewise.providers import openai

    monkeypatch.setattr(openai, "LIMITS", dataclasses.replace(openai.LIMITS, creations_per_hour=2))
    world.reopen(batch_requests=2)
    started = world.clock.at
    run = world.finish(world.submit(requests_of("openai", 6)))
    assert run.answered == 6
    sent = sorted(
        attempt.sent_at - started
        for row in world.engine.store.batches(run.id)
        for attempt in world.engine.store.attempts(row.key.account, 0.0)
        if attempt.batch == row.batch.id
    )
    assert len(sent) == 3
    assert sent[1] < 3_600.0 <= sent[2]
