"""More than there is room for is refused with when to come again; a full disk takes nothing by half."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lanewise.errors import StoreUnusable
from lanewise.gateway import accepting, desk, waiting, ways
from lanewise.gateway.upstream import Upstream, UpstreamFailed
from lanewise.store.disk import open_private

PATH = "/v1/chat/completions"
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Where is my order?"}]}
LATER = {"x-lanewise-deadline": "8h"}
POLL = LATER | {"prefer": "respond-async"}
BEGUN = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n"
LINE = json.dumps({"custom_id": "a", "method": "POST", "url": PATH, "body": CHAT}).encode() + b"\n"
ANTHROPIC = {"anthropic-version": "2023-06-01"}


def requests_of(place: Any) -> int:
    return sum(run.requests for run in place.engine.store.runs(limit=1_000))


def refused_for_now(got: httpx2.Response, dialect: str = "openai") -> dict[str, Any]:
    """The error of a refusal that says when to come again, in the form of an API."""
    assert (got.status_code, got.headers["retry-after"]) == (429, "1")
    shown = got.json()
    assert ("type" in shown) == (dialect == "anthropic")
    error: dict[str, Any] = shown["error"]
    assert error["type"] == "rate_limit_error"
    return error


def wait_for(place: Any, done: Callable[[], bool]) -> None:
    """Until the server has noticed that a client is gone; it has a turn for each look."""
    for _ in range(10_000):
        if done():
            return
        place.http.get("/healthz")
    raise AssertionError("it was never noticed")


# -- room ---------------------------------------------------------------------------------------------
def test_more_calls_than_may_be_under_way_to_an_upstream_are_refused_until_one_ends(
    make_place: Callable[..., Any], upstream: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "MOST_UNDER_WAY", 1)
    server = upstream(BEGUN, hang=True)
    place = make_place(server.url)
    with place.http.stream("POST", PATH, json=CHAT) as got:
        parts = got.iter_raw()
        next(parts)
        refused_for_now(place.http.post(PATH, json=CHAT))
        # another upstream has room of its own, and is refused in the words of its API
        with place.http.stream("POST", "/v1/messages", json=CHAT) as other:
            more = other.iter_raw()
            next(more)
            refused_for_now(place.http.post("/v1/messages", json=CHAT), "anthropic")
    wait_for(place, lambda: not sum(place.running.gateway.passing.under_way().values()))
    with place.http.stream("POST", PATH, json=CHAT) as got:
        assert got.status_code == 200


async def test_a_call_that_still_connects_is_under_way() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    target = Upstream(f"http://127.0.0.1:{listening.getsockname()[1]}", [])
    loop, holding = asyncio.get_running_loop(), asyncio.Event()
    connect = loop.create_connection

    async def slowly(*args: Any, **options: Any) -> Any:
        await holding.wait()
        return await connect(*args, **options)

    loop.create_connection = slowly  # type: ignore[method-assign]
    call = asyncio.create_task(target.send(b"GET", b"/", [], b""))
    try:
        await asyncio.sleep(0)
        assert target.under_way == 1
    finally:
        del loop.create_connection  # type: ignore[method-assign]
    holding.set()
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError, UpstreamFailed):
        await call
    assert target.under_way == 0
    target.close()
    listening.close()


@pytest.mark.parametrize("limit", ["MOST_QUEUED", "MOST_BYTES"])
def test_more_calls_than_may_wait_to_be_written_down_are_refused(
    place: Any, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(accepting, limit, 0)
    assert refused_for_now(place.http.post(PATH, json=CHAT, headers=POLL))["code"] == "queue_full"
    assert requests_of(place) == 0
    monkeypatch.undo()
    assert place.http.post(PATH, json=CHAT, headers=POLL).status_code == 202


def test_more_clients_than_may_wait_are_refused_before_anything_is_accepted_and_may_poll(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_WAITING", 0)
    error = refused_for_now(place.http.post(PATH, json=CHAT, headers=LATER))
    assert "Prefer: respond-async" in error["message"]
    refused_for_now(place.http.post("/v1/messages", json=CHAT, headers=LATER), "anthropic")
    assert requests_of(place) == 0
    assert place.http.post(PATH, json=CHAT, headers=POLL).status_code == 202


def begin_upload(place: Any) -> socket.socket:
    """A client that has sent the half of a file; returns when the server has begun to take it."""
    address = httpx2.URL(place.url)
    client = socket.create_connection((address.host, address.port), timeout=10)
    client.sendall(
        b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n"
        b"content-length: 100000\r\nexpect: 100-continue\r\n\r\n"
    )
    assert client.recv(100).startswith(b"HTTP/1.1 100")  # said when the body is read
    return client


def test_more_uploads_than_may_be_under_way_are_refused_until_one_ends(
    make_place: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "MOST_UPLOADS", 1)
    place = make_place()
    file = {"file": ("a.jsonl", LINE)}
    with begin_upload(place):
        got = place.http.post("/v1/files", data={"purpose": "batch"}, files=file)
        assert refused_for_now(got)["code"] == "too_many_uploads"
        # message batches are another queue
        assert place.http.post("/v1/messages/batches", json={"requests": []}).status_code == 400
    uploads = place.engine.settings.home / "uploads"
    wait_for(place, lambda: not list(uploads.iterdir()))  # what was written of it is removed
    got = place.http.post("/v1/files", data={"purpose": "batch"}, files=file)
    assert got.status_code == 200, got.text


# -- a full disk --------------------------------------------------------------------------------------
def full_disk(path: Path, flags: int) -> int:
    """What opening a file gives on a disk without room: writes fail."""
    path.touch(mode=0o600)
    return os.open("/dev/full", flags & ~(os.O_EXCL | os.O_CREAT))


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


@needs_full
@pytest.mark.parametrize("size", [1, 3_000_000])  # noticed at the end, or on the way
def test_a_file_for_which_there_is_no_room_is_refused_and_leaves_nothing(
    place: Any, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    file = {"file": ("a.jsonl", LINE + b" " * size)}
    monkeypatch.setattr("lanewise.gateway.files.open_private", full_disk)
    got = place.http.post("/v1/files", data={"purpose": "batch"}, files=file)
    assert got.status_code == 503
    assert got.json()["error"]["message"]
    assert list((place.engine.settings.home / "uploads").iterdir()) == []
    assert place.http.get("/v1/files").json()["data"] == []
    monkeypatch.undo()
    assert place.http.post("/v1/files", data={"purpose": "batch"}, files=file).status_code == 200


@needs_full
@pytest.mark.parametrize("fills", ["at once", "while its lines are cut"])
def test_message_batches_for_which_there_is_no_room_are_refused_and_leave_nothing(
    place: Any, monkeypatch: pytest.MonkeyPatch, fills: str
) -> None:
    params = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": CHAT["messages"]}
    body = {"requests": [{"custom_id": "a", "params": params}]}

    def fill(path: Path, flags: int) -> int:
        room = fills != "at once" and path.suffix != ".lines"
        return open_private(path, flags) if room else full_disk(path, flags)

    monkeypatch.setattr("lanewise.gateway.message_batches.open_private", fill)
    got = place.http.post("/v1/messages/batches", json=body, headers=ANTHROPIC)
    assert (got.status_code, got.json()["type"]) == (503, "error")
    assert list((place.engine.settings.home / "uploads").iterdir()) == []
    assert place.http.get("/v1/messages/batches").json()["data"] == []
    monkeypatch.undo()
    assert place.http.post("/v1/messages/batches", json=body).status_code == 200
    assert requests_of(place) == 1


@needs_full
def test_a_call_that_waits_for_which_there_is_no_room_is_refused_and_leaves_nothing(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lanewise.store.segments.open_private", full_disk)
    named = POLL | {"idempotency-key": "k"}
    assert place.http.post(PATH, json=CHAT, headers=named).status_code == 503
    assert requests_of(place) == 0
    monkeypatch.undo()
    taken = place.http.post(PATH, json=CHAT, headers=named)
    assert (taken.status_code, requests_of(place)) == (202, 1)


def test_while_the_ledger_cannot_be_written_calls_pass_and_are_booked_later(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()

    def full(*_: Any) -> None:
        tried.set()
        raise StoreUnusable("no space left on the disk")

    monkeypatch.setattr(place.engine.store, "book_calls", full)
    for _ in range(3):
        assert place.http.post(PATH, json=CHAT).status_code == 200
    assert tried.wait(10)
    assert "lanewise_unbooked_calls 3" in place.http.get("/metrics").text
    monkeypatch.undo()
    assert sum(entry.row.n for entry in place.booked()) == 3
