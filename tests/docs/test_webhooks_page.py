"""The receiver on the page about webhooks takes what lanewise signs, and nothing else."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

PAGE = Path(__file__).parents[2] / "docs/how-to/webhooks.md"
PROGRAM = re.compile(r"<!-- file: receiver.py -->\n```python\n(.*?)```", re.DOTALL)


def lanewise(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    own = {"LANEWISE_HOME": str(folder / "home"), "LANEWISE_WEBHOOK_ALLOW": "127.0.0.1"}
    command = [sys.executable, "-m", "lanewise", "webhooks", *words]
    return subprocess.run(
        command, env=os.environ | own, capture_output=True, text=True, check=False
    )


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        found: int = free.getsockname()[1]
        return found


@pytest.fixture
def receiver(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """The program of the page, with the secret of a webhook that was registered for it."""
    added = lanewise(tmp_path, "add", "orders", f"http://127.0.0.1:{port}/")
    assert (added.returncode, "shown this once" in added.stderr) == (0, True), added.stderr
    found = PROGRAM.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    program = tmp_path / "receiver.py"
    program.write_text(found[1], encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(program), str(port)],
        env=os.environ | {"WEBHOOK_SECRET": added.stdout.strip()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        yield running
        running.kill()


def test_the_receiver_takes_what_is_signed_and_refuses_what_is_not(
    tmp_path: Path, port: int, receiver: subprocess.Popen[str]
) -> None:
    done = None
    for _ in range(100):  # until the program listens: each try takes as long as a command does
        done = lanewise(tmp_path, "test", "orders")
        if done.returncode == 0:
            break
        assert "ConnectError" in done.stdout
    assert done is not None
    assert done.stdout == "orders took it: it answered with status 204\n", done.stderr
    assert receiver.stdout is not None
    assert receiver.stdout.readline() == "webhook.test {'webhook': 'orders'}\n"
    assert httpx2.post(f"http://127.0.0.1:{port}/", content=b"{}").status_code == 401


def test_the_page_names_every_command_that_there_is() -> None:
    from lanewise.cli.webhooks import webhooks

    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in webhooks.commands if f"lanewise webhooks {name}" not in text] == []
