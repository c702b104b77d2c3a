"""The story of a request: what happened, what it cost, what would have happened otherwise; in plain words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lanewise.app.outlooks import Standings
from lanewise.app.story import Otherwise, Story
from lanewise.app.telling import story_of
from lanewise.cli.show import when
from lanewise.cli.standing import lines as standing_lines
from lanewise.cli.story import lines
from lanewise.domain.lanes import BATCH, FLEX, REALTIME
from lanewise.domain.results import Verdict

HOUR = 3_600.0


def stories(world: Any, run: Any) -> list[Story]:
    """Of every request of a run."""
    store, now = world.engine.store, world.clock.now()
    names = [answer.caller_id for answer in store.answers(run.id)]
    traces = [trace for name in names for trace in store.trace(run.id, name)]
    return [story_of(store, lambda: world.engine.book, trace, now) for trace in traces]


def told(story: Story) -> str:
    """In words, as one line."""
    return " ".join(" ".join(lines(story)).split())


def other(story: Story, way: str) -> Otherwise:
    [found] = [item for item in story.otherwise if item.way == way]
    return found


@pytest.fixture
def calm(make_world: Any) -> Any:
    """Worlds whose workers poll once a minute: hours pass in these tests."""

    def make(**config: Any) -> Any:
        world = make_world(**config)
        world.reopen(poll_seconds=60.0)
        return world

    return make


def test_the_words_of_a_run_are_told_as_the_runs_where_a_line_had_its_own(world: Any) -> None:
    requests = chats(2)
    requests[1]["deadline"] = "1h"
    run = world.submit(requests, deadline="5h")
    said = '(its run said "5h, unless a line says another")'
    theirs, own = (told(story) for story in stories(world, run))
    assert f"deadline {when(run.created_at + 5 * HOUR)} {said}" in theirs
    assert f"deadline {when(run.created_at + 1 * HOUR)} {said}" in own
    [found] = Standings(world.engine.store).of([run], world.clock.now())
    assert f'due {when(run.created_at + HOUR)} (said "5h, unless a line says another")' in " ".join(
        " ".join(standing_lines(found)).split()
    )
    requests[1]["deadline"] = "5h"  # the same words are no others
    alike = world.submit(requests, deadline="5h", again=True)
    assert all('(said "5h")' in told(story) for story in stories(world, alike))


def test_an_answer_from_a_batch_is_told_with_its_deadline_cost_and_what_real_time_would_have_cost(
    calm: Any, shape: str, requests_of: Any
) -> None:
    world = calm(batch_seconds=600.0)
    run = world.finish(world.submit(requests_of(shape, 5), deadline="8h"))
    story = stories(world, run)[2]
    answer = story.answer
    assert answer is not None
    assert answer.trace.record is not None
    assert story.late_by == answer.settled_at - run.deadline < 0.0
    at_once = other(story, "at_once")
    assert (at_once.cost_nano, at_once.known) == (answer.trace.record.baseline_nano, True)
    words = told(story)
    for part in (
        'deadline 2026-09-21 22:13:20 UTC (said "8h")', "decided on batch:", "of 5 requests",
        "the provider has it", "before its deadline", "cost $", "saved $", "and no waiting",
    ):  # fmt: skip
        assert part in words, words


def test_what_was_called_back_tells_why_and_how_likely_its_batch_was_to_end_in_time(
    calm: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    world = calm(batch_seconds=2.0 * HOUR, validation_seconds=0.0)
    run = world.finish(world.submit(chats(60), deadline="1h"))
    moved = [story for story in stories(world, run) if len(story.tries) == 2]
    assert moved, world.story()
    first, second = moved[0].tries
    assert (first.trace.batch.lane, second.trace.batch.lane) == (BATCH, REALTIME)
    assert (first.verdict, second.verdict) == (Verdict.CANCELLED, Verdict.ANSWERED)
    assert [call.what for call in second.trace.calls] == ["sent", "result"]
    left = other(moved[0], "left_alone")
    assert left.batch == first.trace.batch.batch.id
    assert not left.known
    assert left.chance is not None
    assert left.chance < 0.5
    assert "assumed" in left.basis
    assert max(map(len, lines(moved[0]))) <= 80
    words = told(moved[0])
    assert "called back: real time: its last call" in words
    assert "not answered before it was called back, and not charged" in words
    assert "decided anew on real time" in words
    assert words.index("sent ") < words.index(" answered 2026")
    kept = [story for story in stories(world, run) if len(story.tries) == 1]
    assert [item.way for item in kept[0].otherwise] == ["at_once"]


def test_a_race_tells_which_answer_counted_what_the_other_cost_and_that_its_batch_came_late(
    calm: Any,
) -> None:
    world = calm(batch_seconds=1.1 * HOUR, validation_seconds=0.0)
    world.fault("http_error", operation="batches.cancel", times=-1, status=500)
    run = world.finish(world.submit(chats(20), deadline="1h"), longest=HOUR)
    for _ in range(10):
        world.passes(seconds=60.0)
    twice = [story for story in stories(world, run) if story.tries[0].verdict is Verdict.SURPLUS]
    assert twice, world.story()
    wasted = sum(story.tries[0].waste_nano or 0 for story in twice)
    assert wasted == world.engine.store.money(run.id).waste_nano > 0
    left = other(twice[0], "left_alone")
    assert left.known
    assert left.late_by is not None
    assert left.late_by > 0.0
    words = told(twice[0])
    assert "from here on the first answer counts" in words
    assert "another answer was first, this one is waste" in words
    assert "it was answered twice" in words
    assert "after the deadline" in words
    assert words.count("calling it back failed") == 1  # told once, with how often


def test_a_refusal_is_told_as_the_providers(calm: Any) -> None:
    world = calm()
    world.fault("lines_refused", fraction=0.5)
    found = stories(world, world.finish(world.submit(chats(16), deadline="24h")))
    assert sorted({story.state for story in found}) == ["answered", "refused"]
    [words, *_] = [told(story) for story in found if story.state == "refused"]
    assert "refused by the provider (HTTP 400)" in words
    assert "its words are in the results" in words


def test_a_cancelled_run_is_told_whether_it_was_sent_or_not(calm: Any) -> None:
    world = calm(batch_seconds=HOUR)
    sent = world.submit(chats(8), deadline="8h")  # some may be answered by then, not all
    world.passes(3, seconds=60.0)
    world.engine.store.cancel_run(sent.id, world.clock.now())
    world.finish(sent)
    unsent = world.submit(chats(4), deadline="8h")
    world.engine.store.cancel_run(unsent.id, world.clock.now())
    there = next(story for story in stories(world, sent) if story.state == "unanswered")
    here = stories(world, unsent)[0]
    assert here.state == "unanswered"
    assert "cancelled before it was answered, and not charged" in told(there)
    assert "the run was cancelled before it was sent" in told(here)
    assert here.trace.outcome_at == world.clock.now()


def test_a_rollout_that_observes_tells_what_policy_would_have_chosen_as_an_expectation(
    calm: Any,
) -> None:
    world = calm()
    policy(world, '[default]\ndeadline = "8h"\nrollout = "observe"\n')
    story = stories(world, world.finish(world.submit(chats(3))))[0]
    wanted = other(story, "other_lane")
    assert (wanted.lane, wanted.known, wanted.basis) == (BATCH, False, "prior (assumed)")
    assert wanted.cost_nano is not None
    assert story.answer is not None
    assert wanted.cost_nano * 2 == story.answer.trace.record.cost_nano  # type: ignore[union-attr]
    words = told(story)
    assert "policy would have chosen batch: $" in words
    assert "(expected; basis: prior (assumed))" in words
    assert f"of policy {world.engine.policy.current(0.0).hash}" in words


def test_a_lane_without_capacity_is_told_once_and_as_uncharged(calm: Any) -> None:
    world = calm(flex_refusals=1.0)
    policy(world, '[default]\nlanes = ["flex", "realtime"]\n')
    story = stories(world, world.finish(world.submit(chats(3, "gpt-5-mini"), deadline="2h")))[0]
    assert [item.trace.batch.lane for item in story.tries] == [FLEX, REALTIME]
    words = told(story)
    assert words.count("not taken by the provider, and not charged") == 1
    assert "flex was left without an answer, and nothing was charged" in words


def test_what_goes_behind_the_request_that_warms_the_cache_says_so(calm: Any) -> None:
    world = calm(batch_seconds=600.0)
    requests = [
        {
            "custom_id": f"a-{number}",
            "params": {
                "model": "claude-sonnet-4-5",
                "max_tokens": 60,
                "system": "You are a careful clerk. " * 1_500,
                "messages": [{"role": "user", "content": f"Item {number} is late."}],
            },
        }
        for number in range(40)
    ]
    run = world.submit(requests, deadline="24h")
    world.passes(2, seconds=60.0)
    [*_, behind] = stories(world, run)
    assert behind.tries[0].trace.batch.after is not None
    assert "which warms the prompt cache" in told(behind)
    found = stories(world, world.finish(run))
    assert "written to the cache" in told(found[0])
    assert "of them from the cache" in told(found[-1])


def test_a_run_that_was_opened_again_is_told_in_order(calm: Any) -> None:
    world = calm(batch_seconds=600.0)
    run = world.submit(chats(20), deadline="8h")
    world.passes(3, seconds=60.0)
    world.engine.store.cancel_run(run.id, world.clock.now())
    cancelled = world.finish(run)
    world.engine.retry(cancelled, refused=False)
    every = [told(story) for story in stories(world, world.finish(run))]
    # some may have been answered before the provider heard of it
    words = next(one for one in every if "cancelled before it was answered" in one)
    steps = ["accepted", "packed into", "the run was cancelled", "cancelled before it was answered",
             "the run was opened again", "packed again", "answered 2026"]  # fmt: skip
    places = [words.index(step) for step in steps]
    assert places == sorted(places), words


def test_what_is_under_way_is_told_as_such(calm: Any) -> None:
    world = calm(batch_seconds=HOUR)
    run = world.submit(chats(2), deadline="8h")
    assert stories(world, run)[0].state == "waiting"
    assert "waits to be packed" in told(stories(world, run)[0])
    world.passes(2, seconds=60.0)
    assert stories(world, run)[0].state == "sent"
    assert "under way: no result yet" in told(stories(world, run)[0])


def test_a_story_shows_no_body_and_is_whole_as_json(calm: Any) -> None:
    world = calm()
    run = world.finish(world.submit(chats(2, text="canary-prompt"), deadline="8h"))
    story = stories(world, run)[1]
    document = json.loads(json.dumps(story.as_json()))
    assert "canary-prompt" not in json.dumps(document) + told(story)
    assert document["state"] == "answered"
    assert document["late_seconds"] < 0.0
    assert document["decision"]["lane"] == BATCH
    [only] = document["tries"]
    assert only["result"] == "answered"
    assert only["usage"]["input"] > 0
    assert next(event["kind"] for event in only["events"]) == "batch.packed"
    assert document["otherwise"][0]["way"] == "at_once"


# -- ways to do ordinary things -------------------------------------------------------------------
def chats(count: int, model: str = "gpt-4o-mini", text: str = "is late") -> list[dict[str, Any]]:
    return [
        {
            "custom_id": f"o-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": model,
                "messages": [{"role": "user", "content": f"Summarise: item {number} {text}."}],
            },
        }
        for number in range(count)
    ]


def policy(world: Any, text: str) -> None:
    (world.folder / "home" / "policy.toml").write_text(text, encoding="utf-8")
