"""Several processes on one home are one gateway, and one that ends hands over."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lanewise.app import Engine, keys
from lanewise.app.keys import NewKey
from lanewise.sandbox import SandboxConfig, start_in_thread
from lanewise.settings import load

PATH = "/v1/chat/completions"
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Where is my order?"}]}
LATER = {"x-lanewise-deadline": "8h"}
POLL = LATER | {"prefer": "respond-async"}
LINE = json.dumps({"custom_id": "a", "method": "POST", "url": PATH, "body": CHAT}).encode() + b"\n"


def until(done: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What becomes true in other processes; each look is a request to one of them."""
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "it did not come true"
    return found


class Pair:
    """Two gateways on one home, with keys: the first has a worker, the other has none."""

    def __init__(self, folder: Path, open_one: Callable[..., Any], closing: ExitStack) -> None:
        sandbox = start_in_thread(folder / "provider", config=SandboxConfig(profile="instant"))
        closing.callback(sandbox.close)
        self.home = folder / "home"
        self.environ = {
            "LANEWISE_POLL_SECONDS": "0.05",
            "LANEWISE_LOG_LEVEL": "warning",  # nobody reads it meanwhile
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": sandbox.openai_base_url,
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": sandbox.anthropic_base_url,
        }
        whole = os.environ | self.environ | {"LANEWISE_HOME": str(self.home)}
        with Engine(load(whole), environ=whole) as engine:
            now = engine.clock.now()
            made = keys.create(engine.store, NewKey(name="ops", admin=True), now)
            mine = keys.create(engine.store, NewKey(name="ann"), now)
        self.admin = {"authorization": f"Bearer {made.reveal()}"}
        mine_only = {"authorization": f"Bearer {mine.reveal()}"}
        served = [
            closing.enter_context(open_one(self.home, *flags, **self.environ))
            for flags in ((), ("--no-worker",))
        ]
        self.processes = [process for process, _ in served]
        self.clients = [
            closing.enter_context(httpx2.Client(base_url=url, headers=mine_only, timeout=30))
            for _, url in served
        ]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, serving: Any) -> Iterator[Pair]:
    """Both of them."""
    with ExitStack() as closing:
        yield Pair(tmp_path_factory.mktemp("pair"), serving, closing)


def test_a_key_made_by_one_opens_the_other_and_revoked_by_the_other_it_opens_neither(
    pair: Pair,
) -> None:
    first, other = pair.clients
    made = first.post("/admin/keys", json={"name": "new"}, headers=pair.admin)
    assert made.status_code == 201
    headers = {"authorization": f"Bearer {made.json()['key']}"}

    def statuses() -> list[int]:
        return [http.post(PATH, json=CHAT, headers=headers).status_code for http in pair.clients]

    until(lambda: statuses() == [200, 200])
    assert other.delete("/admin/keys/new", headers=pair.admin).status_code == 200
    until(lambda: statuses() == [401, 401])


def test_a_call_that_waits_is_accepted_by_one_and_polled_at_the_other(pair: Pair) -> None:
    first, other = pair.clients
    for here, there in ((first, other), (other, first)):
        taken = here.post(PATH, json=CHAT, headers=POLL)
        assert taken.status_code == 202
        place = taken.headers["location"]
        found = until(lambda at=there, where=place: (r := at.get(where)).status_code == 200 and r)
        assert found.json()["response"]["body"]["choices"]


def test_a_client_waits_at_the_one_without_a_worker_and_its_repetition_at_the_other(
    pair: Pair,
) -> None:
    first, other = pair.clients
    headers = LATER | {"idempotency-key": "again"}
    answers = [http.post(PATH, json=CHAT, headers=headers) for http in (other, first)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.headers["x-lanewise-request"] for answer in answers}) == 1
    assert answers[0].content == answers[1].content


def test_a_file_handed_in_at_one_is_a_batch_of_the_other_and_its_answers_are_at_both(
    pair: Pair,
) -> None:
    first, other = pair.clients
    form = {"data": {"purpose": "batch"}, "files": {"file": ("a.jsonl", LINE)}}
    file = other.post("/v1/files", **form).json()["id"]
    asked = {"input_file_id": file, "endpoint": PATH, "completion_window": "24h"}
    batch = first.post("/v1/batches", json=asked).json()["id"]
    ended = until(
        lambda: (b := other.get(f"/v1/batches/{batch}").json())["status"] == "completed" and b
    )
    answers = [http.get(f"/v1/files/{ended['output_file_id']}/content") for http in pair.clients]
    assert answers[0].text == answers[1].text
    assert json.loads(answers[0].text)["custom_id"] == "a"


def test_each_counts_its_own_calls_and_both_tell_what_the_home_has(pair: Pair) -> None:
    pages = [http.get("/metrics", headers=pair.admin).text for http in pair.clients]
    for page in pages:
        assert "lanewise_home_readable 1" in page
        assert "lanewise_calls_total{" in page


# -- how one ends -------------------------------------------------------------------------------------
def refused(url: str) -> bool:
    """Whether nobody listens there any more."""
    try:
        httpx2.get(f"{url}/healthz")
    except httpx2.ConnectError:
        return True
    except httpx2.TransportError:  # it was connected at the moment in which the door shut
        return False
    return False


def environ_of(server: Any) -> dict[str, str]:
    return {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": f"{server.url}/v1"}


BEGUN = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
USED = b'data: {"model":"gpt-4o-mini","choices":[{}],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
REST = b"%x\r\n%s\r\n0\r\n\r\n" % (len(USED), USED)


def test_told_to_end_it_says_so_hears_streams_out_takes_nothing_new_and_writes_the_ledger(
    serving: Any, upstream: Callable[..., Any], tmp_path: Path
) -> None:
    server = upstream(BEGUN + b"8\r\ndata: 1\n\r\n", REST)
    asked = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    environ = environ_of(server) | {"LANEWISE_HANDOVER_SECONDS": "3"}
    with serving(tmp_path / "home", **environ) as (process, url), httpx2.Client(timeout=30) as http:
        assert http.get(f"{url}/readyz").status_code == 200
        with http.stream("POST", f"{url}{PATH}", json=asked) as got:
            parts = got.iter_raw()
            begun = next(parts)
            process.send_signal(signal.SIGTERM)
            until(lambda: http.get(f"{url}/readyz").status_code == 503)
            assert http.get(f"{url}/healthz").status_code == 200  # calls are taken for a while yet
            until(lambda: refused(url))
            assert process.poll() is None
            server.proceed.set()
            assert begun + b"".join(parts) == b"data: 1\n" + USED
        assert process.wait(30) == 0
    home = {"LANEWISE_HOME": str(tmp_path / "home")}
    with Engine(load(home), environ=home) as engine:
        [entry] = engine.store.ledger()
        assert (entry.row.kind, entry.row.usage.output) == ("answer", 4)


def test_told_to_end_it_sends_those_who_wait_elsewhere_where_their_request_is_found(
    serving: Any, pair: Pair, tmp_path: Path
) -> None:
    headers = LATER | {"x-stainless-retry-count": "0"}
    home, got = tmp_path / "home", []

    def ask(url: str) -> None:
        got.append(httpx2.post(f"{url}{PATH}", json=CHAT, headers=headers, timeout=30))

    with serving(home, "--no-worker", **pair.environ) as (process, url):
        asking = threading.Thread(target=ask, args=(url,))
        asking.start()
        until(lambda: "lanewise_waiting_clients 1\n" in httpx2.get(f"{url}/metrics").text)
        process.send_signal(signal.SIGTERM)
        asking.join(30)
        assert process.wait(30) == 0
    headers["x-stainless-retry-count"] = "1"
    with serving(home, **pair.environ) as (_, url):
        ask(url)
    left, answered = got
    assert (left.status_code, left.headers["retry-after"]) == (503, "1")
    assert "x-should-retry" not in left.headers
    assert answered.status_code == 200
    assert answered.headers["x-lanewise-request"] == left.headers["x-lanewise-request"]
