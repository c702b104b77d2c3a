"""Requests that share a prefix read what one of them wrote, and pay for no write that nobody reads."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lanewise.app import RunRequest
from lanewise.app.savings import savings
from lanewise.domain.caching import Breakpoint, Prefix
from lanewise.domain.lanes import REALTIME
from lanewise.domain.usage import Usage
from lanewise.intake import ReadOptions, read
from lanewise.lanes.marked import marked_body, read_caching
from lanewise.policy.caching import OFF_SECONDS

HOUR = 3_600.0
PREFIX = 2_500  # tokens of a shared system prompt, at the least
SYSTEM = "You sort complaints about parcels into nine classes, and name only the class. " * 150


@pytest.fixture
def make_world(make_world: Any) -> Callable[..., Any]:
    """Worlds whose batches take ten minutes and whose workers poll once a minute."""

    def make(**config: Any) -> Any:
        settings = {"batch_seconds": 600.0} | config
        reopened = {"poll_seconds": 60.0, "batch_requests": settings.pop("batch_requests", None)}
        world = make_world(**settings)
        world.reopen(**reopened)
        return world

    return make


@pytest.fixture
def world(make_world: Any) -> Any:
    """One of them."""
    return make_world()


def test_one_goes_ahead_and_all_others_read_what_it_wrote(make_world: Any) -> None:
    world, plain = make_world(), make_world()
    policy(plain, '[default]\ncache = "off"\n')
    run = world.finish(world.submit(messages(60), deadline="24h"))
    before = plain.finish(plain.submit(messages(60), deadline="24h"))
    assert run.answered == before.answered == 60
    assert sizes(world) == [1, 59]
    [ahead, others] = usages(world)
    assert ahead.cache_write_1h > PREFIX
    assert others.cache_read == 59 * ahead.cache_write_1h, world.story()
    assert written(others) == 0
    saved = savings(world.engine.store.ledger(), by="workflow", since=None, until=0.0).total
    cost, usual = (w.engine.store.money(r.id).cost_nano for w, r in ((world, run), (plain, before)))
    assert cost < 0.65 * usual, (cost, usual)
    assert saved.cached_nano == 0
    assert abs(cost + saved.marked_nano - usual) <= 60  # each request is rounded to a nano-USD
    assert sizes(plain) == [60]
    assert {usage.cache_read + written(usage) for usage in usages(plain)} == {0}
    assert world.engine.run(run.id).late == 0
    world.check_books()
    plain.check_books()


def test_the_story_of_a_marked_batch_says_why(world: Any) -> None:
    world.finish(world.submit(messages(60), deadline="24h"))
    told = [e.detail for e in world.engine.store.events(limit=1_000) if e.kind == "batch.marked"]
    assert [text.partition(" primed: 60 requests share about")[1] != "" for text in told] == [
        True
    ] * 2
    assert told[0].startswith("goes ahead.")
    assert told[1].startswith("follows batch ")


def test_where_the_one_ahead_is_refused_the_others_go_as_they_are(world: Any) -> None:
    world.fault("lines_refused", fraction=1.0)
    run = world.finish(world.submit(messages(60), deadline="24h"))
    assert (run.answered, run.refused) == (59, 1)
    assert [written(usage) for usage in usages(world)] == [0], world.story()
    assert "batch.unmarked" in world.kinds()
    world.check_books()


def test_where_the_one_ahead_is_not_even_taken_the_others_do_not_wait_for_it(world: Any) -> None:
    world.fault("http_error", operation="batches.create", times=1, status=400)
    began = world.clock.at
    run = world.finish(world.submit(messages(60), deadline="24h"))
    assert (run.answered, run.refused) == (59, 1)
    assert world.clock.at < began + HOUR, world.story()
    world.check_books()


def test_where_the_one_ahead_is_late_the_others_leave_without_it(make_world: Any) -> None:
    world = make_world()
    world.reopen(poll_seconds=600.0)
    world.fault("stuck_finalizing", seconds=9 * HOUR)
    began = world.clock.at
    run = world.finish(world.submit(messages(60), deadline="24h"))
    assert run.answered == 60
    [others] = [e for e in world.engine.store.ledger() if e.row.n == 59]
    assert written(others.row.usage) == others.row.usage.cache_read == 0, world.story()
    assert others.at < began + 9 * HOUR
    assert "batch.unmarked" in world.kinds()
    world.check_books()


def test_where_there_is_no_time_for_a_sure_wait_a_shorter_one_is_taken(world: Any) -> None:
    """Nine of ten batches of one are taken to land within 4 hours, seven of ten within one."""
    world.fault("stuck_finalizing", seconds=9 * HOUR)
    began = world.clock.at
    run = world.finish(world.submit(messages(60), deadline="8h"))
    assert (run.answered, run.late) == (60, 0)
    assert sizes(world)[:2] == [1, 59], world.story()
    [others] = [e for e in world.engine.store.ledger() if e.row.n == 59]
    assert HOUR < others.at - began < 2 * HOUR
    world.check_books()


def test_where_the_one_ahead_expires_it_is_asked_again_and_nobody_pays_for_a_write(
    make_world: Any,
) -> None:
    world = make_world()
    world.fault("expire", fraction=0.0)
    run = world.finish(world.submit(messages(60), deadline="48h"))
    assert run.answered == 60
    assert sum(written(usage) for usage in usages(world)) == 0, world.story()
    world.check_books()


@pytest.mark.parametrize(
    ("requests", "deadline"),
    [
        pytest.param({"count": 60}, "20m", id="a tight deadline"),
        pytest.param({"count": 1}, "24h", id="a group of one"),
        pytest.param({"count": 60, "system": SYSTEM[:3_000]}, "24h", id="a short prefix"),
        pytest.param({"count": 60, "own": True}, "24h", id="bodies with their own settings"),
    ],
)
def test_what_would_not_pay_is_never_marked(
    world: Any, requests: dict[str, Any], deadline: str
) -> None:
    run = world.finish(world.submit(messages(**requests), deadline=deadline))
    assert run.answered == requests["count"]
    assert "batch.marked" not in world.kinds()
    if not requests.get("own"):
        assert sum(usage.cache_read + written(usage) for usage in usages(world)) == 0
    world.check_books()


def test_each_of_several_groups_has_one_that_goes_ahead(world: Any) -> None:
    asked = [m for n in range(3) for m in messages(20, system=f"{n}. {SYSTEM}", name=f"g{n}")]
    random.Random(1).shuffle(asked)
    run = world.finish(world.submit([*asked, *messages(7, system="Be brief.")], deadline="24h"))
    assert run.answered == 67
    assert sorted(sizes(world)) == [1, 1, 1, 7, 19, 19, 19]
    for usage in usages(world, of=19):
        assert usage.cache_read > 19 * PREFIX
    world.check_books()


def test_more_groups_than_one_pass_takes_have_one_that_goes_ahead_each(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lanewise.lanes.grouping._MOST_GROUPS", 2)
    asked = [m for n in range(5) for m in messages(10, system=f"{n}. {SYSTEM}", name=f"g{n}")]
    run = world.finish(world.submit(asked, deadline="24h"))
    assert run.answered == 50
    assert sorted(sizes(world)) == [1] * 5 + [9] * 5, world.story()
    world.check_books()


def test_groups_leave_half_of_the_batches_that_may_be_made_in_an_hour_to_other_work(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lanewise.lanes.pack._HOURLY", 20)
    asked = [m for n in range(8) for m in messages(10, system=f"{n}. {SYSTEM}", name=f"g{n}")]
    run = world.finish(world.submit(asked, deadline="24h"))
    assert run.answered == 80
    assert sorted(sizes(world)) == [1] * 5 + [9] * 5 + [30], world.story()
    world.check_books()


def test_a_restart_between_the_one_ahead_and_the_others_changes_nothing(world: Any) -> None:
    run = world.submit(messages(60), deadline="24h")
    world.passes(2, seconds=60.0)
    world.reopen()
    world.finish(run)
    assert sizes(world) == [1, 59]
    assert usages(world)[1].cache_read > 59 * PREFIX
    world.check_books()


def test_an_entry_that_is_gone_when_the_others_are_sent_is_not_written_again(world: Any) -> None:
    run = world.submit(messages(60), deadline="24h")
    world.passes(10, seconds=60.0)
    world.fault("http_error", operation="batches.create", times=80, status=429)
    finished = world.finish(run)
    assert finished.answered == 60
    assert [e.row.n for e in world.engine.store.ledger()] == [1, 59]
    assert written(usages(world)[1]) == usages(world)[1].cache_read == 0, world.story()
    world.check_books()


def test_more_requests_of_the_prefix_within_the_hour_read_without_anybody_going_ahead(
    world: Any,
) -> None:
    world.finish(world.submit(messages(60), deadline="24h"))
    run = world.finish(world.submit(messages(30, name="later"), deadline="24h"))
    [batch] = world.engine.store.batches(run.id)
    assert batch.requests == 30
    assert usages(world)[-1].cache_read > 30 * PREFIX
    world.clock.at += 2 * HOUR
    again = world.finish(world.submit(messages(40, name="much later"), deadline="24h"))
    assert sorted(b.requests for b in world.engine.store.batches(again.id)) == [1, 39]
    world.check_books()


def test_requests_that_come_singly_read_what_is_there_yet(world: Any) -> None:
    world.finish(world.submit(messages(60), deadline="24h"))
    for number in range(3):
        run = world.finish(world.submit(messages(1, name=f"l{number}"), deadline="24h"))
        assert run.answered == 1
    for usage in usages(world)[-3:]:
        assert usage.cache_read > PREFIX, world.story()
        assert written(usage) == 0
    world.check_books()


def test_what_is_only_observed_is_sent_as_it_is(world: Any) -> None:
    policy(world, '[default]\nrollout = "observe"\n')
    run = world.finish(world.submit(messages(60), deadline="24h"))
    assert (run.answered, sizes(world)) == (60, [60])
    assert sum(usage.cache_read + written(usage) for usage in usages(world)) == 0
    world.check_books()


def test_a_workflow_that_wants_no_marks_keeps_none_from_those_it_shares_a_batch_with(
    world: Any,
) -> None:
    policy(world, '[[rule]]\nname = "plain"\nworkflow = "plain"\ncache = "off"\n')
    for workflow in ("plain", "other"):
        lines = read([messages(30, name=workflow)], ReadOptions())
        received = world.engine.accept(lines, RunRequest(workflow, "test", deadline="24h"))
    world.finish(received.run)
    world.passes(3, seconds=600.0)
    rows = [entry.row for entry in world.engine.store.ledger()]
    used = {
        name: sum(r.usage.cache_read for r in rows if r.workflow == name)
        for name in ("plain", "other")
    }
    assert used["plain"] == 0
    assert used["other"] > 29 * PREFIX, world.story()
    world.check_books()


def test_what_a_marked_batch_did_not_answer_is_asked_again_and_reads_what_is_there_yet(
    make_world: Any,
) -> None:
    world = make_world()
    world.fault("expire", fraction=0.5, after=1)
    run = world.finish(world.submit(messages(60), deadline="48h"))
    assert run.answered == 60
    assert len(world.results(run)) == 60
    assert sum(usage.cache_read for usage in usages(world)) > 20 * PREFIX
    world.check_books()


def test_a_rescue_is_sent_as_it_is(make_world: Any) -> None:
    world = make_world(batch_seconds=3 * HOUR, validation_seconds=0.0)
    run = world.finish(world.submit(messages(60), deadline="4h"))
    assert run.answered == 60
    assert run.late == 0, world.story()
    called = [e.row for e in world.engine.store.ledger() if e.row.lane == REALTIME]
    assert sum(written(row.usage) for row in called) == 0, world.story()
    world.check_books()


def test_calls_follow_one_that_was_answered_and_read_too(world: Any) -> None:
    policy(world, '[default]\nlanes = ["realtime"]\n')
    run = world.finish(world.submit(messages(60), deadline="2h"))
    assert run.answered == 60
    [ahead, others] = usages(world)
    assert written(ahead) > PREFIX
    assert others.cache_read == 59 * written(ahead), world.story()
    assert world.engine.store.money(run.id).lanes == {REALTIME: 60}
    world.check_books()


def test_work_for_now_waits_for_nobody(world: Any) -> None:
    run = world.finish(world.submit(messages(10), deadline="now"))
    assert sizes(world) == [10]
    assert run.answered == 10
    world.check_books()


def test_marking_that_loses_is_switched_off_and_tried_again_a_week_later(make_world: Any) -> None:
    world = make_world(cache_hits=0.2)
    first = world.finish(world.submit(messages(60), deadline="24h"))
    assert world.engine.store.money(first.id).n == 60
    lines = world.results(first)
    world.clock.at += 2 * HOUR
    second = world.finish(world.submit(messages(60, name="b"), deadline="24h"))
    assert len(world.engine.store.batches(second.id)) == 1
    [off] = [e for e in world.engine.store.events(limit=1_000) if e.kind == "cache.off"]
    assert off.subject == "tests/claude-sonnet-4-6"
    read = sum(hit["result"]["message"]["usage"]["cache_read_input_tokens"] > 0 for hit in lines)
    assert 0 < read < 31, "which requests hit is drawn: a fifth of them, on average"
    assert off.detail == f"off: 59 requests read {100 * read / 59:.0f} %, it pays from 53 %"
    [told] = [e for e in world.engine.store.events(subject=second.id) if e.kind == "cache.plain"]
    assert told.detail == "60 requests: not marked: it did not pay for this workflow and model"
    world.clock.at += OFF_SECONDS
    third = world.finish(world.submit(messages(60, name="c"), deadline="24h"))
    assert len(world.engine.store.batches(third.id)) == 2
    world.check_books()


def test_requests_of_a_prefix_travel_in_one_batch_where_the_provider_caches_by_itself(
    make_world: Any,
) -> None:
    together, apart = (make_world(batch_requests=50) for _ in range(2))
    policy(apart, '[default]\ncache = "off"\n')
    for world in (together, apart):
        world.taught("gpt-4o-mini")
        run = world.finish(world.submit(round_robin(40, 10), deadline="24h"))
        assert run.answered == 400
        assert len(world.results(run)) == 400
        assert sizes(world) == [50] * 8
        world.check_books()
    read, otherwise = (sum(u.cache_read for u in usages(world)) for world in (together, apart))
    assert read > 3 * otherwise, (read, otherwise)


def test_a_model_that_wants_a_key_is_given_the_same_for_all_that_share_a_prefix(world: Any) -> None:
    asked = [item | {"body": item["body"] | {"model": "gpt-5.6-sol"}} for item in round_robin(2, 3)]
    run = world.submit(asked, deadline="24h")
    world.passes(1)
    [batch] = world.engine.store.batches(run.id)
    contents = world.engine.store.contents(batch.batch.id)
    caching = read_caching(contents.caching)
    keys = [
        json.loads(marked_body(contents, caching, json.dumps(item["body"]).encode(), ""))
        for item in asked
    ]
    assert len({body["prompt_cache_key"] for body in keys[::2]}) == 1
    assert len({body["prompt_cache_key"] for body in keys}) == 2


def test_in_real_time_a_group_is_spread_over_as_many_keys_as_its_rate_takes(world: Any) -> None:
    account = world.engine.accounts.payer("openai", chosen=None).row.id
    world.engine.store.learn(account, "gpt-5.6-sol", "requests_per_minute", 40, 0.0)
    asked = [
        item | {"body": item["body"] | {"model": "gpt-5.6-sol"}} for item in round_robin(1, 40)
    ]
    policy(world, '[default]\nlanes = ["realtime"]\n')
    world.finish(world.submit(asked, deadline="24h"))
    [batch] = world.engine.store.batches()
    caching = read_caching(world.engine.store.contents(batch.batch.id).caching)
    prefix = Prefix(9, 1_024, Breakpoint.KEY)
    keys = [caching.marks(prefix, position).key for position in range(4)]
    assert keys == [f"lw-{9:016x}{part}" for part in ("", "-1", "-2", "")]
    world.check_books()


def test_segments_whose_groups_lie_side_by_side_are_packed_whole(world: Any) -> None:
    asked = sorted(round_robin(5, 8), key=lambda item: item["custom_id"])
    run = world.submit(asked, deadline="24h")
    world.passes(1)
    [batch] = world.engine.store.batches(run.id)
    assert len(world.engine.store.contents(batch.batch.id).parts) == 1


# -- ways to do ordinary things -------------------------------------------------------------------
def messages(
    count: int, *, system: str = SYSTEM, name: str = "m", own: bool = False
) -> list[dict[str, Any]]:
    shared: Any = system
    if own:
        shared = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
    return [
        {
            "custom_id": f"{name}-{number}",
            "params": {
                "model": "claude-sonnet-4-6",
                "max_tokens": 40,
                "system": shared,
                "messages": [{"role": "user", "content": f"Complaint {number}: it is late."}],
            },
        }
        for number in range(count)
    ]


def round_robin(templates: int, each: int) -> list[dict[str, Any]]:
    """Chats of so many templates, one of each in turn."""
    return [
        {
            "custom_id": f"t{template:02}-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": "gpt-4o-mini",
                "messages": [
                    {"role": "system", "content": f"Template {template}. {SYSTEM}"},
                    {"role": "user", "content": f"Complaint {number}: it is late."},
                ],
            },
        }
        for number in range(each)
        for template in range(templates)
    ]


def sizes(world: Any) -> list[int]:
    """Requests of each batch, in the order in which they were made."""
    return [row.requests for row in world.engine.store.batches()]


def usages(world: Any, of: int | None = None) -> list[Usage]:
    """What each commit of the ledger used (of so many requests), the first first."""
    rows = [entry.row for entry in world.engine.store.ledger()]
    return [row.usage for row in rows if of is None or row.n == of]


def written(usage: Usage) -> int:
    return usage.cache_write_5m + usage.cache_write_1h + usage.cache_write_other


def policy(world: Any, text: str) -> None:
    path: Path = world.folder / "home" / "policy.toml"
    path.write_text(text, encoding="utf-8")
