"""Every way a batch can end, injected at the sandbox: no answer is lost, and nothing is paid twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lanewise.app.reconcile import reconcile

Requests = Callable[[str, int], list[dict[str, Any]]]


def ids(lines: list[dict[str, Any]]) -> list[str]:
    return [line["custom_id"] for line in lines]


def test_every_request_of_a_completed_batch_is_answered_in_input_order(
    world: Any, shape: str, requests_of: Requests
) -> None:
    requests = requests_of(shape, 30)
    run = world.finish(world.submit(requests))
    assert (run.answered, run.refused, run.unanswered) == (30, 0, 0)
    assert ids(world.results(run)) == ids(requests)
    world.check_books()


def test_several_models_endpoints_and_providers_in_one_input_are_sorted_into_batches(
    world: Any, requests_of: Requests
) -> None:
    mixed = [
        item
        for pair in zip(requests_of("openai", 5), requests_of("anthropic", 5), strict=True)
        for item in pair
    ]
    for number in (1, 5):
        mixed[number * 2 - 2]["body"]["model"] = "gpt-4o"
    mixed.append(
        {
            "custom_id": "e",
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {"model": "text-embedding-3-small", "input": ["a", "b"]},
        }
    )
    run = world.finish(world.submit(mixed))
    assert run.answered == 11
    assert ids(world.results(run)) == ids(mixed)
    assert len(world.engine.store.batches(run.id)) == 4
    world.check_books()


def test_a_batch_with_only_an_error_file_is_refused_line_by_line_with_the_providers_words(
    world: Any,
) -> None:
    world.fault("error_file_only")
    run = world.finish(world.submit(_openai(3)))
    assert (run.answered, run.refused) == (0, 3)
    for line in world.results(run):
        assert line["response"]["status_code"] == 400
        assert line["response"]["body"]["error"]["message"]
    world.check_books()


@pytest.mark.parametrize("fraction", [0.5, 0.0])
def test_what_an_expired_batch_answered_is_kept_and_only_the_rest_is_asked_again(
    world: Any, shape: str, requests_of: Requests, fraction: float
) -> None:
    world.fault("expire", fraction=fraction)
    run = world.finish(world.submit(requests_of(shape, 40)))
    assert run.answered == 40
    first, second = world.engine.store.batches(run.id)
    assert first.requests == 40
    assert second.requests <= 40 if fraction == 0.0 else 0 < second.requests < 40
    world.check_books()


def test_a_request_that_keeps_expiring_is_given_up_after_max_tries_and_says_so(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.fault("expire", fraction=0.0, times=-1)
    run = world.finish(world.submit(requests_of(shape, 2)))
    assert (run.answered, run.unanswered) == (0, 2)
    assert len(world.engine.store.batches(run.id)) == 3
    line = world.results(run)[0]
    assert "expired" in str(line)
    world.check_books()


def test_what_a_cancelled_batch_answered_is_kept_and_nothing_is_asked_again(
    make_world: Any, shape: str, requests_of: Requests
) -> None:
    world = make_world(batch_seconds=1000.0, validation_seconds=0.0)
    run = world.submit(requests_of(shape, 60))
    world.passes(3, seconds=200.0)
    world.engine.store.cancel_run(run.id, world.clock.now())
    done = world.finish(run)
    assert 0 < done.answered < 60
    assert done.answered + done.unanswered == 60
    assert len(world.results(done)) == 60
    world.check_books()


def test_a_run_that_is_cancelled_before_it_was_sent_costs_nothing(world: Any) -> None:
    run = world.submit(_openai(5))
    done = world.engine.store.cancel_run(run.id, world.clock.now())
    assert (done.state, done.unanswered) == ("finished", 5)
    world.passes(2, seconds=60.0)
    assert world.sandbox.books()["batches"] == 0
    assert {line["error"]["code"] for line in world.results(done)} == {"cancelled"}


def test_an_offending_line_is_set_aside_with_its_reason_and_the_rest_is_packed_again(
    world: Any,
) -> None:
    world.fault("fail_validation", line=3, code="invalid_request")
    run = world.finish(world.submit(_openai(5)))
    assert (run.answered, run.refused) == (4, 1)
    refused = world.results(run)[2]
    assert refused["custom_id"] == "o-2"
    assert refused["response"]["body"]["error"]["code"] == "invalid_request"
    world.check_books()


def test_a_model_that_does_not_exist_is_refused_for_every_request(world: Any) -> None:
    run = world.finish(world.submit(_openai(4, model="gpt-nonsense")))
    assert run.refused == 4
    message = world.results(run)[0]["response"]["body"]["error"]["message"]
    assert "gpt-nonsense" in message


def test_work_over_the_queue_limit_waits_learns_the_limit_and_is_never_poisoned(
    make_world: Any,
) -> None:
    world = make_world(batch_seconds=300.0, enqueued_tokens=1_000)
    world.reopen(batch_requests=10)
    run = world.finish(world.submit(_openai(40)))
    assert run.answered == 40
    learned = world.engine.store.learned(world.engine.store.batches(run.id)[0].key.account)
    assert learned[("gpt-4o-mini", "enqueued_tokens")] == 1_000
    world.check_books()


def test_a_queue_limit_refusal_does_not_count_as_a_try(world: Any) -> None:
    world.fault("token_limit_exceeded", times=6, limit=100_000)
    run = world.finish(world.submit(_openai(3)))
    assert run.answered == 3
    world.check_books()


def test_refused_lines_keep_the_providers_message_and_the_others_are_answered(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.fault("lines_refused", match="item 7 ", times=-1)
    run = world.finish(world.submit(requests_of(shape, 20)))
    assert (run.answered, run.refused) == (19, 1)
    assert "a fault struck" in str(world.results(run)[7])
    world.check_books()


@pytest.mark.parametrize("status", [500, 503, 429])
def test_lines_that_failed_on_the_providers_side_are_asked_again(
    world: Any, shape: str, requests_of: Requests, status: int
) -> None:
    world.fault("lines_failed", fraction=0.5, status=status)
    run = world.finish(world.submit(requests_of(shape, 20)))
    assert run.answered == 20
    assert len(world.engine.store.batches(run.id)) == 2
    world.check_books()


def test_a_line_that_always_fails_is_given_up_with_the_providers_line(world: Any) -> None:
    world.fault("lines_failed", match="item 1 ", times=-1)
    run = world.finish(world.submit(_openai(3)))
    assert (run.answered, run.unanswered) == (2, 1)
    assert world.results(run)[1]["response"]["status_code"] == 500


def test_missing_lines_are_asked_again(world: Any, shape: str, requests_of: Requests) -> None:
    world.fault("lines_missing", fraction=0.4)
    run = world.finish(world.submit(requests_of(shape, 30)))
    assert run.answered == 30
    world.check_books()


@pytest.mark.parametrize("kind", ["unknown_ids", "duplicate_ids", "malformed_lines"])
def test_odd_lines_change_no_result_and_are_noted(
    world: Any, shape: str, requests_of: Requests, kind: str
) -> None:
    world.fault(kind, count=3)
    run = world.finish(world.submit(requests_of(shape, 12)))
    assert run.answered == 12
    assert "batch.note" in world.kinds()
    world.check_books()


def test_a_truncated_last_line_is_fetched_again_and_then_asked_again(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.fault("truncated_line")
    run = world.finish(world.submit(requests_of(shape, 10)))
    assert run.answered == 10
    assert any("middle of a line" in event.detail for event in world.engine.store.events())


def test_empty_file_ids_mean_that_there_is_no_file(world: Any) -> None:
    world.fault("empty_file_ids")
    run = world.finish(world.submit(_openai(4)))
    assert run.answered == 4
    world.check_books()


@pytest.mark.parametrize("kind", ["drop_download", "drop_without_range"])
def test_a_download_that_breaks_off_is_resumed(
    world: Any, shape: str, requests_of: Requests, kind: str
) -> None:
    world.fault(kind, operation="results", times=2, bytes=700)
    run = world.finish(world.submit(requests_of(shape, 25)))
    assert run.answered == 25
    world.check_books()


@pytest.mark.parametrize("operation", ["batches.get", "results"])
def test_a_404_that_comes_and_goes_is_waited_out(
    world: Any, shape: str, requests_of: Requests, operation: str
) -> None:
    world.fault("not_found", operation=operation, times=3)
    run = world.finish(world.submit(requests_of(shape, 5)))
    assert run.answered == 5
    assert len(world.engine.store.batches(run.id)) == 1
    world.check_books()


def test_an_hour_of_failing_polls_changes_nothing(
    make_world: Any, shape: str, requests_of: Requests
) -> None:
    world = make_world(batch_seconds=60.0)
    run = world.submit(requests_of(shape, 5))
    world.passes()
    world.fault("http_error", operation="batches.get", times=-1, status=503)
    world.passes(12, seconds=300.0)
    world.sandbox.state.clear_faults()
    done = world.finish(run)
    assert done.answered == 5
    assert world.sandbox.books()["batches"] == 1
    world.check_books()


def test_retry_after_is_obeyed(world: Any, shape: str, requests_of: Requests) -> None:
    world.fault("rate_limit", operation="batches.create", seconds=500.0)
    run = world.submit(requests_of(shape, 2))
    started = world.clock.at
    done = world.finish(run)
    assert done.answered == 2
    assert world.clock.at - started >= 500.0
    world.check_books()


def test_hours_of_finalizing_are_waited_for(world: Any) -> None:
    world.reopen(poll_seconds=600.0)  # five hours in few looks
    world.fault("stuck_finalizing", seconds=5 * 3_600.0)
    run = world.finish(world.submit(_openai(3)))
    assert run.answered == 3
    world.check_books()


def test_results_that_the_provider_no_longer_holds_are_reported_and_not_bought_again(
    world: Any, shape: str, requests_of: Requests
) -> None:
    world.fault("results_expired")
    run = world.finish(world.submit(requests_of(shape, 4)))
    assert (run.answered, run.unanswered) == (0, 4)
    assert "results.gone" in world.kinds()
    assert world.sandbox.books()["batches"] == 1
    assert "no longer holds" in str(world.results(run)[0])


def test_answers_that_are_gone_are_booked_with_the_most_they_may_have_cost(
    world: Any, shape: str, requests_of: Requests
) -> None:
    """The invoice names what they did cost: never more than the upper bound, and the drift has a name."""
    world.fault("results_expired")
    world.finish(world.submit(requests_of(shape, 4)))
    [entry] = world.engine.store.ledger()
    assert (entry.row.kind, entry.row.n, entry.row.baseline_nano) == ("unknown_upper_bound", 4, 0)
    charged = world.sandbox.books()["nano_usd"]
    assert 0 < charged <= entry.row.cost_nano == entry.row.waste_nano
    found = reconcile(world.engine.store.ledger(), world.charges()[shape], shape)
    assert not found.even
    assert "upper bound for calls that were sent" in found.days[0].causes[0]


def test_line_separators_and_emoji_in_texts_go_both_ways_unharmed(
    world: Any, shape: str, requests_of: Requests
) -> None:
    odd = "one\u2028two\u2029three\u0085four \U0001f40d"
    requests = requests_of(shape, 3)
    body = requests[1].get("body") or requests[1]["params"]
    body["messages"][0]["content"] = odd
    requests[2]["custom_id"] = f"id {odd}"
    world.fault("odd_unicode")
    run = world.finish(world.submit(requests))
    assert run.answered == 3
    assert ids(world.results(run)) == ids(requests)
    raw = b"".join(world.engine.results(run.id)).decode()
    assert "\u2028" in raw


def test_a_batch_sum_that_differs_from_its_lines_is_noted(world: Any) -> None:
    world.fault("usage_mismatch")
    run = world.finish(world.submit(_openai(3)))
    assert run.answered == 3
    assert any("add up to" in event.detail for event in world.engine.store.events())


def test_an_account_without_money_is_held_and_nothing_is_lost(world: Any) -> None:
    world.fault("billing_limit")
    run = world.finish(world.submit(_openai(3)))
    assert run.answered == 3
    assert "account.held" in world.kinds()


def _openai(count: int, model: str = "gpt-4o-mini") -> list[dict[str, Any]]:
    return [
        {
            "custom_id": f"o-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": model,
                "messages": [{"role": "user", "content": f"item {number} is late"}],
            },
        }
        for number in range(count)
    ]
