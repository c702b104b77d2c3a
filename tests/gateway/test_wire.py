"""The reader of responses, held against h11, cut anywhere, and fed nonsense."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanewise.gateway.wire import MOST_HEAD, Garbled, ResponseReader

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


def read(data: bytes, *cuts: int) -> tuple[int | None, list[tuple[bytes, bytes]], bytes, bool]:
    """Read a whole stream that ends after `data`, handed over in pieces."""
    reader, body = ResponseReader(), b""
    places = sorted({0, *(cut % (len(data) + 1) for cut in cuts), len(data)})
    for start, end in pairwise(places):
        body += reader.feed(data[start:end])
    reader.eof()
    assert reader.head is not None
    return reader.head.status, reader.head.headers, body, reader.reusable


def by_h11(data: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    head, body = None, b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            break
    assert head is not None
    return head.status_code, [(bytes(k), bytes(v)) for k, v in head.headers], body


def chunked(parts: list[bytes]) -> bytes:
    return (
        b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nx-t: 1\r\n\r\n"
    )


names = st.text("abcdefXYZ-", min_size=1, max_size=12).map(lambda text: b"x" + text.encode())
values = st.text("abc =;,/!\t", max_size=20).map(lambda text: text.strip().encode())
bodies = st.lists(st.binary(min_size=1, max_size=40), max_size=5)


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """Well-formed responses of every framing, some after interim ones."""
    status = draw(st.sampled_from([200, 204, 400, 429, 500, 529]))
    extra = draw(st.lists(st.tuples(names, values), max_size=4))
    lines = b"".join(b"%s: %s\r\n" % pair for pair in extra)
    parts = [] if status == 204 else draw(bodies)
    framing = draw(st.sampled_from(["length", "chunked", "close"])) if status != 204 else "none"
    whole = b"".join(parts)
    head, body = {
        "none": (b"", b""),
        "length": (b"Content-Length: %d\r\n" % len(whole), whole),
        "chunked": (b"Transfer-Encoding: chunked\r\n", chunked(parts)),
        "close": (b"Connection: close\r\n", whole),
    }[framing]
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * draw(st.integers(0, 2))
    return interim + b"HTTP/1.1 %d Whatever\r\n" % status + lines + head + b"\r\n" + body


@given(responses(), st.lists(st.integers(0, 10_000), max_size=8))
def test_a_response_reads_as_h11_reads_it_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    assert read(data, *cuts)[:3] == by_h11(data)


# what tends to be read in two ways; put into, or in the place of, a part of a response
ODD = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"0", b"5", b"-", b"+", b"0x", b"f" * 16,
    b"Content-Length: 3\r\n", b"content-length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\xff",
    b"0\r\n\r\n", b" folded: 1\r\n", b"HTTP/1.0",
]  # fmt: skip


@st.composite
def twisted(draw: st.DrawFn) -> bytes:
    """Responses with a few parts replaced, repeated, left out or moved in."""
    data = draw(responses())
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 12))
        part = draw(st.sampled_from([*ODD, data[at : at + length] * 2, b""]))
        data = data[:at] + part + data[at + draw(st.sampled_from([0, length])) :]
    return data


def outcome(data: bytes, *cuts: int) -> object:
    """What comes of reading; that it is garbled, wherever that was noticed."""
    try:
        return read(data, *cuts)
    except Garbled:
        return None


@settings(max_examples=500, deadline=None)
@given(twisted())
def test_where_a_response_is_cut_never_changes_what_is_read(data: bytes) -> None:
    """Handed over whole, in two parts cut anywhere, and byte by byte."""
    whole = outcome(data)
    assert outcome(data, *range(len(data))) == whole
    for cut in range(0, len(data), max(1, len(data) // 40)):
        assert outcome(data, cut) == whole


@settings(max_examples=1_500, deadline=None)
@given(twisted())
@example(OK + b"Content-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n")
def test_what_is_taken_for_a_response_is_the_same_to_h11_or_nothing_to_it(data: bytes) -> None:
    """Never another body, and never a body that h11 does not see to its end."""
    found = outcome(data)
    if found is None:
        return
    try:
        other = by_h11(data)
    except h11.RemoteProtocolError:
        return
    assert found[:3] == other  # type: ignore[index]


def test_the_twisted_are_not_all_garbled_nor_all_read() -> None:
    """Else the two tests above would say little."""
    seen: Counter[bool] = Counter()

    @settings(max_examples=300, deadline=None, database=None)
    @given(twisted())
    def look(data: bytes) -> None:
        seen[outcome(data) is None] += 1

    look()
    assert min(seen[True], seen[False]) > 30, seen


@given(responses())
def test_a_response_cut_short_is_never_taken_for_a_whole_one(data: bytes) -> None:
    if b"onnection: close" in data:
        return  # its end is where the connection ends
    for end in range(len(data)):
        with pytest.raises(Garbled):
            read(data[:end])


@given(st.binary(max_size=300), st.lists(st.integers(0, 1_000), max_size=4))
@example(b"\r\n\r\n", [])
@example(b"HTTP/1.1 200 \xff\r\n: \r\n\r\n", [])
def test_nonsense_is_garbled_or_read_but_nothing_else_is_raised(
    tail: bytes, cuts: list[int]
) -> None:
    for begin in (b"", OK, CHUNKED, OK + b"content-length: 10\r\n\r\n"):
        try:
            read(begin + tail, *cuts)
        except Garbled:
            continue


@pytest.mark.parametrize(
    "data",
    [
        OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"content-length: +5\r\n\r\nhello",
        OK + b"content-length: 5, 5\r\n\r\nhello",
        OK + b"content-length: 0x5\r\n\r\nhello",
        OK + b"content-length: " + b"9" * 30 + b"\r\n\r\n",
        OK + b" folded: 1\r\n\r\n",
        OK + b"name : 1\r\n\r\n",
        OK + b"a: b\nc: d\r\n\r\n",
        OK + b"a: b\x00c\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 99 \r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + OK + b"content-length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"-1\r\n\r\n",
        CHUNKED + b"5\r\nhello0\r\n\r\n",
        CHUNKED + b"ffffffffffffffff\r\nx",
        CHUNKED + b"5\nhello\r\n0\r\n\r\n",
        CHUNKED + b"0\r\nbad trailer\r\n\r\n",
        CHUNKED + b"1;" + b"x" * 2_000,
        CHUNKED + b"0\r\n" + b"x-y: zzzzzzzzzz\r\n" * 10_000,
        OK + b"a: " + b"b" * MOST_HEAD + b"\r\n\r\n",
        b"x" * (MOST_HEAD + 1),
    ],
)
def test_a_response_whose_end_is_in_doubt_is_garbled(data: bytes) -> None:
    with pytest.raises(Garbled):
        read(data)


def test_bytes_after_the_end_make_the_connection_unfit_for_another_request() -> None:
    whole = OK + b"content-length: 2\r\n\r\nhi"
    assert read(whole)[3]
    assert not read(whole + b"HTTP/1.1 200 OK\r\n")[3]
    assert not read(CHUNKED + b"0\r\n\r\nmore")[3]
    assert not read(b"HTTP/1.1 204 No\r\n\r\nmore")[3]
    assert not read(OK + b"connection: Close\r\ncontent-length: 0\r\n\r\n")[3]
    assert not read(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n")[3]
