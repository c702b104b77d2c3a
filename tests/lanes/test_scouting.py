"""Where nobody knows what real time can do, one of many requests that are due goes ahead and shows it."""

from __future__ import annotations

from typing import Any

import pytest

from lanewise.domain.lanes import BATCH, REALTIME
from lanewise.lanes.scouting import WORTH

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
    world.reopen(poll_seconds=60.0)
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
