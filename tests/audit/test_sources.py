"""Files as users have them: found once, unpacked by what they are, and named where they cannot be read."""

from __future__ import annotations

import functools
import gzip
import http.server
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from lanewise.errors import BadInput

from .conftest import rows_of

LINE: Final = (
    json.dumps(
        {"created_at": "2026-03-02T12:00:00Z", "model": "gpt-5", "tokens_in": 80, "tokens_out": 5}
    )
    + "\n"
).encode()
TABLE: Final = b"created_at,model,tokens_in,tokens_out\r\n2026-03-02T12:00:00Z,gpt-5,80,5\r\n"


def tar() -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        entry = tarfile.TarInfo("log.jsonl")
        entry.size = len(LINE)
        archive.addfile(entry, io.BytesIO(LINE))
    return whole.getvalue()


READ: Final[dict[str, tuple[str, bytes]]] = {
    "byte order mark": ("log.jsonl", b"\xef\xbb\xbf" + LINE),
    "carriage returns": ("log.jsonl", LINE.replace(b"\n", b"\r\n")),
    "UTF-16 lines": ("log.jsonl", LINE.decode().encode("utf-16")),
    "UTF-16 table": ("log.csv", TABLE.decode().encode("utf-16")),
    "gzip without its suffix": ("log.jsonl", gzip.compress(LINE)),
    "gzipped table without its suffix": ("log.csv", gzip.compress(TABLE)),
    "a suffix of gzip on plain lines": ("log.jsonl.gz", LINE),
    "no suffix": ("log", LINE),
    "a table without its suffix": ("log.txt", TABLE),
    "an array in a file of lines": ("log.jsonl", b"[" + LINE.strip() + b"]"),
    "no newline at the end": ("log.jsonl", LINE.strip()),
}


@pytest.mark.parametrize("case", READ)
def test_a_file_is_read_by_what_is_in_it(case: str, tmp_path: Path) -> None:
    name, content = READ[case]
    (tmp_path / name).write_bytes(content)
    imported, (row,) = rows_of(tmp_path / name)
    assert (row["input"], row["model"], imported.broken) == (80, "gpt-5", 0)
    assert [one.file for one in imported.read] == [str(tmp_path / name)]


REFUSED: Final[dict[str, tuple[str, bytes, str]]] = {
    "empty": ("log.jsonl", b"", "it is empty"),
    "blank": ("log.json", b" \n\n", "it is empty"),
    "empty and gzipped": ("log.jsonl.gz", gzip.compress(b""), "it is empty"),
    "zip": ("log.json", b"PK\x03\x04rest", "ZIP archive or a workbook.*plain, .gz and .zst"),
    "bzip2": ("log.jsonl", b"BZh91AY", "bzip2.*plain, .gz and .zst"),
    "tar": ("logs.tar.gz", tar(), "tar archive; unpack it"),
    "no Parquet": ("log.parquet", LINE, "name says Parquet, but it is none"),
    "cut gzip": ("log.jsonl.gz", gzip.compress(os.urandom(3000))[:2000], "cut off"),
    "an empty list": ("log.json", b"[]", "no record"),
    "a table of a head alone": ("log.csv", TABLE.split(b"\r\n")[0] + b"\n", "no record"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_cannot_be_read_is_named_with_the_reason_and_stops_nothing(
    case: str, tmp_path: Path
) -> None:
    name, content, why = REFUSED[case]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.jsonl").write_bytes(LINE)
    imported, rows = rows_of(tmp_path / name, tmp_path / "good.jsonl")
    assert len(rows) == 1
    ((file, said),) = [(one.file, one.why) for one in imported.unread]
    assert file == str(tmp_path / name)
    with pytest.raises(BadInput, match=why):
        raise BadInput(said)


def test_a_long_file_that_is_cut_off_says_so_and_none_of_it_is_counted(tmp_path: Path) -> None:
    lines = b"".join(LINE.replace(b"80", b"%d" % n) for n in range(20_000))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(lines)[:-40])
    (tmp_path / "good.jsonl").write_bytes(LINE)
    imported, rows = rows_of(tmp_path)
    assert len(rows) == 1
    assert "cut off" in imported.unread[0].why


@pytest.mark.parametrize(
    ("odd", "also"),
    [("st*r.jsonl", "stir.jsonl"), ("q?.jsonl", "qa.jsonl"), ("a[1].jsonl", "a1.jsonl")],
)
def test_names_that_look_like_globs_are_names_where_such_files_are(
    odd: str, also: str, tmp_path: Path
) -> None:
    for name in (odd, also, "with space.jsonl", "-dash.jsonl", "it's \N{SNOWMAN}.jsonl"):
        (tmp_path / name).write_bytes(LINE)
    imported, rows = rows_of(tmp_path)
    assert len(rows) == 5
    assert {(Path(one.file).name, one.rows) for one in imported.read} >= {(odd, 1), (also, 1)}


def test_a_file_is_read_once_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "a" / "log.jsonl"
    log.parent.mkdir()
    log.write_bytes(LINE)
    (tmp_path / "a" / "link.jsonl").symlink_to(log)
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "lost.jsonl").symlink_to(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    imported, rows = rows_of(Path("a"), log, Path("a/*.jsonl"), Path("a/../a/log.jsonl"))
    assert len(rows) == 1
    assert {one.file: one.why for one in imported.unread} == {
        "a/lost.jsonl": "it is no file, or a link to nothing"
    }


def test_a_path_that_cannot_be_looked_at_is_refused_with_the_reason() -> None:
    with pytest.raises(BadInput, match=r"cannot look for 'xxx.*: File name too long"):
        rows_of(Path("x" * 300))


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "log.jsonl").write_bytes(LINE)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "today").symlink_to(tmp_path / "real")
    assert len(rows_of(tmp_path / "logs")[1]) == 1


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv", "log.parquet"])
def test_names_of_folders_do_not_stand_in_for_fields(name: str, tmp_path: Path) -> None:
    import duckdb

    log = tmp_path / "model=other" / "tokens_in=1" / name
    log.parent.mkdir(parents=True)
    log.write_bytes(TABLE if name.endswith("csv") else LINE)
    if name.endswith("parquet"):
        log.with_suffix(".csv").write_bytes(TABLE)
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (FROM read_csv('{log.with_suffix('.csv')}', hive_partitioning = false)) TO '{log}'"
            )
    (row,) = rows_of(log)[1]
    assert (row["model"], row["input"]) == ("gpt-5", 80)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(LINE * 3),))
    writer.start()
    imported, rows = rows_of(pipe)
    writer.join()
    assert (len(rows), imported.read[0].file) == (3, str(pipe))


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TABLE)))
    imported, rows = rows_of(Path("-"))
    assert (len(rows), imported.read[0].file) == (1, "standard input")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """A web server over a folder; no line of its log goes anywhere."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    served = functools.partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), served) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_address_is_read_and_named_without_what_is_secret_in_it(
    host: str, tmp_path: Path
) -> None:
    from lanewise.audit.database import database
    from lanewise.audit.logs.importing import Wishes, load

    (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(LINE))
    with database() as connection:
        address = f"http://me:hidden@{host}/log.jsonl.gz?signature=hidden"
        imported = load(connection, (address,), Wishes())
        assert (imported.rows, imported.read[0].file) == (1, f"http://{host}/log.jsonl.gz")
        with pytest.raises(BadInput, match=r"lost\.jsonl: it answered 404") as refused:
            load(connection, (f"http://{host}/lost.jsonl?signature=hidden",), Wishes())
        assert "hidden" not in str(refused.value)


def test_a_bucket_is_read_through_the_file_system_for_it() -> None:
    """The same steps as for s3://, with the file system in memory that comes with fsspec."""
    fsspec = pytest.importorskip("fsspec")
    from lanewise.audit.database import database
    from lanewise.audit.logs.importing import Wishes, load

    bucket = fsspec.filesystem("memory")
    bucket.pipe({"/logs/a.jsonl": LINE, "/logs/b/c.jsonl": LINE, "/logs/notes.md": b"no log"})
    try:
        for address, rows in (
            ("memory://logs", 2),
            ("memory://logs/*.jsonl", 1),
            ("memory://logs/b/c.jsonl", 1),
        ):
            with database() as connection:
                imported = load(connection, (address,), Wishes())
            assert imported.rows == rows
            assert all(one.file.startswith("memory://logs/") for one in imported.read)
        with database() as connection, pytest.raises(BadInput, match="nothing at memory://none"):
            load(connection, ("memory://none",), Wishes())
    finally:
        bucket.rm("/logs", recursive=True)


def test_an_address_of_an_unknown_kind_says_what_it_needs() -> None:
    from lanewise.audit.logs.addresses import fetch
    from lanewise.audit.logs.staging import Stage

    with pytest.raises(BadInput, match="odd:// needs a file system of fsspec for odd; or get the"):
        list(fetch("odd://place/log.jsonl", Stage(Path("unused"))))
