"""The command line as a stranger runs it: in a process of its own, with an environment of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lanewise.sandbox import RunningSandbox, SandboxConfig, start_in_thread

CANARY_KEY = "sk-canary-key-7f3a"


class Shell:
    """Runs `lanewise` against a sandbox that both providers' variables point to."""

    def __init__(self, folder: Path, sandbox: RunningSandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("LANEWISE_", "OPENAI_", "ANTHROPIC_"))
        }
        self.env = kept | {
            "LANEWISE_HOME": str(folder / "home"),
            "LANEWISE_POLL_SECONDS": "0.1",
            "OPENAI_API_KEY": CANARY_KEY,
            "OPENAI_BASE_URL": sandbox.openai_base_url,
            "ANTHROPIC_API_KEY": CANARY_KEY,
            "ANTHROPIC_BASE_URL": sandbox.anthropic_base_url,
        }

    def __call__(
        self, *arguments: str, stdin: bytes | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "lanewise", *arguments],
            cwd=self.folder,
            env=self.env | env,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "lanewise", *arguments],
            cwd=self.folder,
            env=self.env | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # a shell's background jobs ignore Ctrl-C, and so would this: tests may be run as one
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def write(self, name: str, lines: list[Any], *, raw: bool = False) -> str:
        """A JSONL file; returns its name."""
        text = "\n".join(line if raw else json.dumps(line) for line in lines) + "\n"
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def read(self, name: str) -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for line in (self.folder / name).read_text(encoding="utf-8").splitlines()
        ]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell whose batches take no time."""
    with start_in_thread(tmp_path / "provider", config=SandboxConfig(batch_seconds=0.0)) as sandbox:
        yield Shell(tmp_path, sandbox)


@pytest.fixture
def slow_shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell whose batches take an hour."""
    with start_in_thread(
        tmp_path / "provider", config=SandboxConfig(batch_seconds=3_600.0)
    ) as sandbox:
        yield Shell(tmp_path, sandbox)


def chat(number: int, text: str = "is late", **body: Any) -> dict[str, Any]:
    """A request in OpenAI's form."""
    return {
        "custom_id": f"r{number}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": f"{number} {text}"}],
        }
        | body,
    }


@pytest.fixture
def chats() -> Any:
    """Makes requests."""
    return lambda count, **options: [chat(number, **options) for number in range(count)]
