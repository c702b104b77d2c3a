"""Requests of the same content are asked once where the caller opts in, and every asker gets the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanewise.app import RunRequest, receipt_of
from lanewise.domain.ids import custom_id
from lanewise.errors import OverBudget, TooSoon
from lanewise.intake import ReadOptions, read
from lanewise.store.segments import body_of

Requests = Callable[[str, int], list[dict[str, Any]]]
HOUR = 3_600.0


@pytest.fixture
def world(make_world: Any) -> Any:
    """One world whose workers poll once a minute."""
    world = make_world()
    world.reopen(poll_seconds=60.0)
    return world


def repeated(requests: list[dict[str, Any]], times: int) -> list[dict[str, Any]]:
    """Each request `times` times, under ids of their own: all of them, then all of them again."""
    return [
        item | {"custom_id": f"{item['custom_id']}-{number}"}
        for number in range(times)
        for item in requests
    ]


def asked(world: Any, run: Any) -> int:
    """How many requests went out, each try counted."""
    return sum(row.requests for row in world.engine.store.batches(run.id))


def contents(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results without their ids."""
    return [
        {name: value for name, value in line.items() if name not in ("id", "custom_id")}
        for line in lines
    ]


def check(world: Any, run: Any, requests: list[dict[str, Any]], times: int) -> None:
    """Every asker has a result of its own, in order, and it is that of the others who ask the same."""
    lines = world.results(run)
    assert [line["custom_id"] for line in lines] == [item["custom_id"] for item in requests]
    each = len(requests) // times
    assert contents(lines) == contents(lines[:each]) * times
    assert run.requests == len(requests) == run.answered + run.refused + run.unanswered
    world.check_books()


# -- endings --------------------------------------------------------------------------------------
def test_each_content_is_asked_and_paid_once_and_every_asker_gets_the_answer(
    world: Any, shape: str, requests_of: Requests
) -> None:
    requests = repeated(requests_of(shape, 5), 3)
    run = world.finish(world.submit(requests, dedupe=True))
    assert (run.answered, run.copies, asked(world, run)) == (15, 10, 5)
    check(world, run, requests, 3)
    receipt = receipt_of(world.engine.store, [run], name=run.name, workflow=run.workflow)
    assert (receipt.requests, receipt.answered, receipt.copies, receipt.money.n) == (15, 15, 10, 5)
    assert receipt.as_json()["copies"] == 10
    assert receipt.saving_nano * 2 == receipt.money.baseline_nano  # of the five, and no more


def test_no_two_result_lines_have_one_id_also_those_of_copies(world: Any) -> None:
    run = world.finish(world.submit([*chats(1), *named("a", "b")], dedupe=True))
    lines = [json.loads(line) for line in world.engine.results(run.id)]
    assert [line["custom_id"] for line in lines] == ["o-0", "a", "b"]
    assert [line["response"] for line in lines] == [lines[0]["response"]] * 3
    assert [line["id"] for line in lines[1:]] == [f"{lines[0]['id']}-{n}" for n in (1, 2)]


def test_nor_have_those_of_what_was_never_answered(world: Any) -> None:
    run = world.submit([*chats(2), *named("a", "b")], dedupe=True)
    world.engine.store.cancel_run(run.id, world.clock.now())
    lines = [json.loads(line) for line in world.engine.results(run.id)]
    assert len({line["id"] for line in lines}) == len(lines) == 4
    assert all(isinstance(line["id"], str) for line in lines)


def named(*names: str) -> list[dict[str, Any]]:
    """Copies of the first chat."""
    return [chats(1)[0] | {"custom_id": name} for name in names]


def test_without_opting_in_two_equal_requests_are_two(world: Any) -> None:
    requests = repeated(chats(1), 2)
    run = world.finish(world.submit(requests))
    assert (run.answered, run.copies, asked(world, run)) == (2, 0, 2)
    one, other = world.results(run)
    assert one["id"] != other["id"]


def test_a_refusal_is_the_result_of_all_who_ask(world: Any) -> None:
    world.fault("fail_validation", line=2, code="invalid_request")
    requests = repeated(chats(3), 2)
    run = world.finish(world.submit(requests, dedupe=True))
    assert (run.answered, run.refused) == (4, 2)
    check(world, run, requests, 2)


def test_a_batch_that_is_refused_line_by_line_refuses_all_who_ask(world: Any) -> None:
    world.fault("error_file_only")
    requests = repeated(chats(3), 2)
    run = world.finish(world.submit(requests, dedupe=True))
    assert (run.answered, run.refused) == (0, 6)
    check(world, run, requests, 2)


def test_what_expired_is_asked_again_once_for_all_who_ask(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.fault("expire", fraction=0.5)
    requests = repeated(requests_of(shape, 20), 2)
    run = world.finish(world.submit(requests, dedupe=True))
    assert run.answered == 40
    first, second = world.engine.store.batches(run.id)
    assert first.requests == 20
    assert 0 < second.requests < 20
    check(world, run, requests, 2)


def test_what_is_given_up_is_unanswered_for_all_who_ask_and_retried_for_all(world: Any) -> None:
    world.fault("expire", fraction=0.0, times=3)
    requests = repeated(chats(2), 3)
    run = world.finish(world.submit(requests, dedupe=True))
    assert (run.unanswered, asked(world, run)) == (6, 6)  # three tries of two requests
    check(world, run, requests, 3)
    assert world.engine.retry(run, refused=False) == 2
    assert world.engine.run(run.id).remaining == 6
    run = world.finish(run)
    assert run.answered == 6
    check(world, run, requests, 3)


def test_a_run_that_is_cancelled_before_it_was_sent_ends_for_all_who_ask(world: Any) -> None:
    requests = repeated(chats(2), 2)
    run = world.submit(requests, dedupe=True)
    done = world.engine.store.cancel_run(run.id, world.clock.now())
    assert (done.state, done.unanswered) == ("finished", 4)
    check(world, done, requests, 2)


def test_what_a_cancelled_batch_answered_is_kept_for_all_who_ask(make_world: Any) -> None:
    world = make_world(batch_seconds=1_000.0, validation_seconds=0.0)
    requests = repeated(chats(60), 2)
    run = world.submit(requests, dedupe=True)
    world.passes(3, seconds=200.0)
    world.engine.store.cancel_run(run.id, world.clock.now())
    done = world.finish(run)
    assert 0 < done.answered < 120
    assert done.answered % 2 == 0
    check(world, done, requests, 2)


def test_what_races_is_counted_once_for_each_who_asks(make_world: Any) -> None:
    world = make_world(batch_seconds=1.1 * HOUR, validation_seconds=0.0)
    world.reopen(poll_seconds=60.0)
    world.fault("http_error", operation="batches.cancel", times=-1, status=500)
    requests = repeated(chats(20), 2)
    run = world.finish(world.submit(requests, dedupe=True, deadline="1h"), longest=HOUR)
    assert run.answered == 40, world.story()
    assert (run.late, run.finished_at <= run.deadline) == (0, True)
    for _ in range(30):
        world.passes(seconds=60.0)
    assert "batch.rescued" in world.kinds()
    money = world.engine.store.money(run.id)
    assert money.n == 20
    assert money.waste_nano > 0
    check(world, world.engine.run(run.id), requests, 2)


def test_an_answer_that_is_late_is_late_for_all_who_ask(make_world: Any) -> None:
    world = make_world(batch_seconds=3 * HOUR)
    policy(world, '[default]\npin = "batch"\n')
    world.reopen(poll_seconds=1_800.0)
    run = world.finish(world.submit(repeated(chats(2), 3), dedupe=True, deadline="1h"))
    assert (run.answered, run.late) == (6, 6), world.story()


def test_counts_and_receipt_stay_when_bodies_and_answers_are_deleted(world: Any) -> None:
    run = world.finish(world.submit(repeated(chats(2), 2), dedupe=True))
    assert world.engine.store.delete_bodies(run.id) > 0
    receipt = receipt_of(
        world.engine.store, [world.engine.run(run.id)], name=run.name, workflow=run.workflow
    )
    assert (receipt.answered, receipt.copies) == (4, 2)
    assert world.engine.store.trace(run.id, "o-0-1") == []


# -- what is the same -----------------------------------------------------------------------------
def test_another_model_endpoint_or_deadline_is_another_request(world: Any) -> None:
    text = {"model": "text-embedding-3-small", "input": "same"}
    embedding = {"custom_id": "e", "method": "POST", "url": "/v1/embeddings", "body": text}
    requests = [
        *chats(1),
        chats(1, "gpt-4o")[0] | {"custom_id": "other model"},
        chats(1)[0] | {"custom_id": "sooner", "deadline": "2h"},
        chats(1)[0] | {"custom_id": "as soon", "deadline": "2h"},
        chats(1)[0] | {"custom_id": "a little later", "deadline": "125m"},
        embedding,
        embedding | {"custom_id": "moderated", "url": "/v1/moderations"},
        embedding | {"custom_id": "e again"},
    ]
    run = world.submit(requests, dedupe=True, deadline="24h")
    assert (run.requests, run.copies) == (8, 2)
    [sooner] = world.engine.store.trace(run.id, "as soon")
    [again] = world.engine.store.trace(run.id, "e again")
    assert (sooner.original, again.original) == ("sooner", "e")


def test_policy_can_opt_in_and_leaves_what_it_does_not_act_on_as_it_was(world: Any) -> None:
    policy(world, "[default]\ndedupe = true\n")
    assert world.submit(repeated(chats(2), 3)).copies == 4
    policy(world, '[default]\ndedupe = true\nrollout = "observe"\n')
    assert world.submit(repeated(chats(2), 3), again=True).copies == 0
    assert world.submit(repeated(chats(2), 3), again=True, dedupe=True).copies == 4


def test_what_is_estimated_and_promised_is_what_is_asked(world: Any) -> None:
    account = world.engine.accounts.payer("openai", chosen=None).row.id
    world.engine.store.learn(account, "gpt-4o-mini", "requests_per_minute", 60, 0.0)
    requests = repeated(chats(30), 100)
    with pytest.raises(TooSoon):
        world.submit(requests, deadline="30m")
    assert world.submit(requests, deadline="30m", dedupe=True).copies == 2_970


def test_a_cap_holds_for_what_is_asked(world: Any) -> None:
    requests = repeated(chats(1), 50)

    def submit(*, dedupe: bool) -> Any:
        lines = read([requests], ReadOptions())
        wanted = RunRequest("tests", "test", dedupe=dedupe)
        return world.engine.accept(lines, wanted, max_nano=1_000_000)

    with pytest.raises(OverBudget):
        submit(dedupe=False)
    assert submit(dedupe=True).run.requests == 50


def test_the_same_content_again_is_the_same_run_however_it_was_asked(world: Any) -> None:
    first = world.submit(repeated(chats(2), 2), dedupe=True)
    assert world.submit(repeated(chats(2), 2)).id == first.id


# -- whatever the pattern -------------------------------------------------------------------------
def test_whatever_the_pattern_each_asker_gets_exactly_its_answer_in_order(world: Any) -> None:
    world.reopen(batch_requests=3)  # so that copies and what is asked for them lie far apart
    run_number = iter(range(1_000))

    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=25))
    def holds(pattern: list[tuple[int, bool]]) -> None:
        bodies = [chats(5, "gpt-4o" if other else "gpt-4o-mini")[n]["body"] for n, other in pattern]
        requests = [
            chats(1)[0] | {"custom_id": f"q{at}", "body": body} for at, body in enumerate(bodies)
        ]
        name = f"run-{next(run_number)}"
        run = world.finish(world.submit(requests, dedupe=True, name=name))
        assert run.answered == len(requests)
        assert run.requests - run.copies == asked(world, run) == len(set(pattern))
        answers = list(world.engine.store.answers(run.id))
        assert [answer.caller_id for answer in answers] == [f"q{n}" for n in range(len(requests))]
        assert [answer.sequence for answer in answers] == list(range(len(requests)))
        for answer, body in zip(answers, bodies, strict=True):
            line = world.engine.store.line(answer.segment, answer.ordinal)
            assert json.loads(body_of(line)) == body
            assert custom_id(answer.segment, answer.ordinal).encode() in answer.line

    holds()


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


def policy(world: Any, text: str) -> None:
    path: Path = world.folder / "home" / "policy.toml"
    path.write_text(text, encoding="utf-8")
