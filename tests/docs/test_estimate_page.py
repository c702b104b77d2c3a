"""The page about estimates is true: its commands and its program run as written."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/estimate.md"
BLOCK = re.compile(r"<!-- run(?: exit (\d))? -->\n```console\n\$ lanewise (.*?)\n```")


def test_every_command_of_the_page_exits_as_it_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    env = os.environ | {"LANEWISE_HOME": str(tmp_path / "home")}
    text = PAGE.read_text(encoding="utf-8")
    found = BLOCK.findall(text)
    assert len(found) == text.count("```console") == 3
    for code, arguments in found:
        command = [sys.executable, "-m", "lanewise", *shlex.split(arguments)]
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == int(code or 0), done.stderr
        if code:
            assert "$0.00114" in done.stderr, done.stderr
            assert "$0.00115" in done.stdout, done.stdout


def test_the_program_of_the_page_runs_as_written() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert (result.failed, result.attempted > 5) == (0, True)
