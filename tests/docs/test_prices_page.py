"""The page about prices is true: its commands run as written and print what it shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/prices.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"<!-- run -->\n```console\n(.*?)```", TEXT, re.DOTALL)
FILES = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the page shows, and the data that it speaks of."""
    folder = tmp_path_factory.mktemp("prices")
    for name, text in FILES:
        (folder / name).write_text(text, encoding="utf-8")
    script = ROOT / "scripts/compile_prices.py"
    command = [sys.executable, str(script), "--data", str(folder / "data.json")]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def run(command: str, folder: Path) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LANEWISE_")}
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=folder,
        env=kept | {"LANEWISE_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def shown(text: str) -> re.Pattern[str]:
    """What is shown, as a pattern: `...` is anything, and nobody minds spaces at the end of a line."""
    lines = [re.escape(line.rstrip()).replace(r"\.\.\.", ".*") for line in text.splitlines()]
    return re.compile("\n".join(lines), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_commands_of_the_page_print_what_it_shows(block: str, folder: Path) -> None:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, text = part.partition("\n")
        printed = "\n".join(line.rstrip() for line in run(command, folder).splitlines())
        assert shown(text).fullmatch(printed), (command, printed)


def test_the_page_shows_every_command() -> None:
    commands = re.findall(r"^\$ lanewise prices (\w+)", "".join(BLOCKS), re.MULTILINE)
    assert set(commands) == {"show", "diff", "doctor", "update"}
