"""Calls and batches that name a webhook, or whose key has one for all, over HTTP."""

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
from lanewise.app import webhooks as app
from lanewise.app.keys import NewKey
from lanewise.app.webhooks import NewWebhook
from lanewise.gateway.serving import RunningGateway, open_parts, working
from lanewise.sandbox import SandboxConfig, start_in_thread
from lanewise.settings import load

Make = Callable[..., Any]
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Where is my canary?"}]}
LATER = {"x-lanewise-deadline": "8h", "x-lanewise-workflow": "tickets"}
POLLED = LATER | {"prefer": "respond-async"}
NAMED = POLLED | {"x-lanewise-webhook": "hook"}


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
    """`lanewise serve` in this process before the sandbox, with these keys; its worker works when told to."""

    def __init__(self, folder: Path, *names: str) -> None:
        clock = FastClock()
        config = SandboxConfig(batch_seconds=30.0, validation_seconds=5.0)
        self.sandbox = start_in_thread(folder / "provider", config=config, now=clock.now)
        environ = {
            "LANEWISE_HOME": str(folder / "home"),
            "LANEWISE_WEBHOOK_ALLOW": "127.0.0.0/8",
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": self.sandbox.openai_base_url,
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": self.sandbox.anthropic_base_url,
        }
        settings = load(environ, poll_seconds=10.0, listing_lag_seconds=60.0)
        self.engine = Engine(settings, clock=clock, environ=environ)
        store, now = self.engine.store, clock.now()
        self.keys = {
            name: keys.create(store, NewKey(name=name, admin=name == "ops"), now).reveal()
            for name in names
        }
        self._closing = ExitStack()
        parts = self._closing.enter_context(open_parts(self.engine, "127.0.0.1"))
        self._running = RunningGateway(parts)
        self._closing.callback(self._running.close)
        self.url = self._running.url

    def work(self) -> None:
        """Let the worker begin."""
        self._closing.enter_context(working(self.engine))

    def hook(
        self, url: str, key: str = "ann", name: str = "hook", *, everything: bool = False
    ) -> None:
        app.add(self.engine, key, NewWebhook(name=name, url=url, all=everything))

    def http(self, key: str = "") -> httpx2.Client:
        headers = {"authorization": f"Bearer {self.keys[key]}"} if key else {}
        client = httpx2.Client(base_url=self.url, headers=headers, timeout=30)
        return self._closing.enter_context(client)

    def chat(self, headers: dict[str, str], key: str = "ann", **body: Any) -> httpx2.Response:
        return self.http(key).post("/v1/chat/completions", headers=headers, json=CHAT | body)

    def openai(self, key: str = "ann", **headers: str) -> openai.OpenAI:
        client = openai.OpenAI(
            base_url=f"{self.url}/v1", api_key=self.keys[key], max_retries=0,
            default_headers=headers,
        )  # fmt: skip
        return self._closing.enter_context(client)

    def anthropic(self, key: str = "ann", **headers: str) -> anthropic.Anthropic:
        client = anthropic.Anthropic(
            base_url=self.url, api_key=self.keys[key], max_retries=0, default_headers=headers
        )
        return self._closing.enter_context(client)

    def close(self) -> None:
        self._closing.close()
        self.engine.close()
        self.sandbox.close()


@pytest.fixture
def make_office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    made: list[Office] = []

    def make(*names: str) -> Office:
        made.append(Office(tmp_path, *names))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def office(make_office: Callable[..., Office]) -> Office:
    return make_office("ann", "bob", "ops")


# -- requests ----------------------------------------------------------------------------------------
def test_a_call_that_names_a_webhook_is_answered_202_and_the_webhook_told_where_to_ask(
    office: Office, receiver: Make
) -> None:
    hook = receiver()
    office.hook(hook.url)
    accepted = office.chat(NAMED)
    assert accepted.status_code == 202
    office.work()
    hook.wait(1)
    [got] = hook.got
    name = accepted.json()["id"]
    assert got.payload["type"] == "request.answered"
    assert got.payload["data"] == {
        "id": name,
        "status": "answered",
        "url": accepted.headers["location"],
        "workflow": "tickets",
    }
    found = office.http("ann").get(got.payload["data"]["url"])
    assert found.json()["response"]["body"]["choices"]
    assert b"canary" not in got.body
    assert (
        found.json()["response"]["body"]["choices"][0]["message"]["content"].encode()
        not in got.body
    )


def test_a_webhook_for_all_is_told_of_every_end_that_there_is(
    office: Office, receiver: Make
) -> None:
    hook = receiver()
    office.hook(hook.url, everything=True)
    answered, refused = office.chat(POLLED), office.chat(POLLED, temperature=99)
    ended = office.chat(POLLED)
    office.http("ann").post(f"{ended.headers['location']}/cancel").raise_for_status()
    office.work()
    hook.wait(3)
    told = {got.payload["data"]["id"]: got.payload["type"] for got in hook.got}
    assert told == {
        answered.json()["id"]: "request.answered",
        refused.json()["id"]: "request.refused",
        ended.json()["id"]: "request.unanswered",
    }
    for got in hook.got:
        found = office.http("ann").get(got.payload["data"]["url"]).json()
        assert found["status"] == got.payload["data"]["status"]


def test_a_background_response_is_told_under_openais_names(office: Office, receiver: Make) -> None:
    hook = receiver()
    office.hook(hook.url, everything=True)
    client = office.openai()
    options: Any = {
        "model": "gpt-5-mini", "input": "Which box?", "background": True,
        "extra_body": {"background_options": {"completion_window": "8h"}},
    }  # fmt: skip
    first, second = client.responses.create(**options), client.responses.create(**options)
    assert client.responses.cancel(second.id).status == "cancelled"
    office.work()
    hook.wait(2)
    told = {got.payload["data"]["id"]: got.payload["type"] for got in hook.got}
    assert told == {first.id: "response.completed", second.id: "response.cancelled"}
    assert client.responses.retrieve(first.id).status == "completed"


def test_an_open_gateway_has_webhooks_like_any_key(
    make_office: Callable[..., Office], receiver: Make
) -> None:
    office, hook = make_office(), receiver()
    office.hook(hook.url, "")
    assert office.chat(NAMED, "").status_code == 202
    office.work()
    hook.wait(1)
    assert hook.got[0].payload["type"] == "request.answered"


def test_a_call_that_is_repeated_is_told_once(office: Office, receiver: Make) -> None:
    hook = receiver()
    office.hook(hook.url)
    headers = NAMED | {"idempotency-key": "one"}
    first, second = office.chat(headers), office.chat(headers)
    assert first.json()["id"] == second.json()["id"]
    last = office.chat(NAMED)
    office.work()
    hook.wait(2)
    ids = [got.payload["data"]["id"] for got in hook.got]
    assert sorted(ids) == sorted([first.json()["id"], last.json()["id"]])


def test_a_call_in_real_time_has_nothing_to_tell_and_says_so(
    office: Office, receiver: Make
) -> None:
    office.hook(receiver().url)
    for headers in ({}, {"x-lanewise-deadline": "now"}):
        refused = office.chat({"x-lanewise-webhook": "hook"} | headers)
        assert refused.status_code == 400
        assert "x-lanewise-deadline" in refused.json()["error"]["message"]


# -- batches -----------------------------------------------------------------------------------------
def batch(client: openai.OpenAI, *, endpoint: str = "/v1/chat/completions") -> Any:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": CHAT}
    file = client.files.create(file=io.BytesIO(json.dumps(line).encode()), purpose="batch")
    kind: Any = endpoint
    return client.batches.create(input_file_id=file.id, endpoint=kind, completion_window="24h")


def test_openais_batches_are_told_of_however_they_end(office: Office, receiver: Make) -> None:
    hook, other = receiver(), receiver()
    office.hook(hook.url)
    office.hook(other.url, "bob", everything=True)
    client = office.openai(**{"x-lanewise-webhook": "hook"})
    done, failed = batch(client), batch(client, endpoint="/v1/responses")
    ended, unnamed = batch(client), batch(office.openai())
    hook.wait(0)
    client.batches.cancel(ended.id)
    office.work()
    hook.wait(3)
    told = {got.payload["data"]["id"]: got.payload["type"] for got in hook.got}
    assert told == {
        done.id: "batch.completed", failed.id: "batch.failed", ended.id: "batch.cancelled",
    }  # fmt: skip
    assert unnamed.id not in told
    for got in hook.got:
        found = office.http("ann").get(got.payload["data"]["url"]).json()
        assert found["status"] == got.payload["data"]["status"]
    assert other.got == []


def test_anthropics_batches_are_told_of_and_one_that_was_refused_is_not(
    office: Office, receiver: Make
) -> None:
    hook = receiver()
    office.hook(hook.url, everything=True)
    client = office.anthropic()
    params: Any = {
        "model": "claude-haiku-4-5", "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hello."}],
    }  # fmt: skip
    twice: Any = [{"custom_id": "a", "params": params}] * 2
    with pytest.raises(anthropic.BadRequestError):
        client.messages.batches.create(requests=twice)
    made = client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
    office.work()
    hook.wait(1)
    assert [(got.payload["type"], got.payload["data"]["id"]) for got in hook.got] == [
        ("batch.completed", made.id)
    ]
    found = office.http("ann").get(hook.got[0].payload["data"]["url"]).json()
    assert found["processing_status"] == "ended"


# -- whose they are ----------------------------------------------------------------------------------
def test_anothers_webhook_is_one_that_is_not_there(office: Office, receiver: Make) -> None:
    hook = receiver()
    office.hook(hook.url)
    foreign = office.chat(NAMED, "bob")
    none = office.chat(NAMED | {"x-lanewise-webhook": "none"}, "bob")
    assert (foreign.status_code, none.status_code) == (404, 404)
    assert foreign.json()["error"]["code"] == none.json()["error"]["code"] == "webhook_not_found"
    assert foreign.text.replace("hook'", "none'") == none.text
    with pytest.raises(openai.NotFoundError):
        batch(office.openai("bob", **{"x-lanewise-webhook": "hook"}))
    client = office.anthropic("bob", **{"x-lanewise-webhook": "hook"})
    params: Any = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(**params, extra_headers=NAMED)
    assert office.engine.store.runs() == []
    assert office.engine.store.awaited(None) == []


def test_a_webhook_that_is_disabled_is_not_there_to_be_named(office: Office) -> None:
    office.hook("http://127.0.0.1:9/")
    [hook] = office.engine.store.webhooks("ann")
    office.engine.store.disable_webhook(hook.id, 1.0, "gone")
    assert office.chat(NAMED).status_code == 404


# -- the admin API -----------------------------------------------------------------------------------
def test_a_webhook_lives_from_registration_to_removal_over_http(
    office: Office, receiver: Make
) -> None:
    hook, admin = receiver(), office.http("ops")
    path = "/admin/keys/ann/webhooks"
    made = admin.post(path, json={"name": "hook", "url": hook.url, "all": True})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    shown = made.json()["about"]
    assert (shown["name"], shown["key"], shown["all"]) == ("hook", "ann", True)
    assert admin.post(path, json={"name": "hook", "url": hook.url}).status_code == 409
    assert admin.get(path).json()["data"] == [shown]
    assert admin.get(f"{path}/hook").json() == shown
    rotated = admin.post(f"{path}/hook/rotate", json={"grace": "2h"}).json()
    assert rotated["secret"] not in ("", secret)
    assert rotated["about"]["old_until"] is not None
    tested = admin.post(f"{path}/hook/test").json()
    assert tested == {"taken": True, "status": 204, "said": "it answered with status 204"}
    assert len(hook.got[0].headers["webhook-signature"].split(" ")) == 2
    assert secret not in admin.get(path).text
    assert admin.delete(f"{path}/hook").json() == {"name": "hook", "removed": True}
    assert admin.get(f"{path}/hook").status_code == 404


def test_a_webhook_is_found_with_its_own_key_only_and_by_admins_only(
    office: Office, receiver: Make
) -> None:
    office.hook(receiver().url)
    admin = office.http("ops")
    assert admin.get("/admin/keys/bob/webhooks").json()["data"] == []
    for method, path in (
        ("GET", "bob/webhooks/hook"), ("DELETE", "bob/webhooks/hook"), ("POST", "bob/webhooks/hook/test"),
        ("POST", "bob/webhooks/hook/rotate"), ("GET", "none/webhooks"), ("GET", "ann/webhooks/none"),
    ):  # fmt: skip
        assert admin.request(method, f"/admin/keys/{path}").status_code == 404, path
    for key in ("ann", "bob"):
        assert office.http(key).get("/admin/keys/ann/webhooks").status_code == 401
    assert len(office.engine.store.webhooks("ann")) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"name": "hook", "url": "https://169.254.169.254/"},
        {"name": "hook", "url": "https://10.0.0.1/"},
        {"name": "hook", "url": "http://example.org/"},
        {"name": "hook", "url": "https://user:pw@example.org/"},
        {"name": "../hook", "url": "https://93.184.215.14/"},
        {"name": "hook"},
        {"name": "hook", "url": "https://93.184.215.14/", "al": True},
    ],
)
def test_what_cannot_be_registered_is_refused_with_what_can(office: Office, body: Any) -> None:
    refused = office.http("ops").post("/admin/keys/ann/webhooks", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["message"]
    assert office.engine.store.webhooks() == []
