"""What waits is held to the monthly budget of its key: reserved when accepted, what it cost when settled."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lanewise.app import Engine, keys
from lanewise.app.keys import NewKey
from lanewise.gateway.accepting import MOST_TOGETHER, Acceptor, Call, Ticket
from lanewise.gateway.serving import RunningGateway, open_parts
from lanewise.gateway.who import Who
from lanewise.gateway.wishes import Answering, Wish
from lanewise.sandbox import Fault, RunningSandbox, SandboxConfig, start_in_thread
from lanewise.settings import load

MODEL = "gpt-4o-mini"
SAID = [{"role": "user", "content": "Which box?"}]
CHAT = {
    "model": MODEL,
    "messages": SAID,
    "max_tokens": 100_000,
}  # at most 0.06 dollars in real time
MOST = 60_001_000  # nano-USD of one such call, and a little
LATER = {"x-lanewise-deadline": "24h", "prefer": "respond-async"}
WORKING = 400  # steps of a worker that are enough for whatever is ordered here


class Clock:
    """Moves when a test, or somebody who would sleep, says so."""

    def __init__(self) -> None:
        self.at = 1_790_000_000.0  # in September 2026

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


class Till:
    """A gateway over a home, its worker working when it is told to."""

    def __init__(self, home: Path, sandbox: RunningSandbox, clock: Clock) -> None:
        environ = {
            "LANEWISE_HOME": str(home),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": sandbox.openai_base_url,
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": sandbox.anthropic_base_url,
        }
        self.clock, self.sandbox = clock, sandbox
        settings = load(environ, poll_seconds=10.0, listing_lag_seconds=60.0, ledger_flush_ms=1.0)
        self.engine = Engine(settings, clock=clock, environ=environ)
        self._closing = ExitStack()
        self._key = ""

    def key(self, monthly_usd: str | None, name: str = "poor") -> str:
        new = NewKey(name=name, monthly_usd=monthly_usd)
        return keys.create(self.engine.store, new, self.clock.at).reveal()

    def open(self, key: str) -> None:
        """Serve; calls are made with that key."""
        parts = self._closing.enter_context(open_parts(self.engine, "127.0.0.1"))
        self.running = RunningGateway(parts)
        self._closing.callback(self.running.close)
        headers = {"authorization": f"Bearer {key}"}
        client = httpx2.Client(base_url=self.running.url, headers=headers, timeout=30)
        self.http = self._closing.enter_context(client)

    def wait_for(self, **more: Any) -> httpx2.Response:
        """One call that can wait."""
        return self.http.post("/v1/chat/completions", json=CHAT | more, headers=LATER)

    def order(self, lines: int, **more: Any) -> dict[str, Any]:
        """A batch over OpenAI's API, once it is decided whether it becomes a run."""
        content = b"".join(
            json.dumps(
                {"custom_id": str(n), "method": "POST", "url": "/v1/chat/completions",
                 "body": {**CHAT, "user": str(n), **more}}
            ).encode() + b"\n"
            for n in range(lines)
        )  # fmt: skip
        file = {"file": ("in.jsonl", content)}
        made = self.http.post("/v1/files", files=file, data={"purpose": "batch"}).json()
        wanted = {"input_file_id": made["id"], "endpoint": "/v1/chat/completions"}
        batch = self.http.post("/v1/batches", json=wanted).json()
        for task in list(self.running.gateway._orders._tasks):
            waits = asyncio.wait([task])
            asyncio.run_coroutine_threadsafe(waits, task.get_loop()).result(30)
        return self.shown(batch["id"])

    def shown(self, batch: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/v1/batches/{batch}").json()
        return found

    def work(self) -> None:
        """Until every run has ended."""

        async def work() -> None:
            worker = self.engine.worker()
            for _ in range(WORKING):
                if not self.engine.store.runs(open_only=True):
                    return
                await worker.run_once()
                self.clock.at += 20.0
            raise AssertionError("runs are still open")

        asyncio.run(work())

    def gone(self, name: str = "poor") -> int:
        """What is spent or set aside, nano-USD, as `lanewise keys show` says."""
        store = self.engine.store
        [shown] = keys.shown(store, [keys.find(store, name)], self.clock.at)
        return round(float(shown.drawn_usd) * 10**9)

    def cost(self) -> int:
        """What the ledger says was spent."""
        return sum(entry.row.cost_nano or 0 for entry in self.engine.store.ledger())

    def close(self) -> None:
        self._closing.close()
        self.engine.close()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[tuple[RunningSandbox, Clock]]:
    """A provider whose batches take half a minute."""
    clock = Clock()
    config = SandboxConfig(batch_seconds=30.0, validation_seconds=5.0)
    running = start_in_thread(tmp_path / "provider", config=config, now=clock.now)
    yield running, clock
    running.close()


@pytest.fixture
def make_till(tmp_path: Path, sandbox: Any) -> Iterator[Callable[[], Till]]:
    """Tills of one home, closed at the end."""
    made: list[Till] = []

    def make() -> Till:
        made.append(Till(tmp_path / "home", *sandbox))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def till(make_till: Callable[[], Till]) -> Till:
    """One whose key may spend 0.2 dollars a month: three of `CHAT`."""
    till = make_till()
    till.open(till.key("0.2"))
    return till


def test_what_a_waiting_call_cost_takes_the_place_of_what_was_reserved_for_it(till: Till) -> None:
    assert till.wait_for().status_code == 202
    assert MOST <= till.gone() < MOST * 1.01
    till.work()
    assert 0 < till.gone() == till.cost() < MOST / 100
    for _ in range(5):  # more than there would be room for, were they all to wait at once
        assert till.wait_for().status_code == 202
        till.work()
    assert till.gone() == till.cost()


def test_calls_beyond_the_budget_are_refused_with_the_figures_while_others_wait(till: Till) -> None:
    assert [till.wait_for().status_code for _ in range(4)] == [202, 202, 202, 402]
    said = till.wait_for().json()["error"]
    assert said["code"] == "over_budget"
    assert "could cost $0.06" in said["message"]
    assert "the monthly budget of this key of $0.2" in said["message"]
    assert "$0.0199" in said["message"]  # what is left
    assert sum(run.requests for run in till.engine.store.runs()) == 3


async def test_a_key_that_has_spent_its_budget_holds_up_nobody_however_much_it_asks(
    make_till: Callable[[], Till],
) -> None:
    till = make_till()
    till.key("0.2")
    accepted = till.engine.accept
    tries: list[int] = []

    def counted(*args: Any, **options: Any) -> Any:
        tries.append(1)
        return accepted(*args, **options)

    till.engine.accept = counted  # type: ignore[method-assign]
    acceptor = Acceptor(till.engine, lambda place: False)
    who, wish = Who("poor", "poor", monthly_nano=200_000_000), Wish("24h", "w", Answering.POLL)
    futures = [asyncio.get_running_loop().create_future() for _ in range(MOST_TOGETHER)]
    for number, future in enumerate(futures):
        body = json.dumps({**CHAT, "user": str(number)}).encode()
        acceptor.accept(Call(who, wish, "/v1/chat/completions", body, None, False, future))
    found = await asyncio.gather(*futures, return_exceptions=True)
    await acceptor.close()
    assert [isinstance(one, Ticket) for one in found] == [True] * 3 + [False] * (len(found) - 3)
    assert all("could cost $0.06" in str(one) for one in found[3:])
    assert len(tries) < 10


def test_a_call_in_real_time_sees_what_is_reserved_for_those_that_wait(till: Till) -> None:
    assert [till.wait_for().status_code for _ in range(3)] == [202] * 3
    refused = till.http.post("/v1/chat/completions", json=CHAT)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
    till.work()
    till.clock.at += 2.0  # what was asked for in vain is not asked for again at once
    assert till.http.post("/v1/chat/completions", json=CHAT).status_code == 200


def test_a_batch_within_the_budget_is_answered_and_settled(till: Till) -> None:
    batch = till.order(3)
    assert batch["status"] == "in_progress"
    assert MOST * 3 <= till.gone() <= 200_000_000
    assert till.order(1)["status"] == "failed"
    till.work()
    assert till.shown(batch["id"])["request_counts"]["completed"] == 3
    assert 0 < till.gone() == till.cost()
    assert till.order(3)["status"] == "in_progress"


def test_a_batch_beyond_the_budget_fails_with_the_figures_and_nothing_is_sent(till: Till) -> None:
    batch = till.order(4)
    [error] = batch["errors"]["data"]
    assert batch["status"] == "failed"
    assert "could cost $0.24" in error["message"]
    assert "has $0.200000 left ($0 spent, $0 reserved for open runs)" in error["message"]
    assert (till.engine.store.runs(), till.gone()) == ([], 0)
    assert till.sandbox.books()["requests"] == 0


def test_a_message_batch_beyond_the_budget_is_refused_with_the_figures(till: Till) -> None:
    asked = {"model": "claude-haiku-4-5", "max_tokens": 60_000, "messages": SAID}
    wanted = {"requests": [{"custom_id": "a", "params": asked}]}
    refused = till.http.post("/v1/messages/batches", json=wanted)
    assert (refused.status_code, refused.json()["type"]) == (400, "error")
    assert "could cost $0.3" in refused.json()["error"]["message"]
    assert "has $0.200000 left" in refused.json()["error"]["message"]
    asked["max_tokens"] = 30_000
    assert till.http.post("/v1/messages/batches", json=wanted).status_code == 200
    till.work()
    assert 0 < till.gone() == till.cost()


def test_a_batch_of_a_model_without_a_price_is_refused_to_a_key_with_a_budget(till: Till) -> None:
    batch = till.order(1, model="gpt-unheard-of")
    assert batch["status"] == "failed"
    assert "no price" in batch["errors"]["data"][0]["message"]
    waiting = till.wait_for(model="gpt-unheard-of")
    assert (waiting.status_code, waiting.json()["error"]["code"]) == (403, "price_unknown")


def test_what_is_reserved_comes_back_when_it_is_cancelled(till: Till) -> None:
    places = [till.wait_for().headers["location"] for _ in range(2)]
    assert till.http.post(f"{places[0]}/cancel").status_code == 200
    assert MOST <= till.gone() < MOST * 1.01
    batch = till.order(2)
    assert till.gone() > MOST * 2.9
    till.http.post(f"/v1/batches/{batch['id']}/cancel")
    assert MOST <= till.gone() < MOST * 1.01
    till.http.post(f"{places[1]}/cancel")
    assert till.gone() == till.cost() == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault("lines_refused", fraction=1.0),
        Fault("lines_failed", fraction=0.5),
        Fault("expire", fraction=0.5),
        Fault("lines_missing", fraction=0.5),
        Fault("fail_whole"),
    ],
    ids=lambda fault: fault.kind,
)
def test_only_what_the_provider_charges_for_is_spent_whatever_goes_wrong(
    till: Till, fault: Fault
) -> None:
    till.sandbox.add_fault(fault)
    batch = till.order(3)
    assert batch["status"] == "in_progress"
    till.work()
    counts = till.shown(batch["id"])["request_counts"]
    assert counts["completed"] + counts["failed"] == 3
    assert till.gone() == till.cost() == till.sandbox.books()["nano_usd"]
    assert (till.gone() > 0) is (counts["completed"] > 0)


def test_what_is_reserved_is_reserved_after_a_restart_and_settled_then(
    make_till: Callable[[], Till],
) -> None:
    before = make_till()
    key = before.key("0.2")
    before.open(key)
    assert before.order(3)["status"] == "in_progress"
    reserved = before.gone()
    before.close()
    after = make_till()
    after.open(key)
    assert after.gone() == reserved
    assert after.wait_for().status_code == 402
    after.work()
    assert 0 < after.gone() == after.cost()
    assert after.wait_for().status_code == 202


def test_what_waits_into_the_next_month_is_reserved_there_and_paid_from_it(till: Till) -> None:
    assert till.order(3)["status"] == "in_progress"
    till.clock.at += 20 * 86_400.0
    assert till.wait_for().status_code == 402
    till.work()
    assert till.engine.store.drawn("2026-09") == {}
    assert till.engine.store.drawn("2026-10") == {"poor": till.cost()}


def test_a_key_without_a_budget_sets_nothing_aside_and_one_key_pays_for_no_other(
    make_till: Callable[[], Till],
) -> None:
    till = make_till()
    till.key("0.2")
    till.open(till.key(None, "rich"))
    assert till.order(30)["status"] == "in_progress"
    till.work()
    assert till.engine.store.drawn("2026-09") == {}
    assert till.cost() > 0


# -- several processes ----------------------------------------------------------------------------
@contextmanager
def serving(home: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "lanewise", "serve", "--port", "0", "--provider", "sandbox"]
    process = subprocess.Popen(
        [*command, "--no-worker"],
        env=os.environ | {"LANEWISE_HOME": str(home)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("serving on http://127.0.0.1:"), line + process.stderr.read()
        yield line.split()[2]
    finally:
        process.kill()
        process.communicate()


def test_two_processes_at_once_never_reserve_more_than_the_budget(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environ = {"LANEWISE_HOME": str(home)}
    with Engine(load(environ), environ=environ) as engine:
        now = engine.clock.now()
        key = keys.create(engine.store, NewKey(name="poor", monthly_usd="0.5"), now).reveal()
    with serving(home) as one, serving(home) as other, ThreadPoolExecutor(8) as threads:

        def ask(number: int) -> int:
            headers = {**LATER, "authorization": f"Bearer {key}"}
            url = f"{(one, other)[number % 2]}/v1/chat/completions"
            asked = {**CHAT, "user": str(number)}
            return httpx2.post(url, json=asked, headers=headers, timeout=60).status_code

        found = list(threads.map(ask, range(24)))
    assert (found.count(202), found.count(402)) == (8, 16)
    with Engine(load(environ), environ=environ) as engine:
        assert sum(run.requests for run in engine.store.runs()) == 8
        assert (
            MOST * 8 <= engine.store.drawn(keys.month_of(engine.clock.now()))["poor"] <= 5 * 10**8
        )
