"""How many requests a second are replayed through prompt caches, against a table of single blocks.

    python benchmarks/prefix_caches.py [--repeat 3]

Traces from ../shared/data where they are there, else a generated stand-in. The replay keeps caches of five
minutes and an hour and of the model's own lives, and applies the rules; the baseline does less: one window,
one dictionary from a block to when it was last seen, no rules. Seconds are of the processor.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lanewise.audit.caching import Prompt, Replay, lines, whole
from lanewise.audit.caching.traces import read_trace

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA = Path(__file__).parents[2] / "shared" / "data"
TRACES = (("claude_code_traces_dev", "claude-sonnet-5"), ("mooncake_conversation", "gpt-4o"))


def records(name: str) -> Iterator[dict[str, Any]]:
    with zstd.open(DATA / f"{name}.jsonl.zst") as file:
        for line in file:
            yield json.loads(line)


def made(count: int = 20_000) -> Iterator[dict[str, Any]]:
    """Two hundred sessions whose histories grow by three blocks of 512 tokens a turn."""
    for number in range(count):
        session, turn = number % 200, number // 200
        length = (turn % 40 + 1) * 3 * 512
        first = (session * 1_000 + turn // 40) * 1_000
        yield {
            "timestamp": number * 500,
            "input_length": length,
            "hash_ids": list(range(first, first + length // 512)),
        }


def unpriced(provider: str, model: str, lane: str) -> None:
    return None


def replayed(prompts: list[Prompt]) -> Replay:
    replay = Replay(unpriced)
    for prompt in prompts:
        replay.add(prompt)
    return replay


def by_block(prompts: list[Prompt], window: float = 300.0) -> int:
    """The tokens that repeat within a window."""
    seen: dict[tuple[str, bytes], float] = {}
    tokens = 0
    for at, blocks, _, size, block, *_, organisation, _, _, _, _, _, _ in prompts:
        found, broken = 0, False
        for start in range(0, len(blocks), 8):
            key = organisation, blocks[start : start + 8]
            if not broken and at - seen.get(key, -1e300) <= window:
                found += 1
            else:
                broken = True
            seen[key] = at
        tokens += min(found * block, size)
    return tokens


def seconds(work: Callable[[], object], repeat: int) -> float:
    taken = []
    for _ in range(repeat):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    traces = [
        (name, read_trace(records(name), model=model)) for name, model in TRACES if DATA.exists()
    ]
    if not traces:
        print("traces are absent from ../shared/data; using a generated stand-in")
        traces = [("generated", read_trace(made(), model="gpt-4o"))]
    for name, trace in traces:
        prompts = trace.prompts
        blocks = sum(len(prompt.blocks) // 8 for prompt in prompts)
        replay = replayed(prompts)
        summed = whole(lines(replay.sums, unpriced))
        assert by_block(prompts) == summed.repeated[300]
        mine = seconds(lambda prompts=prompts: replayed(prompts), repeat)
        theirs = seconds(lambda prompts=prompts: by_block(prompts), 1)
        shares = ", ".join(f"{tokens / summed.input:.1%}" for tokens in summed.repeated.values())
        print(f"{name}: {len(prompts):,} requests, {blocks:,} blocks; repeats {shares}")
        print(
            f"  replay   {len(prompts) / mine:>9,.0f} requests/s, {replay.held:,} blocks held at most"
        )
        print(f"  by block {len(prompts) / theirs:>9,.0f} requests/s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024
    print(f"peak memory {peak} MB, the traces themselves included")


if __name__ == "__main__":
    main()
