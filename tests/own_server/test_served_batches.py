"""Batch code works before a server that has no batch API, as it does before a provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lanewise.app.savings import savings
from lanewise.app.savings_page import cells

Line = Callable[..., bytes]


def failing(*statuses: int) -> Callable[[str], int]:
    """So many calls fail, with these; then none does."""
    left = iter(statuses)
    return lambda body: next(left, 0)


def test_every_line_is_answered_or_refused_and_the_server_sees_no_batch(
    shop: Any, line: Line
) -> None:
    content = b"".join(line(f"l{number}") for number in range(30)) + line("odd", temperature=99)
    batch = shop.finish(shop.order(content).id)
    assert batch.status == "completed"
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (31, 30, 1)
    answered, refused = shop.lines(batch.output_file_id), shop.lines(batch.error_file_id)
    assert list(answered) == [f"l{number}" for number in range(30)]
    assert [found["response"]["status_code"] for found in refused.values()] == [400]
    used = [found["response"]["body"]["usage"] for found in answered.values()]
    assert batch.usage.input_tokens == sum(one["prompt_tokens"] for one in used) > 0
    assert batch.usage.output_tokens == sum(one["completion_tokens"] for one in used) > 0
    assert (len(shop.own.asked), shop.own.strays) == (30, [])


def test_a_price_that_nobody_knows_is_unknown_and_no_saving_is_claimed(
    shop: Any, line: Line
) -> None:
    shop.finish(shop.order(line("a") + line("b")).id)
    rows = [entry.row for entry in shop.answers()]
    assert sum(row.n for row in rows) == 2
    assert {(row.lane, row.cost_nano, row.baseline_nano) for row in rows} == {
        ("realtime", None, None)
    }
    told = savings(shop.engine.store.ledger(), by="workflow", since=None, until=shop.clock.at)
    assert (told.total.answers, told.total.unpriced, told.total.saved_nano) == (2, 2, 0)
    assert cells(told.total)[2:5] == ("unknown",) * 3


def test_a_failing_line_is_asked_again_and_in_the_end_reported(shop: Any, line: Line) -> None:
    shop.own.fails = failing(500, 500)
    batch = shop.finish(shop.order(line("a") + line("b")).id)
    assert batch.request_counts.completed == 2
    asked: list[str] = []
    shop.own.fails = lambda body: asked.append(body) or 500 if "Say poison." in body else 0
    batch = shop.finish(shop.order(line("c") + line("poison") + line("d")).id)
    assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 1)
    assert len(asked) == 4
    assert "500" in json.dumps(shop.lines(batch.error_file_id)["poison"])


def test_what_was_answered_before_a_cancel_is_kept(shop: Any, line: Line) -> None:
    shop.own.fails = lambda body: 503 if len(shop.own.asked) >= 3 else 0
    order = shop.order(b"".join(line(f"l{number}") for number in range(10)))
    for _ in range(100):
        if len(shop.own.asked) == 3:
            break
        shop.turn(1.0)
    assert shop.client.batches.cancel(order.id).status == "cancelling"
    batch = shop.finish(order.id)
    assert batch.status == "cancelled"
    answered, rest = shop.lines(batch.output_file_id), shop.lines(batch.error_file_id)
    assert (len(answered), len(answered) + len(rest)) == (3, 10)
    assert {found["error"]["code"] for found in rest.values()} == {"cancelled"}


def test_an_outage_longer_than_the_window_makes_it_late_and_loses_nothing(
    shop: Any, line: Line
) -> None:
    shop.own.fails = failing(*[503] * 8)
    order = shop.order(line("a") + line("b"), completion_window="3m")
    shop.turn(240.0)
    batch = shop.finish(order.id)
    assert batch.request_counts.completed == 2
    assert batch.completed_at > batch.expires_at
    assert shop.engine.run(order.id).late == 2


def test_one_file_names_models_of_a_cloud_and_of_a_server_without_batches(
    shop: Any, line: Line
) -> None:
    content = line("a", "gpt-4o-mini") + line("b", "qwen3") + line("c", "gpt-4o-mini")
    batch = shop.finish(shop.order(content).id)
    assert list(shop.lines(batch.output_file_id)) == ["a", "b", "c"]
    assert (shop.cloud.books()["batches"], shop.cloud.books()["requests"]) == (1, 2)
    assert (len(shop.own.asked), shop.own.strays) == (1, [])
    assert {entry.row.lane for entry in shop.answers()} == {"batch", "realtime"}


def test_message_batches_are_answered_by_a_server_without_them(shop: Any) -> None:
    said = [{"role": "user", "content": "Hello"}]
    params: Any = {"model": "own-claude", "max_tokens": 40, "messages": said}
    made = shop.claude.messages.batches.create(
        requests=[
            {"custom_id": "a", "params": params},
            {"custom_id": "b", "params": params | {"temperature": 9}},
        ]
    )
    for _ in range(100):
        if shop.claude.messages.batches.retrieve(made.id).processing_status == "ended":
            break
        shop.turn()
    found = {one.custom_id: one.result for one in shop.claude.messages.batches.results(made.id)}
    assert {name: result.type for name, result in found.items()} == {
        "a": "succeeded",
        "b": "errored",
    }
    assert found["a"].message.usage.output_tokens > 0
    assert shop.own.strays == []


def test_a_run_from_a_file_goes_the_same_way(shop: Any, line: Line, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from lanewise.cli.main import cli

    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(line("a") + line("b"))
    shop.engine.close()
    arguments = ["run", str(source), "-o", str(target), "--yes"]
    done = CliRunner().invoke(cli, arguments, env=shop.environ, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert [json.loads(text)["custom_id"] for text in target.read_text().splitlines()] == ["a", "b"]
    assert shop.own.strays == []
