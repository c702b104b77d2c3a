"""No text of a prompt or an answer leaves an audit, unless somebody asks for samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from lanewise.app.auditing import auditing
from lanewise.audit.database import database
from lanewise.audit.logs.importing import Wishes
from lanewise.cli.main import cli
from lanewise.pricing import PriceBook

MARKER: Final = "Xyzzyplugh"
STATIC: Final = f"{MARKER} reads the report and says which team should have it.\n" * 90


def rows() -> Iterator[dict[str, Any]]:
    """A log in which every kind of lever that looks at texts finds something."""
    for n in range(60):
        orders = json.dumps([{MARKER: i, "n": n} for i in range(30)], indent=4)
        content = (
            f"Now: 2026-11-02 10:{n:02}:07. {STATIC}\x1b[31m{orders}\u202e" if n % 6 else STATIC
        )
        yield {
            "startTime": f"2026-11-02T10:{n:02}:00",
            "endTime": f"2026-11-02T10:{n:02}:02",
            "call_type": "acompletion",
            "spend": 0.01,
            "prompt_tokens": len(content) // 4,
            "completion_tokens": 3,
            "model": "gpt-4.1",
            "request_tags": '["workflow:triage"]',
            "messages": [{"role": "user", "content": content}],
            "response": {"choices": [{"message": {"content": MARKER}}]},
        }


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    lines = [json.dumps(row) for row in rows()]
    path.write_text("\n".join([*lines, f"{{{MARKER}"]) + "\n", encoding="utf-8")
    return path


def audit(folder: Path, *args: object) -> Result:
    return CliRunner().invoke(cli, ["audit", "--home", str(folder / "home"), *map(str, args)])


def written(folder: Path) -> str:
    """Everything that a command left behind."""
    return "".join(
        path.read_bytes().decode("latin-1")
        for path in folder.rglob("*")
        if path.is_file() and path.name != "log.jsonl"
    )


def test_without_being_asked_for_no_text_leaves(tmp_path: Path, log: Path) -> None:
    extra = ["--html", tmp_path / "a.html"] if "--html" in audit(tmp_path, "--help").output else []
    told = audit(tmp_path, log, "--write-policy", tmp_path / "p.toml", *extra)
    programs = audit(tmp_path, log, "--json")
    failed = audit(tmp_path, log, "--format", "cloudflare")
    assert told.exit_code == programs.exit_code == 0
    kinds = {one["lever"] for one in json.loads(programs.stdout)["levers"]}
    assert {"dedupe", "prompt", "lane"} <= kinds
    assert failed.exit_code != 0
    for said in (
        told.output,
        programs.output,
        failed.output,
        repr(failed.exception),
        written(tmp_path),
    ):
        assert MARKER not in said


def test_samples_are_shown_where_somebody_asks(tmp_path: Path, log: Path) -> None:
    told = audit(tmp_path, log, "--show-samples").output
    assert "triage, gpt-4.1\n  | " in told
    assert MARKER in told
    assert "\x1b" not in told
    assert "\u202e" not in told
    (shown,) = json.loads(audit(tmp_path, log, "--show-samples", "--json").stdout)["samples"]
    assert (shown["workflow"], len(shown["prompts"])) == ("triage", 3)
    assert all(len(prompt) < 250 for prompt in shown["prompts"])


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_stays_in_the_temporary_folder_however_it_ends(
    tmp_path: Path, log: Path, error: type[BaseException]
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    with (  # noqa: PT012
        pytest.raises(error),
        auditing((str(log),), Wishes(), PriceBook.load(), 1_795_000_000.0, folder=place),
    ):
        (inside,) = place.iterdir()
        assert inside.stat().st_mode & 0o077 == 0  # nobody else may look in
        raise error
    assert not list(place.iterdir())


def test_ctrl_c_within_a_statement_is_ctrl_c(tmp_path: Path) -> None:
    """DuckDB raises a RuntimeError of these words where Python was interrupted while it ran a statement."""
    with pytest.raises(KeyboardInterrupt), database(tmp_path):
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="another"), database(tmp_path):
        raise RuntimeError("another")
    assert not list(tmp_path.iterdir())
