"""Everything at one address: official clients, keys, calls that go at once and calls that wait."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from lanewise.app import Engine, keys
from lanewise.app.keys import NewKey
from lanewise.gateway.keys import LOOK_SECONDS
from lanewise.gateway.serving import RunningGateway, open_parts, working
from lanewise.sandbox import SandboxConfig, start_in_thread
from lanewise.settings import load

SAID: Any = [{"role": "user", "content": "Where is my order?"}]
MODEL = "gpt-4o-mini"
LATER = {"x-lanewise-deadline": "8h", "x-lanewise-workflow": "tickets"}


class FastClock:
    """Hours pass in moments while somebody sleeps by it."""

    def __init__(self) -> None:
        self.at = 1_790_000_000.0

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        until = self.at + seconds
        await asyncio.sleep(min(seconds, 1.0) / 100.0)
        self.at = max(self.at, until)


class Office:
    """`lanewise serve` in this process, with keys, before the sandbox."""

    def __init__(self, folder: Path, changes: Any, **wanted: NewKey) -> None:
        self.until = changes.until
        self.clock = clock = FastClock()
        config = SandboxConfig(batch_seconds=30.0, validation_seconds=5.0)
        self.sandbox = start_in_thread(folder / "provider", config=config, now=clock.now)
        environ = {
            "LANEWISE_HOME": str(folder / "home"),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": self.sandbox.openai_base_url,
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": self.sandbox.anthropic_base_url,
        }
        settings = load(environ, poll_seconds=10.0, listing_lag_seconds=60.0, ledger_flush_ms=1.0)
        self.engine = Engine(settings, clock=clock, environ=environ)
        self.keys = {
            name: keys.create(self.engine.store, new, clock.now()).reveal()
            for name, new in wanted.items()
        }
        self._clients = ExitStack()
        self._opened = open_parts(self.engine, "0.0.0.0")
        self.running = RunningGateway(self._opened.__enter__())
        self._working = working(self.engine)
        self._working.__enter__()

    def openai(self, key: str) -> openai.OpenAI:
        client = openai.OpenAI(
            base_url=f"{self.running.url}/v1", api_key=self.keys[key], max_retries=0, timeout=30
        )
        self._clients.callback(client.close)
        return client

    def anthropic(self, key: str) -> anthropic.Anthropic:
        client = anthropic.Anthropic(
            base_url=self.running.url, api_key=self.keys[key], max_retries=0, timeout=30
        )
        self._clients.callback(client.close)
        return client

    def http(self, key: str) -> httpx2.Client:
        headers = {"authorization": f"Bearer {self.keys[key]}"}
        client = httpx2.Client(base_url=self.running.url, headers=headers, timeout=30)
        self._clients.callback(client.close)
        return client

    def close(self) -> None:
        self._clients.close()
        self._working.__exit__(None, None, None)
        self.running.close()
        self._opened.__exit__(None, None, None)
        self.engine.close()
        self.sandbox.close()


@pytest.fixture
def make_office(tmp_path: Path, changes: Any) -> Iterator[Callable[..., Office]]:
    """Offices, closed at the end."""
    made: list[Office] = []

    def make(**wanted: NewKey) -> Office:
        made.append(Office(tmp_path, changes, **wanted))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def office(make_office: Callable[..., Office]) -> Office:
    """One with two tenants."""
    return make_office(ann=NewKey(name="ann", workflow="search"), bob=NewKey(name="bob"))


def order_of(office: Office, key: str, model: str = MODEL, **more: Any) -> Any:
    client = office.openai(key)
    asked = {"model": model, "messages": SAID, **more}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": asked}
    file = client.files.create(file=io.BytesIO(json.dumps(line).encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )


def test_calls_at_once_streams_and_calls_that_wait_share_an_address_and_a_ledger(
    office: Office,
) -> None:
    client, other = office.openai("ann"), office.anthropic("ann")
    assert client.chat.completions.create(model=MODEL, messages=SAID).choices[0].message.content
    parts = client.chat.completions.create(model=MODEL, messages=SAID, stream=True)
    assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
    asked: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 60, "messages": SAID}
    assert other.messages.create(**asked).content
    waited = client.chat.completions.create(model=MODEL, messages=SAID, extra_headers=LATER)
    assert waited.choices[0].message.content
    assert other.messages.create(**asked, extra_headers=LATER).content
    assert (
        client.chat.completions.create(model="o4-mini", messages=SAID, service_tier="flex")
        .choices[0]
        .message.content
    )
    office.running.close()
    rows = [entry.row for entry in office.engine.store.ledger() if entry.row.kind == "answer"]
    assert {(row.workflow, row.lane) for row in rows} >= {
        ("search", "realtime"),
        ("tickets", "batch"),
    }
    assert sum(row.n for row in rows if row.workflow == "tickets") == 2
    assert sum(row.n for row in rows) == 6


def test_a_call_is_polled_and_a_background_response_retrieved(office: Office) -> None:
    http, client = office.http("ann"), office.openai("ann")
    asked = {"model": MODEL, "messages": SAID}
    headers = LATER | {"prefer": "respond-async"}
    got = http.post("/v1/chat/completions", json=asked, headers=headers)
    assert got.status_code == 202
    assert got.json()["lane"] == "batch"
    done = office.until(
        lambda: (r := http.get(got.headers["location"])).status_code == 200 and r.json()
    )
    assert done["response"]["body"]["choices"]
    made = client.responses.create(model=MODEL, input="Hello", background=True, extra_headers=LATER)
    assert made.status == "queued"
    office.until(lambda: client.responses.retrieve(made.id).status == "completed")
    assert client.responses.retrieve(made.id).output_text


def test_a_batch_of_either_api_is_answered(office: Office) -> None:
    client, other = office.openai("ann"), office.anthropic("ann")
    batch = order_of(office, "ann")
    ended = office.until(
        lambda: (b := client.batches.retrieve(batch.id)).status == "completed" and b
    )
    assert json.loads(client.files.content(ended.output_file_id).text)["custom_id"] == "a"
    params: Any = {"model": "claude-haiku-4-5", "max_tokens": 60, "messages": SAID}
    made = other.messages.batches.create(requests=[{"custom_id": "b", "params": params}])
    office.until(lambda: other.messages.batches.retrieve(made.id).processing_status == "ended")
    assert [found.custom_id for found in other.messages.batches.results(made.id)] == ["b"]


# every route of the app has to be in one of these or name what it is about: a new one fails the test
CALLS = {"/v1/models/{model:path}", "/healthz", "/readyz", "/admin/openapi.json", *(
    f"/v1/{name}" for name in ("chat/completions", "responses", "embeddings", "completions", "models",
                               "moderations", "messages", "messages/count_tokens")
)}  # nothing of any tenant  # fmt: skip
LISTS = {"/v1/files", "/v1/batches", "/v1/messages/batches", "/admin/keys"}
ADMIN = "/admin/"  # of no tenant at all
METRICS = "/metrics"  # likewise


def possessions(office: Office, key: str) -> set[str]:
    """Ids of everything that a tenant can have, each of which is there."""
    http = office.http(key)
    asked = {"model": MODEL, "messages": SAID}
    headers = LATER | {"prefer": "respond-async", "idempotency-key": "one"}
    place = http.post("/v1/chat/completions", json=asked, headers=headers).headers["location"]
    response = office.openai(key).responses.create(
        model=MODEL, input="Hello", background=True, extra_headers=LATER
    ).id  # fmt: skip
    batch, failing = order_of(office, key), order_of(office, key, max_tokens="many")
    params = {"model": "claude-haiku-4-5", "max_tokens": 60, "messages": SAID}
    wanted = {"requests": [{"custom_id": "b", "params": params}]}
    messages = http.post("/v1/messages/batches", json=wanted).json()["id"]
    output = office.until(lambda: http.get(f"/v1/batches/{batch.id}").json().get("output_file_id"))
    errors = office.until(lambda: http.get(f"/v1/batches/{failing.id}").json().get("error_file_id"))
    office.until(lambda: http.get(place).status_code == 200)
    request = place.rpartition("/")[2]
    return {batch.input_file_id, output, errors, batch.id, messages, response, request}


def served(office: Office) -> Iterator[tuple[str, str]]:
    """Every method and path of the app."""
    for route in office.running.gateway.routes:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path
    yield from office.running.gateway.passing.hot()


def test_what_is_another_tenants_is_not_there_on_any_route(office: Office) -> None:
    ann, bob = office.http("ann"), office.http("bob")
    known = possessions(office, "ann")
    named = [(method, path) for method, path in served(office) if path.count("{name}") == 1]
    others = {path for _, path in served(office)} - {path for _, path in named}
    several = {path for path in others if path.startswith(ADMIN) and "{" in path}
    assert others - several == LISTS | CALLS | {METRICS}, "a new route needs a case here"
    for method, path in served(office):
        if path in {METRICS, *several}:
            got = bob.request(method, path.replace("{name}", "ann"))
            assert got.status_code == 401, (method, path)
    for method, path in named:
        if path.startswith(ADMIN):
            assert bob.request(method, path.replace("{name}", "ann")).status_code == 401
            continue
        for name in known:
            got = bob.request(method, path.replace("{name}", name))
            assert got.status_code == 404, (method, path, name, got.text)
    for listing in LISTS - {f"{ADMIN}keys"}:
        assert bob.get(listing).json()["data"] == []
        assert ann.get(listing).json()["data"] != []
        for name in known:
            for cursor in ("after", "after_id"):
                assert bob.get(f"{listing}?{cursor}={name}").json()["data"] == []
    assert bob.get(f"{ADMIN}keys").status_code == bob.post(f"{ADMIN}keys").status_code == 401
    for name in known:  # and nothing of it was ended or removed by trying
        asked = [path for method, path in named if method == "GET" and not path.startswith(ADMIN)]
        assert 200 in [ann.get(path.replace("{name}", name)).status_code for path in asked], name


def test_nothing_of_another_tenant_is_used_by_a_call_that_names_it(office: Office) -> None:
    bob, known = office.http("bob"), possessions(office, "ann")
    ids = {name.partition("_")[0].partition("-")[0]: name for name in sorted(known)}
    for name in known:
        made = bob.post(
            "/v1/batches", json={"input_file_id": name, "endpoint": "/v1/chat/completions"}
        )
        assert made.status_code == 404, name
    asked = {"model": MODEL, "messages": SAID}
    headers = LATER | {"prefer": "respond-async", "idempotency-key": "one"}
    for again in ({}, {"x-stainless-retry-count": "1"}):  # ann's key and body, word for word
        mine = bob.post("/v1/chat/completions", json=asked, headers=headers | again)
        assert mine.status_code == 202
        assert mine.headers["location"].rpartition("/")[2] not in known
    bare = {name: said for name, said in headers.items() if name != "idempotency-key"}
    mine = bob.post(
        "/v1/chat/completions", json=asked, headers=bare | {"x-stainless-retry-count": "3"}
    )
    assert mine.headers["location"].rpartition("/")[2] not in known
    other = {"model": MODEL, "input": "Hi", "previous_response_id": ids["resp"]}
    for more in ({}, LATER):
        got = bob.post("/v1/responses", json=other, headers=more)
        assert got.status_code == 404, got.text
        assert ids["resp"].removeprefix("resp_lw_") not in got.text.replace(ids["resp"], "")


def test_a_key_is_held_to_what_it_is_for_in_every_lane(make_office: Callable[..., Office]) -> None:
    office = make_office(
        night=NewKey(name="night", models=("gpt-4o*",), lanes=("batch",)),
        flexed=NewKey(name="flexed", lanes=("flex",)),
        chat=NewKey(name="chat", endpoints=("/v1/chat/completions",)),
        slow=NewKey(name="slow", requests_per_minute=1),
    )
    night, chat, slow = office.openai("night"), office.openai("chat"), office.openai("slow")
    with pytest.raises(openai.PermissionDeniedError, match="not for the lane"):
        night.chat.completions.create(model=MODEL, messages=SAID)
    with pytest.raises(openai.BadRequestError, match="this key is for flex"):
        office.openai("flexed").embeddings.create(
            model="text-embedding-3-small", input="Hello", extra_headers=LATER
        )
    with pytest.raises(openai.PermissionDeniedError, match="not for the model"):
        night.chat.completions.create(model="o4-mini", messages=SAID, extra_headers=LATER)
    assert night.chat.completions.create(model=MODEL, messages=SAID, extra_headers=LATER).choices
    batch = order_of(office, "night", "o4-mini")
    failed = office.until(lambda: (b := night.batches.retrieve(batch.id)).status == "failed" and b)
    assert "not for the model" in failed.errors.data[0].message
    with pytest.raises(openai.PermissionDeniedError, match="not for the endpoint"):
        chat.embeddings.create(model="text-embedding-3-small", input="Hello")
    assert slow.chat.completions.create(model=MODEL, messages=SAID).choices
    with pytest.raises(openai.RateLimitError, match="1 requests a minute"):
        slow.chat.completions.create(model=MODEL, messages=SAID)
    office.keys["other"] = "sk-other"
    with pytest.raises(openai.AuthenticationError):
        office.openai("other").models.list()


def test_a_budget_is_spent_by_what_calls_cost_and_a_batch_beyond_it_fails_with_the_figures(
    make_office: Callable[..., Office],
) -> None:
    office = make_office(poor=NewKey(name="poor", monthly_usd="0.002"))
    client = office.openai("poor")
    for _ in range(5):  # each sets aside 0.0006 dollars, and costs a fraction of it
        client.chat.completions.create(model=MODEL, messages=SAID)
    with pytest.raises(openai.RateLimitError, match="monthly budget"):
        client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=16_000)
    for _ in range(5):
        client.chat.completions.create(model=MODEL, messages=SAID, extra_headers=LATER)
    with pytest.raises(openai.APIStatusError, match="monthly budget") as refused:
        client.chat.completions.create(
            model=MODEL, messages=SAID, max_tokens=16_000, extra_headers=LATER
        )
    assert refused.value.status_code == 402
    batch = order_of(office, "poor", max_tokens=16_000)
    failed = office.until(lambda: (b := client.batches.retrieve(batch.id)).status == "failed" and b)
    assert "could cost $0.0096" in failed.errors.data[0].message


def test_an_admin_key_makes_keys_and_nobody_else_does(make_office: Callable[..., Office]) -> None:
    office = make_office(ops=NewKey(name="ops", admin=True), ann=NewKey(name="ann"))
    assert office.http("ann").get("/admin/keys").status_code == 401
    made = office.http("ops").post("/admin/keys", json={"name": "new"})
    assert made.status_code == 201, made.text
    office.keys["new"] = made.json()["key"]
    office.clock.at += LOOK_SECONDS
    assert office.http("new").get("/v1/models").status_code == 200
