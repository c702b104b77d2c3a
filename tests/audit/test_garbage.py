"""Whatever stands between good lines, each is a row or counted as unreadable, and none ends the audit."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import rows_of
from .test_formats import RECORDS, otlp, span

ONE: Final = json.dumps(
    {"created_at": "2026-03-02T12:00:00Z", "model": "gpt-5", "tokens_in": 80, "tokens_out": 5}
).encode()
SPAN: Final = json.dumps(
    otlp(span("a", "", gen_ai__request__model="gpt-5", gen_ai__usage__input_tokens=80))
).encode()
RUN: Final = json.dumps(RECORDS["litellm"][0]).encode()
SPOILT: Final = {
    "no UTF-8": b'{"model": "\xff\xfe"}',
    "NUL": b"\x00\x00",
    "NUL inside": b'{"model": "a\x00b"}',
    "cut": ONE[:-9],
    "a number of 5,000 digits": b'{"mood": ' + b"9" * 5000 + b"}",
    "10,000 lists": b"[" * 10_000 + b"]" * 10_000,
    "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "10,000 that do not close": b'{"a":' * 10_000,
    "a lone surrogate": b'{"model": "\\ud800"}',
    "two on one line": ONE + b" " + ONE,
    "a list": b"[" + ONE + b"]",
    "nothing": b"null",
    "an empty object": b"{}",
    "another format": b'{"mood": 1}',
    "a mark in the middle": b"\xef\xbb\xbf" + ONE,
    "carriage returns": b"a\rb\rc",
    "Python": ONE.replace(b'"', b"'"),
}


@pytest.mark.parametrize("name", SPOILT)
@pytest.mark.parametrize("good", [ONE, SPAN, RUN], ids=["cloudflare", "otlp", "litellm"])
def test_a_spoilt_line_is_counted_and_named(name: str, good: bytes, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(
        b"\n".join([good.replace(b"80", b"7%d" % n) for n in range(4)] + [SPOILT[name], good])
    )
    imported, _ = rows_of(log)
    (read,) = imported.read
    assert (read.unread, [line.number for line in read.samples]) == (1, [5])
    assert not any("mood" in line.why or "model" in line.why for line in read.samples)


@pytest.mark.parametrize(
    "text", ["\u2028", "\u0085", "a\\nb", "\\u0000", "\U0001f600", "x" * 3_000_000], ids=repr
)
def test_texts_may_hold_what_they_like(text: str, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    long = ONE[:-1] + b', "metadata": {"workflow": "w", "note": "' + text.encode() + b'"}}'
    log.write_bytes(b"\n".join([ONE, long, ONE]))
    imported, rows = rows_of(log)
    assert (len(rows), imported.broken) == (3, 0)
    assert [row["workflow"] for row in rows].count("w") == 1


garbage = st.one_of(
    st.sampled_from(sorted(SPOILT.values())),
    st.binary(max_size=40),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.integers(1, len(ONE) - 1).map(lambda size: ONE[:size]),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ).map(lambda value: json.dumps(value).encode()),
)  # fmt: skip


@given(
    lines=st.lists(
        st.one_of(st.just(ONE), garbage.map(lambda line: line.replace(b"\n", b" "))), max_size=30
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_rows_and_unreadable_lines_are_all_lines(lines: list[bytes]) -> None:
    """But for blank ones. The first is good, so that the file is known for what it is."""
    lines = [ONE, *lines]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        log.write_bytes(b"\n".join(lines) + b"\n")
        imported, rows = rows_of(log)
    told = sum(1 for line in lines if line.strip())
    assert len(rows) + imported.broken == told
    assert len(rows) == sum(1 for line in lines if line.strip() == ONE)
