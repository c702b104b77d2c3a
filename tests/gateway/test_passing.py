"""Calls pass through as they are; what they cost is in the ledger."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from lanewise.gateway import passing
from lanewise.gateway.asked import MOST_BODY
from lanewise.gateway.who import Who

SAID = [{"role": "user", "content": "Where is my order?"}]
CHAT = {"model": "gpt-4o-mini", "messages": SAID}
KEY = "sk-canary-0123456789"


def openai_client(place: Any, key: str = "any") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{place.url}/v1", api_key=key, max_retries=0)


def anthropic_client(place: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=place.url, api_key="any", max_retries=0)


# -- the official SDKs ----------------------------------------------------------------------------
def test_the_openai_sdk_works_and_every_call_is_booked_as_the_sandbox_bills_it(place: Any) -> None:
    client = openai_client(place)
    chat = client.chat.completions.create(model="gpt-4o-mini", messages=SAID)
    assert chat.choices[0].message.content
    assert client.responses.create(model="gpt-4o-mini", input="Hello").output_text
    vectors = client.embeddings.create(model="text-embedding-3-small", input="Hello")
    assert vectors.data[0].embedding
    assert client.moderations.create(input="Hello").results
    flex = client.chat.completions.create(
        model="o4-mini",
        messages=SAID,
        service_tier="flex",
        extra_headers={"x-lanewise-deadline": "now"},  # else it waits for a worker
    )
    assert flex.service_tier == "flex"
    client.close()
    entries = place.booked()
    assert sum(entry.row.n for entry in entries) == 5
    assert {entry.row.lane for entry in entries} == {"realtime", "flex"}
    assert place.engine.store.money().cost_nano == place.sandbox.books()["nano_usd"]


def test_the_anthropic_sdk_works_streams_included_and_every_call_is_booked(place: Any) -> None:
    client = anthropic_client(place)
    asked: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 60, "messages": SAID}
    assert client.messages.create(**asked).content[0].text
    with client.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream)
    del asked["max_tokens"]
    assert client.messages.count_tokens(**asked).input_tokens > 0
    assert "claude-haiku-4-5" in {model.id for model in client.models.list()}
    client.close()
    entries = place.booked()
    assert sum(entry.row.n for entry in entries) == 2
    assert place.engine.store.money().cost_nano == place.sandbox.books()["nano_usd"]


@pytest.mark.parametrize("asks", [True, False])
def test_a_chat_stream_is_booked_whether_or_not_the_client_asked_for_its_usage(
    place: Any, asks: bool
) -> None:
    client = openai_client(place)
    options: Any = {"stream_options": {"include_usage": True}} if asks else {}
    chunks = list(
        client.chat.completions.create(model="gpt-4o-mini", messages=SAID, stream=True, **options)
    )
    client.close()
    assert [chunk for chunk in chunks if not chunk.choices] == (chunks[-1:] if asks else [])
    [entry] = place.booked()
    assert (entry.row.kind, entry.row.n, entry.row.price_status) == ("answer", 1, "listed")
    assert entry.row.cost_nano == place.sandbox.books()["nano_usd"] > 0


def test_a_responses_stream_is_booked(place: Any) -> None:
    client = openai_client(place)
    events = list(client.responses.create(model="gpt-4o-mini", input="Hello", stream=True))
    client.close()
    assert events[-1].type == "response.completed"
    assert [entry.row.cost_nano for entry in place.booked()] == [place.sandbox.books()["nano_usd"]]


def test_models_are_told_apart_by_the_version_header(place: Any) -> None:
    versioned = {"anthropic-version": "2023-06-01"}
    assert place.http.get("/v1/models").json()["object"] == "list"
    assert "has_more" in place.http.get("/v1/models", headers=versioned).json()
    assert place.http.get("/v1/models/gpt-4o-mini").json()["object"] == "model"
    one = place.http.get("/v1/models/claude-haiku-4-5", headers=versioned)
    assert one.json()["type"] == "model"
    assert place.booked() == []


# -- byte for byte --------------------------------------------------------------------------------
def test_status_headers_and_body_of_an_answer_come_as_they_are(
    make_place: Any, upstream: Any, answering: Callable[..., bytes]
) -> None:
    odd = b'{ "error" : {"message":"slow \\u0064own"} }\n\n'
    server = upstream(
        answering(
            odd,
            b"retry-after: 7",
            b"x-ratelimit-remaining-requests: 0",
            b"X-Request-ID: req_1",
            b"connection: close, x-hop",
            b"x-hop: 1",
            b"set-cookie: a=b",
            status=b"429 Too Many Requests",
        )
    )
    place = make_place(server.url)
    got = place.http.post("/v1/chat/completions", json=CHAT)
    assert (got.status_code, got.content) == (429, odd)
    assert got.headers["retry-after"] == "7"
    assert got.headers["x-ratelimit-remaining-requests"] == "0"
    assert got.headers["x-request-id"] == "req_1"
    assert not {"x-hop", "set-cookie"} & set(got.headers)
    assert place.booked() == []


def test_the_body_goes_as_it_is_with_the_servers_credentials_for_the_clients(
    make_place: Any, upstream: Any, answering: Callable[..., bytes]
) -> None:
    body = b'{"model" : "gpt-4o-mini", "top_p": 1.50,\n "messages":[]}'
    for path, version in (
        ("/v1/chat/completions", {}),
        ("/v1/messages", {"anthropic-version": "v"}),
    ):
        server = upstream(answering({}, b"connection: close"))
        place = make_place(server.url)
        headers = {
            "authorization": "Bearer client-secret",
            "x-api-key": "client-secret",
            "openai-organization": "client-secret",
            "cookie": "client-secret",
            "x-lanewise-workflow": "tickets",
            "idempotency-key": "i-1",
            "user-agent": "mine/1",
            **version,
        }
        place.http.post(f"{path}?beta=true", content=body, headers=headers)
        [request] = server.requests
        head, _, sent = request.partition(b"\r\n\r\n")
        assert sent == body
        assert head.startswith(f"POST {path}?beta=true HTTP/1.1\r\n".encode())
        assert b"client-secret" not in head
        assert head.count(KEY.encode()) == 1
        assert b"x-lanewise" not in head
        for kept in (b"idempotency-key: i-1", b"user-agent: mine/1", b"accept-encoding: identity"):
            assert kept in head


def test_the_first_event_is_forwarded_before_the_second_exists(
    make_place: Any, upstream: Any
) -> None:
    begun = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    server = upstream(begun + b"data: 1\n\n", b"data: 2\n\n")
    place = make_place(server.url)
    with place.http.stream("POST", "/v1/responses", json={"model": "m", "stream": True}) as got:
        pieces = got.iter_raw()
        assert next(pieces) == b"data: 1\n\n"
        server.proceed.set()
        assert b"".join(pieces) == b"data: 2\n\n"


# -- who goes away --------------------------------------------------------------------------------
STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"9\r\ndata: 1\n\n\r\n"
)


@pytest.mark.parametrize("begun", [STREAM, b""])
def test_a_client_that_goes_away_closes_the_call_and_it_is_booked_as_waste(
    make_place: Any, upstream: Any, begun: bytes
) -> None:
    server = upstream(begun, hang=True)
    place = make_place(server.url)
    port = int(place.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as client:
        body = json.dumps({"model": "gpt-4o-mini", "stream": True}).encode()
        client.sendall(
            b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        if begun:
            assert client.recv(9)
        else:
            while not server.requests:
                assert not server.gone.wait(0.01)
    assert server.gone.wait(10)
    [entry] = place.booked()
    assert (entry.row.kind, entry.row.cost_nano, entry.row.price_status) == (
        "waste",
        None,
        "unknown",
    )


def test_a_stream_that_breaks_off_is_broken_off_and_booked_as_waste(
    make_place: Any, upstream: Any
) -> None:
    place = make_place(upstream(STREAM).url)
    with pytest.raises(httpx2.RemoteProtocolError):
        place.http.post("/v1/responses", json={"model": "gpt-4o-mini", "stream": True})
    assert [entry.row.kind for entry in place.booked()] == ["waste"]


# -- what does not pass ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b'{"model":7}', {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"\x1f\x8b" + b"\0" * 100, {"content-encoding": "gzip"}, 415),
        (b"x" * (MOST_BODY + 1), {}, 413),
        (iter([b"x" * 1_048_576] * 33), {}, 413),
    ],
)
def test_what_cannot_be_passed_is_refused_in_the_clients_dialect(
    place: Any, content: Any, headers: dict[str, str], status: int
) -> None:
    once = content if isinstance(content, bytes) else b"".join(content)
    for path in ("/v1/chat/completions", "/v1/messages"):
        sent = once if isinstance(content, bytes) else iter([once[:99], once[99:]])
        got = place.http.post(path, content=sent, headers=headers)
        assert got.status_code == status
        assert ("type" in got.json()) == (path == "/v1/messages")
        assert got.json()["error"]["message"]
    assert place.booked() == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"SMTP\r\n\r\n", 502),
        (b"", 502),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example/\r\ncontent-length: 0\r\n\r\n",
            502,
        ),
    ],
)
def test_an_upstream_that_makes_no_sense_is_a_bad_gateway(
    make_place: Any, upstream: Any, answer: bytes, status: int
) -> None:
    server = upstream(answer)
    place = make_place(server.url)
    got = place.http.post("/v1/messages", json={"model": "claude-haiku-4-5"})
    assert (got.status_code, got.json()["type"]) == (status, "error")
    assert "elsewhere" not in got.text
    assert server.url.removeprefix("http://") not in got.text
    assert len(server.requests) == 1


def test_an_answer_that_says_no_usage_is_counted_and_has_no_price(
    make_place: Any, upstream: Any, answering: Callable[..., bytes]
) -> None:
    place = make_place(upstream(answering(b"<html>", b"connection: close")).url)
    assert place.http.post("/v1/chat/completions", json=CHAT).content == b"<html>"
    [entry] = place.booked()
    assert (entry.row.kind, entry.row.n, entry.row.cost_nano) == ("answer", 1, None)


@pytest.mark.parametrize(
    "path",
    ["/v1/models/..", "/v1/models/%2e%2e%2ffiles", "/v1/models/a%2f..%2f..%2fb", "/v1/models/"],
)
def test_a_models_name_leads_nowhere_else(make_place: Any, upstream: Any, path: str) -> None:
    server = upstream(b"")
    place = make_place(server.url)
    port = int(place.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert b"".join(iter(lambda: client.recv(65_536), b"")).startswith(b"HTTP/1.1 404")
    assert server.requests == []


def test_paths_that_are_not_served_are_told_so_in_the_dialect(place: Any) -> None:
    assert place.http.get("/v1/chat/completions").json()["error"]["code"] is None
    got = place.http.post("/v1/messages/nothing")
    assert (got.status_code, got.json()["error"]["type"]) == (404, "not_found_error")


# -- who may --------------------------------------------------------------------------------------
def keyed(headers: Any) -> Who | None:
    if headers.get(b"authorization") != b"Bearer lw-good":
        return None
    return Who("acme", "k", "night", models=("gpt-4o*",), endpoints=("/v1/chat/completions",))


def test_a_key_opens_what_it_is_for_and_its_calls_are_its_tenants(make_place: Any) -> None:
    place = make_place(identify=keyed)
    good = {"authorization": "Bearer lw-good"}
    named = {**good, "x-lanewise-workflow": "tickets"}
    assert place.http.post("/v1/chat/completions", json=CHAT).status_code == 401
    assert place.http.get("/v1/models", headers={"authorization": "Bearer no"}).status_code == 401
    assert place.http.post("/v1/chat/completions", json=CHAT, headers=good).status_code == 200
    assert place.http.post("/v1/chat/completions", json=CHAT, headers=named).status_code == 200
    other = {**CHAT, "model": "o4-mini"}
    assert place.http.post("/v1/chat/completions", json=other, headers=good).status_code == 403
    other = {"model": "gpt-4o-mini", "input": "x"}
    assert place.http.post("/v1/responses", json=other, headers=good).status_code == 403
    rows = [entry.row for entry in place.booked()]
    assert {(row.run, row.workflow) for row in rows} == {
        ("calls:acme", "night"),
        ("calls:acme", "tickets"),
    }


def test_a_page_in_a_browser_cannot_use_an_open_gateway(place: Any) -> None:
    headers = {"origin": "https://evil.example", "content-type": "text/plain"}
    got = place.http.post("/v1/chat/completions", content=json.dumps(CHAT), headers=headers)
    assert got.status_code == 401


@pytest.mark.parametrize(
    "framing",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"transfer-encoding: chunked\r\ncontent-length: 5",
        b"content-length: 5\r\ncontent-length: 60",
        b"transfer-encoding: xchunked",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity",
        b"transfer-encoding : chunked",
        b"content-length: 5\r\nx: y\n\ntransfer-encoding: chunked",
        b"connection: content-length\r\ncontent-length: 5",
    ],
)
def test_a_request_cannot_be_smuggled_past_the_gateway(
    make_place: Any, upstream: Any, answering: Callable[..., bytes], framing: bytes
) -> None:
    server = upstream(answering({}, b"connection: close"))
    place = make_place(server.url)
    port = int(place.url.rpartition(":")[2])
    hidden = b"3\r\n{ }\r\n0\r\n\r\nDELETE /v1/files/all HTTP/1.1\r\nhost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(
            b"POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\n%s\r\n\r\n%s"
            % (framing, hidden)
        )
        client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while client.recv(65_536):
                pass
    for request in server.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /v1/responses HTTP/1.1\r\n")
        assert head.count(b"\r\ncontent-length: ") == 1
        assert head.endswith(b"\r\ncontent-length: %d" % len(body))
        assert b"transfer-encoding" not in head
        assert b"DELETE" not in head


def test_bodies_beyond_what_memory_is_for_are_refused_and_room_comes_back(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "MOST_HELD", 1_000)
    large = {**CHAT, "user": "x" * 2_000}
    for _ in range(3):
        got = place.http.post("/v1/chat/completions", json=large)
        assert (got.status_code, got.headers["retry-after"]) == (429, "1")
        assert place.http.post("/v1/chat/completions", json=CHAT).status_code == 200
    place.http.get("/healthz")  # what the loop does with the last call is done before this one
    assert place.running.gateway.passing._held == 0
