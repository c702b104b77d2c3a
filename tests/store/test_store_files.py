"""Files: private, rebuildable, never trusted blindly, and complete before a row names them."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.ids import SegmentId
from lanewise.domain.ordinals import Ordinals
from lanewise.domain.packing import Frame
from lanewise.domain.results import Verdict
from lanewise.errors import StoreUnusable
from lanewise.store.nouns import AccountRow, NewRun
from lanewise.store.records import Records, RecordTable
from lanewise.store.segments import Segment, SegmentWriter, rebuild_index
from lanewise.store.sqlite import SqliteStore, keeping
from lanewise.store.sqlite.connection import Database
from lanewise.store.sqlite.runs import is_abandoned

FRAME = Frame(b'{"custom_id":"', b'","method":"POST","url":"/v1/x","body":', b"}\n")
NAME = SegmentId("a" * 16)


def write_segment(folder: Path, bodies: list[bytes]) -> Segment:
    writer = SegmentWriter(folder, NAME, FRAME)
    for number, body in enumerate(bodies):
        digest = hashlib.sha256(body).digest()
        writer.append(
            body, digest, sequence=number, number=number + 1, caller_id=f"r{number}", units=1
        )
    writer.sync()
    return Segment(folder, NAME)


def test_a_home_and_everything_in_it_is_its_owners_only(desk: Any) -> None:
    desk.accept(2)
    [batch_id] = desk.pack()
    desk.settle(batch_id, [Verdict.ANSWERED] * 2)
    for path in desk.store.home.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert desk.store.home.stat().st_mode & 0o777 == 0o700


@given(
    bodies=st.lists(
        st.binary(max_size=50).map(lambda b: b'"' + b.hex().encode() + b'"'), min_size=1
    )
)
def test_any_selection_of_lines_is_read_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]
) -> None:
    segment = write_segment(tmp_path_factory.mktemp("s"), bodies)
    wanted = Ordinals.of(range(0, len(bodies), 2))
    data = b"".join(segment.chunks(wanted))
    assert data.splitlines() == [segment.line(n).rstrip(b"\n") for n in wanted]
    assert len(data) == segment.size_of(wanted)
    assert segment.verify() == len(bodies)
    assert list(segment.caller_ids()) == [f"r{n}" for n in range(len(bodies))]


def test_the_index_is_rebuilt_from_the_bodies_alone(tmp_path: Path) -> None:
    segment = write_segment(tmp_path, [b'{"n":%d}' % n for n in range(20)])
    before = [(entry.offset, entry.length, entry.content) for entry in segment.entries()]
    (tmp_path / f"{NAME}.idx").unlink()
    assert rebuild_index(tmp_path, NAME) == 20
    assert [(entry.offset, entry.length, entry.content) for entry in segment.entries()] == before


def test_a_body_that_was_changed_on_disk_is_noticed(tmp_path: Path) -> None:
    segment = write_segment(tmp_path, [b'{"n":1}', b'{"n":2}'])
    path = tmp_path / f"{NAME}.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"n":2}', b'{"n":3}'))
    with pytest.raises(StoreUnusable, match="request 1"):
        segment.verify()


@given(data=st.binary(max_size=200))
def test_an_index_of_random_bytes_is_refused_and_never_misread(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("s")
    (folder / f"{NAME}.idx").write_bytes(data)
    with pytest.raises(StoreUnusable):
        list(Segment(folder, NAME).entries())


@given(data=st.binary(max_size=200))
def test_records_of_random_bytes_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("r") / "1.res"
    path.write_bytes(data)
    with pytest.raises(StoreUnusable):
        Records(path)


def test_records_are_read_back_as_they_were_put(tmp_path: Path) -> None:
    table = RecordTable(3)
    table.put(
        1, Verdict.ANSWERED, file=1, status=200, offset=2**40, length=9, usage=None, cost_nano=-5,
        baseline_nano=7,
    )  # fmt: skip
    table.write(tmp_path / "1.res")
    first, second, _third = Records(tmp_path / "1.res")
    assert (first.verdict, first.priced) == (Verdict.MISSING, 0)
    assert (second.offset, second.cost_nano, second.baseline_nano, second.priced) == (
        2**40,
        -5,
        7,
        1,
    )


def test_a_home_written_by_a_newer_lanewise_is_refused_with_the_cure(tmp_path: Path) -> None:
    SqliteStore.open(tmp_path / "home", now=0.0).close()
    database = sqlite3.connect(tmp_path / "home" / "lanewise.db")
    database.execute("PRAGMA user_version = 999")
    database.close()
    with pytest.raises(StoreUnusable, match=r"newer lanewise .*pip install -U lanewise"):
        SqliteStore.open(tmp_path / "home", now=0.0)


def test_a_damaged_database_is_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "lanewise.db").write_bytes(b"no database at all" * 1_000)
    with pytest.raises(StoreUnusable, match="restore a backup"):
        SqliteStore.open(tmp_path / "home", now=0.0)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreUnusable, match="opening the home"):
        SqliteStore.open(tmp_path / "home", now=0.0)


CRASHER = """
import os, signal, sys, hashlib
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from conftest import FRAME, KEY, LIMITS
from lanewise.store.nouns import (AccountRow, NewRun)
from lanewise.store.sqlite import SqliteStore
store = SqliteStore.open(Path(sys.argv[1]), now=0.0)
draft = store.draft()
for number in range(2_000):
    body = b'{"n":%d}' % number
    draft.append(KEY, FRAME, LIMITS, body, hashlib.sha256(body).digest(), number=1, caller_id="r", units=1)
    if sys.argv[2] == "appending" and number == 1_500:
        os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "committing":
    store.commit_run = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
draft.commit(NewRun("w", "d", "s", 1.0), [AccountRow(KEY.account, "openai", "u")])
"""


@pytest.mark.parametrize("moment", ["appending", "committing"])
def test_a_run_whose_writer_was_killed_was_never_there_and_leaves_nothing(
    tmp_path: Path, moment: str
) -> None:
    home = tmp_path / "home"
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", CRASHER, str(home), moment, here], check=False)
    assert done.returncode == -signal.SIGKILL
    store = SqliteStore.open(home, now=0.0)
    assert store.runs() == []
    assert len(list((home / "segments").iterdir())) == 1
    store.sweep_files(0.0)
    assert list((home / "segments").iterdir()) == []
    store.close()


def test_the_files_of_a_draft_that_is_being_written_are_not_swept(desk: Any) -> None:
    draft = desk.store.draft()
    desk.store.sweep_files(1e12)
    assert len(list((desk.store.home / "segments").iterdir())) == 1
    draft.discard()


def test_a_run_that_is_committed_while_files_are_swept_keeps_its_bodies(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = desk.draft_of(1)

    def commits_meanwhile(directory: Path) -> bool:
        account = AccountRow(desk.lease.account, "openai", "http://x")
        draft.commit(NewRun("w", "d", "test", now=1.0), [account])
        return is_abandoned(directory)

    monkeypatch.setattr(keeping, "is_abandoned", commits_meanwhile)
    desk.store.sweep_files(1e12)
    assert any((desk.store.home / "segments" / draft.id).glob("*.jsonl"))


def test_a_commit_that_fails_leaves_the_store_usable(tmp_path: Path) -> None:
    """A deferred constraint fails at COMMIT itself, as a full disk may."""
    database = Database(tmp_path / "home")
    database.migrate()
    database.execute("CREATE TABLE a (id INTEGER PRIMARY KEY)")
    database.execute("CREATE TABLE b (a REFERENCES a DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), database.transaction():
        database.execute("INSERT INTO b VALUES (1)")
    with database.transaction():
        database.execute("INSERT INTO a VALUES (2)")
    assert [row[0] for row in database.all("SELECT id FROM a")] == [2]
    assert database.all("SELECT * FROM b") == []
    database.close()


def test_the_schema_after_all_migrations_is_the_one_written_down(desk: Any) -> None:
    database = sqlite3.connect(desk.store.home / "lanewise.db")
    rows = database.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    text = "".join(f"{row[0]};\n\n" for row in rows)
    database.close()
    snapshot = Path(__file__).parent / "schema.sql"
    if os.environ.get("LANEWISE_WRITE_SCHEMA"):
        snapshot.write_text(text)
    assert text == snapshot.read_text()


def test_the_schema_knows_exactly_the_states_of_the_domain(desk: Any) -> None:
    from lanewise.domain.batches import STATES

    schema = (Path(__file__).parent / "schema.sql").read_text()
    start = schema.index("state IN (", schema.index('CREATE TABLE "batches"'))
    listed = schema[start : schema.index(")", start)]
    assert {part.strip(" '\n") for part in listed.removeprefix("state IN (").split(",")} == {
        state.state for state in STATES
    }


def test_a_home_of_the_first_schema_keeps_its_books_when_it_is_opened(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    first = Path(keeping.__file__).parent / "schema" / "0001_batch_lane.sql"
    database = sqlite3.connect(home / "lanewise.db")
    database.executescript(first.read_text())
    database.execute("INSERT INTO facts VALUES ('home_id', 'a' || 'b')")
    database.execute("PRAGMA user_version = 1")
    database.execute(
        "INSERT INTO ledger (commit_id, run_id, workflow, provider, account, model, lane, kind, n, input, "
        "cache_read, cache_write_5m, cache_write_1h, cache_write_other, output, reasoning, other_units, "
        "cost_nano, baseline_nano, waste_nano, price_basis, price_status, at) VALUES ('b', 'r', 'w', "
        "'openai', 'x', 'm', 'batch', 'answer', 3, 10, 0, 0, 0, 0, 5, 0, '{}', 7, 14, 0, 'b', 'listed', 1.0)"
    )
    database.commit()
    database.close()
    store = SqliteStore.open(home, now=2.0)
    [entry] = store.ledger()
    money = store.money(workflow="w")
    store.close()
    assert (entry.row.cost_nano, entry.row.baseline_nano, entry.row.price) == (7, 14, None)
    assert (money.n, money.cost_nano, money.baseline_nano) == (3, 7, 14)
