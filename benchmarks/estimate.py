"""How fast requests are estimated, beside plainly reading and beside taking in the same lines.

    python benchmarks/estimate.py [--megabytes 100] [--repeat 3] [--prompts FILE.jsonl]

`--prompts`: a JSONL file with a `prompt` member, whose texts are asked; else English prose is made up.
Prints medians of processor seconds a GB over paired runs: the plain read, the intake, the estimate with
every request counted, and the estimate with a sample counted as before a run.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

from measuring import WORDS

from lanewise.app.estimating import SAMPLE, estimator
from lanewise.intake import Accepted, ReadOptions, read
from lanewise.pricing import PriceBook
from lanewise.tokens import TokenCounter

AT = datetime(2026, 11, 24, tzinfo=UTC)


def prose() -> Iterator[str]:
    dice = random.Random(1)
    while True:
        yield " ".join(dice.choice(WORDS) + str(dice.randrange(99)) for _ in range(400))


def prompts(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        return cycle([json.loads(line)["prompt"] for line in file])


def write(path: Path, texts: Iterator[str], megabytes: int) -> int:
    """Write chat requests; returns how many."""
    count = size = 0
    with path.open("wb") as file:
        while size < megabytes * 1_000_000:
            messages = [{"role": "user", "content": next(texts)}]
            body = {"model": "gpt-5-mini", "messages": messages, "max_completion_tokens": 200}
            url = "/v1/chat/completions"
            line = {"custom_id": f"r{count}", "method": "POST", "url": url, "body": body}
            size += file.write(json.dumps(line).encode() + b"\n")
            count += 1
    return count


def plainly(path: Path) -> int:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
    return 0


def taken_in(path: Path) -> int:
    return sum(line.__class__ is Accepted for line in read([path], ReadOptions()))


def estimating(book: PriceBook, sample: int | None) -> Callable[[Path], int]:
    def work(path: Path) -> int:
        taking = estimator(book, AT, sample=sample)
        for line in read([path], ReadOptions()):
            assert isinstance(line, Accepted)
            taking.add(line)
        return taking.finish().likely_nano

    return work


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megabytes", type=int, default=100)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--prompts", type=Path)
    options = arguments.parse_args()
    book = PriceBook.load()
    TokenCounter().count("load the vocabulary first", "gpt-5-mini")
    measures: dict[str, Callable[[Path], int]] = {
        "plain read": plainly,
        "intake": taken_in,
        "estimate, all counted": estimating(book, None),
        "estimate, sampled": estimating(book, SAMPLE),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "requests.jsonl")
        texts = prompts(options.prompts) if options.prompts else prose()
        lines = write(path, texts, options.megabytes)
        gigabytes = path.stat().st_size / 1e9
        taken: dict[str, list[float]] = {name: [] for name in measures}
        results: dict[str, int] = {}
        for _ in range(options.repeat):
            for name, work in measures.items():
                before = time.process_time()
                results[name] = work(path)
                taken[name].append(time.process_time() - before)
    print(f"{lines:,} requests of {gigabytes * 1e9 / lines:,.0f} bytes")
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        print(
            f"{name:<24}{median / gigabytes:6.2f} CPU seconds a GB, {gigabytes * 1e3 / median:8,.0f} MB/s"
        )
    all_, sampled = results["estimate, all counted"], results["estimate, sampled"]
    print(f"sampled figure / figure with all counted: {sampled / all_:.4f}")


if __name__ == "__main__":
    main()
