"""Whatever is handed in is read, or said to be unread and why; nothing stops the rest, nothing is silent."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, Final

import pytest

from lanewise.audit.database import database
from lanewise.audit.logs.importing import Wishes, load
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.logs.sources import Source, parted
from lanewise.errors import BadInput

from .conftest import rows_of, write

ONE: Final[dict[str, Any]] = {
    "created_at": "2026-03-02T12:00:00Z",
    "provider": "openai",
    "model": "gpt-5",
    "tokens_in": 80,
    "tokens_out": 5,
}


def test_broken_lines_are_counted_and_named_without_their_content(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    good = json.dumps(
        ONE | {"metadata": {"workflow": "a\u2028b\u0085c"}}, ensure_ascii=False
    ).encode()
    log.write_bytes(
        b"\n".join(
            [
                good,
                b'{"secret": ',
                b"",
                b"[1]",
                good,
                b'{"model": "\xff"}',
                b'{"other": 1}',
                good + b"\r",
            ]
        )
    )
    imported, rows = rows_of(log)
    (read,) = imported.read
    assert (read.rows, read.unread, len(rows)) == (3, 4, 3)
    assert [line.number for line in read.samples] == [2, 4, 6]
    assert not any("secret" in line.why for line in read.samples)
    assert {row["workflow"] for row in rows} == {"a\u2028b\u0085c"}


def test_a_file_whose_first_line_is_broken_is_still_lines(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"model": "cut\n' + json.dumps(ONE) + "\n", encoding="utf-8")
    imported, rows = rows_of(log)
    assert (len(rows), imported.broken) == (1, 1)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("shape", ["array", "page", "pages"])
def test_lists_and_pages_are_taken_apart(tmp_path: Path, shape: str, indent: int | None) -> None:
    two = [ONE, ONE | {"tokens_in": 90}]
    whole = {
        "array": json.dumps(two, indent=indent),
        "page": json.dumps({"result": two}, indent=indent),
        "pages": "\n".join(json.dumps({"result": [one]}, indent=indent) for one in two),
    }
    log = tmp_path / "log.json"
    log.write_text(whole[shape], encoding="utf-8")
    assert [row["input"] for row in rows_of(log)[1]] == [80, 90]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("shape", "rows", "lost"),
    [
        ("cut", 4, 1), ("more", 5, 1), ("comma", 5, 0), ("lists", 10, 0), ("letters", 5, 0),
        ("documents", 1, 1),
    ],
)  # fmt: skip
def test_of_lists_that_break_off_what_is_whole_is_read(
    shape: str, rows: int, lost: int, indent: int | None, tmp_path: Path
) -> None:
    whole = json.dumps([ONE] * 5, indent=indent)
    one = json.dumps(ONE, indent=2)
    text = {
        "cut": whole[:-40],
        "more": whole + "and more",
        "comma": whole[:-1] + ",]",
        "lists": f"{whole}\n{whole}\n",
        "letters": whole,
        "documents": f"{one}\n{{ no: 1 }}\n{one}",
    }[shape]
    log = tmp_path / "log.json"
    log.write_bytes(text.encode().replace(b"gpt-5", b"gpt-\xff", shape == "letters"))
    imported, found = rows_of(log)
    assert (len(found), imported.broken, imported.read[0].file) == (rows, lost, str(log))
    assert [line.why for line in imported.read[0].samples] == lost * [
        "no JSON from here on: nothing after this is read"
    ]


def test_a_long_list_that_breaks_off_is_read_to_there(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text(json.dumps([ONE | {"tokens_in": n} for n in range(60_000)], indent=1)[:-60])
    imported, rows = rows_of(log)
    assert (len(rows), imported.broken) == (59_999, 1)


def test_folders_globs_and_compressed_files_are_read_once(tmp_path: Path) -> None:
    line = (json.dumps(ONE) + "\n").encode()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "x.jsonl.gz").write_bytes(gzip.compress(line))
    (inner / "y.jsonl").write_bytes(line)
    (inner / "notes.md").write_bytes(b"# no log")
    imported, rows = rows_of(tmp_path / "a", tmp_path / "a" / "*" / "*.jsonl", inner / "y.jsonl")
    assert len(rows) == 2
    assert [Path(one.file).name for one in imported.unread] == ["notes.md"]


def test_zstandard_is_read(tmp_path: Path) -> None:
    import sys

    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    log = tmp_path / "x.jsonl.zst"
    log.write_bytes(zstd.compress((json.dumps(ONE) + "\n").encode()))
    assert len(rows_of(log)[1]) == 1


def test_parquet_is_read_with_its_own_types(tmp_path: Path) -> None:
    import duckdb

    log = tmp_path / "x.parquet"
    duckdb.execute(
        f"COPY (SELECT TIMESTAMP '2026-03-02 12:00:00' AS created_at, 'openai' AS provider, "
        f"80 AS tokens_in, 5::SMALLINT AS tokens_out, {{'workflow': 'w'}} AS metadata) TO '{log}'"
    )
    (row,) = rows_of(log)[1]
    assert (row["at"], row["input"], row["workflow"]) == (1_772_452_800.0, 80, "w")


def test_what_is_of_no_known_format_is_named_with_what_is_nearest(tmp_path: Path) -> None:
    good = write(tmp_path / "good.jsonl", [ONE])
    odd = write(tmp_path / "odd.jsonl", [{"created_at": 1, "tokens_in": 2, "mood": "secret"}])
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress((json.dumps(ONE) + "\n").encode() * 50)[:-20])
    imported, rows = rows_of(tmp_path)
    assert (len(rows), [one.file for one in imported.read]) == (1, [str(good)])
    why = {one.file: one.why for one in imported.unread}
    assert "nearest is cloudflare, but tokens_out is not there" in why[str(odd)]
    assert "secret" not in why[str(odd)]
    assert "could not read it" in why[str(cut)] or "cannot" in why[str(cut)]


def test_where_nothing_is_known_the_error_says_what_would_be(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"fields are mood(.|\n)*litellm(.|\n)*--map"):
        rows_of(write(tmp_path / "odd.jsonl", [{"mood": 1}]))
    with pytest.raises(BadInput, match="a folder, a glob"):
        rows_of(tmp_path / "nowhere*.jsonl")


def test_a_line_of_many_megabytes_is_read(tmp_path: Path) -> None:
    large = ONE | {"metadata": {"workflow": "w", "note": "x" * 40_000_000}}
    imported, rows = rows_of(write(tmp_path / "log.jsonl", [ONE, large]))
    assert (len(rows), imported.broken, imported.unread) == (2, 0, ())


def test_a_broken_row_of_a_table_is_counted(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    names = ",".join(ONE)
    good = ",".join(map(str, ONE.values()))
    log.write_text(f"{names}\n{good}\n{good},one,too,many\n{good}\n", encoding="utf-8")
    imported, rows = rows_of(log)
    assert (len(rows), imported.broken) == (2, 1)
    assert imported.read[0].samples[0].number == 3


def test_a_mapping_reads_any_log(tmp_path: Path) -> None:
    log = write(
        tmp_path / "own.jsonl",
        [
            {
                "when": 1_772_452_800_000,
                "m": "openai/gpt-5",
                "use": {"new": 3, "hit": 70, "out": 5},
                "ms": 900,
                "q": "Hi",
            }
        ],
    )
    wanted = mapped(
        "at=when,model=m,uncached_tokens=use.new,cached_tokens=use.hit,output_tokens=use.out,latency_ms=ms,prompt=q"
    )
    (row,) = rows_of(log, wishes=Wishes(wanted))[1]
    assert (row["at"], row["model"], row["provider"]) == (1_772_452_800.0, "gpt-5", "openai")
    assert (row["input"], row["cached"], row["output"], row["seconds"]) == (73, 70, 5, 0.9)
    assert (row["prompt_bytes"], row["n"], row["aggregate"]) == (2, 1, False)


def test_a_mapping_of_buckets_and_of_tables(tmp_path: Path) -> None:
    log = tmp_path / "own.csv"
    log.write_text('day,calls,tokens,"who, when"\n2026-03-02,9,80,me\n', encoding="utf-8")
    wanted = mapped("at=day,requests=calls,input_tokens=tokens")
    (row,) = rows_of(log, wishes=Wishes(wanted, "gpt-5"))[1]
    assert (row["n"], row["aggregate"], row["input"], row["model"]) == (9, True, 80, "gpt-5")


@pytest.mark.parametrize(
    ("name", "text", "pairs"),
    [
        (
            "a.csv",
            'When,Model Name,tok.in,"a, b"\n2026-03-02,gpt-5,"1,234",x\n',
            "at=when,model=Model Name,input_tokens=tok.in",
        ),
        (
            "b.jsonl",
            '{"t": 1772409600, "m": "gpt-5", "tok.in": 1234}\n',
            "at=t,model=m,input_tokens=tok.in",
        ),
        (
            "c.jsonl",
            '{"t": 1772409600, "m": "gpt-5", "u": [{"in": 0}, {"in": 1234}]}\n',
            "at=t,model=m,input_tokens=u.1.in",
        ),
        (
            "d.json",
            '{"data": [{"t": 1772409600, "tok": {"in": "1234"}}]}',
            "at=t,model==gpt-5,input_tokens=tok.in",
        ),
        ("e.csv", 't,u\n2026-03-02,"{""in"": 1234}"\n', "at=t,model==gpt-5,input_tokens=u.in"),
    ],
)
def test_a_mapping_finds_fields_however_they_are_kept(
    name: str, text: str, pairs: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    (row,) = rows_of(tmp_path / name, wishes=Wishes(mapped(pairs)))[1]
    assert (row["at"], row["model"], row["input"]) == (1_772_409_600.0, "gpt-5", 1234)


def test_a_mapping_has_units_and_values_that_are_always_so(tmp_path: Path) -> None:
    log = write(
        tmp_path / "own.jsonl", [{"t": 10, "e": 12, "i": 3, "c": 25, "s": 429, "r": "x"}] * 2
    )
    pairs = "at=t,ended=e,input_tokens=i,cost_cents=c,status=s,id=r,lane==batch,workflow==night"
    imported, (row,) = rows_of(log, wishes=Wishes(mapped(pairs)))
    assert (row["seconds"], row["cost_nano"], row["ok"]) == (2.0, 250_000_000, False)
    assert (row["lane"], row["workflow"]) == ("batch", "night")
    assert "1 row has the id of another" in imported.read[0].notes[0]


def test_fields_that_are_not_there_are_named_with_what_is(tmp_path: Path) -> None:
    log = write(tmp_path / "own.jsonl", [{"time": 1, "usage": {"input": 3}, "x" * 99: "secret"}])
    with pytest.raises(
        BadInput, match=r"no field when, no field usage.inputs \(did you mean usage.input\?\)"
    ) as no:
        rows_of(log, wishes=Wishes(mapped("at=when,input_tokens=usage.inputs")))
    assert "its fields are time, usage" in str(no.value)
    assert "xxx" not in str(no.value)


def test_a_field_that_no_record_has_is_told_where_it_may_be_left_out(tmp_path: Path) -> None:
    """Of lines it is, unless it looks like a slip; a table has the column or not."""
    log = write(
        tmp_path / "own.jsonl", [{"t": n, "i": 3} for n in range(300)] + [{"t": 1, "hit": 2}]
    )
    wanted = mapped("at=t,input_tokens=i,cached_tokens=hit,user=usr")
    imported, rows = rows_of(log, wishes=Wishes(wanted))
    assert (len(rows), sum(row["cached"] or 0 for row in rows)) == (301, 2)
    assert imported.read[0].notes == ("no field usr; its fields are t, i, hit",)
    table = write(tmp_path / "own.csv", [{"t": "1", "i": "3"}])
    with pytest.raises(BadInput, match="no field hit, no field usr; its fields are t, i"):
        rows_of(table, wishes=Wishes(wanted))


def test_a_format_is_told_though_its_first_records_are_empty(tmp_path: Path) -> None:
    empty = {"object": "bucket", "start_time": 1, "end_time": 2, "results": []}
    full = empty | {"results": [{"input_tokens": 5, "num_model_requests": 1, "model": "gpt-5"}]}
    imported, rows = rows_of(write(tmp_path / "usage.jsonl", [*[empty] * 300, full]))
    assert (len(rows), imported.read[0].format) == (1, "openai_usage")


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ("model", "NAME=FIELD"),
        ("modle=m,input_tokens=i", r"did you mean model\?\); it takes at, model"),
        ("input_tokens==5", "no field"),
        ("input_tokens=a,model=A", "differ in their case alone"),
        ("model=m", "at least input_tokens"),
        ("seconds=a,latency_ms=b,input_tokens=c", "seconds twice"),
    ],
)
def test_a_mapping_that_cannot_be_used_says_what_could(pairs: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        mapped(pairs)


@pytest.mark.parametrize(
    ("most", "room", "parts"),
    [
        (9, None, [[3, 3, 10, 1, 1]]),
        (2, None, [[3, 3], [10, 1], [1]]),
        (9, 6, [[3, 3], [10], [1, 1]]),
        (1, 6, [[3], [3], [10], [1], [1]]),
    ],
)
def test_files_are_read_so_many_at_once_and_of_so_many_bytes(
    tmp_path: Path, most: int, room: int | None, parts: list[list[int]]
) -> None:
    sources = []
    for number, size in enumerate([3, 3, 10, 1, 1]):
        path = tmp_path / str(number)
        path.write_bytes(b"x" * size)
        sources.append(Source(str(path), "lines", str(path)))
    found = list(parted(sources, most, room))
    assert [[Path(one.path).stat().st_size for one in part] for part in found] == parts
    assert [one for part in found for one in part] == sources


def test_a_field_may_have_the_name_of_a_mark_in_our_statements(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"{model}": "gpt-4o", "{format}": 9, "{rows}": 3}\n', encoding="utf-8")
    form = mapped("model={model},input_tokens={format},output_tokens={rows}")
    with database() as connection:
        load(connection, (str(log),), Wishes(form, "{rows}"))
        found = connection.execute("SELECT model, input, output, format FROM requests").fetchall()
    assert found == [("gpt-4o", 9, 3, "map")]
