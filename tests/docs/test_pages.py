"""Pages are true: their files are written, their commands run, and print what is shown."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = (
    "audit",
    "calculate",
    "budgets",
    "savings",
    "finops",
    "forecast",
    "policy",
    "duplicates",
    "deadlines",
    "caching",
    "quotas",
    "keys",
    "simulate",
)
PAGES = (*(f"how-to/{name}" for name in NAMES), "explanation/which-lane")
STEP = re.compile(
    r"<!-- file: (?P<file>\S+) -->\n```\w+\n(?P<text>.*?)```"
    r"|<!-- run -->\n```python\n(?P<program>.*?)```"
    r"|<!-- run(?: exit (?P<code>\d+))? -->\n```console\n(?P<block>.*?)```",
    re.DOTALL,
)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LANEWISE_") and "API_KEY" not in name and "BASE_URL" not in name
    }
    return subprocess.run(
        command,
        cwd=folder,
        env=kept | {"LANEWISE_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def shown(text: str) -> re.Pattern[str]:
    """What is shown, as a pattern: `...` is anything, and nobody minds spaces at the end of a line."""
    lines = [re.escape(line.rstrip()).replace(r"\.\.\.", ".*") for line in text.splitlines()]
    return re.compile("\n".join(lines), re.DOTALL)


def commands(block: str) -> list[tuple[str, str]]:
    """Each command with the output that is shown below it."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs_as_written(name: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    text = (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
    month = datetime.now(UTC).strftime("%Y-%m")  # the page says MONTH for it
    steps = list(STEP.finditer(text))
    assert len(steps) >= 3
    for step in steps:
        if step["file"]:
            path = tmp_path / step["file"]
            path.parent.mkdir(exist_ok=True)
            path.write_text(step["text"], encoding="utf-8")
            continue
        if step["program"]:
            (tmp_path / "program.py").write_text(step["program"], encoding="utf-8")
            done = run([sys.executable, "program.py"], tmp_path)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout
            continue
        for command, expected in commands(step["block"]):
            words = shlex.split(command.replace("MONTH", month))
            done = run([sys.executable, "-m", *words], tmp_path)
            assert done.returncode == int(step["code"] or 0), (command, done.stderr)
            printed = "\n".join(line.rstrip() for line in done.stdout.splitlines())
            if expected.strip():
                assert shown(expected).fullmatch(printed), (command, printed)
