"""Kill lanewise while it keeps deadlines: at calls, at rescues, at settlements; then check the books.

    python benchmarks/crash_deadlines.py [--requests 2000] [--kills 5] [--stops 2] [--json]

Like crash_loop.py, with deadlines from now to eight hours on a clock that runs 60 times as fast, batches that
take longer than some of them, cancellations that fail, and answers that get lost. At the end every request
must be answered once and in order. A call that a crash cut off may have been charged: what the sandbox
billed must lie between the ledger without and with its upper bounds, in money and in requests.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from crash_loop import COMMAND, LEASE_SECONDS, Loop, Plan, Slot, ids_of

from lanewise.store.sqlite import SqliteStore

SPEED = 60.0
STEPS = (
    "pack.commit",
    "call.sent",
    "call.answered",
    "create.sent",
    "create.answered",
    "rescue.withdrawn",
    "rescue.raced",
    "settle.read",
    "settle.commit",
)
PATIENCE = 6.0  # seconds until a worker that did not come to its failpoint is killed anyhow
DEADLINES = ("now", "6m", "14m", "20m", "8h")


class FastClock:
    """The machine's clock, running ahead from the instant the loop began."""

    def now(self) -> float:
        began = float(os.environ["CRASH_LOOP_BEGAN"])
        return began + (time.time() - began) * SPEED

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds / SPEED)


@dataclass
class DeadlineLoop(Loop):
    """The loop, with deadlines."""

    steps: ClassVar[tuple[str, ...]] = STEPS
    worker: ClassVar[list[str]] = [sys.executable, __file__, "--lanewise", "worker"]

    def set_up(self) -> None:
        """A provider whose batches are late, and a clock for everybody."""
        self.began = time.time()
        self.sandbox, self.url = start_sandbox(self.folder)
        self.env = os.environ | {
            "CRASH_LOOP_BEGAN": repr(self.began),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
            "LANEWISE_HOME": str(self.folder / "home"),
            "OPENAI_API_KEY": "key",
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "ANTHROPIC_API_KEY": "key",
            "ANTHROPIC_BASE_URL": self.url,
            "LANEWISE_POLL_SECONDS": "15",
            "LANEWISE_BATCH_REQUESTS": str(self.plan.batch_requests),
            "LANEWISE_LEASE_SECONDS": str(LEASE_SECONDS * SPEED),
            "LANEWISE_LISTING_LAG_SECONDS": "90",
            "LANEWISE_CREATE_TIMEOUT_SECONDS": "60",
            "LANEWISE_SWEEP_SECONDS": "60",
            "LANEWISE_MAX_TRIES": "20",
            "LANEWISE_DAILY_CAP_USD": "1000000",
            "LANEWISE_CONFIRM_ABOVE_USD": "1000000",
        }

    def submit(self, source: Path) -> None:
        """Accept the run."""
        command = [*self.worker[:-1], "submit", str(source), "--run", "loop"]
        subprocess.run(command, env=self.env, stderr=self.log, stdout=self.log, check=True)

    def is_over(self, store: SqliteStore) -> bool:
        """Whether every request has its final result, and nothing is out that may cost yet."""
        strays = sum(len(store.strays(row.id)) for row in store.accounts_with_work())
        return super().is_over(store) and not strays and not store.batches(live_only=True)

    def choose(self) -> tuple[str, str]:
        """Any step that still has a death or a frost to come."""
        plan = self.plan
        deaths = [(point, "kill") for point in STEPS if self.kills[point] < plan.kills]
        frosts = [(point, "stop") for point in STEPS[1:] if self.stops[point] < plan.stops]
        if self.kills["random"] >= plan.kills * 3:  # some steps are rare: it has waited for long
            return "", ""
        return self.dice.choice([*deaths, *frosts, ("", "")])

    def start(self) -> Slot:
        """A worker that does not live long, until enough have died."""
        slot = super().start()
        if slot.point:
            slot.kill_at = time.monotonic() + PATIENCE
        return slot

    def tend(self, slot: Slot) -> Slot:
        """As ever; a death that no failpoint caused counts as one at random."""
        if slot.kill_at and time.monotonic() > slot.kill_at:
            slot.point = "random"
        return super().tend(slot)

    def check(self, store: SqliteStore, source: Path) -> dict[str, Any]:
        """Everything that must hold at the end."""
        out = self.folder / "out.jsonl"
        command = [*COMMAND, "results", "loop", "-o", str(out)]
        subprocess.run(command, env=self.env, stderr=self.log, check=True)
        books, run = self.call("/sandbox/books"), store.run_named("loop")
        assert run is not None
        figures: dict[str, Any] = {
            "answered": run.answered,
            "in order": ids_of(out) == ids_of(source),
            "late": run.late,
            "billed": books["requests"],
            "invoice nano-USD": books["nano_usd"],
        }
        for kind in ("answer", "waste", "unknown_upper_bound"):
            rows = [entry.row for entry in store.ledger() if entry.row.kind == kind]
            figures[f"{kind} requests"] = sum(row.n for row in rows)
            figures[f"{kind} nano-USD"] = sum(row.cost_nano or 0 for row in rows)
        events = [event.kind for event in store.events(limit=10**6)]
        for kind in ("batch.withdrawn", "batch.rescued", "orphan.found"):
            figures[kind] = events.count(kind)
        return figures | {"lanes": dict(store.money(run.id).lanes)}


def holds(figures: dict[str, Any], requests: int) -> bool:
    """Whether the promise was kept."""
    between = []
    for unit, billed in (("requests", "billed"), ("nano-USD", "invoice nano-USD")):
        known = figures[f"answer {unit}"] + figures[f"waste {unit}"]
        most = known + figures[f"unknown_upper_bound {unit}"]
        between.append(known <= figures[billed] <= most)
    answered = figures["answered"] == figures["answer requests"] == requests
    return answered and bool(figures["in order"]) and all(between)


def start_sandbox(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A sandbox whose batches take 25 minutes, and that loses answers."""
    faults = folder / "faults.json"
    always = {"times": -1, "provider": ""}
    error = {"kind": "http_error", "status": 500}
    faults.write_text(
        json.dumps(
            [
                {"kind": "accept_then_504", "probability": 0.1, **always},
                {"kind": "accept_then_504", "operation": "live", "probability": 0.01, **always},
                {"operation": "batches.cancel", "probability": 0.7, **error, **always},
                {"operation": "live", "probability": 0.02, **error, **always},
                {"kind": "expire", "probability": 0.05, "fraction": 0.6, **always},
            ]
        )
    )
    command = [*COMMAND, "sandbox", "serve", "--port", "0", "--batch-seconds", "1500"]
    command += ["--speed", str(SPEED), "--listing-lag", "20", "--faults", str(faults)]
    command += ["--directory", str(folder / "provider")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    found = re.search(r"http://[\d.]+:\d+", process.stderr.readline())
    assert found is not None
    return process, found[0]


def write_requests(path: Path, count: int) -> None:
    """Requests in both shapes, with deadlines of their own."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            messages = [{"role": "user", "content": f"Summarise: parcel {number} is late."}]
            line: dict[str, Any]
            if number % 3 == 0:
                body = {"model": "claude-haiku-4-5", "max_tokens": 20, "messages": messages}
                line = {"params": body}
            else:
                model = ("gpt-4o-mini", "gpt-5-mini")[number % 2]
                body = {"model": model, "messages": messages}
                line = {"method": "POST", "url": "/v1/chat/completions", "body": body}
            line["deadline"] = DEADLINES[number % len(DEADLINES)]
            file.write(json.dumps({"custom_id": f"r{number}"} | line) + "\n")


def run_loop(plan: Plan) -> dict[str, Any]:
    """The whole loop in a folder of its own; returns the figures."""
    folder = Path(tempfile.mkdtemp(prefix="lanewise-deadlines-"))
    source = folder / "in.jsonl"
    write_requests(source, plan.requests)
    loop = DeadlineLoop(plan, folder)
    try:
        loop.submit(source)
        store = SqliteStore.open(folder / "home", now=time.time())
        try:
            seconds = loop.work(store)
            figures = loop.check(store, source)
        finally:
            store.close()
    finally:
        loop.close()
    figures |= {
        "seconds": round(seconds, 1),
        "kills": {point: loop.kills[point] for point in (*STEPS, "random")},
        "stops": {point: loop.stops[point] for point in STEPS[1:]},
        "other exits": loop.exits,
        "kept": holds(figures, plan.requests),
    }
    if figures["kept"]:
        shutil.rmtree(folder)
    else:
        figures["folder"] = str(folder)
    return figures


def lanewise(arguments: list[str]) -> None:
    """The command line, on the loop's clock."""
    from lanewise.app import engine
    from lanewise.cli.main import main as command_line

    engine.SystemClock = FastClock  # type: ignore[misc,assignment]
    sys.argv = ["lanewise", *arguments]
    command_line()


def main() -> None:
    """Run it and print what happened."""
    if sys.argv[1:2] == ["--lanewise"]:
        lanewise(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--stops", type=int, default=2)
    parser.add_argument("--batch-requests", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    figures = run_loop(Plan(chosen.requests, chosen.kills, chosen.stops, chosen.batch_requests))
    if chosen.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<30}{value}")
    sys.exit(0 if figures["kept"] else 1)


if __name__ == "__main__":
    main()
