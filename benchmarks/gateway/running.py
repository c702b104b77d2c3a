"""Processes that are measured: started, told apart, and looked at from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lanewise.app import keys
from lanewise.settings import load

TICKS: Final = os.sysconf("SC_CLK_TCK")
KEYS: Final = 50  # in the home of the gateway that is measured


@dataclass(frozen=True)
class Keys:
    """Two of the keys of a home: one that has no limit, one that is held to three."""

    plain: str
    limited: str

    @classmethod
    def made(cls, home: str) -> Keys:
        """Make a home with all its keys."""
        limits = {
            "requests_per_minute": 100_000_000,
            "tokens_per_minute": 1_000_000_000,
            "monthly_usd": "1000000",
        }
        with closing(keys.apart(load({"LANEWISE_HOME": home}), time.time())) as store:
            made = [
                keys.create(store, keys.new_key({"name": f"key-{number}"} | more), time.time())
                for number in range(KEYS // 2)
                for more in ({}, {"name": f"limited-{number}", **limits})
            ]
        return cls(made[0].reveal(), made[1].reveal())


@dataclass(frozen=True)
class Usage:
    """What a process and its children have used of the processor (seconds), and hold of the memory."""

    cpu: float
    memory_mb: float
    peak_mb: float


def usage_of(pid: int) -> Usage:
    """As the kernel counts it now."""
    family = [pid, *_children(pid)]
    memory = (sum(_memory_mb(each, word) for each in family) for word in ("VmRSS:", "VmHWM:"))
    return Usage(sum(map(_cpu, family)), *memory)


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from _children(child)


def _cpu(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def _memory_mb(pid: int, word: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(word)[2].split()[0]) * 1024 / 1e6


@contextmanager
def process(
    command: list[str], environ: Mapping[str, str], *, at: str
) -> Iterator[tuple[int, str]]:
    """A process that says its address first, on stdout or (`at`) stderr."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, at: subprocess.PIPE}
    running = subprocess.Popen(command, env=os.environ | dict(environ), text=True, **pipes)  # type: ignore[call-overload]
    try:
        line = getattr(running, at).readline()
        url = next(
            (word for word in line.split() if word.startswith(("http://", "https://"))), None
        )
        if url is None:
            raise SystemExit(
                f"{' '.join(command)} did not start: {line}{getattr(running, at).read()}"
            )
        yield running.pid, url
    finally:
        running.terminate()
        running.wait(60)


@contextmanager
def lanewise(
    home: str, upstream: str, environ: Mapping[str, str] = {}, *, worker: bool = False
) -> Iterator[tuple[int, str]]:
    """`lanewise serve` before an upstream whose address ends in /v1; its process and address."""
    own = {"LANEWISE_HOME": home, "OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": upstream} | environ
    command = [sys.executable, "-m", "lanewise", "serve", "--port", "0"]
    with process(command if worker else [*command, "--no-worker"], own, at="stderr") as found:
        yield found
