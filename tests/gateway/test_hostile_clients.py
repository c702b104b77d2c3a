"""Clients that mean no good, over real sockets: each is told in an error both SDKs read, or cut off."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanewise.app import keys
from lanewise.app.keys import NewKey
from lanewise.gateway import asked, listening, passing
from lanewise.gateway.asked import MOST_BODY
from lanewise.gateway.listening import MOST_HEAD

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHAT = json.dumps(
    {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
).encode()
ROUTES = ("/v1/chat/completions", "/v1/messages", "/v1/files", "/v1/messages/batches")


@pytest.fixture
def served(make_place: Callable[..., Any]) -> Any:
    """A gateway as it is served."""
    return make_place()


@contextlib.contextmanager
def connected(place: Any) -> Iterator[socket.socket]:
    port = int(place.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        yield client


def rest(client: socket.socket) -> bytes:
    """All that comes until the connection ends, however it ends."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65_536):
            data += piece
    return data


def told(data: bytes) -> tuple[int, dict[str, Any]]:
    """Status and error of an answer, in the form that both SDKs read."""
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head, data[:300]
    found = json.loads(body)
    assert found["error"]["type"], found
    assert found["error"]["message"], found
    return int(head.split()[1]), found


def request(path: str, *lines: bytes, body: bytes = b"", method: bytes = b"POST") -> bytes:
    head = b"\r\n".join([b"%s %s HTTP/1.1" % (method, path.encode()), b"host: x", *lines])
    return head + b"\r\n\r\n" + body


class Flood:
    """Answers with events for as long as anybody takes them."""

    def __init__(self) -> None:
        self.gone, self.sent = threading.Event(), 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        begin = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65_536)
                connection.sendall(begin)
                while True:
                    connection.sendall(b"data: " + b"x" * 60_000 + b"\n\n")
                    self.sent += 60_008
        self.gone.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(10)


def lives(place: Any) -> None:
    """Whatever was done, the next call is served and nothing of a body is kept."""
    got = place.http.post("/v1/chat/completions", content=CHAT)
    assert got.status_code == 200, got.text
    place.http.get("/healthz")  # what the loop does with the last call is done before this one
    assert place.running.gateway.passing._held == 0


# -- heads ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx: " + b"y" * (MOST_HEAD + 1) + b"\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"y" * (MOST_HEAD + 1) + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"y" * (MOST_HEAD + 1),
    ],
    ids=["size", "count", "path", "no head"],
)
def test_a_head_beyond_the_bounds_is_refused_in_a_form_that_both_sdks_read(
    served: Any, head: bytes
) -> None:
    with connected(served) as client:
        client.sendall(head)
        status, error = told(rest(client))
    assert status in (400, 431)  # what cannot become a head is no HTTP, however long
    assert error["type"] == "error"
    lives(served)


def test_a_long_head_within_the_bounds_is_served_however_it_is_cut(served: Any) -> None:
    whole = request("/healthz", b"x: " + b"y" * (MOST_HEAD - 200), method=b"GET")
    for cut in (1, 100, len(whole) - 3, len(whole) - 2, len(whole) - 1):
        with connected(served) as client:
            client.sendall(whole[:cut])
            client.sendall(whole[cut:])
            assert client.recv(65_536).startswith(b"HTTP/1.1 200")


def test_a_head_after_an_answer_is_held_to_the_same_bounds(served: Any) -> None:
    body = b"x" * 200_000
    with connected(served) as client:
        for _ in range(3):
            client.sendall(request("/v1/messages", b"content-length: %d" % len(body), body=body))
            assert client.recv(65_536).startswith(b"HTTP/1.1 400")
        client.sendall(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000)
        assert told(rest(client))[0] == 431


def test_a_head_without_end_behind_a_call_under_way_is_cut_off(
    make_place: Callable[..., Any], upstream: Callable[..., Any]
) -> None:
    begin = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n"
    server = upstream(begin, hang=True)
    place = make_place(server.url)
    with connected(place) as client:
        client.sendall(request("/v1/messages", b"content-length: %d" % len(CHAT), body=CHAT))
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            client.sendall(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000_000)
    assert server.gone.wait(10)  # and the call is given up


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,  # TLS
        b"SSH-2.0-x\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx: a\rb\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx y: a\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\n: a\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 1e3\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: %s\r\n\r\n" % (b"9" * 40),
        request("/v1/messages", b"transfer-encoding: chunked", body=b"zz\r\n"),
        request("/v1/messages", b"transfer-encoding: chunked", body=b"-1\r\n"),
        request("/v1/messages", b"transfer-encoding: chunked", body=b"f" * 40 + b"\r\n"),
        request("/v1/messages", b"transfer-encoding: chunked", body=b"1\r\nxy\r\n"),
    ],
)
def test_what_is_no_http_is_told_so_and_reaches_no_upstream(
    make_place: Callable[..., Any], upstream: Callable[..., Any], data: bytes
) -> None:
    server = upstream(b"")
    place = make_place(server.url)
    with connected(place) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        status, error = told(rest(client))
    assert (status, error["type"]) == (400, "error")
    assert server.requests == []


@pytest.mark.parametrize(
    "line",
    [
        b"x: a\r\n folded: b",
        b"x: a\r\n\tb",
        b"x: a\nauthorization: Bearer lw-x",
        b"x: \x80\xff\x01",
    ],
    ids=["fold", "tab", "bare LF", "bytes"],
)
def test_a_header_that_is_doubtful_becomes_no_second_header_upstream(
    make_place: Callable[..., Any], upstream: Callable[..., Any], answering: Any, line: bytes
) -> None:
    server = upstream(answering({}, b"connection: close"))
    place = make_place(server.url)
    length = b"content-length: %d" % len(CHAT)
    with connected(place) as client:
        client.sendall(request("/v1/responses", line, length, b"connection: close", body=CHAT))
        data = rest(client)
    assert int(data.split()[1]) in (200, 400)
    for sent in server.requests:
        head = sent.partition(b"\r\n\r\n")[0]
        lines = head.split(b"\r\n")
        assert not any(one[:1] in b" \t" for one in lines)
        assert b"\n" not in head.replace(b"\r\n", b"")
        assert sum(one.startswith(b"authorization:") for one in lines) == 1
        assert b"lw-x" not in head


# -- bodies ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("framing", ["announced", "chunked"])
def test_200_mb_to_a_call_are_refused_and_never_kept(
    served: Any, monkeypatch: pytest.MonkeyPatch, path: str, framing: str
) -> None:
    most = 0
    hold = passing.Passing.hold

    def watched(self: Any, size: int) -> None:
        nonlocal most
        hold(self, size)
        most = max(most, self._held)

    monkeypatch.setattr(passing.Passing, "hold", watched)
    piece, count = b"x" * 1_048_576, 200
    line = b"transfer-encoding: chunked"
    if framing == "announced":
        line = b"content-length: %d" % (len(piece) * count)
    with connected(served) as client:
        client.sendall(request(path, line))
        for _ in range(count):
            client.sendall(b"100000\r\n" + piece + b"\r\n" if framing == "chunked" else piece)
        data = client.recv(65_536)
    status, error = told(data)
    assert status == 413
    assert ("type" in error) == (path == "/v1/messages")
    assert most <= (0 if framing == "announced" else MOST_BODY)
    lives(served)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate, gzip"])
def test_a_compressed_body_is_not_unpacked_but_refused_in_the_dialect(
    place: Any, coding: str
) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    for path in (*ROUTES, "/v1/batches"):
        got = place.http.post(path, content=bomb, headers={"content-encoding": coding})
        assert got.status_code == 415, path
        assert ("type" in got.json()) == path.startswith("/v1/messages")
        assert "compressed" in got.json()["error"]["message"]
    now = place.engine.clock.now()
    ops = keys.create(place.engine.store, NewKey(name="ops", admin=True), now).reveal()
    headers = {"content-encoding": coding, "authorization": f"Bearer {ops}"}
    assert place.http.post("/admin/keys", content=bomb, headers=headers).status_code == 415


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_file_that_is_compressed_is_not_unpacked(place: Any, pack: Callable[..., bytes]) -> None:
    """A megabyte may become a terabyte; the provider takes no such files either."""
    line = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m"},
    }
    content = pack(json.dumps(line).encode())
    file = {"file": ("requests.jsonl.gz", content)}
    made = place.http.post("/v1/files", files=file, data={"purpose": "batch"}).json()
    assert (made["status"], made["bytes"]) == ("error", len(content))
    assert made["status_details"].startswith("line 1: ")
    assert place.http.get(f"/v1/files/{made['id']}/content").content == content


def test_another_content_type_does_not_matter_and_what_is_no_json_is_refused(place: Any) -> None:
    for kind in ("text/plain", "application/octet-stream", ""):
        got = place.http.post("/v1/chat/completions", content=CHAT, headers={"content-type": kind})
        assert got.status_code == 200, got.text
    form = "application/x-www-form-urlencoded"
    for path in ("/v1/chat/completions", "/v1/messages", "/v1/batches", "/v1/messages/batches"):
        got = place.http.post(path, content=b"model=x", headers={"content-type": form})
        assert got.status_code == 400
        assert ("type" in got.json()) == path.startswith("/v1/messages")
    assert place.http.post("/v1/files", content=CHAT).status_code == 400


# -- slow ones ------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ROUTES)
def test_a_body_that_trickles_is_given_up(
    served: Any, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(listening, "PACE_SECONDS", 0.2)
    form = b"content-type: multipart/form-data; boundary=b"
    with connected(served) as client:
        client.sendall(request(path, form, b"content-length: 5000", body=b"--b\r\n"))
        assert told(rest(client))[0] == 408
    monkeypatch.undo()
    lives(served)


def test_a_call_has_a_time_to_arrive_in_whatever_its_pace(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "BODY_SECONDS", 0.2)
    for path in ("/v1/chat/completions", "/v1/messages"):
        with connected(served) as client:
            client.sendall(request(path, b"content-length: 5000", body=b"{"))
            status, error = told(client.recv(65_536))
        assert status == 408
        assert ("type" in error) == (path == "/v1/messages")


def test_the_rest_of_a_body_that_was_refused_is_not_waited_for(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "PACE_SECONDS", 0.2)
    with connected(served) as client:
        client.sendall(request("/v1/messages", b"content-length: %d" % (10 * MOST_BODY)))
        assert told(client.recv(65_536))[0] == 413
        assert rest(client) == b""


@pytest.fixture
def flood() -> Iterator[Flood]:
    """An upstream that never ends."""
    with Flood() as running:
        yield running


def test_a_client_that_hardly_reads_holds_the_upstream_back_and_is_cut_off(
    make_place: Callable[..., Any], flood: Flood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "STALL_SECONDS", 0.5)
    place = make_place(flood.url)
    with connected(place) as client:
        client.sendall(request("/v1/responses", b"content-length: %d" % len(CHAT), body=CHAT))
        with contextlib.suppress(ConnectionError):
            while not flood.gone.wait(0.05):
                assert client.recv(1)
    assert flood.gone.is_set()
    assert flood.sent < 64 * 1024 * 1024  # what sockets hold, and little more
    place.http.get("/healthz")
    assert place.running.gateway.passing._held == 0
    [entry] = place.booked()
    assert entry.row.kind == "waste"


def test_a_client_that_leaves_ends_what_the_upstream_never_would(
    make_place: Callable[..., Any], flood: Flood
) -> None:
    place = make_place(flood.url)
    with connected(place) as client:
        client.sendall(request("/v1/messages", b"content-length: %d" % len(CHAT), body=CHAT))
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
    assert flood.gone.wait(10)


# -- any bytes ------------------------------------------------------------------------------------
WHOLE = request("/v1/messages", b"content-length: %d" % len(CHAT), body=CHAT)
PIECES = [
    WHOLE, b"\r\n", b"\n", b"\0", b" ", b"\t", b":", b"\xff", b"5", b"-", b"%2e", b"/../", b"HTTP/1.1",
    b"transfer-encoding: chunked\r\n", b"content-length: 3\r\n", b"connection: upgrade\r\n",
    b"upgrade: websocket\r\n", b"upgrade: h2c\r\n", b"expect: 100-continue\r\n", b"0\r\n\r\n",
    b"CONNECT x:1", b"OPTIONS *", b"anthropic-version: 1\r\n", b"x" * 300,
]  # fmt: skip


@st.composite
def noise(draw: st.DrawFn) -> bytes:
    """A request with a few parts replaced, put in or left out."""
    data = draw(st.sampled_from([WHOLE, WHOLE + WHOLE, b""]))
    for _ in range(draw(st.integers(1, 5))):
        at, length = draw(st.integers(0, len(data))), draw(st.sampled_from([0, 1, 5, 40]))
        part = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)))
        data = data[:at] + part + data[at + length :]
    return data


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=noise())
def test_whatever_comes_every_answer_is_http_and_the_next_call_is_served(
    served: Any, data: bytes
) -> None:
    with connected(served) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        told = rest(client)
    statuses = [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", told)]
    assert bool(statuses) == bool(told)
    assert all(status < 500 for status in statuses), told
    assert served.http.get("/healthz").status_code == 200
