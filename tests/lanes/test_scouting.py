"""Where nobody knows what real time can do, one of many requests that are due goes ahead and shows it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.lanes.scouting import SENT_AT, WORTH

HOUR = 3_600.0


@pytest.fixture
def many(requests_of: Any) -> list[dict[str, Any]]:
    """Enough that they cannot all be sent in a moment."""
    return list(requests_of("openai", WORTH + 20))


def lanes(world: Any, run: Any) -> dict[str, int]:
    """Answers by the lane that delivered them."""
    return dict(world.engine.store.money(run.id).lanes)


def test_in_a_new_home_a_deadline_is_kept_at_limits_that_nobody_had_stated(
    make_world: Any, many: list[dict[str, Any]]
) -> None:
    world = make_world(
        batch_seconds=30.0 * HOUR,
        validation_seconds=8.0 * HOUR,
        cancel_seconds=590.0,
        requests_per_minute=10,
    )
    world.reopen(poll_seconds=60.0, lease_seconds=48 * HOUR)  # hours pass while a pass is made
    run = world.finish(world.submit(many, deadline="1h"))
    assert (run.answered, run.late) == (WORTH + 20, 0), world.story()
    world.check_books()


def test_only_the_first_work_sends_a_scout_and_the_others_go_as_they_were_decided(
    world: Any, many: list[dict[str, Any]]
) -> None:
    run = world.finish(world.submit(many, deadline="8h"))
    assert lanes(world, run) == {REALTIME: 1, BATCH: WORTH + 19}
    whys = [row.decision.why for row in world.engine.store.batches(run.id) if row.decision]
    assert "real time: goes ahead and shows what it can do, should the others be late" in whys
    again = [dict(line, custom_id=f"again-{line['custom_id']}") for line in many]
    run = world.finish(world.submit(again, deadline="8h"))
    assert lanes(world, run) == {BATCH: WORTH + 20}
    world.check_books()


@pytest.mark.parametrize(
    ("policy", "deadline"),
    [
        ("[default]\n", "none"),
        ('[default]\nlanes = ["batch"]\n', "8h"),
        ('[default]\npin = "batch"\n', "8h"),
    ],
)
def test_nothing_goes_ahead_that_nobody_waits_for_or_that_policy_keeps_out_of_real_time(
    world: Any, many: list[dict[str, Any]], policy: str, deadline: str
) -> None:
    (world.folder / "home" / "policy.toml").write_text(policy, encoding="utf-8")
    run = world.finish(world.submit(many, deadline=deadline))
    assert lanes(world, run) == {BATCH: WORTH + 20}


def test_a_small_run_sends_no_scout(world: Any, many: list[dict[str, Any]]) -> None:
    run = world.finish(world.submit(many[: WORTH - 1], deadline="8h"))
    assert lanes(world, run) == {BATCH: WORTH - 1}


def test_a_crowd_waits_for_the_answer_and_stays_in_its_batches_if_real_time_could_take_it(
    world: Any, requests_of: Any
) -> None:
    """By the limits that are assumed, a part of it would leave in real time at once."""
    run = world.submit(requests_of("openai", 2_500), deadline="21m")
    world.passes()
    counts = Counter[str]()
    for row in world.engine.store.batches(run.id):
        counts[row.lane] += row.requests
    assert counts == {REALTIME: 1, BATCH: 2_499}


def test_where_the_scout_is_not_answered_the_others_leave_after_two_minutes(
    world: Any, many: list[dict[str, Any]]
) -> None:
    world.fault("http_error", operation="live", status=500, times=-1)
    run = world.submit(many, deadline="8h")
    world.passes()
    began = world.clock.at
    assert {row.lane for row in world.engine.store.batches(run.id)} == {REALTIME}
    world.clock.at = max(began, run.created_at + 121.0)
    world.passes()
    assert {row.lane for row in world.engine.store.batches(run.id)} == {REALTIME, BATCH}
    world.sandbox.state.clear_faults()
    done = world.finish(run)
    assert (done.answered, done.late) == (WORTH + 20, 0), world.story()
    world.check_books()


def test_what_is_due_soon_waits_for_no_scout(world: Any, many: list[dict[str, Any]]) -> None:
    world.fault("http_error", operation="live", status=500, times=1)
    run = world.submit(many, deadline="19m")
    world.engine.store.learn(
        world.engine.store.accounts()[0].id, "gpt-4o-mini", SENT_AT, int(world.clock.at), 0.0
    )
    world.passes()
    assert BATCH in {row.lane for row in world.engine.store.batches(run.id)}
