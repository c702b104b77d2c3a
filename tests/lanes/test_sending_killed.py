"""A worker that is killed between a call and its answer: every charge is known, nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lanewise.app import Engine, RunRequest
from lanewise.domain.ids import BatchId, WorkerId, fresh_id
from lanewise.domain.lanes import BACKGROUND_2H, REALTIME, LaneName
from lanewise.intake import ReadOptions, read
from lanewise.sandbox import RunningSandbox, SandboxConfig, start_in_thread
from lanewise.settings import load
from lanewise.store.nouns import NewBatch, Part, Run

COUNT = 60


class Killable:
    """A home, a sandbox in real time, and workers in processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.sandbox: RunningSandbox = start_in_thread(
            folder / "provider", config=SandboxConfig(profile="instant")
        )
        self.environ = {
            "LANEWISE_HOME": str(folder / "home"),
            "LANEWISE_MAX_TRIES": "20",
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": self.sandbox.openai_base_url,
        }
        self.engine = Engine(load(self.environ), environ=self.environ)

    def sent(self, lane: LaneName) -> Run:
        """A run whose requests are packed into one batch in this lane."""
        bodies = [
            {"model": "gpt-5-mini", "input": f"number {n}", "max_output_tokens": 400}
            for n in range(COUNT)
        ]
        requests = [
            {"custom_id": f"r{n}", "method": "POST", "url": "/v1/responses", "body": body}
            for n, body in enumerate(bodies)
        ]
        accepted = read([requests], ReadOptions())
        run = self.engine.accept(accepted, RunRequest("tests", "test")).run
        assert run is not None
        store, now = self.engine.store, self.engine.clock.now()
        (account,) = store.accounts_of(run.id)
        with store.register_worker(WorkerId("packer"), now):
            lease = store.acquire(account.id, WorkerId("packer"), now, 30.0)
            assert lease is not None
            (group,) = store.waiting(account.id, now)
            part = Part(group.waiting.segment, group.waiting.ordinals, 0)
            batch = BatchId(fresh_id())
            new = NewBatch(batch, group.key, lane, (part,), COUNT, group.whole[1])
            store.pack(lease, [new], now)
            store.release(lease)
        return run

    def pass_once(self, failpoint: str = "") -> int:
        """One pass of a worker in a process of its own; its exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "lanewise", "worker", "--once"],
            env={**os.environ, **self.environ, "LANEWISE_FAILPOINTS": failpoint},
            capture_output=True,
            timeout=60.0,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
        return done.returncode

    def finish(self, run: Run) -> Run:
        """Pass until it is finished."""
        for _ in range(60):
            self.pass_once()
            now = self.engine.run(run.id)
            if now.state == "finished":
                return now
        raise AssertionError("it does not finish")

    def close(self) -> None:
        self.engine.close()
        self.sandbox.close()


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Killable]:
    """One world."""
    world = Killable(tmp_path)
    yield world
    world.close()


@pytest.mark.parametrize("lane", [REALTIME, BACKGROUND_2H])
@pytest.mark.parametrize("place", ["call.sent", "call.answered"])
def test_killed_again_and_again_every_request_is_answered_once_and_every_charge_is_known(
    killable: Killable, lane: LaneName, place: str
) -> None:
    run = killable.sent(lane)
    kills = sum(killable.pass_once(f"{place}=kill:0.1") != 0 for _ in range(4))
    assert kills > 0
    done = killable.finish(run)
    assert done.answered == COUNT
    answers = [answer.caller_id for answer in killable.engine.store.answers(run.id)]
    assert answers == [f"r{n}" for n in range(COUNT)]
    rows: list[Any] = [entry.row for entry in killable.engine.store.ledger()]
    bounds = [row for row in rows if row.kind == "unknown_upper_bound"]
    most = sum(row.cost_nano for row in rows)
    certain = most - sum(row.cost_nano for row in bounds)
    books = killable.sandbox.books()
    assert certain <= books["nano_usd"] <= most
    assert COUNT <= books["requests"] <= COUNT + sum(row.n for row in bounds)
