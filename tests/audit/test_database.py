"""The audit's temporary database goes with the audit, however that ends, and says where it has no room."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lanewise.audit.database import database
from lanewise.errors import BadInput

_KILLED = """
import os, signal, sys
from pathlib import Path
from lanewise.audit.database import database
from lanewise.cli.ending import ending
with ending(), database(Path(sys.argv[1])) as connection:
    connection.execute("CREATE TABLE filled AS SELECT range AS n FROM range(300000)")
    assert os.listdir(sys.argv[1])
    os.kill(os.getpid(), int(sys.argv[2]))
    connection.execute("SELECT 1")
"""
_FULL = """
import resource, sys
from lanewise.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
main(["audit", sys.argv[1]])
"""


@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143)])
def test_nothing_is_left_when_a_signal_ends_it(tmp_path: Path, signal: int, code: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path), str(signal)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (code, "interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_an_error_ends_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), database(tmp_path):
        _ = len(list(tmp_path.iterdir())) // 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python would take another folder without a word, perhaps on a smaller disk."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))
    with pytest.raises(BadInput, match=r"absent: No such file.*set TMPDIR"), database():
        pass


def test_a_disk_without_room_is_told_from_a_log_that_cannot_be_read(tmp_path: Path) -> None:
    log, place = tmp_path / "calls.jsonl", tmp_path / "place"
    place.mkdir()
    line = '{"at": "2026-03-01T%02d:%02d:%02d", "model": "gpt-5-mini", "tokens": %d, "user": "%032x"}\n'
    with log.open("w") as file:
        for n in range(60_000):
            file.write(line % (n // 3600 % 24, n // 60 % 60, n % 60, n, n * 7919**7))
    map_ = ["--map", "at=at,model=model,input_tokens=tokens,user=user"]
    program = _FULL.replace("sys.argv[1]]", f"sys.argv[1], *{map_!r}]")
    ran = subprocess.run(
        [sys.executable, "-c", program, str(log)], env=os.environ | {"TMPDIR": str(place)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 2, ran.stderr
    assert f"temporary database in {place}: no room" in ran.stderr
    assert list(place.iterdir()) == []
