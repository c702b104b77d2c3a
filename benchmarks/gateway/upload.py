"""A file of 200 MB handed in over HTTP: seconds and memory until it is on disk and each line was checked.

python benchmarks/gateway/upload.py [--megabytes 200]
"""

from __future__ import annotations

import argparse
import http.client
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from running import Keys, lanewise, usage_of

EDGE = "lanewise-edge"


def write(path: Path, size: int) -> None:
    text = "The order was late and nobody answered about the missing parts. " * 30
    with path.open("wb") as file:
        number = 0
        while file.tell() < size:
            message = {"role": "user", "content": f"{number}: {text}"}
            body = {"model": "gpt-4o-mini", "messages": [message]}
            line = {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions"}
            file.write(msgspec.json.encode(line | {"body": body}) + b"\n")
            number += 1


def form(path: Path) -> Iterator[bytes]:
    yield f'--{EDGE}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'.encode()
    name = 'content-disposition: form-data; name="file"; filename="in.jsonl"'
    yield f"--{EDGE}\r\n{name}\r\n\r\n".encode()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            yield piece
    yield f"\r\n--{EDGE}--\r\n".encode()


def upload(url: str, key: str, source: Path) -> float:
    """Seconds until the file was handed in and looked through."""
    client = http.client.HTTPConnection(url.rpartition("//")[2])
    headers = {
        "authorization": f"Bearer {key}",
        "content-type": f"multipart/form-data; boundary={EDGE}",
        "content-length": str(sum(map(len, form(source)))),
    }
    client.request("GET", "/v1/files", headers={"authorization": f"Bearer {key}"})
    client.getresponse().read()
    began = time.perf_counter()
    client.request("POST", "/v1/files", body=form(source), headers=headers)
    answer = msgspec.json.decode(client.getresponse().read())
    taken = time.perf_counter() - began
    assert answer["status"] == "processed", answer
    client.close()
    return taken


def main() -> None:
    """One upload to a gateway that has just started."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=200)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lanewise-upload-") as folder:
        source = Path(folder) / "in.jsonl"
        write(source, chosen.megabytes * 1_000_000)
        home = f"{folder}/home"
        keys = Keys.made(home)
        with lanewise(home, "http://127.0.0.1:1/v1") as (pid, url):
            before = usage_of(pid)
            taken = upload(url, keys.plain, source)
            after = usage_of(pid)
        print(f"{chosen.megabytes} MB: {taken:.2f} s, {after.cpu - before.cpu:.2f} s of processor")
        print(f"peak of memory {after.peak_mb:.0f} MB, {before.peak_mb:.0f} MB before")


if __name__ == "__main__":
    main()
