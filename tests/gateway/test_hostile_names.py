"""Names that play tricks lead nowhere; what imitates our own words is the caller's text and no more."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from lanewise.app import Engine
from lanewise.gateway import files
from lanewise.gateway.batches import Batches
from lanewise.gateway.message_batches import MessageBatches
from lanewise.gateway.ordering import Orders
from lanewise.gateway.routes import Parts
from lanewise.gateway.who import Who
from lanewise.sandbox import SandboxConfig, start_in_thread
from lanewise.settings import load

TRICKS = [
    "..", ".", "..;", "*", "%00", "%0d%0aset-cookie:%20a=b", "%ff%fe", "%E2%80%AE", "%25%32%65",
    "..%2f..%2flanewise.db", "%2e%2e%2f%2e%2e%2flanewise.db", "..%5c..%5clanewise.db",
    "%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fuploads", "file-lw%2f..%2f..%2flanewise.db",
    "file-lw" + "a" * 16 + "%00", "file-lw" + "a" * 16 + "%2f..%2f..%2flanewise.db",
    "file-lw" + "%D0%B0" * 16, "file-lw" + "A" * 16, "file-lw" + "a" * 16 + "%0a",
    "batch_lw..%2f..%2fx", "msgbatch_lw%00", "resp_lw_..%2fx_0", "req_%2e%2e_0", "req_" + "a" * 16 + "_-1",
    "req_" + "a" * 16 + "_" + "9" * 5_000, "a" * 20_000,
]  # fmt: skip


def tree(home: Path) -> set[str]:
    """What there is in a home, but for what SQLite does by itself."""
    return {str(path) for path in home.rglob("*") if path.suffix not in (".db-wal", ".db-shm")}


@pytest.fixture
def asked(make_place: Callable[..., Any], upstream: Callable[..., Any]) -> Any:
    """A gateway, with a way to ask it for a path as it is written, which clients would tidy up."""
    server = upstream(b"HTTP/1.1 404 No\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
    place = make_place(server.url)
    place.port, place.server = int(place.url.rpartition(":")[2]), server
    return place


def ask(port: int, method: str, path: str) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        )
        client.sendall(head.encode())
        data = b"".join(iter(lambda: client.recv(65_536), b""))
    head_, _, body = data.partition(b"\r\n\r\n")
    assert b"\r\nset-cookie" not in head_.lower()
    return int(head_.split()[1]), body


@pytest.mark.parametrize("name", TRICKS, ids=range(len(TRICKS)))
def test_no_name_leads_out_of_its_place_on_any_route(asked: Any, name: str) -> None:
    home = asked.engine.settings.home
    kept = asked.http.post(
        "/v1/files", files={"file": ("../../x.jsonl", b"{}")}, data={"purpose": "batch"}
    ).json()
    before, tried = tree(home), 0
    for route in asked.running.gateway.routes:
        if "{" not in route.path:
            continue
        path = route.path.replace("{name}", name).replace("{model:path}", name)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            status, body = ask(asked.port, method, path)
            tried += 1
            assert status in ((401, 404) if path.startswith("/admin") else (400, 404, 405)), path
            assert b"SQLite" not in body
            if "{name}" in route.path:
                assert json.loads(body)["error"]["message"]
    assert tried >= 15
    for sent in asked.server.requests:  # names of models are the provider's to know
        assert sent.startswith(b"GET /v1/models/")
        assert b".." not in sent.split(b" ")[1].split(b"/")
    assert tree(home) == before
    assert asked.http.get(f"/v1/files/{kept['id']}/content").content == b"{}"


# -- imitations -----------------------------------------------------------------------------------
OURS = "lw-abcdefghijklmnop-0"  # as lanewise names a request for the provider
TAGS = {"lw_attempt": "x", "lw_batch": "y", "lw_home": "z"}  # as it marks its batches there


class Clock:
    """Moves when a test says so, or somebody would sleep."""

    at = 1_790_000_000.0

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


class Bench:
    """Files and batches of tenants a and b, before the sandbox; works when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        config = SandboxConfig(batch_seconds=30.0, validation_seconds=5.0)
        self.sandbox = start_in_thread(folder / "p", config=config, now=self.clock.now)
        environ = {
            "LANEWISE_HOME": str(folder / "home"),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": self.sandbox.openai_base_url,
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": self.sandbox.anthropic_base_url,
        }
        self.engine = Engine(load(environ, poll_seconds=10.0), clock=self.clock, environ=environ)
        parts = Parts(self.engine, lambda headers: Who(headers[b"authorization"].decode()))
        self.orders = Orders(parts)
        routes: list[Route] = [*files.routes(parts), *Batches(self.orders).routes()]
        routes += MessageBatches(self.orders).routes()
        self.http = TestClient(Starlette(routes=routes))
        self.http.__enter__()

    def call(self, tenant: str, method: str, path: str, **options: Any) -> Any:
        got = self.http.request(method, path, headers={"authorization": tenant}, **options)
        assert got.status_code == 200, got.text
        return got

    def order(self, tenant: str, lines: list[Any], **more: Any) -> str:
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        form: Any = {"files": {"file": ("batch.jsonl", content)}, "data": {"purpose": "batch"}}
        file = self.call(tenant, "POST", "/v1/files", **form).json()["id"]
        wanted = {"input_file_id": file, "endpoint": "/v1/chat/completions", **more}
        name: str = self.call(tenant, "POST", "/v1/batches", json=wanted).json()["id"]
        return name

    def finish(self) -> None:
        """Until all that was ordered has ended."""

        async def work() -> None:
            worker = self.engine.worker()
            while self.engine.store.runs(open_only=True):
                await worker.run_once()
                self.clock.at += 20.0

        for order in self.engine.store.validating():
            self.orders.decide(order)
        asyncio.run(work())

    def answers(self, tenant: str, batch: str) -> dict[str, Any]:
        """The bodies that came, by the caller's id."""
        shown = self.call(tenant, "GET", f"/v1/batches/{batch}").json()
        assert shown["status"] == "completed", shown
        text = self.call(tenant, "GET", f"/v1/files/{shown['output_file_id']}/content").text
        lines = [json.loads(line) for line in text.splitlines()]
        return {line["custom_id"]: line["response"]["body"] for line in lines}

    def close(self) -> None:
        self.http.__exit__(None, None, None)
        self.engine.close()
        self.sandbox.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(Orders, "resume", lambda _: None)  # decided when a test says so
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def line(name: str, said: str, **more: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": said}], **more}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def test_ids_and_tags_like_ours_are_the_callers_text_and_each_tenant_gets_its_own(
    bench: Bench,
) -> None:
    said = {"a": "Say apple.", "b": "Say banana."}
    batches = {
        tenant: bench.order(
            tenant, [line(OURS, text, metadata=TAGS), line("lw-x", text)], metadata=TAGS
        )
        for tenant, text in said.items()
    }
    bench.finish()
    found = {tenant: bench.answers(tenant, batch) for tenant, batch in batches.items()}
    for tenant, batch in batches.items():
        assert set(found[tenant]) == {OURS, "lw-x"}
        assert bench.call(tenant, "GET", f"/v1/batches/{batch}").json()["metadata"] == TAGS
    books = bench.sandbox.books()
    assert (books["requests"], books["billed_twice"]) == (4, 0)
    assert found["a"][OURS]["id"] != found["b"][OURS]["id"]
    assert len({body["id"] for of in found.values() for body in of.values()}) == 4


def test_ids_of_real_requests_of_another_tenant_take_none_of_its_answers(bench: Bench) -> None:
    first = bench.order("a", [line("mine", "Say apple.")])
    bench.finish()
    run = bench.engine.store.run_named(first)
    assert run is not None
    place = bench.engine.store.place(run.id, 0)
    assert place is not None
    second = bench.order("b", [line(f"lw-{place[0]}-0", "Say banana.")])
    bench.finish()
    mine, theirs = bench.answers("a", first), bench.answers("b", second)
    assert set(theirs) == {f"lw-{place[0]}-0"}
    assert mine["mine"]["id"] != theirs[f"lw-{place[0]}-0"]["id"]


def test_message_batches_with_ids_like_ours_keep_them(bench: Bench) -> None:
    params = {"model": "claude-haiku-4-5", "max_tokens": 60,
              "messages": [{"role": "user", "content": "Hi"}]}  # fmt: skip
    names = {}
    for tenant in ("a", "b"):
        wanted = {"requests": [{"custom_id": OURS, "params": params}]}
        names[tenant] = bench.call(tenant, "POST", "/v1/messages/batches", json=wanted).json()["id"]
    bench.finish()
    ids = set()
    for tenant, name in names.items():
        text = bench.call(tenant, "GET", f"/v1/messages/batches/{name}/results").text
        [found] = [json.loads(line) for line in text.splitlines()]
        assert (found["custom_id"], found["result"]["type"]) == (OURS, "succeeded")
        ids.add(found["result"]["message"]["id"])
    assert len(ids) == 2


def test_a_name_of_a_file_is_text_wherever_it_would_lead(bench: Bench) -> None:
    home = bench.engine.settings.home
    for name in (
        "../../../x",
        "/etc/passwd",
        "a\\..\\b",
        "x" * 500,
        "нет\u202e.jsonl",
        "lanewise.db",
    ):
        form: Any = {"files": {"file": (name, b"{}")}, "data": {"purpose": "batch"}}
        made = bench.call("a", "POST", "/v1/files", **form).json()
        assert {path.name for path in (home / "uploads").iterdir()} == {made["id"]}
        bench.call("a", "DELETE", f"/v1/files/{made['id']}")
    assert list((home / "uploads").iterdir()) == []
