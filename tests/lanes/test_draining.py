"""A rescue is reckoned in what real time does: what answers may have, and how long calls take."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lanewise.domain.lanes import FLEX, REALTIME
from lanewise.errors import BadInput
from lanewise.lanes import worker
from lanewise.lanes.paces import Gate
from lanewise.policy.draining import ANSWER_TOKENS, CALL_MEAN, CALL_SLOW

HOUR = 3_600.0
STUCK = {"batch_seconds": 30.0 * HOUR, "validation_seconds": 8.0 * HOUR, "cancel_seconds": 590.0}


def taught(make_world: Any, requests: list[dict[str, Any]], **config: Any) -> Any:
    """A world whose batches never end in time, and that has called its model in real time before."""
    world = make_world(**STUCK | config)
    world.reopen(poll_seconds=60.0)
    world.finish(world.submit(requests, deadline="now"))
    return world


@pytest.mark.parametrize("deadline", ["1h", "3h"])
def test_what_answers_may_have_is_reckoned_with_in_a_rescue(
    make_world: Any, requests_of: Any, deadline: str
) -> None:
    """Eight requests a minute, where their size alone would let 300 through."""
    world = taught(make_world, asking(requests_of, 5, 2_000), tokens_per_minute=20_000)
    run = world.finish(world.submit(asking(requests_of, 80, 2_000, "late"), deadline=deadline))
    assert (run.answered, run.late) == (80, 0), world.story()
    assert dict(world.engine.store.money(run.id).lanes) == {REALTIME: 80}
    world.check_books()


def test_requests_that_are_packed_apart_are_each_reckoned_with_what_their_own_answers_may_have(
    make_world: Any, requests_of: Any
) -> None:
    """The last of the run ask for long answers, and are in batches of their own."""
    world = taught(make_world, asking(requests_of, 5, 10), tokens_per_minute=20_000)
    short, long = asking(requests_of, 40, 10, "short"), asking(requests_of, 40, 4_000, "long")
    run = world.submit([*short, *long], deadline="3h")
    world.passes(2)
    rows = world.engine.store.batches(live_only=True)
    each = sorted(row.rate_tokens / row.requests for row in rows for _ in range(row.requests))
    assert each[-40:] == [4_000.0] * 40
    assert max(each[:-40]) < 100
    done = world.finish(run)
    assert (done.answered, done.late) == (80, 0), world.story()


def test_a_request_whose_answer_may_have_more_than_a_minute_takes_is_promised_no_deadline(
    make_world: Any, requests_of: Any
) -> None:
    world = taught(make_world, asking(requests_of, 5, 10), tokens_per_minute=3_000)
    with pytest.raises(BadInput, match=r"counts 4,000 tokens or more can have no deadline.*3,000"):
        world.submit(asking(requests_of, 1, 4_000, "huge"), deadline="5h")
    assert world.submit(asking(requests_of, 1, 4_000, "huge"), deadline="none").requests == 1


def test_how_long_calls_take_and_how_long_answers_are_is_learned_from_them(
    make_world: Any, requests_of: Any
) -> None:
    world = make_world()
    world.finish(world.submit(asking(requests_of, 5, 10), deadline="now"))
    [account] = world.engine.store.accounts()
    learned = world.engine.store.learned(account.id)
    assert {CALL_MEAN, CALL_SLOW, ANSWER_TOKENS} <= {name for _, name in learned}
    usage = sum((entry.row.usage.output for entry in world.engine.store.ledger()), 0)
    assert learned["gpt-4o-mini", ANSWER_TOKENS] == round(usage / 5)


def test_answers_are_asked_for_no_faster_than_what_they_write_is_allowed(
    make_world: Any, requests_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anthropic limits the tokens that are written; after the first lesson, no call is refused for them."""
    refused = []
    real = Gate.refused

    def noted(gate: Gate, *wanted: Any, **named: Any) -> None:
        refused.append(wanted)
        real(gate, *wanted, **named)

    monkeypatch.setattr(Gate, "refused", noted)
    world = make_world(output_tokens_per_minute=600)
    world.finish(world.submit(requests_of("anthropic", 6), deadline="now"))
    more = requests_of("anthropic", 206)[6:]
    run = world.finish(world.submit(more, deadline="now"))
    assert (run.answered, refused) == (200, [])
    world.check_books()


def test_a_worker_that_runs_on_sends_without_a_gap_where_a_pass_of_cron_comes_to_an_end(
    make_world: Any, requests_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    real = worker.send

    async def counted(*wanted: Any) -> None:
        nonlocal steps
        steps += 1
        await real(*wanted)

    monkeypatch.setattr(worker, "send", counted)
    world = make_world(requests_per_minute=20)
    world.finish(world.submit(asking(requests_of, 3, 10), deadline="now"))
    run = world.submit(asking(requests_of, 50, 10, "many"), deadline="now")
    steps = 0
    asyncio.run(
        world.engine.worker().run(until=lambda: world.engine.run(run.id).state == "finished")
    )
    assert steps == 1
    run = world.submit(asking(requests_of, 50, 10, "more"), deadline="now")
    world.finish(run)
    assert steps > 2


# -- ways to do ordinary things -------------------------------------------------------------------
def test_a_flex_lane_without_capacity_takes_no_turns_from_the_rescue_of_what_waits_for_it(
    make_world: Any, requests_of: Any
) -> None:
    requests = [
        {**line, "body": line["body"] | {"model": "gpt-5-mini", "max_completion_tokens": 1_000}}
        for line in requests_of("openai", 144)
    ]
    world = taught(make_world, requests[:1], flex_refusals=1.0, tokens_per_minute=10_000)
    run = world.submit(requests[1:], deadline="55m")
    while (seen := world.engine.run(run.id)).state != "finished":
        world.passes(seconds=60.0)
    assert (seen.answered, seen.late) == (143, 0), world.story()
    assert FLEX in {row.lane for row in world.engine.store.batches()}, world.story()


def asking(requests_of: Any, count: int, tokens: int, name: str = "w") -> list[dict[str, Any]]:
    """Requests whose answers may have so many tokens."""
    found = requests_of("openai", count)
    for line in found:
        line["custom_id"] = f"{name}-{line['custom_id']}"
        line["body"]["max_tokens"] = tokens
    return list(found)
