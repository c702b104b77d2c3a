"""The documentation is true: its commands run, its pages are those of the code, its links lead somewhere."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lanewise
from lanewise.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PATTERN = re.compile(r"<!-- run -->\n```console\n(.*?)```", re.DOTALL)


@pytest.fixture
def newcomer(tmp_path: Path) -> Path:
    """A folder with the examples in it, as after a clone."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    bin_folder = Path(sys.executable).parent
    kept = {
        key: value
        for key, value in os.environ.items()
        if "API_KEY" not in key and "BASE_URL" not in key
    }
    return kept | {
        "LANEWISE_HOME": str(folder / "home"),
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
    }


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        shlex.split(command),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_command_of_the_quickstart_runs_as_written(newcomer: Path) -> None:
    text = (ROOT / "docs/quickstart.md").read_text(encoding="utf-8")
    commands = [
        line.removeprefix("$ ")
        for block in PATTERN.findall(text)
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    assert len(commands) >= 8
    for command in commands:
        done = run(command, newcomer)
        assert done.returncode == 0, (command, done.stderr)
    assert len((newcomer / "nightly.jsonl").read_text(encoding="utf-8").splitlines()) == 5


def test_the_readmes_commands_and_program_run_as_written(newcomer: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\$ (lanewise .*)$", text, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        done = run(command, newcomer)
        assert done.returncode == 0, (command, done.stderr)
    [program] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (newcomer / "program.py").write_text(program, encoding="utf-8")
    done = run(f"{sys.executable} program.py", newcomer)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["greeting 200", "50.0"]


def test_the_generated_pages_are_those_of_the_code() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_every_command_is_listed_with_its_own_help() -> None:
    import click

    context = click.Context(cli)
    for name, (_, line) in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(limit=200) == line, name


def test_the_changelog_keeps_to_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[[\d.]+\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:])
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_examples_in_docstrings_hold() -> None:
    failed = 0
    for module in pkgutil.walk_packages(lanewise.__path__, "lanewise."):
        if not module.name.endswith("__main__"):
            failed += doctest.testmod(importlib.import_module(module.name)).failed
    assert failed == 0
