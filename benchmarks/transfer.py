"""One full batch of 50,000 requests: upload, download, settle and delivery, against plainly copying bytes.

    python benchmarks/transfer.py [--requests 50000]

Upload and download go to the stub provider over loopback; their baseline sends the same bytes through
a plain socket to a thread that throws them away. Settling and delivery are set against reading the
result file. Times are processor seconds of this process and wall seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import environment, show, stub_provider, write_requests

from lanewise.app import Engine, RunRequest
from lanewise.cli.written import write_results
from lanewise.intake import ReadOptions, read
from lanewise.lanes import worker as working
from lanewise.settings import load


class Watch:
    """Adds up what the steps of a worker take."""

    def __init__(self) -> None:
        self.taken: dict[str, tuple[float, float]] = {}

    def note(self, name: str, wall: float, cpu: float) -> None:
        before = self.taken.get(name, (0.0, 0.0))
        self.taken[name] = (before[0] + wall, before[1] + cpu)

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            result = work(*arguments, **options)
            self.note(name, time.perf_counter() - wall, time.process_time() - cpu)
            return result

        return call

    def awaited(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*arguments: Any, **options: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            result = await work(*arguments, **options)
            self.note(name, time.perf_counter() - wall, time.process_time() - cpu)
            return result

        return call


def through_a_socket(path: Path) -> float:
    """Processor seconds of sending a file to a thread that throws it away."""
    left, right = socket.socketpair()

    def swallow() -> None:
        while right.recv(1 << 20):
            pass

    thread = threading.Thread(target=swallow)
    began = time.process_time()
    thread.start()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            left.sendall(piece)
    left.close()
    thread.join()
    right.close()
    return time.process_time() - began


def reading(path: Path) -> float:
    """Processor seconds of reading a file."""
    began = time.process_time()
    with path.open("rb") as file:
        while file.read(1 << 20):
            pass
    return time.process_time() - began


def main() -> None:
    """Drive one batch through, and time its steps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=50_000)
    count = parser.parse_args().requests
    folder = Path(tempfile.mkdtemp(prefix="lanewise-transfer-"))
    watch = Watch()
    working.submit = watch.awaited("upload", working.submit)  # type: ignore[attr-defined]
    working.collect = watch.awaited("download", working.collect)  # type: ignore[attr-defined]
    working.settle = watch.timed("settle", working.settle)  # type: ignore[attr-defined]
    try:
        source = folder / "in.jsonl"
        write_requests(source, count)
        with stub_provider(0.0) as url:
            env = environment(folder / "home", url, LANEWISE_POLL_SECONDS="0.05")
            with Engine(load(env), environ=env) as engine:
                request = RunRequest("w", "benchmark")
                run = engine.accept(read([str(source)], ReadOptions()), request).run
                assert run is not None
                worker = engine.worker()
                asyncio.run(worker.run(until=lambda: engine.run(run.id).state == "finished"))
                deliver = watch.timed("deliver", write_results)
                deliver(folder / "out.jsonl", engine.results(run.id))
        body = next((folder / "home/segments").rglob("*.jsonl"))
        result = next((folder / "home/batches").rglob("*.jsonl"))
        report(count, watch, body, result)
    finally:
        shutil.rmtree(folder)


def report(count: int, watch: Watch, body: Path, result: Path) -> None:
    rows: list[tuple[str, Any]] = []
    for name, path, baseline in (
        ("upload", body, through_a_socket(body)),
        ("download", result, through_a_socket(result)),
        ("settle", result, reading(result)),
        ("deliver", result, reading(result)),
    ):
        wall, cpu = watch.taken[name]
        gigabytes = path.stat().st_size / 1e9
        figures = f"{wall:.2f} s wall, {cpu:.2f} s processor ({cpu / gigabytes:.1f} s a GB)"
        against = f"baseline {baseline:.3f} s, ratio {cpu / max(baseline, 1e-6):.1f}"
        rows.append((f"{name} ({gigabytes * 1000:.0f} MB)", f"{figures}, {against}"))
    show(f"one batch of {count:,} requests", rows)


if __name__ == "__main__":
    main()
