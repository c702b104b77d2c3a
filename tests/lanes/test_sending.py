"""Lanes without batches: each request is sent by itself, answered once and paid for once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lanewise.domain.ids import BatchId, WorkerId, fresh_id
from lanewise.domain.lanes import BACKGROUND_2H, BACKGROUND_8H, FLEX, HELD, REALTIME, LaneName
from lanewise.store.nouns import NewBatch, Part, Run

Requests = Callable[[str, int], list[dict[str, Any]]]


def responses(count: int) -> list[dict[str, Any]]:
    """Requests for OpenAI's responses endpoint, which has every lane."""
    return [
        {
            "custom_id": f"r-{number}",
            "method": "POST",
            "url": "/v1/responses",
            "body": {"model": "gpt-5-mini", "input": f"Summarise: item {number} is late."},
        }
        for number in range(count)
    ]


def put(world: Any, run: Run, lane: LaneName, **new: Any) -> list[BatchId]:
    """Pack what waits of a run into one batch in this lane."""
    store, now = world.engine.store, world.clock.at
    made = []
    for row in store.accounts_of(run.id):
        lease = store.acquire(row.id, WorkerId("packer"), now, 30.0)
        assert lease is not None
        for group in store.waiting(row.id, now):
            part = Part(group.waiting.segment, group.waiting.ordinals, group.waiting.tries)
            size = sum(item.bytes for item in store.sizes(part.segment, part.ordinals))
            made.append(
                NewBatch(
                    BatchId(fresh_id()), group.key, lane, (part,), len(part.ordinals), size, **new
                )
            )
        store.pack(lease, made, now)
        store.release(lease)
    return [batch.id for batch in made]


def sent(world: Any, lane: LaneName, requests: list[dict[str, Any]], **new: Any) -> Run:
    """A run whose requests are packed into one batch in this lane."""
    run: Run = world.submit(requests)
    put(world, run, lane, **new)
    return run


ALL = [
    ("openai", REALTIME),
    ("openai", HELD),
    ("openai", FLEX),
    ("anthropic", REALTIME),
    ("anthropic", HELD),
    ("responses", REALTIME),
    ("responses", FLEX),
    ("responses", BACKGROUND_2H),
    ("responses", BACKGROUND_8H),
]


@pytest.mark.parametrize(("form", "lane"), ALL)
def test_every_lane_answers_each_request_once_and_the_ledger_equals_the_invoice(
    world: Any, requests_of: Requests, form: str, lane: LaneName
) -> None:
    requests = responses(7) if form == "responses" else requests_of(form, 7)
    run = world.finish(sent(world, lane, requests))
    assert run.answered == 7, world.story()
    assert world.sandbox.books()["batches"] == 0
    assert [row["custom_id"] for row in world.results(run)] == [r["custom_id"] for r in requests]
    assert {entry.row.lane for entry in world.engine.store.ledger()} == {lane}
    world.check_books()
