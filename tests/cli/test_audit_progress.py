"""A long audit says what it is doing, to a terminal alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanewise.app.progress import Progress
from lanewise.audit.database import database
from lanewise.cli.audit_progress import shown


class _Long:
    """A connection whose query is at a third."""

    def query_progress(self) -> float:
        return 33.4


def test_it_says_what_is_done_and_the_share_where_that_is_known(tmp_path: Path) -> None:
    progress = Progress()
    with database(tmp_path) as connection:
        progress.at("reading the logs", connection)
        assert progress.words() == "reading the logs ..."
    progress.at("reading the logs", _Long())  # type: ignore[arg-type]
    assert progress.words() == "reading the logs: 33 %"


def test_nothing_is_said_where_nobody_looks_on(capsys: pytest.CaptureFixture[str]) -> None:
    with shown() as progress:
        progress.at("reading the logs")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_it_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # by which rich takes a stream for a terminal
    monkeypatch.setenv("TERM", "xterm")
    with shown() as progress:
        progress.at("adding up")
    out, err = capsys.readouterr()
    assert (out, "adding up" in err) == ("", True)
