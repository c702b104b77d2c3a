"""The Python client: the same engine, asynchronous and not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lanewise
from lanewise.errors import BadInput


async def test_submit_and_results_give_every_answer_in_order(tmp_path: Path, chats: Any) -> None:
    async with lanewise.Client(home=tmp_path / "h", provider="sandbox", workflow="w") as client:
        ticket = await client.submit(chats(3))
        assert (ticket.requests, ticket.new) == (3, True)
        found = [result["custom_id"] async for result in client.results(ticket)]
        assert found == ["r0", "r1", "r2"]
        assert not (await client.submit(chats(3))).new
        assert client.receipt(ticket).answered == 3


def test_the_synchronous_face_does_the_same(tmp_path: Path, chats: Any) -> None:
    with lanewise.SyncClient(home=tmp_path / "h", provider="sandbox") as client:
        results = client.run(chats(2))
        assert [result["response"]["status_code"] for result in results] == [200, 200]
        ticket = client.submit(chats(2), again=True, run="second")
        assert [result["custom_id"] for result in client.results("second")] == ["r0", "r1"]
        assert client.receipt(ticket).as_json()["run"] == "second"


def test_bad_requests_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with lanewise.SyncClient(home=tmp_path / "h", provider="sandbox") as client:
        with pytest.raises(BadInput, match="--endpoint"):
            client.submit([{"model": "m"}])
        with pytest.raises(BadInput, match="no request"):
            client.submit([])


def test_a_client_is_used_in_a_with_block() -> None:
    with pytest.raises(BadInput, match="with"):
        _ = lanewise.Client().engine
