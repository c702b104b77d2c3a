"""Every story says what would have happened otherwise, and its figures are those of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lanewise.app.story import Story
from lanewise.app.telling import story_of
from lanewise.cli.story import lines
from lanewise.domain.lanes import BATCH, HELD, REALTIME
from lanewise.domain.results import Verdict

HOUR = 3_600.0


@pytest.fixture
def calm(make_world: Any) -> Any:
    """Worlds whose workers poll once a minute, with a policy where one is given."""

    def make(policy: str = "", **config: Any) -> Any:
        world = make_world(**config)
        if policy:
            (world.folder / "home" / "policy.toml").write_text(f"[default]\n{policy}\n")
        world.reopen(poll_seconds=60.0)
        return world

    return make


def stories(world: Any, run: Any) -> list[Story]:
    """Of every request of a run."""
    store, now = world.engine.store, world.clock.now()
    names = [answer.caller_id for answer in store.answers(run.id)]
    traces = [trace for name in names for trace in store.trace(run.id, name)]
    return [story_of(store, lambda: world.engine.book, trace, now) for trace in traces]


def told(story: Story) -> str:
    """In words, as one line."""
    return " ".join(" ".join(lines(story)).split())


def chats(count: int, model: str = "gpt-4o-mini") -> list[dict[str, Any]]:
    return [
        {
            "custom_id": f"o-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": model, "messages": [{"role": "user", "content": f"Item {number}."}]},
        }
        for number in range(count)
    ]


def messages(count: int) -> list[dict[str, Any]]:
    """Of two models by turns, which share Anthropic's batches."""
    return [
        {
            "custom_id": f"a-{number}",
            "params": {
                "model": ("claude-haiku-4-5", "claude-sonnet-4-5")[number % 2],
                "max_tokens": 60,
                "messages": [{"role": "user", "content": f"Item {number} is late."}],
            },
        }
        for number in range(count)
    ]


# -- what was answered ------------------------------------------------------------------------------
@pytest.mark.parametrize(("deadline", "until"), [("now", "2026"), ("5m", "the deadline")])
def test_what_went_in_real_time_tells_what_batch_would_have_cost_and_by_when(
    calm: Any, deadline: str, until: str
) -> None:
    world = calm()
    story = stories(world, world.finish(world.submit(chats(2), deadline=deadline)))[0]
    [other] = story.otherwise
    assert (other.way, other.lane, other.known) == ("other_lane", BATCH, False)
    assert story.answer is not None
    assert story.answer.trace.record is not None
    assert other.cost_nano is not None
    assert 2 * other.cost_nano == story.answer.trace.record.cost_nano
    assert "by batch, not chosen: $" in told(story)
    assert f"% to be done by {until}" in told(story)


@pytest.mark.parametrize(
    ("lane", "said"), [("realtime", "none but real time"), ("batch", "none but batch")]
)
def test_where_no_other_lane_was_allowed_the_story_says_so(calm: Any, lane: str, said: str) -> None:
    world = calm(f'lanes = ["{lane}"]')
    story = stories(world, world.finish(world.submit(chats(2), deadline="8h")))[0]
    assert story.otherwise[-1].way == "no_other"
    assert f"by another lane: {said} was open to it" in told(story)


def test_where_only_observing_would_have_chosen_the_single_lane_it_is_what_is_told(
    calm: Any,
) -> None:
    world = calm('lanes = ["batch"]\nrollout = "observe"')
    story = stories(world, world.finish(world.submit(chats(2), deadline="8h")))[0]
    assert [(item.way, item.lane) for item in story.otherwise] == [("other_lane", BATCH)]
    assert "policy would have chosen batch: $" in told(story)


def test_what_might_have_been_held_says_until_when(calm: Any) -> None:
    world = calm('lanes = ["held", "realtime"]\nheld = ["23:00-05:00"]')
    story = stories(world, world.finish(world.submit(messages(1), deadline="none")))[0]
    [other] = story.otherwise
    assert (other.lane, other.at) == (HELD, 1_790_031_600.0)  # the same evening at 23:00
    assert "by held, not chosen: $" in told(story)
    assert "and sent 2026-09-21 23:00:00 UTC" in told(story)


# -- what was not -----------------------------------------------------------------------------------
def test_what_has_no_answer_tells_an_estimate_of_real_time_and_calls_it_one(calm: Any) -> None:
    world = calm(batch_seconds=HOUR)
    run = world.submit(chats(4), deadline="8h")
    seen = [("waiting", stories(world, run)[0])]
    world.passes(2, seconds=60.0)
    seen.append(("sent", next(item for item in stories(world, run) if item.state == "sent")))
    world.engine.store.cancel_run(run.id, world.clock.now())
    ended = stories(world, world.finish(run))
    seen.append(("unanswered", next(item for item in ended if item.state == "unanswered")))
    for state, story in seen:
        [other] = story.otherwise
        assert (story.state, other.way, other.lane, other.known) == (
            state, "at_once", REALTIME, False,
        )  # fmt: skip
        assert other.cost_nano is not None
        assert other.cost_nano > 0
        assert "(expected; basis: its tokens as they are estimated)" in told(story)


def test_what_the_provider_refused_is_expected_to_be_refused_in_any_lane(calm: Any) -> None:
    world = calm()
    requests = chats(2)
    requests[1]["body"]["temperature"] = 9
    story = stories(world, world.finish(world.submit(requests, deadline="8h")))[1]
    assert [(item.way, item.cost_nano, item.known) for item in story.otherwise] == [
        ("any_lane", 0, False)
    ]
    assert "by another lane: refused as well, and not charged (expected;" in told(story)


# -- waste ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("requests", [chats, messages])
def test_waste_is_told_as_it_is_booked_whatever_prices_are_today(
    calm: Any, requests: Callable[[int], list[dict[str, Any]]]
) -> None:
    world = calm(batch_seconds=1.1 * HOUR, validation_seconds=0.0)
    world.fault("http_error", operation="batches.cancel", times=-1, status=500)
    run = world.finish(world.submit(requests(20), deadline="1h"), longest=HOUR)
    for _ in range(10):
        world.passes(seconds=60.0)
    (world.folder / "home" / "prices.toml").write_text(DEARER)
    world.reopen()
    twice = [story for story in stories(world, run) if story.tries[0].verdict is Verdict.SURPLUS]
    assert twice, world.story()
    wasted = [story.tries[0].waste_nano for story in twice]
    booked = [entry.row for entry in world.engine.store.ledger() if entry.row.kind == "waste"]
    assert None not in wasted
    assert sum(filter(None, wasted)) == sum(row.waste_nano for row in booked) > 0
    assert len(twice) == sum(row.n for row in booked)


def test_the_most_that_a_lost_answer_may_have_cost_is_told_as_it_is_booked(calm: Any) -> None:
    world = calm()
    world.fault("accept_then_504", operation="live", times=2)
    run = world.finish(world.submit(chats(4), deadline="now"))
    lost = [story for story in stories(world, run) if len(story.tries) > 1]
    booked = [entry.row for entry in world.engine.store.ledger()]
    [row] = [row for row in booked if row.kind == "unknown_upper_bound"]
    assert len(lost) == row.n == 2
    for story in lost:
        bound = story.tries[0].bound
        assert bound is not None
        assert (bound.nano, bound.requests) == (row.cost_nano, 2)
        assert story.tries[1].bound is None
        assert "for this one and 1 more like it, perhaps answered and lost" in told(story)
        assert [item.way for item in story.otherwise] == ["other_lane"]  # it was sent at once


DEARER = """
[[price]]
provider = "openai"
model = "gpt-4o-mini"
input = 900
output = 900

[[price]]
provider = "anthropic"
model = "claude-*"
input = 900
output = 900
"""


# -- stories that had none --------------------------------------------------------------------------
def test_a_late_answer_and_a_copy_and_a_part_of_a_rollout_are_told_as_such(calm: Any) -> None:
    world = calm('lanes = ["batch"]', batch_seconds=3.0 * HOUR)
    late = stories(world, world.finish(world.submit(chats(1), deadline="1h")))[0]
    assert late.late_by is not None
    assert late.late_by > 0.0
    assert "h after its deadline" in told(late)
    (world.folder / "home" / "policy.toml").write_text("[default]\npercent = 20\n")
    twins = chats(20) + [item | {"custom_id": f"{item['custom_id']}-twin"} for item in chats(20)]
    run = world.finish(world.submit(twins, deadline="8h", dedupe=True))
    found = {story.trace.caller_id: story for story in stories(world, run)}
    assert "one other request of the same content gets its answer" in told(found["o-0"])
    assert "same content as 'o-0': that is asked, and this gets its answer" in told(
        found["o-0-twin"]
    )
    outside = next(story for story in found.values() if "outside the 20 %" in told(story))
    assert "policy would have chosen batch: $" in told(outside)


def test_a_wait_for_the_providers_room_is_told(calm: Any) -> None:
    world = calm(batch_seconds=180.0, enqueued_tokens=1_500)
    world.reopen(batch_requests=10)
    run = world.submit(chats(70), deadline="20h")
    words = [told(story) for story in stories(world, world.finish(run))]
    assert any("waits" in one for one in words), words[-1]
