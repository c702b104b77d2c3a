"""What a replay of logged traffic under a policy takes: seconds a seed, and memory.

    python benchmarks/simulate.py [--requests 1000000] [--days 7]

The log is made up: five workflows on five models, evenly over the days; one workflow goes at once,
one is half rolled out, the others are due in 2 hours, at 06:00 or in a day. Aimed at: a million
requests in under 60 s a seed and under 1 GB.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lanewise.app import policies
from lanewise.audit.database import database
from lanewise.audit.logs.importing import Wishes, load
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.whatif import planned, replayed, summed, traffic
from lanewise.policy.document import read
from lanewise.pricing import PriceBook

T = TypeVar("T")
BEGIN = 1_793_577_600.0  # a Monday in November 2026
FLOWS = (
    ("chat", "gpt-5-mini"),
    ("tickets", "gpt-5"),
    ("evals", "claude-sonnet-4-5"),
    ("index", "text-embedding-3-small"),
    ("crm", "gpt-4o"),
)
POLICY = """
[default]
deadline = "24h"
[[rule]]
name = "chat"
workflow = "chat"
deadline = "now"
[[rule]]
name = "crm"
workflow = "crm"
deadline = "06:00"
percent = 50
[[rule]]
name = "evals"
workflow = "evals"
deadline = "2h"
"""
FIELDS = "at=at,model=model,workflow=workflow,input_tokens=input,output_tokens=output"


def write_log(path: Path, count: int, days: float) -> None:
    dice, at = random.Random(1), BEGIN
    with path.open("w", encoding="utf-8", buffering=1 << 20) as file:
        for _ in range(count):
            at += dice.expovariate(count / (days * 86_400))
            workflow, model = dice.choice(FLOWS)
            row = {"at": round(at, 3), "model": model, "workflow": workflow}
            sizes = {"input": dice.randint(50, 3_000), "output": dice.randint(1, 500)}
            file.write(json.dumps(row | sizes) + "\n")


def timed(what: str, work: Callable[[], T]) -> T:
    began = time.perf_counter()
    found = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024
    print(f"{what:<24}{time.perf_counter() - began:>7.1f} s   {peak:>5} MB at most so far")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=7.0)
    chosen = parser.parse_args()
    policy = read(POLICY, "policy.toml", policies.world(BEGIN)).sound()
    book = PriceBook.load()
    with tempfile.TemporaryDirectory() as folder, database() as connection:
        log = Path(folder) / "log.jsonl"
        write_log(log, chosen.requests, chosen.days)
        wishes = Wishes(mapped(FIELDS))
        timed("read the log", lambda: load(connection, (str(log),), wishes))
        plan = timed(
            "hold it to the policy",
            lambda: planned(traffic(connection), policy, book, policies.zone_named),
        )
    for model in ("fast", "typical", "bad-day"):
        seed = timed(f"one seed, {model}", lambda model=model: replayed(plan, 0, model))
        found = timed("  its figures", lambda seed=seed: summed(plan, [seed]))
        print(
            f"  {plan.requests:,} requests, {seed.batches:,} batches, {seed.rescued:,} rescued, "
            f"{found.late.middle:,} late, cost {seed.cost_nano / plan.today_nano:.1%}"
        )


if __name__ == "__main__":
    main()
