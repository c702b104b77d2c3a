"""Upstreams that answer nonsense, without end, or with another address: told, bounded, never followed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from lanewise.gateway.wire import MOST_HEAD

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS = OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FIRST = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
PATHS = pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])


@PATHS
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 200,
        b"HTTP/2 200\r\n\r\n",
        OK + b"x: " + b"y" * (MOST_HEAD + 1) + b"\r\n\r\n",
        OK + b"a: b\r\n" * 20_000 + b"\r\n",
        OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"content-length: nine\r\n\r\n",
        OK + b"x: a\r\n folded\r\n\r\n",
        OK + b"x: a\nb: c\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"HTTP/1.1 101 Switching\r\n\r\n",
    ],
)
def test_an_answer_that_is_none_is_a_bad_gateway_in_the_dialect(
    make_place: Callable[..., Any], upstream: Callable[..., Any], path: str, answer: bytes
) -> None:
    server = upstream(answer)
    place = make_place(server.url)
    got = place.http.post(path, json=CHAT)
    assert got.status_code == 502
    assert ("type" in got.json()) == (path == "/v1/messages")
    assert got.json()["error"]["message"]
    assert "127.0.0.1" not in got.text
    assert len(server.requests) == 1  # it may have been paid for
    [entry] = place.booked()
    assert (entry.row.kind, entry.row.cost_nano) == ("waste", None)


@PATHS
@pytest.mark.parametrize(
    "answer",
    [
        OK + b"content-length: 500\r\n\r\n{",
        CHUNKED + b"5\r\nhello",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello\r\nffffffffffffffffffff\r\nx",
        CHUNKED + b"5\r\nhello\r\n7fffffffffffffff\r\nx",
        CHUNKED + b"5\r\nhello\r\n-1\r\nx",
        CHUNKED + b"5\r\nhello\r\n5\r\nhello, and more\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nhello\r\n1;" + b"x" * 5_000,
        CHUNKED + b"5\r\nhello\r\n0\r\n" + b"x: y\r\n" * 20_000,
        EVENTS + b"%x\r\n%s\r\n" % (len(FIRST), FIRST),
    ],
)
def test_an_answer_that_breaks_off_is_broken_off_and_never_ended_as_if_it_were_whole(
    make_place: Callable[..., Any], upstream: Callable[..., Any], path: str, answer: bytes
) -> None:
    place = make_place(upstream(answer).url)
    with pytest.raises(httpx2.RemoteProtocolError):
        place.http.post(path, json=CHAT)
    assert place.http.get("/healthz").status_code == 200
    [entry] = place.booked()
    assert (entry.row.kind, entry.row.n) == ("waste", 1)


def test_bytes_beyond_the_length_reach_nobody(
    make_place: Callable[..., Any], upstream: Callable[..., Any]
) -> None:
    """They would be taken for the answer to the next call on that connection."""
    evil = b'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"evil"'
    server = upstream(OK + b'content-length: 6\r\n\r\n"good"' + evil)
    place = make_place(server.url)
    for _ in range(2):
        assert place.http.post("/v1/responses", json=CHAT).content == b'"good"'
    assert len(server.requests) == 2


@PATHS
@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Elsewhere", b"308 Elsewhere"])
def test_a_redirect_is_not_followed_and_no_credential_gets_there(
    make_place: Callable[..., Any], upstream: Callable[..., Any], answering: Callable[..., bytes],
    path: str, status: bytes,
) -> None:  # fmt: skip
    other = upstream(answering({"stolen": True}))
    location = b"location: %s%s" % (other.url.encode(), path.encode())
    place = make_place(upstream(answering({}, location, status=status)).url)
    got = place.http.post(path, json=CHAT)
    assert got.status_code == 502
    assert "location" not in got.headers
    assert other.url not in got.text
    assert other.requests == []


@PATHS
def test_what_is_compressed_all_the_same_passes_and_is_not_unpacked(
    make_place: Callable[..., Any], upstream: Callable[..., Any], answering: Callable[..., bytes],
    path: str,
) -> None:  # fmt: skip
    packed = gzip.compress(json.dumps({"usage": {"prompt_tokens": 9}, "x": " " * 100_000}).encode())
    server = upstream(answering(packed, b"content-encoding: gzip", b"connection: close"))
    place = make_place(server.url)
    with place.http.stream("POST", path, json=CHAT) as got:
        assert b"".join(got.iter_raw()) == packed
        assert got.headers["content-encoding"] == "gzip"
    assert b"accept-encoding: identity\r\n" in server.requests[0]
    [entry] = place.booked()
    assert (entry.row.n, entry.row.cost_nano) == (1, None)  # nobody knows what it used


@PATHS
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"usage":null}',
        b'{"usage":{"prompt_tokens":-5,"completion_tokens":1e99}}',
        b'{"usage":{"input_tokens":"many"}}',
        b'{"usage":' + b"[" * 50_000,
        b'{"usage":{},"usage":[]}',
        b"\xff\xfe",
    ],
)
def test_an_answer_with_no_usage_that_can_be_meant_passes_and_is_counted_without_a_price(
    make_place: Callable[..., Any], upstream: Callable[..., Any], answering: Callable[..., bytes],
    path: str, body: bytes,
) -> None:  # fmt: skip
    place = make_place(upstream(answering(body, b"connection: close")).url)
    assert place.http.post(path, json=CHAT).content == body
    [entry] = place.booked()
    assert (entry.row.kind, entry.row.n, entry.row.cost_nano) == ("answer", 1, None)


def test_a_stream_that_says_nothing_of_its_usage_passes_and_is_counted(
    make_place: Callable[..., Any], upstream: Callable[..., Any]
) -> None:
    whole = EVENTS + b"%x\r\n%s\r\n0\r\n\r\n" % (len(FIRST), FIRST)
    place = make_place(upstream(whole).url)
    asked = {**CHAT, "stream": True, "stream_options": {"include_usage": False}}
    assert place.http.post("/v1/chat/completions", json=asked).content == FIRST
    [entry] = place.booked()
    assert (entry.row.kind, entry.row.n, entry.row.cost_nano) == ("answer", 1, None)


def test_headers_of_an_answer_set_no_cookie_and_name_no_other_connection(
    make_place: Callable[..., Any], upstream: Callable[..., Any], answering: Callable[..., bytes]
) -> None:
    odd = (b"set-cookie: a=b", b"connection: close, x-secret", b"x-secret: 1", b"keep-alive: 5",
           b"upgrade: h2c", b"x-request-id: r1")  # fmt: skip
    place = make_place(upstream(answering({}, *odd)).url)
    got = place.http.post("/v1/responses", json=CHAT)
    assert got.headers["x-request-id"] == "r1"
    assert not {"set-cookie", "x-secret", "keep-alive", "upgrade"} & set(got.headers)
