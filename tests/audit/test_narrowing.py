"""Records that lie by the thousand in one line or document are read in little memory, each once."""

from __future__ import annotations

import errno
import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from lanewise.audit.database import database
from lanewise.audit.logs.broken import CUT, Line
from lanewise.audit.logs.importing import Wishes, load
from lanewise.audit.logs.narrowing import narrowed
from lanewise.audit.logs.sources import Source
from lanewise.audit.logs.staging import NoRoomError, Stage

_WITHIN = frozenset(("data",))


def _span(n: int) -> dict[str, Any]:
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5-mini",
        "pad": "x" * 400,
    }
    return {
        "traceId": f"{n:032x}", "spanId": f"{n:016x}",
        "startTimeUnixNano": f"177245280{n:010}", "endTimeUnixNano": f"177245281{n:010}",
        "attributes": [
            *({"key": key, "value": {"stringValue": value}} for key, value in texts.items()),
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": str(n)}},
        ],
    }  # fmt: skip


def _export(first: int, count: int, service: str) -> dict[str, Any]:
    attributes = [{"key": "service.name", "value": {"stringValue": service}}]
    spans = [_span(n) for n in range(first, first + count)]
    return {
        "resourceSpans": [
            {"resource": {"attributes": attributes}, "scopeSpans": [{"spans": spans}]}
        ]
    }


def _row(n: int) -> dict[str, Any]:
    return {
        "startTime": "2026-03-01T10:00:00", "spend": 0.001, "prompt_tokens": n, "completion_tokens": 5,
        "call_type": "acompletion", "model": "gpt-5-mini", "user": "\u2028ü" + "x" * 300, "messages": [],
    }  # fmt: skip


def _read(path: Path) -> list[Any]:
    with database() as connection:
        imported = load(connection, (str(path),), Wishes())
        (told,) = imported.read
        assert (told.file, told.unread) == (str(path), 0)
        return connection.execute(
            "SELECT count(*), count(DISTINCT input), sum(input)::BIGINT, list(DISTINCT workflow), "
            "count(DISTINCT file) FROM requests"
        ).fetchall()


def test_spans_by_the_thousand_in_a_line_are_each_read_once_with_their_resource(
    tmp_path: Path,
) -> None:
    path = tmp_path / "spans.jsonl"
    lines = (_export(start, 4_000, "web") for start in (0, 4_000))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert _read(path) == [(8_000, 8_000, sum(range(8_000)), ["web"], 1)]


@pytest.mark.parametrize("layout", [None, 1], ids=["one line", "many lines"])
def test_a_page_that_is_a_whole_log_is_read(tmp_path: Path, layout: int | None) -> None:
    path = tmp_path / "page.json"
    rows = [_row(n) for n in range(40_000)]
    path.write_text(json.dumps({"object": "list", "data": rows, "more": False}, indent=layout))
    assert path.stat().st_size > 16 << 20  # more than DuckDB takes for one value
    assert _read(path)[0][:3] == (40_000, 40_000, sum(range(40_000)))


@pytest.mark.parametrize(
    "text", ['{"data": 1}', '{"data": [{"a": 1}]} {"data": []}', "[1]", '{"x": [1, 2]}', ""]
)
def test_what_is_no_page_stays_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text)
    source = Source(str(path), "document", "odd.json")
    assert narrowed(source, Stage(tmp_path / "staged"), _WITHIN) is None


def test_a_page_that_is_cut_off_gives_the_records_before_and_says_where_it_breaks(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cut.json"
    path.write_text('{"a": 1, "data": [{"b": "\\u00fc"}, {"b": [1,\n 2]}, {"b": ')
    found = narrowed(Source(str(path), "document", "cut.json"), Stage(tmp_path / "staged"), _WITHIN)
    assert found is not None
    copy, cuts = found
    assert (copy.name, copy.layout, cuts) == ("cut.json", "lines", [Line(2, CUT)])
    assert [json.loads(line) for line in Path(copy.path).read_text().splitlines()] == [
        {"a": 1, "data": [{"b": "ü"}]}, {"a": 1, "data": [{"b": [1, 2]}]},
    ]  # fmt: skip


def test_a_log_in_a_page_that_breaks_off_is_read_up_to_there_and_the_rest_is_told(
    tmp_path: Path,
) -> None:
    path = tmp_path / "page.json"
    path.write_text(json.dumps({"data": [_row(n) for n in range(50)]})[:-200])
    with database() as connection:
        (told,) = load(connection, (str(path),), Wishes()).read
    assert (told.file, told.rows, told.unread, told.samples) == (str(path), 49, 1, (Line(1, CUT),))


def _noise(dice: random.Random) -> str:
    return f"{dice.getrandbits(80_000):x}"  # so that a packed file is about as long as a plain one


def _cut_off(shape: str) -> bytes:
    """A packed log whose end is missing."""
    dice = random.Random(1)
    rows = [_row(n) | {"user": _noise(dice)} for n in range(200)]
    spans = _export(0, 200, "web")
    for span in spans["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span["name"] = _noise(dice)
    text = {
        "lines": "".join(f"{json.dumps(row)}\n" for row in rows),
        "page": json.dumps({"data": rows}),
        "list": json.dumps(rows),
        "wide lines": f"{json.dumps(spans)}\n" * 2,
    }[shape]
    packed = gzip.compress(text.encode())
    return packed[: len(packed) * 3 // 4]


@pytest.mark.parametrize("shape", ["lines", "page", "list", "wide lines"])
def test_a_packed_file_that_is_cut_off_is_named_and_ends_no_audit(
    tmp_path: Path, shape: str
) -> None:
    cut, whole = tmp_path / "cut.jsonl.gz", tmp_path / "whole.jsonl"
    cut.write_bytes(_cut_off(shape))
    whole.write_text(json.dumps(_row(7)) + "\n")
    with database() as connection:
        imported = load(connection, (str(cut), str(whole)), Wishes())
    assert [(one.file, one.rows) for one in imported.read] == [(str(whole), 1)]
    (unread,) = imported.unread
    assert unread.file == str(cut)
    assert "the compressed data is cut off" in unread.why


def test_a_full_folder_is_told_as_that_and_not_as_a_bad_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.json"
    path.write_text(json.dumps({"data": [_row(n) for n in range(50)]}, indent=1))

    def full(*_: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(NoRoomError, match="TMPDIR names another folder"):
        narrowed(Source(str(path), "document", "page.json"), Stage(tmp_path / "staged"), _WITHIN)
