"""Lines, sources and ids: nothing is lost, nothing is out of order, nothing is held."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tracemalloc
from itertools import count, islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanewise.errors import BadInput
from lanewise.intake import Accepted, Broken, ReadOptions, describe, name_of, read
from lanewise.intake.duplicates import DuplicateWatch, entry_at
from lanewise.intake.splitting import Oversized, split

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SEPARATORS = "\u2028\u2029\u0085\x0b\x0c"
GOOD = b'{"custom_id":"a","params":{"model":"m","max_tokens":1,"messages":[{}]}}'


class Dribble:
    """A stream that gives its bytes in pieces of the sizes it is told."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._stream = io.BytesIO(data)
        self._sizes = iter(sizes)

    def read(self, size: int, /) -> bytes:
        return self._stream.read(min(size, next(self._sizes, size)))


def numbered(caller_id: object) -> bytes:
    return GOOD.replace(b'"a"', json.dumps(str(caller_id)).encode(), 1)


# -- lines ---------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=20), max_size=20), st.integers(0, 12))
def test_any_blocks_give_the_same_lines(pieces, limit):
    whole = b"".join(pieces)
    lines = whole.split(b"\n")
    expected = lines if lines[-1] else lines[:-1]
    assert list(split(pieces, limit)) == [
        line if len(line) <= limit else Oversized(len(line), limit) for line in expected
    ]


lines_of_all_kinds = st.one_of(
    st.sampled_from([b"", b" \t\r", b"{}", b"[1]", b'{"a":', GOOD, GOOD + b"\r", GOOD[:-1] + b"]"]),
    st.integers(0, 9).map(numbered),
    st.binary(max_size=60).filter(lambda line: b"\n" not in line),
    st.text(alphabet='abc"\\{}[],:' + SEPARATORS, max_size=30).map(str.encode),
)


@settings(max_examples=150)
@given(st.lists(lines_of_all_kinds, max_size=12), st.lists(st.integers(1, 40)), st.booleans())
@example([b'{"custom_id":"a","body":\xff}'], [], False)
def test_every_line_is_accepted_broken_or_blank_in_order(lines, sizes, renumber):
    text = b"\n" + b"\n".join(lines)  # an empty first line: neither compressed nor with a mark
    written = text.split(b"\n")
    options = ReadOptions(line_limit=200, renumber=renumber)
    got = list(read([Dribble(text, sizes)], options))
    assert [line.number for line in got] == [n for n, line in enumerate(written, 1) if line.strip()]
    for line in got:
        if isinstance(line, Accepted):
            json.loads(line.body)
            json.loads(written[line.number - 1])
    ids = [line.caller_id for line in got if isinstance(line, Accepted)]
    assert len(ids) == len(set(ids))


@settings(max_examples=300)
@given(st.data())
def test_whatever_is_accepted_is_json_in_utf8(data):
    """A good line with a few bytes put in, taken out or changed; Python's json is the judge."""
    line = bytearray(numbered('é\\"x'))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(line)))
        end = min(len(line), at + data.draw(st.integers(0, 2)))
        line[at:end] = data.draw(
            st.sampled_from([b"", b'"', b"}", b"{", b"]", b",", b"\xff", b"x", b"}}", b"\\", b" "])
        )
    for got in read([io.BytesIO(bytes(line))], ReadOptions()):
        if isinstance(got, Accepted):
            assert json.loads(got.body.decode()) == json.loads(bytes(line).decode())["params"]


def test_only_a_newline_ends_a_line(lines, read_bytes):
    body = lines.chat(messages=[{"content": SEPARATORS[:3]}])
    text = json.dumps(lines.openai(body=body), ensure_ascii=False).encode()
    [got] = read_bytes(text)
    assert json.loads(got.body) == body


def test_blank_lines_are_passed_over_and_counted(read_bytes):
    got = read_bytes(b"\n  \t\n" + numbered(1) + b"\r\n\r\n\n" + numbered(2))
    assert [(r.number, r.caller_id) for r in got] == [(3, "1"), (6, "2")]


@pytest.mark.parametrize("text", [b"", b"\n", b"\xef\xbb\xbf", b"\r\n \n"])
def test_an_input_without_lines_gives_nothing(read_bytes, text):
    assert read_bytes(text) == []


def test_a_byte_order_mark_begins_a_source_only(read_bytes):
    marked = b"\xef\xbb\xbf" + numbered(1)
    first, second = read_bytes(marked + b"\n\xef\xbb\xbf" + numbered(2))
    assert first.caller_id == "1"
    assert isinstance(second, Broken)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"a":nope}', "not JSON: invalid character (byte 6)"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":-Infinity}', "not JSON"),
        (b'{"a":1', "ends too early"),
        (b"[1]", "expected `object`, got `array`"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 7"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (GOOD + GOOD, "not JSON"),
        (GOOD[:-1] + b"]", "not JSON"),
        (numbered(1).replace(b"[{}]", b"[" * 9_999 + b"]" * 9_999), "nested too deeply"),
    ],
)
def test_a_line_that_is_not_json_says_where(why, line, said):
    assert said in why(line)


def test_a_line_over_the_limit_is_reported_with_its_size_and_the_next_is_read(read_bytes):
    limit = len(GOOD)
    got = read_bytes(GOOD + b" \n" + b"x" * 3_000_000 + b"\n" + numbered("b"), line_limit=limit)
    assert [type(line) for line in got] == [Broken, Broken, Accepted]
    assert "3,000,000 bytes, more than the limit of" in got[1].why
    assert got[2].number == 3


def test_a_long_line_is_not_held():
    """40 MB without a newline, with a limit of 2 MB, take a few blocks."""
    data = (b"x" * 1_000_000 for _ in range(40))
    tracemalloc.start()
    try:
        assert list(split(data, 2_000_000)) == [Oversized(40_000_000, 2_000_000)]
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


# -- sources -------------------------------------------------------------------------------------

PACKED = {"plain": bytes, "gzip": gzip.compress, "zstd": zstd.compress}
TEXT = b"".join(numbered(n) + b"\n" for n in range(2_000))


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_a_file_is_what_its_first_bytes_say(tmp_path, pack):
    path = tmp_path / "input.txt"
    path.write_bytes(pack(TEXT) + pack(b"\n" + numbered("last")))
    got = list(read([path], ReadOptions()))
    assert [r.caller_id for r in got] == [*map(str, range(2_000)), "last"]
    assert got[-1].number == 2_002


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
@settings(max_examples=20)
@given(sizes=st.lists(st.integers(1, 9), max_size=20))
def test_a_stream_may_come_in_pieces_of_any_size(pack, sizes):
    text = b"\xef\xbb\xbf" + numbered(1) + b"\n" + numbered(2)
    got = list(read([Dribble(pack(text), sizes)], ReadOptions()))
    assert [r.caller_id for r in got] == ["1", "2"]


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_compressed_data_that_is_cut_off_is_one_error_naming_the_source(tmp_path, pack):
    path = tmp_path / "half.jsonl"
    path.write_bytes(pack(TEXT)[:-20])
    with pytest.raises(BadInput, match=r"half\.jsonl.*cut off"):
        list(read([path], ReadOptions()))


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_compressed_data_that_is_damaged_is_one_error_naming_the_source(tmp_path, pack):
    path = tmp_path / "bad.jsonl"
    data = bytearray(pack(TEXT))
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff" * 40
    path.write_bytes(bytes(data))
    with pytest.raises(BadInput, match=r"bad\.jsonl"):
        list(read([path], ReadOptions()))


def test_a_missing_file_and_a_directory_are_named(tmp_path):
    with pytest.raises(BadInput, match=r"gone\.jsonl: there is no such file"):
        list(read([tmp_path / "gone.jsonl"], ReadOptions()))
    with pytest.raises(BadInput, match="is a directory"):
        list(read([str(tmp_path)], ReadOptions()))


def test_a_source_that_fails_while_it_is_read_is_named():
    class Failing:
        name = "<tape>"

        def read(self, _size: int, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(BadInput, match="cannot read tape: Input/output error"):
        list(read([Failing()], ReadOptions()))


def test_sources_are_opened_when_their_turn_comes(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD)
    reading = read([path, tmp_path / "gone.jsonl"], ReadOptions())
    assert isinstance(next(reading), Accepted)
    with pytest.raises(BadInput):
        next(reading)


def test_standard_input_is_a_dash(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD)))
    [got] = read(["-"], ReadOptions())
    assert got.caller_id == "a"
    assert name_of("-") == "stdin"


def test_sources_are_told_apart_and_each_numbers_its_own_lines(read_bytes):
    sources = [io.BytesIO(b"\n" + numbered(1)), [], io.BytesIO(numbered(2)), [numbered(3)]]
    got = read(sources, ReadOptions())
    assert [(r.source, r.number) for r in got] == [(0, 2), (2, 1), (3, 1)]


def test_requests_in_memory_may_be_dicts_or_json(lines):
    pretty = json.dumps(lines.openai("b"), indent=2).encode()
    first, second = read([[lines.openai("a"), pretty]], ReadOptions())
    assert json.loads(first.body) == json.loads(second.body) == lines.chat()
    assert b"\n" not in second.body


@pytest.mark.parametrize("value", [float("nan"), {1}, "\ud800", object()])
def test_a_value_that_json_cannot_say_is_broken_not_changed(lines, value):
    got = list(read([[lines.openai(body=lines.chat(top=value)), GOOD]], ReadOptions()))
    assert [type(line) for line in got] == [Broken, Accepted]
    assert "cannot be written as JSON" in got[0].why


def test_reading_is_lazy_and_memory_stays_flat():
    endless = (numbered(n) for n in count())
    reading = read([endless], ReadOptions())
    for _ in islice(reading, 1_000):
        pass
    tracemalloc.start()
    try:
        for _ in islice(reading, 20_000):
            pass
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


# -- ids -----------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=3), max_size=60))
def test_every_repetition_of_an_id_is_found_and_no_other(ids):
    watch = DuplicateWatch()
    found = [watch.first(caller_id, place) for place, caller_id in enumerate(ids)]
    assert found == [
        None if ids.index(caller_id) == place else ids.index(caller_id)
        for place, caller_id in enumerate(ids)
    ]


def test_an_id_costs_little_memory():
    """A third of what a set takes; with more ids it comes down to twelve bytes each."""
    tracemalloc.start()
    try:
        watch = DuplicateWatch()
        for place in range(100_000):
            assert watch.first(f"x{place}", place) is None
        assert tracemalloc.get_traced_memory()[0] < 100_000 * 26
    finally:
        tracemalloc.stop()
    assert watch.first("x77", 9) == 77


def test_a_key_that_lies_across_two_entries_is_not_a_repetition():
    bucket = bytearray(b"aaaaaa12345" + b"bbbbbb67890")
    assert entry_at(bucket, b"a12345", 11) == -1
    assert entry_at(bucket, b"345bbb", 11) == -1
    assert entry_at(bucket, b"bbbbbb", 11) == 11


def test_a_repeated_id_names_the_line_that_had_it_first(lines):
    first = io.BytesIO(b"\n" + numbered("x") + b"\n" + numbered("y"))
    first.name = "first.jsonl"
    got = list(read([first, [numbered("y"), numbered("x")]], ReadOptions()))
    assert [type(line) for line in got] == [Accepted, Accepted, Broken, Broken]
    assert "already that of first.jsonl:3" in got[2].why
    assert "already that of first.jsonl:2" in got[3].why
    assert "--renumber" in got[3].why


def test_renumbered_ids_are_unique_and_always_the_same():
    ids = ["a", "a~2", "a", "a", "b", "b", "b~2", "a"]
    got = [r.caller_id for r in read([[numbered(i) for i in ids]], ReadOptions(renumber=True))]
    assert got == ["a", "a~2", "a~3", "a~4", "b", "b~2", "b~2~2", "a~5"]


# -- for people ----------------------------------------------------------------------------------


def test_ten_broken_lines_are_shown_and_the_rest_counted():
    broken = [Broken(n, 0, "not JSON") for n in range(1, 43)]
    told = describe(broken, ["in.jsonl"]).split("\n")
    assert told[0] == "in.jsonl:1: not JSON"
    assert told[10:] == ["and 32 more"]
    assert describe(broken[:2], ["in.jsonl"]).count("\n") == 1
    assert describe(broken, ["in.jsonl"], total=5_010).endswith("and 5,000 more")
