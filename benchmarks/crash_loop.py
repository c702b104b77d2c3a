"""Kill lanewise at every place where money or answers could be lost, again and again, and check the books.

    python benchmarks/crash_loop.py [--requests 20000] [--kills 20] [--stops 3] [--json]

Two worker processes drive one run of OpenAI- and Anthropic-shaped requests against a sandbox process.
They are killed (SIGKILL) and frozen (SIGSTOP for longer than their lease) at named failpoints and at
random, and restarted each time, while the sandbox loses answers to creates. At the end every request
must be answered once and in order, billed once by the sandbox's own books, with no orphan and a ledger
that equals the invoice to the nano-dollar.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from lanewise.domain.batches import Settled
from lanewise.store.sqlite import SqliteStore

INGEST = ("ingest.append", "ingest.commit")
STEPS = (
    "pack.commit",
    "upload.sent",
    "create.intent",
    "create.sent",
    "create.answered",
    "collect.chunk",
    "settle.read",
    "settle.commit",
)
LEASE_SECONDS = 2.0
COMMAND = [sys.executable, "-m", "lanewise"]


@dataclass
class Plan:
    """How much of everything."""

    requests: int = 20_000
    kills: int = 20  # at each failpoint
    stops: int = 3  # at each failpoint of the workers
    batch_requests: int = 40
    longest: float = 900.0  # seconds until it counts as stalled
    seed: int = 1


@dataclass
class Slot:
    """One worker process and what it is armed with."""

    process: subprocess.Popen[bytes]
    point: str = ""
    action: str = ""
    stopped_at: float = 0.0
    kill_at: float = 0.0


@dataclass
class Loop:
    """One run of the whole thing."""

    plan: Plan
    folder: Path
    kills: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    exits: list[int] = field(default_factory=list)

    steps: ClassVar[tuple[str, ...]] = STEPS
    worker: ClassVar[list[str]] = [*COMMAND, "worker"]

    def __post_init__(self) -> None:
        self.dice = random.Random(self.plan.seed)
        self.log = (self.folder / "workers.log").open("ab")
        self.set_up()

    def set_up(self) -> None:
        """A provider, and what the workers are told."""
        self.sandbox, self.url = start_sandbox(self.folder)
        self.env = environment(self.folder, self.url, self.plan)

    def call(self, path: str, body: Any = None) -> Any:
        """Talk to the sandbox's controls."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}{path}", data) as answer:
            return json.loads(answer.read())

    # -- ingest -----------------------------------------------------------------------------------
    def ingest(self, source: Path) -> None:
        """Submit, killed as often as planned, until it is accepted."""
        arguments = ["submit", str(source), "--run", "loop"]
        for point in INGEST:
            for _ in range(self.plan.kills):
                chance = 0.2 if point == "ingest.append" and self.plan.requests >= 20_000 else 1
                env = self.env | {"LANEWISE_FAILPOINTS": f"{point}=kill:{chance}"}
                done = subprocess.run([*COMMAND, *arguments], env=env, stderr=self.log, check=False)
                self.kills[point] += done.returncode == -signal.SIGKILL
                if done.returncode == 0:
                    return
        subprocess.run(
            [*COMMAND, *arguments], env=self.env, stderr=self.log, stdout=self.log, check=True
        )

    # -- work -------------------------------------------------------------------------------------
    def work(self, store: SqliteStore) -> float:
        """Two workers, killed and frozen, until the run is finished; returns the seconds it took."""
        began = time.monotonic()
        slots = [self.start(), self.start()]
        try:
            while time.monotonic() - began < self.plan.longest:
                if self.is_over(store):
                    return time.monotonic() - began
                for index, slot in enumerate(slots):
                    slots[index] = self.tend(slot)
                time.sleep(0.02)
            raise SystemExit(f"stalled after {self.plan.longest:g} s; see {self.folder}")
        finally:
            for slot in slots:
                if slot.process.poll() is None:
                    slot.process.send_signal(signal.SIGCONT)
                    slot.process.terminate()
            for slot in slots:
                slot.process.wait(30)

    def is_over(self, store: SqliteStore) -> bool:
        """Whether every request has its final result."""
        run = store.run_named("loop")
        return run is not None and run.state == "finished"

    def tend(self, slot: Slot) -> Slot:
        """Restart what died, thaw what froze, and now and then kill at random."""
        status = slot.process.poll()
        if status is not None:
            if status == -signal.SIGKILL:
                self.kills[slot.point] += 1
            else:
                self.exits.append(status)
            return self.start()
        if not slot.stopped_at and is_frozen(slot.process.pid):
            slot.stopped_at = time.monotonic()
            self.stops[slot.point] += 1
        if slot.stopped_at and time.monotonic() - slot.stopped_at > LEASE_SECONDS + 0.5:
            slot.process.send_signal(signal.SIGCONT)
            slot.stopped_at = 0.0
            slot.kill_at = (
                time.monotonic() + 0.3
            )  # it has shown what it does; make room for the next
            slot.point = "random"
        if slot.kill_at and time.monotonic() > slot.kill_at:
            slot.process.kill()
        return slot

    def start(self) -> Slot:
        """A worker armed with a death or a frost that is still to come."""
        point, action = self.choose()
        env = dict(self.env)
        if point in self.steps:
            env["LANEWISE_FAILPOINTS"] = f"{point}={action}"
        process = subprocess.Popen(self.worker, env=env, stderr=self.log)
        slot = Slot(process, point, action)
        if point == "random":
            slot.kill_at = time.monotonic() + self.dice.uniform(0.4, 1.5)
        return slot

    def choose(self) -> tuple[str, str]:
        """The earliest step that still has a death or a frost to come: later ones leave it no work.

        Both workers get the same, since either may be the one that holds the lease.
        """
        plan = self.plan
        for point in (*STEPS, "random"):
            if self.kills[point] < plan.kills:
                return point, "kill"
            stops = plan.stops if point in STEPS[1:] else 0  # nothing is packed a second time
            if self.stops[point] < stops:
                return point, "stop"
        return "", ""

    # -- check ------------------------------------------------------------------------------------
    def check(self, store: SqliteStore, source: Path) -> dict[str, Any]:
        """Everything that must hold at the end."""
        out = self.folder / "out.jsonl"
        subprocess.run(
            [*COMMAND, "results", "loop", "-o", str(out)], env=self.env, stderr=self.log, check=True
        )
        books = self.call("/sandbox/books")
        run = store.run_named("loop")
        assert run is not None
        owned = [row for row in store.batches(run.id) if isinstance(row.batch, Settled)]
        money = store.money(run.id)
        return {
            "answered": run.answered,
            "in order": ids_of(out) == ids_of(source),
            "billed": books["requests"],
            "billed twice": books["billed_twice"],
            "batches at the provider": books["batches"],
            "batches settled": len(owned),
            "orphans": sum(event.kind == "orphan.found" for event in store.events(limit=10**6)),
            "invoice nano-USD": books["nano_usd"],
            "ledger nano-USD": money.cost_nano,
            "waste nano-USD": money.waste_nano,
        }

    def close(self) -> None:
        self.sandbox.terminate()
        self.sandbox.wait(30)
        if self.sandbox.stderr is not None:
            self.sandbox.stderr.close()
        self.log.close()


def holds(figures: dict[str, Any], requests: int) -> bool:
    """Whether the promise was kept."""
    return (
        figures["answered"] == figures["billed"] == requests
        and figures["in order"]
        and figures["billed twice"] == figures["orphans"] == figures["waste nano-USD"] == 0
        and figures["batches at the provider"] == figures["batches settled"]
        and figures["invoice nano-USD"] == figures["ledger nano-USD"]
    )


def start_sandbox(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A sandbox of its own process, which loses answers and lists late."""
    faults = folder / "faults.json"
    lossy = {"times": -1, "provider": ""}
    faults.write_text(
        json.dumps(
            [
                {"kind": "accept_then_504", "probability": 0.05, **lossy},
                {"kind": "accept_then_hang", "probability": 0.03, **lossy},
                {"kind": "accept_then_reset", "probability": 0.05, **lossy},
                {
                    "kind": "http_error",
                    "operation": "batches.create",
                    "status": 500,
                    "probability": 0.03,
                    **lossy,
                },
                {
                    "kind": "drop_download",
                    "operation": "results",
                    "probability": 0.05,
                    "bytes": 20_000,
                    **lossy,
                },
                {"kind": "lines_failed", "probability": 0.03, "fraction": 0.1, **lossy},
                {"kind": "expire", "probability": 0.03, "fraction": 0.6, **lossy},
            ]
        )
    )
    command = [*COMMAND, "sandbox", "serve", "--port", "0", "--batch-seconds", "0.5"]
    command += [
        "--directory",
        str(folder / "provider"),
        "--faults",
        str(faults),
        "--listing-lag",
        "0.4",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    found = re.search(r"http://[\d.]+:\d+", process.stderr.readline())
    assert found is not None
    return process, found[0]


def environment(folder: Path, url: str, plan: Plan) -> dict[str, str]:
    """Short waits, so that this takes minutes."""
    return os.environ | {
        "LANEWISE_HOME": str(folder / "home"),
        "OPENAI_API_KEY": "key",
        "OPENAI_BASE_URL": f"{url}/v1",
        "ANTHROPIC_API_KEY": "key",
        "ANTHROPIC_BASE_URL": url,
        "LANEWISE_POLL_SECONDS": "0.2",
        "LANEWISE_BATCH_REQUESTS": str(plan.batch_requests),
        "LANEWISE_LEASE_SECONDS": str(LEASE_SECONDS),
        "LANEWISE_CREATE_TIMEOUT_SECONDS": "1",
        "LANEWISE_LISTING_LAG_SECONDS": "1.5",
        "LANEWISE_SWEEP_SECONDS": "1",
        "LANEWISE_MAX_TRIES": "20",
        "LANEWISE_DAILY_CAP_USD": "1000000",
        "LANEWISE_CONFIRM_ABOVE_USD": "1000000",
    }


def write_requests(path: Path, count: int) -> None:
    """Requests in both shapes, mixed."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            messages = [{"role": "user", "content": f"Summarise: parcel {number} is late."}]
            if number % 2:
                body = {"model": "gpt-4o-mini", "messages": messages}
                line: dict[str, Any] = {
                    "method": "POST",
                    "url": "/v1/chat/completions",
                    "body": body,
                }
            else:
                line = {
                    "params": {"model": "claude-haiku-4-5", "max_tokens": 20, "messages": messages}
                }
            file.write(json.dumps({"custom_id": f"r{number}"} | line) + "\n")


def ids_of(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="\n") as file:
        return [json.loads(line)["custom_id"] for line in file]


def is_frozen(pid: int) -> bool:
    """Whether the kernel says the process is stopped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] == "T"


def run_loop(plan: Plan) -> dict[str, Any]:
    """The whole loop in a folder of its own; returns the figures."""
    folder = Path(tempfile.mkdtemp(prefix="lanewise-crash-"))
    source = folder / "in.jsonl"
    write_requests(source, plan.requests)
    loop = Loop(plan, folder)
    try:
        loop.ingest(source)
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
        "kills": {point: loop.kills[point] for point in (*INGEST, *STEPS, "random")},
        "stops": {point: loop.stops[point] for point in STEPS[1:]},
        "other exits": loop.exits,
        "kept": holds(figures, plan.requests),
    }
    if figures["kept"]:
        shutil.rmtree(folder)
    else:
        figures["folder"] = str(folder)
    return figures


def main() -> None:
    """Run it and print what happened."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--batch-requests", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    figures = run_loop(Plan(chosen.requests, chosen.kills, chosen.stops, chosen.batch_requests))
    if chosen.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<26}{value}")
    sys.exit(0 if figures["kept"] else 1)


if __name__ == "__main__":
    main()
