"""Microseconds to tell a body's prefix, by dialect and size: what every request pays at intake.

    python benchmarks/prefixes.py [--repeat 7] [--count 5000]

Each line is the median of its repeats. `short` bodies cannot hold the model's least prefix.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from lanewise.tokens.prefixes import prefix_of

PROSE = 'A batch is an ordered list of requests: "within a day" is the whole promise.\n'


def text(size: int) -> str:
    return (PROSE * (size // len(PROSE) + 1))[:size]


def messages(system: int, user: int) -> dict[str, Any]:
    asked = [{"role": "user", "content": text(user)}]
    return {"model": "m", "max_tokens": 200, "system": text(system), "messages": asked}


def blocks(first: int, rest: int) -> dict[str, Any]:
    parts = [{"type": "text", "text": text(size)} for size in (first, rest)]
    return {"model": "m", "max_tokens": 200, "messages": [{"role": "user", "content": parts}]}


def chat(system: int, user: int) -> dict[str, Any]:
    said = (("system", system), ("user", user))
    return {"model": "m", "messages": [{"role": role, "content": text(n)} for role, n in said]}


CASES: tuple[tuple[str, str, str, dict[str, Any], bool], ...] = (
    ("short, 3 KB", "/v1/chat/completions", "gpt-5-mini", chat(500, 2_300), False),
    ("short, 3 KB", "/v1/messages", "claude-sonnet-5", messages(500, 2_300), False),
    ("system prompt, 3 KB", "/v1/messages", "claude-opus-5-5", messages(2_300, 500), True),
    ("first block, 3 KB", "/v1/messages", "claude-opus-5-5", blocks(2_300, 500), True),
    ("system prompt, 8 KB", "/v1/messages", "claude-sonnet-5", messages(5_800, 2_000), True),
    ("system prompt, 8 KB", "/v1/chat/completions", "gpt-5-mini", chat(5_800, 2_000), True),
    ("system prompt, 50 KB", "/v1/messages", "claude-sonnet-5", messages(47_000, 2_000), True),
    ("system prompt, 50 KB", "/v1/chat/completions", "gpt-5-mini", chat(47_000, 2_000), True),
)


def microseconds(work: Callable[[], object], count: int, repeat: int) -> float:
    taken = []
    for _ in range(repeat):
        before = time.process_time()
        for _ in range(count):
            work()
        taken.append((time.process_time() - before) / count * 1e6)
    return statistics.median(taken)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeat", type=int, default=7)
    arguments.add_argument("--count", type=int, default=5_000)
    options = arguments.parse_args()
    for name, endpoint, model, asked, found in CASES:
        body = json.dumps(asked).encode()
        provider = "anthropic" if endpoint == "/v1/messages" else "openai"
        work = partial(prefix_of, provider, endpoint, model, body)
        assert (work() is not None) == found
        took = microseconds(work, options.count, options.repeat)
        print(f"{provider:<10} {name:<22} {len(body):>7,} bytes {took:8.2f} microseconds")


if __name__ == "__main__":
    main()
