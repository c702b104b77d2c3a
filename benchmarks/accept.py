"""Accepting requests, validated and durable, against plainly writing the same bytes and syncing them.

python benchmarks/accept.py [--requests 100000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from measuring import paired, show, write_requests

from lanewise.app import Engine, RunRequest
from lanewise.intake import ReadOptions, read
from lanewise.settings import load


def accept(source: Path, folder: Path) -> float:
    """Bytes to a committed run in a new home."""
    home = Path(tempfile.mkdtemp(dir=folder))
    with Engine(load({"LANEWISE_HOME": str(home)}), environ={"OPENAI_API_KEY": "key"}) as engine:
        began = time.perf_counter()
        received = engine.accept(read([str(source)], ReadOptions()), RunRequest("w", "b"))
        taken = time.perf_counter() - began
    assert received.run is not None
    shutil.rmtree(home)
    return taken


def plain(source: Path, folder: Path) -> float:
    """The same bytes, read and written in megabytes, and synced once."""
    target = folder / "plain"
    began = time.perf_counter()
    with source.open("rb") as reader, target.open("wb") as writer:
        while piece := reader.read(1 << 20):
            writer.write(piece)
        writer.flush()
        os.fsync(writer.fileno())
    taken = time.perf_counter() - began
    target.unlink()
    return taken


def main() -> None:
    """Paired rounds, then the processor seconds of as many more."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lanewise-accept-"))
    try:
        source = folder / "in.jsonl"
        size = write_requests(source, chosen.requests)
        ours, theirs = paired(
            chosen.rounds, lambda: accept(source, folder), lambda: plain(source, folder)
        )
        spent = []
        for _ in range(chosen.rounds):
            began = time.process_time()
            accept(source, folder)
            spent.append(time.process_time() - began)
        cpu = statistics.median(spent)
        gigabytes = size / 1e9
        show(
            f"accept {chosen.requests:,} requests, {gigabytes:.2f} GB, medians of {chosen.rounds} pairs",
            [
                ("accept, durable", f"{ours:.2f} s, {size / ours / 1e6:.0f} MB/s"),
                ("plain write and fsync", f"{theirs:.2f} s, {size / theirs / 1e6:.0f} MB/s"),
                ("rate against plain", f"{theirs / ours:.2f}"),
                ("processor, median", f"{cpu:.2f} s, {cpu / gigabytes:.2f} s a GB"),
                ("processor, least", f"{min(spent):.2f} s, {min(spent) / gigabytes:.2f} s a GB"),
            ],
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
