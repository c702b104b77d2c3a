"""OpenAI's batch API, served: existing batch code works by changing a URL."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lanewise.app import Engine
from lanewise.errors import StoreUnusable
from lanewise.gateway import files
from lanewise.gateway.batches import Batches
from lanewise.gateway.message_batches import MessageBatches
from lanewise.gateway.ordering import Orders
from lanewise.gateway.routes import Parts
from lanewise.gateway.who import OPEN, Who
from lanewise.sandbox import SandboxConfig, start_in_thread
from lanewise.settings import load
from lanewise.store.orders import Order

NARROW = Who("n", "key-n", models=("gpt-4o-mini",), endpoints=("/v1/chat/completions",))
KEYS = {
    b"Bearer n": NARROW,
    b"": OPEN,
    b"Bearer a": Who("a", "key-a"),
    b"Bearer b": Who("b", "key-b"),
}


def line(name: str, model: str = "gpt-4o-mini", **body: Any) -> bytes:
    asked = {"model": model, "messages": [{"role": "user", "content": f"Say {name}."}]} | body
    return (
        json.dumps(
            {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": asked}
        ).encode()
        + b"\n"
    )


class Clock:
    """Hours pass in moments while somebody sleeps by it."""

    at = 1_790_000_000.0

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


class Shop:
    """The routes of files and batches in one app, before the sandbox."""

    def __init__(self, folder: Path, changes: Any) -> None:
        self.until = changes.until
        self.clock = Clock()
        config = SandboxConfig(batch_seconds=30.0, validation_seconds=5.0)
        self.sandbox = start_in_thread(folder / "p", config=config, now=self.clock.now)
        self.environ = {
            "LANEWISE_HOME": str(folder / "home"),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": self.sandbox.openai_base_url,
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": self.sandbox.anthropic_base_url,
        }
        settings = load(self.environ, poll_seconds=10.0)
        self.engine = Engine(settings, clock=self.clock, environ=self.environ)
        parts = Parts(self.engine, lambda headers: KEYS.get(headers.get(b"authorization", b"")))
        self.orders = Orders(parts)
        messages = MessageBatches(self.orders)
        routes = [*files.routes(parts), *Batches(self.orders).routes(), *messages.routes()]
        self.app = Starlette(routes=routes)
        self.http = TestClient(self.app, headers={"authorization": "Bearer a"})
        self.http.__enter__()

    def client(self, key: str = "a") -> openai.OpenAI:
        """The official client, without a network between."""
        return openai.OpenAI(
            base_url="http://testserver/v1",
            api_key=key,
            http_client=_Client(self.http),  # type: ignore[arg-type]
        )

    def close(self) -> None:
        self.http.__exit__(None, None, None)
        self.engine.close()
        self.sandbox.close()


def _Client(http: TestClient) -> httpx2.Client:  # noqa: N802
    return httpx2.Client(transport=httpx2.MockTransport(lambda request: _relay(http, request)))


def _relay(http: TestClient, request: httpx2.Request) -> httpx2.Response:
    found = http.request(
        request.method,
        str(request.url),
        content=request.read(),
        headers=dict(request.headers),
    )
    kept = {"content-type": found.headers.get("content-type", "")}
    return httpx2.Response(found.status_code, content=found.content, headers=kept)


@pytest.fixture
def shop(tmp_path: Path, changes: Any) -> Iterator[Shop]:
    shop = Shop(tmp_path, changes)
    yield shop
    shop.close()


@pytest.fixture
def finish(shop: Shop) -> Callable[[str], Any]:
    """Let a batch become a run, and the run end."""
    import asyncio

    client = shop.client()

    def finish(name: str) -> Any:
        for _ in range(200):
            batch = client.batches.retrieve(name)
            if batch.status in ("completed", "failed", "cancelled"):
                return batch
            asyncio.run(shop.engine.worker().run_once())
            shop.clock.at += 20.0
        raise AssertionError(batch)

    return finish


def order(client: openai.OpenAI, content: bytes, **options: Any) -> Any:
    file = client.files.create(file=("in.jsonl", io.BytesIO(content)), purpose="batch")
    wanted = {"endpoint": "/v1/chat/completions", "completion_window": "24h"} | options
    return client.batches.create(input_file_id=file.id, **wanted)


def test_a_deadline_that_cannot_be_meant_is_refused_when_a_batch_is_made(shop: Shop) -> None:
    client = shop.client()
    with pytest.raises(openai.BadRequestError, match="`completion_window` is 'soon'; it takes 8h"):
        order(client, line("x"), completion_window="soon")
    said = {"x-lanewise-deadline": "2020-01-01T00:00Z"}
    with pytest.raises(openai.BadRequestError, match=r"x-lanewise-deadline is .*still to come"):
        order(client, line("x"), extra_headers=said)
    assert list(client.batches.list()) == []


def test_code_for_openais_batches_gets_its_answers_under_its_own_ids(
    shop: Shop, finish: Callable[[str], Any]
) -> None:
    client = shop.client()
    content = line("x", "gpt-4o-mini") + line("y", "gpt-4o") + line("z", temperature=99)
    made = order(client, content, metadata={"team": "search"})
    assert made.status == "validating"
    batch = finish(made.id)
    assert (batch.status, batch.metadata) == ("completed", {"team": "search"})
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1)
    answers = client.files.content(batch.output_file_id).read().splitlines()
    assert [json.loads(answer)["custom_id"] for answer in answers] == ["x", "y"]
    (wrong,) = client.files.content(batch.error_file_id).read().splitlines()
    assert json.loads(wrong)["response"]["status_code"] == 400
    shown = client.files.retrieve(batch.output_file_id)
    assert shown.bytes == sum(len(answer) + 1 for answer in answers)
    assert shop.sandbox.books()["billed_twice"] == 0


def test_answers_past_their_retention_are_not_there_and_the_batch_still_is(
    shop: Shop, finish: Callable[[str], Any], claude: anthropic.Anthropic
) -> None:
    client = shop.client()
    batch = finish(order(client, line("x")).id)
    made = claude.messages.batches.create(requests=[message("a")])
    assert ended(shop, claude, made.id).request_counts.succeeded == 1
    for run in shop.engine.store.runs():
        shop.engine.store.delete_bodies(run.id)
    with pytest.raises(openai.NotFoundError):
        client.files.content(batch.output_file_id)
    assert client.batches.retrieve(batch.id).status == "completed"
    assert shop.http.get(f"/v1/messages/batches/{made.id}/results").status_code == 404
    assert claude.messages.batches.retrieve(made.id).request_counts.succeeded == 1


def test_a_file_with_a_broken_line_says_so_and_its_batch_fails_with_the_line(
    shop: Shop, finish: Callable[[str], Any]
) -> None:
    client = shop.client()
    content = line("x") + b'{"custom_id": "y"}\n'
    file = client.files.create(file=("in.jsonl", io.BytesIO(content)), purpose="batch")
    assert file.status == "error"
    assert (file.status_details or "").startswith("line 2: ")
    batch = finish(order(client, content).id)
    assert batch.status == "failed"
    assert [error.line for error in batch.errors.data] == [2]
    assert shop.engine.store.runs() == []


def test_a_batch_of_another_endpoint_than_its_lines_fails(
    shop: Shop, finish: Callable[[str], Any]
) -> None:
    batch = finish(order(shop.client(), line("x"), endpoint="/v1/embeddings").id)
    assert batch.status == "failed"
    assert "its url is /v1/chat/completions" in batch.errors.data[0].message


def test_what_was_ordered_before_a_crash_becomes_a_run_after_it_and_one_only(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.orders, "resume", lambda: None)
    made = order(shop.client(), line("x"))
    assert shop.engine.store.runs() == []
    (ordered,) = shop.engine.store.validating()
    shop.orders._accept(ordered)  # and dies before it notes that
    shop.orders.decide(ordered)
    (run,) = shop.engine.store.runs()
    assert run.name == made.id
    assert shop.client().batches.retrieve(made.id).status == "in_progress"


def test_a_batch_that_is_cancelled_keeps_what_is_answered_and_ends(
    shop: Shop, finish: Callable[[str], Any]
) -> None:
    client = shop.client()
    made = order(client, line("x"))
    assert client.batches.cancel(made.id).status == "cancelling"
    batch = finish(made.id)
    assert batch.status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="has ended"):
        client.batches.cancel(made.id)


def test_a_create_that_is_repeated_makes_one_batch(shop: Shop) -> None:
    client = shop.client()
    file = client.files.create(file=("in.jsonl", io.BytesIO(line("x"))), purpose="batch")
    wanted = {"input_file_id": file.id, "endpoint": "/v1/chat/completions"}
    first = shop.http.post("/v1/batches", json=wanted).json()["id"]
    again = {"x-stainless-retry-count": "1"}
    assert shop.http.post("/v1/batches", json=wanted, headers=again).json()["id"] == first
    assert shop.http.post("/v1/batches", json=wanted).json()["id"] != first


def test_lists_are_paged_newest_first(shop: Shop) -> None:
    client = shop.client()
    made = [order(client, line(str(number))).id for number in range(5)]
    assert [batch.id for batch in client.batches.list(limit=2)] == made[::-1]
    assert len(list(client.files.list(limit=2))) == 5
    assert shop.http.get("/v1/batches?limit=x").status_code == 400


def test_a_file_expires_when_it_was_said_to_and_can_be_deleted(shop: Shop) -> None:
    client = shop.client()
    expiry: Any = {"anchor": "created_at", "seconds": 3_600}
    file = client.files.create(
        file=("in.jsonl", io.BytesIO(line("x"))), purpose="batch", expires_after=expiry
    )
    assert client.files.content(file.id).read() == line("x")
    shop.clock.at += 3_601
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    other = client.files.create(file=("i", io.BytesIO(line("x"))), purpose="batch")
    assert [path.name for path in (shop.engine.settings.home / "uploads").iterdir()] == [other.id]
    assert client.files.delete(other.id).deleted
    assert list((shop.engine.settings.home / "uploads").iterdir()) == []


def test_another_tenants_files_and_batches_are_not_there(
    shop: Shop, finish: Callable[[str], Any]
) -> None:
    client = shop.client()
    batch = finish(order(client, line("x")).id)
    own = [batch.input_file_id, batch.output_file_id]
    other = {"authorization": "Bearer b"}
    paths = [
        *(("GET", f"/v1/files/{name}") for name in own),
        *(("GET", f"/v1/files/{name}/content") for name in own),
        *(("DELETE", f"/v1/files/{name}") for name in own),
        ("GET", f"/v1/batches/{batch.id}"),
        ("POST", f"/v1/batches/{batch.id}/cancel"),
    ]
    for method, path in paths:
        assert shop.http.request(method, path, headers=other).status_code == 404, path
    wanted = {"input_file_id": own[0], "endpoint": "/v1/chat/completions"}
    assert shop.http.post("/v1/batches", json=wanted, headers=other).status_code == 404
    for path in ("/v1/files", "/v1/batches"):
        assert shop.http.get(path, headers=other).json()["data"] == []
        after = f"{path}?after={batch.id}"
        assert shop.http.get(after, headers=other).json()["data"] == []
        assert shop.http.get(path, headers={"authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize(
    "name", ["..%2f..%2flanewise.db", "file-lw/../x", "file-lwo" + "a" * 16, "lanewise.db", "%00"]
)
def test_a_file_id_that_plays_tricks_is_one_that_is_not_there(shop: Shop, name: str) -> None:
    for tail in ("", "/content"):
        assert shop.http.get(f"/v1/files/{name}{tail}").status_code == 404


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ({"content-type": "application/json"}, b"{}", "multipart/form-data"),
        ({"content-type": "multipart/form-data; boundary=b"}, b"--b\r\n", "too early"),
        ({"content-type": "multipart/form-data; boundary=b"}, b"garbage", "broken"),
        (
            {"content-type": "multipart/form-data; boundary=b"},
            b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nvision\r\n--b--\r\n',
            "`purpose` must be",
        ),
        (
            {"content-type": "multipart/form-data; boundary=b"},
            b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b--\r\n',
            "no `file`",
        ),
    ],
)
def test_a_broken_form_is_refused_and_leaves_nothing_on_disk(
    shop: Shop, headers: dict[str, str], body: bytes, said: str
) -> None:
    refused = shop.http.post("/v1/files", headers=headers, content=body)
    assert refused.status_code == 400
    assert said in refused.json()["error"]["message"]
    assert list((shop.engine.settings.home / "uploads").iterdir()) == []


# -- Anthropic's -------------------------------------------------------------------------------------
def message(name: str, **params: Any) -> Any:
    asked = {"role": "user", "content": f"Say {name}."}
    body = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [asked]}
    return {"custom_id": name, "params": body | params}


@pytest.fixture
def claude(shop: Shop) -> anthropic.Anthropic:
    """The official client, without a network between."""
    http: Any = _Client(shop.http)
    return anthropic.Anthropic(base_url="http://testserver", api_key="a", http_client=http)


def ended(shop: Shop, claude: anthropic.Anthropic, name: str) -> Any:
    import asyncio

    for _ in range(200):
        batch = claude.messages.batches.retrieve(name)
        if batch.processing_status == "ended":
            return batch
        asyncio.run(shop.engine.worker().run_once())
        shop.clock.at += 20.0
    raise AssertionError(batch)


def test_code_for_message_batches_gets_its_answers_under_its_own_ids(
    shop: Shop, claude: anthropic.Anthropic
) -> None:
    asked = [message("x"), message("y"), message("z", temperature=99)]
    made = claude.messages.batches.create(requests=asked)
    assert (made.processing_status, made.request_counts.processing) == ("in_progress", 3)
    assert made.results_url is None
    batch = ended(shop, claude, made.id)
    counts = batch.request_counts
    assert (counts.processing, counts.succeeded, counts.errored) == (0, 2, 1)
    found = {line.custom_id: line.result.type for line in claude.messages.batches.results(made.id)}
    assert found == {"x": "succeeded", "y": "succeeded", "z": "errored"}
    assert [batch.id for batch in claude.messages.batches.list()] == [made.id]
    assert claude.messages.batches.delete(made.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.batches.retrieve(made.id)


def test_a_message_batch_is_cancelled_and_counted(shop: Shop, claude: anthropic.Anthropic) -> None:
    made = claude.messages.batches.create(requests=[message("x"), message("y")])
    with pytest.raises(anthropic.BadRequestError, match="not ended"):
        claude.messages.batches.delete(made.id)
    claude.messages.batches.cancel(made.id)
    assert ended(shop, claude, made.id).request_counts.canceled == 2


def test_a_broken_message_batch_is_refused_with_its_request_and_leaves_nothing(
    shop: Shop, claude: anthropic.Anthropic
) -> None:
    for requests, said in (
        ([message("x"), {"custom_id": "y"}], "requests.1: "),
        ([message("x"), message("x")], "requests.1: "),
        ([], "holds no request"),
    ):
        with pytest.raises(anthropic.BadRequestError, match=said):
            claude.messages.batches.create(requests=requests)
    for body in (b"", b"{", b'{"requests": 5}'):
        refused = shop.http.post("/v1/messages/batches", content=body)
        assert (refused.status_code, refused.json()["type"]) == (400, "error")
    assert shop.engine.store.runs() == []
    assert list((shop.engine.settings.home / "uploads").iterdir()) == []
    assert claude.messages.batches.list().data == []


def test_another_tenants_message_batch_is_not_there(
    shop: Shop, claude: anthropic.Anthropic
) -> None:
    made = claude.messages.batches.create(requests=[message("x")])
    other = {"authorization": "Bearer b"}
    one = f"/v1/messages/batches/{made.id}"
    for method, path in (
        ("GET", one),
        ("DELETE", one),
        ("POST", f"{one}/cancel"),
        ("GET", f"{one}/results"),
        ("GET", f"/v1/batches/{made.id}"),
    ):
        assert shop.http.request(method, path, headers=other).status_code == 404, path
    assert shop.http.get("/v1/messages/batches", headers=other).json()["data"] == []
    assert shop.http.get("/v1/batches").json()["data"] == []


def test_a_message_batch_that_is_created_again_is_the_one_it_was(shop: Shop) -> None:
    body = {"requests": [message("x")]}
    first = shop.http.post("/v1/messages/batches", json=body).json()["id"]
    again = {"x-stainless-retry-count": "2"}
    assert shop.http.post("/v1/messages/batches", json=body, headers=again).json()["id"] == first
    assert len(shop.engine.store.runs()) == 1


def test_a_message_batch_cut_off_by_a_crash_is_found_by_the_call_that_is_repeated(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"requests": [message("x")]}

    def crash(order: Order) -> None:
        path = shop.engine.store.upload_path(order.upload)
        path.with_suffix(".kept").write_bytes(path.read_bytes())
        raise StoreUnusable("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(shop.orders, "decide", crash)
        assert shop.http.post("/v1/messages/batches", json=body).status_code == 503
    (cut_off,) = shop.engine.store.validating()
    path = shop.engine.store.upload_path(cut_off.upload)
    path.with_suffix(".kept").rename(path)
    again = {"x-stainless-retry-count": "1"}
    found = shop.http.post("/v1/messages/batches", json=body, headers=again).json()
    assert found["id"] == cut_off.id
    assert len(shop.engine.store.runs()) == 1


def test_a_batch_asks_only_for_what_its_key_is_for(shop: Shop) -> None:
    narrow = {"authorization": "Bearer n"}
    form = {"file": ("in.jsonl", line("x") + line("y", "gpt-4o"))}
    made = shop.http.post("/v1/files", data={"purpose": "batch"}, files=form, headers=narrow).json()
    wanted = {"input_file_id": made["id"], "endpoint": "/v1/embeddings"}
    assert shop.http.post("/v1/batches", json=wanted, headers=narrow).status_code == 400
    wanted["endpoint"] = "/v1/chat/completions"
    batch = shop.http.post("/v1/batches", json=wanted, headers=narrow).json()["id"]
    shop.until(lambda: not shop.engine.store.validating())
    shown = shop.http.get(f"/v1/batches/{batch}", headers=narrow).json()
    assert shown["status"] == "failed"
    assert [error["line"] for error in shown["errors"]["data"]] == [2]
    body = {"requests": [message("x")]}
    assert shop.http.post("/v1/messages/batches", json=body, headers=narrow).status_code == 400
    assert shop.engine.store.runs() == []
