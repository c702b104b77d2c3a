"""CPU seconds a GB to read requests, beside plainly reading the same file in the same run.

    python benchmarks/intake.py [--megabytes 200] [--repeat 5]

Prints medians over paired runs: the plain read (blocks of 1 MiB, nothing done with them), the intake,
their ratio, and the intake's microseconds a line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lanewise.intake import Accepted, ReadOptions, read

LINE_BYTES = 3_000
PROSE = (
    "A batch is an ordered list of requests that one provider answers together.\n"
    'It is cheaper because it can wait: "within a day" is the whole promise. '
)


def line(number: int) -> bytes:
    """A chat line of about 3 KB, as `json.dumps` writes it."""
    messages = [
        {"role": "system", "content": "Summarise in two sentences."},
        {"role": "user", "content": (PROSE * 20)[: LINE_BYTES - 300]},
    ]
    body = {"model": "gpt-5-mini", "messages": messages, "max_completion_tokens": 200}
    url = "/v1/chat/completions"
    request = {"custom_id": f"doc-{number}", "method": "POST", "url": url, "body": body}
    return json.dumps(request).encode() + b"\n"


def write(path: Path, megabytes: int) -> int:
    """Write the file; returns how many lines it has."""
    lines = megabytes * 1_000_000 // len(line(100_000))
    with path.open("wb") as file:
        file.writelines(line(n) for n in range(lines))
    return lines


def plainly(path: Path) -> int:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
    return 0


def accepted(path: Path) -> int:
    return sum(line.__class__ is Accepted for line in read([path], ReadOptions()))


def cpu_seconds(work: Callable[[Path], int], path: Path) -> tuple[float, int]:
    before = time.process_time()
    result = work(path)
    return time.process_time() - before, result


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megabytes", type=int, default=200)
    arguments.add_argument("--repeat", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "requests.jsonl")
        lines = write(path, options.megabytes)
        gigabytes = path.stat().st_size / 1e9
        plain, intake = [], []
        for _ in range(options.repeat):
            plain.append(cpu_seconds(plainly, path)[0])
            seconds, count = cpu_seconds(accepted, path)
            assert count == lines
            intake.append(seconds)
    ratio = statistics.median(i / p for i, p in zip(intake, plain, strict=True))
    print(f"lines               {lines:,} of {gigabytes * 1e9 / lines:,.0f} bytes")
    print(f"plain read          {statistics.median(plain) / gigabytes:.2f} CPU seconds a GB")
    print(f"intake              {statistics.median(intake) / gigabytes:.2f} CPU seconds a GB")
    print(f"ratio               {ratio:.1f}")
    print(f"microseconds a line {statistics.median(intake) / lines * 1e6:.2f}")


if __name__ == "__main__":
    main()
