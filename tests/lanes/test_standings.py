"""Where runs stand: slack, predicted finish, what is stuck and what waits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lanewise.app.outlooks import Standings
from lanewise.app.receipt import receipt_of
from lanewise.app.standing import ROOM, Standing
from lanewise.cli import show
from lanewise.cli.standing import lines, slack_and_finish

HOUR = 3_600.0


def standing(world: Any, run: Any) -> Standing:
    [found] = Standings(world.engine.store).of([world.engine.run(run.id)], world.clock.now())
    return found


@pytest.fixture
def calm(make_world: Any) -> Any:
    """Worlds whose workers poll once a minute: hours pass in these tests."""

    def make(**config: Any) -> Any:
        world = make_world(**config)
        world.reopen(poll_seconds=60.0)
        return world

    return make


def test_slack_ends_when_what_is_missing_must_be_sent_in_real_time(
    calm: Any, shape: str, requests_of: Any
) -> None:
    world = calm(batch_seconds=4.0 * HOUR, validation_seconds=0.0)
    run = world.submit(requests_of(shape, 50), deadline="3h")
    before = standing(world, run)
    assert before.unpacked == 50
    assert before.slack is not None
    assert 0.0 < before.slack < 3.0 * HOUR
    world.passes(3, seconds=600.0)
    after = standing(world, run)
    assert after.unpacked == 0
    assert after.slack == pytest.approx(before.slack - 1_800.0, abs=5.0)
    [batch] = after.batches
    assert batch.last_call == after.last_call
    assert after.last_call < run.deadline


def test_much_work_has_less_slack_than_little(calm: Any) -> None:
    world = calm(batch_seconds=4.0 * HOUR)
    account = world.engine.accounts.payer("openai", chosen=None).row.id
    world.engine.store.learn(account, "gpt-4o-mini", "requests_per_minute", 60, 0.0)
    few = world.submit(chats(10), deadline="3h")
    alone = standing(world, few).slack
    world.submit(chats(1_000), deadline="3h5m")
    beside = standing(world, few).slack
    assert alone is not None
    assert beside is not None
    assert beside < alone - 600.0  # both share the real-time lane


def test_the_finish_is_expected_by_the_deadline_where_what_is_late_is_called_back(
    calm: Any,
) -> None:
    world = calm(batch_seconds=10.0 * HOUR, validation_seconds=0.0)
    run = world.submit(chats(20), deadline="2h")
    world.passes(3, seconds=1_500.0)
    found = standing(world, run).finish
    assert found is not None
    assert found.rescued
    assert found.likely is not None
    assert found.nearly is not None
    assert world.clock.now() < found.likely <= found.nearly <= run.deadline
    assert found.in_time is not None
    assert 0.0 < found.in_time < 0.7
    assert "assumed" in found.basis


def test_without_a_deadline_nothing_is_due_and_the_finish_is_that_of_the_batch(calm: Any) -> None:
    world = calm(batch_seconds=HOUR)
    run = world.submit(chats(5), deadline="none")
    world.passes()
    found = standing(world, run)
    assert (found.due, found.slack, found.deadline) == (None, None, None)
    assert found.finish is not None
    assert found.finish.in_time is None
    assert found.finish.nearly > found.finish.likely > world.clock.now()
    assert slack_and_finish(found) == ""
    assert "no deadline" in " ".join(lines(found))


def test_work_for_now_is_done_as_soon_as_the_rate_limits_let_it(calm: Any) -> None:
    world = calm()
    account = world.engine.accounts.payer("openai", chosen=None).row.id
    world.engine.store.learn(account, "gpt-4o-mini", "requests_per_minute", 60, 0.0)
    run = world.submit(chats(80), deadline="now")
    found = standing(world, run)
    assert found.at_once
    assert found.deadline is None
    assert found.finish is not None
    assert found.finish.likely is not None
    left = found.finish.likely - world.clock.now()
    assert (
        100.0 <= left <= 170.0
    )  # 80 at 0.8 a second, and one call, of which nobody knows how long it takes
    assert found.as_json()["deadline"] is None


def test_a_batch_that_is_stuck_is_not_expected_to_end(calm: Any) -> None:
    world = calm(profile="fast", batch_seconds=None)
    world.fault("stuck_finalizing", seconds=20.0 * HOUR)
    run = world.submit(chats(5), deadline="9h")
    for _ in range(100):
        world.passes(seconds=300.0)
        [batch] = (found := standing(world, run)).batches
        if batch.stuck:
            break
    assert "writing its results" in batch.stuck
    assert found.finish is not None
    assert (found.finish.in_time, found.finish.likely) == (0.0, run.deadline)
    assert any("stuck" in line for line in lines(found))


def test_what_waits_for_room_and_for_its_hours_says_so(calm: Any) -> None:
    world = calm(enqueued_tokens=400, batch_seconds=HOUR)
    run = world.submit(chats(60), deadline="8h")
    world.passes(8, seconds=60.0)
    assert ROOM in {batch.waits for batch in standing(world, run).batches}
    assert "wait for room" in " ".join(lines(standing(world, run)))
    quiet = calm()
    path = quiet.folder / "home" / "policy.toml"
    path.write_text(
        '[[rule]]\nname = "off"\nworkflow = "tests"\nlanes = ["held"]\npin = "held"\n'
        'held = "02:00-03:00 UTC"\n'
    )
    held = quiet.submit(chats(2))
    quiet.passes(2, seconds=60.0)
    [batch] = standing(quiet, held).batches
    assert batch.waits == "waits for its hours"
    finish = standing(quiet, held).finish
    assert finish is not None
    assert finish.likely is not None
    assert 2 * HOUR <= finish.likely % 86_400.0 < 2.1 * HOUR


def test_a_finished_run_has_nothing_open_and_its_receipt_says_what_was_on_time(
    calm: Any, capsys: Any
) -> None:
    world = calm(batch_seconds=600.0)
    run = world.finish(world.submit(chats(4), deadline="8h"))
    found = standing(world, run)
    assert (found.batches, found.unpacked, found.finish, found.slack) == ((), 0, None, None)
    assert len(list(lines(found))) == 1
    receipt = receipt_of(world.engine.store, [run], name="r", workflow="w")
    assert (receipt.deadline, receipt.on_time, receipt.late) == (run.deadline, 4, 0)
    show.receipts([receipt], stdout=True)
    shown = capsys.readouterr().out
    assert "deadline" in shown
    assert "on time " in shown
    whenever = world.finish(world.submit(chats(3), deadline="none"))
    plain = receipt_of(world.engine.store, [whenever], name="r", workflow="w")
    assert (plain.deadline, plain.on_time) == (None, None)
    show.receipts([plain], stdout=True)
    assert "deadline" not in capsys.readouterr().out


def test_late_answers_are_counted(calm: Any) -> None:
    world = calm(batch_seconds=2.0 * HOUR)
    run = world.submit(chats(4), deadline="1h")
    world.passes(2, seconds=60.0)
    world.clock.at += 3.0 * HOUR  # nobody was there
    finished = world.finish(run)
    assert finished.late == 4, world.story()
    assert "4 of 4 answered, 4 late" in next(lines(standing(world, finished)))
    receipt = receipt_of(world.engine.store, [finished], name="r", workflow="w")
    assert (receipt.on_time, receipt.late) == (0, 4)


def test_lines_fit_80_columns_and_the_document_is_json(calm: Any) -> None:
    world = calm(batch_seconds=2.0 * HOUR, validation_seconds=0.0)
    run = world.submit(chats(30), deadline="today 17:13 Europe/Berlin")
    for _ in range(5):
        world.passes(seconds=600.0)
        found = standing(world, run)
        assert max(map(len, lines(found))) <= 80
        assert max(map(len, lines(found, most=None))) <= 80
        document = json.loads(json.dumps(found.as_json()))
        assert document["slack_seconds"] == found.slack


def test_of_many_batches_those_with_the_least_slack_are_shown(calm: Any) -> None:
    world = calm(batch_seconds=2.0 * HOUR)
    requests = chats(12)
    for number, item in enumerate(requests):
        item["deadline"] = f"{2 * number + 2}h"
    run = world.submit(requests)
    world.passes(2, seconds=60.0)
    found = standing(world, run)
    slacks = [batch.last_call for batch in found.batches]
    assert slacks == sorted(slacks)
    shown = list(lines(found, most=2))
    assert f"and {len(found.batches) - 2} more batches" in shown[-1]


def chats(count: int) -> list[dict[str, Any]]:
    return [
        {
            "custom_id": f"o-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": "gpt-4o-mini",
                "messages": [{"role": "user", "content": f"Summarise: item {number} is late."}],
            },
        }
        for number in range(count)
    ]
