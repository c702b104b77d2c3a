"""The Python client: the same engine, asynchronous and not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
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


def test_a_deadline_is_words_an_aware_datetime_or_a_timedelta(tmp_path: Path, chats: Any) -> None:
    late = datetime.now(timezone(timedelta(hours=1))) + timedelta(hours=3)
    with lanewise.SyncClient(home=tmp_path / "h", provider="sandbox") as client:
        for run, said in (("a", "3h"), ("b", late), ("c", timedelta(hours=3))):
            ticket = client.submit(chats(2), deadline=said, run=run)
            due = client._client.engine.run(ticket.run).deadline
            assert due is not None
            assert abs(due - late.timestamp()) < 600.0
        first, second = chats(2)
        own = client.submit(
            [first | {"deadline": timedelta(hours=1)}, second], run="own", deadline=late
        )
        assert client._client.engine.run(own.run).deadline is not None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (8, 'deadline is 8; it takes words such as "8h"'),
        (True, "deadline is True; it takes words"),
        (b"8h", "deadline is b'8h'; it takes words"),
        (datetime(2100, 1, 1), "which could be anywhere; give it a time zone"),  # noqa: DTZ001
        (datetime(2020, 1, 1, tzinfo=UTC), "which was 2020-01-01 00:00 UTC"),
        (timedelta(hours=-1), "it takes a time that is still to come"),
        (timedelta.max, "beyond the calendar"),
        ("soon", "deadline is 'soon'; it takes 8h"),
    ],
)
def test_what_is_no_deadline_is_refused_with_what_is_accepted(
    tmp_path: Path, chats: Any, said: Any, why: str
) -> None:
    with lanewise.SyncClient(home=tmp_path / "h", provider="sandbox") as client:
        with pytest.raises(BadInput, match=re.escape(why)) as refused:
            client.submit(chats(1), deadline=said)
        assert "--deadline" not in str(refused.value)
        with pytest.raises(BadInput) as refused:
            client.submit(
                [*chats(1), *[{**one, "custom_id": "z", "deadline": said} for one in chats(1)]]
            )
        assert "requests:2" in str(refused.value)
        assert client._client.engine.store.runs() == []


def test_a_client_is_used_in_a_with_block() -> None:
    with pytest.raises(BadInput, match="with"):
        _ = lanewise.Client().engine
