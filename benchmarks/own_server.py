"""What chats wait beside a batch on the same server: `make server`, then `python benchmarks/own_server.py`.

llama.cpp's server with a tiny model, the gateway and its worker in one process. Chats come one after the
other: on an idle server, beside a batch that has a day, and beside one that is due and makes no room.
"""

from __future__ import annotations

import io
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import openai

from lanewise.app import Engine
from lanewise.gateway.serving import RunningGateway, open_parts, working
from lanewise.settings import load

ROOT = Path(__file__).parents[1]
CHATS, LINES = 40, 600
SAID = [{"role": "user", "content": "hi"}]
LONGEST = 120.0


@contextmanager
def llama(folder: Path) -> Iterator[str]:
    script = ROOT / "tests/own_server/llama_server.py"
    with subprocess.Popen(
        [ROOT / ".venv-server/bin/python", script, folder],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


@contextmanager
def gateway(folder: Path, server: str) -> Iterator[openai.OpenAI]:
    own = {"name": "own", "api": "openai", "base_url": f"{server}/v1", "batches": False}
    environ = {"LANEWISE_HOME": str(folder / "home"), "LANEWISE_UPSTREAMS": json.dumps([own])}
    with (
        Engine(load(environ), environ=environ) as engine,
        open_parts(engine, "127.0.0.1") as parts,
    ):
        running = RunningGateway(parts)
        with (
            working(engine),
            openai.OpenAI(base_url=f"{running.url}/v1", api_key="any", max_retries=0) as client,
        ):
            yield client
        running.close()


def chats(client: openai.OpenAI, count: int = CHATS) -> list[float]:
    """Milliseconds that each took, sorted."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        client.chat.completions.create(model="noise", messages=SAID, max_tokens=100)
        took.append(1_000.0 * (time.perf_counter() - began))
        time.sleep(0.1)
    return sorted(took)


def until(done: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not done() and time.monotonic() - began < LONGEST:
        time.sleep(0.1)


def beside(client: openai.OpenAI, window: str) -> tuple[list[float], float]:
    """Chats beside a batch with that window; and the seconds that the batch took."""
    lines = b"".join(map(line, range(LINES)))
    file = client.files.create(file=("in.jsonl", io.BytesIO(lines)), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window=window
    )
    status = lambda: client.batches.retrieve(batch.id).status  # noqa: E731
    until(lambda: status() == "in_progress")
    began = time.monotonic()
    time.sleep(3.0)
    took = chats(client)
    assert status() == "in_progress", "the batch was over before the chats"
    until(lambda: status() == "completed")
    return took, time.monotonic() - began


def line(number: int) -> bytes:
    said = [{"role": "user", "content": f"say {number}"}]
    asked = {"model": "noise", "max_tokens": 400, "messages": said}
    whole = {
        "custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": asked
    }  # fmt: skip
    return json.dumps(whole).encode() + b"\n"


def row(name: str, took: list[float], batch: str) -> None:
    middle, ninth = took[len(took) // 2], took[len(took) * 9 // 10]
    print(f"| {name} | {middle:.0f} ms | {ninth:.0f} ms | {batch} |", flush=True)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        llama(Path(name)) as server,
        gateway(Path(name), server) as client,
    ):
        chats(client, 5)
        print("| chats | p50 | p90 | batch |\n|---|---|---|---|")
        row("alone", chats(client), "-")
        for what, window in (("beside a batch", "24h"), ("beside a batch that is due", "3m")):
            took, seconds = beside(client, window)
            row(what, took, f"{seconds:.0f} s")


if __name__ == "__main__":
    main()
