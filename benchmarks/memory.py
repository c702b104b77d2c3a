"""Peak memory of `lanewise run` for inputs of any size.

python benchmarks/memory.py [--requests 200000 1000000] [--size 3000]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from measuring import environment, measured, show, stub_provider, write_requests


def main() -> None:
    """Each size in turn, against the stub provider in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--size", type=int, default=3_000)
    chosen = parser.parse_args()
    for count in chosen.requests:
        folder = Path(tempfile.mkdtemp(prefix="lanewise-memory-"))
        try:
            size = write_requests(folder / "in.jsonl", count, chosen.size)
            with stub_provider(1.0) as url:
                env = environment(folder / "home", url, LANEWISE_POLL_SECONDS="0.5")
                command = [sys.executable, "-m", "lanewise", "run", str(folder / "in.jsonl")]
                used = measured([*command, "-o", str(folder / "out.jsonl"), "--yes"], env)
            lines = sum(1 for _ in (folder / "out.jsonl").open("rb"))
            show(
                f"lanewise run, {count:,} requests of {size // count:,} bytes ({size / 1e9:.2f} GB)",
                [
                    ("exit code, results", f"{used.status}, {lines:,}"),
                    ("peak memory (ru_maxrss)", f"{used.peak_mb:.0f} MB"),
                    ("wall", f"{used.wall:.1f} s"),
                    (
                        "processor, all of it",
                        f"{used.cpu:.1f} s, {used.cpu / (size / 1e9):.1f} s a GB",
                    ),
                ],
            )
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
