"""Which requests were asked again."""

from __future__ import annotations

import pytest

from lanewise.audit.prompts import Repeats, Request, Tally

ASKED = Request(0.0, "w", "openai", "gpt-5", 1, 77, 5, ok=True, tokens=100, cost=10)


def found(*asked: Request, remembered: int = 100):
    repeats = Repeats(remembered=remembered)
    for request in asked:
        repeats.add(request)
    return repeats.found["w"]


def test_the_first_of_a_kind_is_no_repeat() -> None:
    assert found(ASKED).repeats == Tally()
    assert found(ASKED, ASKED, ASKED).repeats == Tally(2, 200, 20)


@pytest.mark.parametrize(
    "other", [{"model": "gpt-5-mini"}, {"parameters": 2}, {"prompt": 78}, {"provider": "azure"}]
)
def test_another_model_or_parameter_makes_another_request(other) -> None:
    assert found(ASKED, ASKED._replace(**other)).repeats == Tally()


def test_those_that_were_answered_alike_are_told_apart() -> None:
    row = found(ASKED, ASKED, ASKED._replace(answer=6), ASKED._replace(answer=None))
    assert (row.repeats.requests, row.same_answer.requests) == (3, 1)


def test_again_within_a_minute_of_a_failure_is_a_retry() -> None:
    failed = ASKED._replace(ok=False, cost=0)
    row = found(failed, failed._replace(at=5.0), ASKED._replace(at=64.0), ASKED._replace(at=900.0))
    assert (row.retries.requests, row.repeats.requests) == (2, 1)
    late = found(failed, ASKED._replace(at=61.0))
    assert (late.retries.requests, late.repeats.requests) == (0, 0)


def test_a_failure_does_not_undo_an_answer_that_is_known() -> None:
    row = found(ASKED, ASKED._replace(at=1.0, ok=False), ASKED._replace(at=500.0))
    assert (row.repeats.requests, row.same_answer.requests) == (2, 2)


def test_empty_prompts_are_neither_repeats_nor_retries() -> None:
    empty = ASKED._replace(empty=True)
    row = found(empty, empty)
    assert (row.empty.requests, row.repeats.requests) == (2, 0)


def test_without_text_nothing_is_said() -> None:
    row = found(*[ASKED._replace(prompt=None)] * 3)
    assert (row.requests, row.with_text, row.repeats.requests) == (3, 0, 0)


def test_memory_is_bounded_and_what_was_forgotten_is_told() -> None:
    repeats = Repeats(remembered=10)
    for number in range(25):
        repeats.add(ASKED._replace(prompt=number))
    repeats.add(ASKED._replace(prompt=0))
    assert repeats.forgotten == 16
    assert repeats.found["w"].repeats == Tally()
