"""What the benchmarks share: request files, a process with its peak memory, medians, a stub provider."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

WORDS = ("the", "order", "was", "late", "and", "nobody", "answered", "about", "missing", "parts")


class Usage(NamedTuple):
    """What a process took."""

    wall: float
    cpu: float
    peak_mb: float
    status: int


def write_requests(path: Path, count: int, size: int = 3_000) -> int:
    """Chat requests of about `size` bytes; returns the bytes written."""
    dice = random.Random(1)
    filler = " ".join(dice.choice(WORDS) for _ in range(size // 4))
    with path.open("w", encoding="utf-8", buffering=1 << 20) as file:
        for number in range(count):
            body = {
                "model": "gpt-4o-mini",
                "messages": [{"role": "user", "content": ""}],
                "max_tokens": 50,
            }
            line = {
                "custom_id": f"r{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": body,
            }
            room = max(size - len(json.dumps(line)) - 10, 0)
            start = number % 97
            body["messages"] = [
                {"role": "user", "content": f"{number} {filler[start : start + room]}"}
            ]
            file.write(json.dumps(line) + "\n")
    return path.stat().st_size


def measured(command: list[str], env: dict[str, str] | None = None) -> Usage:
    """Run a command to its end; its peak memory is the kernel's own figure."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return Usage(time.perf_counter() - began, cpu, usage.ru_maxrss / 1024, process.returncode)


def paired(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """Medians of measures taken in turn, so that noise hits all of them alike."""
    taken: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for values, measure in zip(taken, measures, strict=True):
            values.append(measure())
    return [statistics.median(values) for values in taken]


@contextmanager
def stub_provider(seconds: float) -> Iterator[str]:
    """A stub provider in a process of its own; yields its address."""
    script = Path(__file__).parent / "stub_provider.py"
    process = subprocess.Popen(
        [sys.executable, str(script), "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def environment(home: Path, url: str, **more: str) -> dict[str, str]:
    """Where lanewise finds the stub."""
    return os.environ | {
        "LANEWISE_HOME": str(home),
        "OPENAI_API_KEY": "key",
        "OPENAI_BASE_URL": f"{url}/v1",
        "LANEWISE_DAILY_CAP_USD": "1000000",
        **more,
    }


def show(title: str, rows: list[tuple[str, Any]]) -> None:
    """Print figures in two columns."""
    print(title)
    for name, value in rows:
        print(f"  {name:<44}{value}")
