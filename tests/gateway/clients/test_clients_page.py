"""The page of clients is true: each of its programs runs as written, and has an answer of the gateway."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/how-to/clients.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8080"
BLOCK = re.compile(
    r"<!-- (?P<what>run|file): (?P<name>\S+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL
)
SNIPPETS = [
    (match["name"], match["text"]) for match in BLOCK.finditer(PAGE) if match["what"] == "run"
]
SUFFIXES = {"python": ".py", "litellm": ".py", "node": ".mjs"}
ANSWER = "Where is my order? [sandbox]"


@pytest.fixture
def folder(runner: Any, tmp_path: Path) -> Path:
    """Where somebody reads the page: with its files, and the packages of Node."""
    for match in BLOCK.finditer(PAGE):
        if match["what"] == "file":
            text = match["text"].replace(ADDRESS, runner.stage.running.url)
            (tmp_path / match["name"]).write_text(text, encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(Path(__file__).parent / "node_modules")
    return tmp_path


def commands(block: str) -> list[str]:
    return [part.strip() for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]


@pytest.mark.parametrize(
    ("client", "text"), SNIPPETS, ids=[f"{name}{at}" for at, (name, _) in enumerate(SNIPPETS)]
)
def test_a_program_of_the_page_runs_as_written(
    runner: Any, folder: Path, client: str, text: str
) -> None:
    program = runner.program(client)
    if client in SUFFIXES:
        path = folder / f"program{SUFFIXES[client]}"
        path.write_text(text, encoding="utf-8")
        done = runner.run(program, str(path))
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(ANSWER) >= 3
        return
    for command in commands(text):
        done = runner.run("sh", "-c", f"cd {folder} && {command}", PATH=runner.path())
        assert done.returncode == 0, (command, done.stderr)
        wordless = ("cp ", "llm keys")
        assert command.startswith(wordless) or answer_of(done.stdout) == ANSWER


def answer_of(shown: str) -> str:
    """What a command shows: plain text, a chat's answer, or the texts of Anthropic's events put together."""
    texts = re.findall(r'"(?:content|text)": ?"([^"]+)"', shown)
    return "".join(texts) or shown.strip()


def test_the_page_has_a_program_for_each_client() -> None:
    names = [name for name, _ in SNIPPETS]
    assert {name: names.count(name) for name in names} == {
        "python": 2,
        "node": 2,
        "litellm": 1,
        "llm": 2,
        "curl": 1,
    }
