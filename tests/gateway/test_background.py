"""Calls that can wait: written down before they are acknowledged, answered in three ways, paid once."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anthropic
import httpx2
import openai
import pytest
import uvicorn
from starlette.applications import Starlette

from lanewise.app import Engine
from lanewise.errors import BadInput
from lanewise.gateway.background import Background, refusal
from lanewise.gateway.dialect import dialect_of
from lanewise.gateway.listening import Guarded
from lanewise.gateway.routes import Parts
from lanewise.gateway.waiting import Patience
from lanewise.gateway.who import OPEN, Who
from lanewise.gateway.wishes import Answering, Head, is_background
from lanewise.sandbox import Fault, SandboxConfig, start_in_thread
from lanewise.settings import load

KEYS = {b"": OPEN, b"Bearer a": Who("a", "key-a"), b"Bearer b": Who("b", "key-b")}
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say which box."}]}
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


class House:
    """A gateway with its background lane only, before the sandbox; its worker works when it is told to."""

    def __init__(self, folder: Path, changes: Any, patience: Patience) -> None:
        self.until, self._changes = changes.until, changes
        self.clock = FastClock()
        config = SandboxConfig(batch_seconds=30.0, validation_seconds=5.0)
        self.sandbox = start_in_thread(folder / "p", config=config, now=self.clock.now)
        self.environ = {
            "LANEWISE_HOME": str(folder / "home"),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": self.sandbox.openai_base_url,
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": self.sandbox.anthropic_base_url,
        }
        settings = load(self.environ, poll_seconds=10.0, listing_lag_seconds=60.0)
        self.engine = Engine(settings, clock=self.clock, environ=self.environ)
        self._stop = threading.Event()
        self._worker: threading.Thread | None = None
        self._patience = patience
        self.serve(0)

    def serve(self, port: int) -> None:
        """Listen there; on a free port for 0."""
        parts = Parts(self.engine, lambda headers: KEYS.get(headers.get(b"authorization", b"")))
        self.background = Background(parts, patience=self._patience)
        for name in ("_news", "add", "gone"):
            self._changes.after(self.background._waiting, name)
        app = _app(parts, self.background)
        config = uvicorn.Config(app, http=Guarded, log_level="critical", lifespan="on")
        self._server = uvicorn.Server(config)
        self._socket = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._serving = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}
        )
        self._serving.start()

    def work(self) -> None:
        """Let the worker begin."""

        def run() -> None:
            asyncio.run(self.engine.worker().run(until=self._stop.is_set))

        self._worker = threading.Thread(target=run)
        self._worker.start()

    def post(self, path: str = "/v1/chat/completions", **options: Any) -> httpx2.Response:
        headers = LATER | options.pop("headers", {})
        body = options.pop("json", CHAT)
        return httpx2.post(self.url + path, json=body, headers=headers, timeout=20.0, **options)

    def requests(self) -> int:
        """How many were accepted."""
        return sum(run.requests for run in self.engine.store.runs(limit=1_000))

    def waits(self, count: int) -> None:
        """Until so many requests are written down."""
        self.until(lambda: self.requests() >= count)

    def leave(self) -> None:
        """Let the server end in order."""
        self._server.should_exit = True
        self._serving.join(10)
        assert not self._serving.is_alive()

    def close(self) -> None:
        self._stop.set()
        if self._worker is not None:
            self._worker.join(10)
        self._server.should_exit = self._server.force_exit = True
        self._serving.join(10)
        self._socket.close()
        self.engine.close()
        self.sandbox.close()


def _app(parts: Parts, background: Background) -> Any:
    """What the real gateway does around it."""
    routes = Starlette(routes=background.routes())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await background.close()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["method"] == "POST" and not scope["path"].endswith("/cancel"):
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
            headers = dict(scope["headers"])
            who = parts.identify(headers)
            assert who is not None
            path = scope["path"]
            try:
                wish = background.wish(who, path, headers, json_head(body))
                assert wish is not None, "these tests send nothing in real time"
                answer = await background.handle(who, path, headers, wish, body)
            except BadInput as error:
                answer = refusal(dialect_of(path, versioned=False), error)
            await answer(scope, receive, send)
        else:
            await routes(scope, receive, send)

    return app


def json_head(body: bytes) -> Head:
    import msgspec

    return msgspec.json.decode(body, type=Head)


@pytest.fixture
def make_house(tmp_path: Path, changes: Any) -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def make(**patience: float) -> House:
        houses.append(House(tmp_path / f"h{len(houses)}", changes, Patience(**patience)))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()


# -- which calls can wait -----------------------------------------------------------------------------
def test_the_header_goes_before_the_providers_words_and_those_before_the_keys_and_policys() -> None:
    keyed, flex = Who(deadline="24h"), Head("m", service_tier="flex")
    said = {b"x-lanewise-deadline": b" 8h "}

    def deadline(*args: Any) -> str | None:
        wish = is_background(*args)
        return wish and wish.deadline

    assert deadline(keyed, said, flex, "2h") == "8h"
    assert deadline(keyed, {}, flex, "2h") == "15m"
    assert deadline(keyed, {}, Head("m"), "2h") == "24h"
    assert deadline(Who(), {}, Head("m"), "2h") == "2h"
    assert deadline(Who(), {}, Head("m")) is None
    assert deadline(keyed, {b"x-lanewise-deadline": b"now"}, flex) is None


def test_a_stream_is_watched_by_somebody_and_only_the_header_asks_to_wait_for_it() -> None:
    assert is_background(Who(deadline="8h"), {}, Head("m", stream=True)) is None
    with pytest.raises(BadInput, match="not streamed"):
        is_background(Who(), {b"x-lanewise-deadline": b"8h"}, Head("m", stream=True))


def test_a_background_response_waits_with_its_window_and_is_polled_as_the_provider_does() -> None:
    body = b'{"model":"m","background":true,"background_options":{"completion_window":"2h"}}'
    wish = is_background(Who(), {}, json_head(body))
    assert wish is not None
    assert (wish.deadline, wish.answering, wish.marked) == ("2h", Answering.RESPONSE, True)
    at_once = is_background(Who(), {}, json_head(b'{"background":true}'))
    assert at_once is not None
    assert (at_once.deadline, at_once.answering) == ("now", Answering.RESPONSE)
    assert is_background(Who(), {}, json_head(b'{"background":true,"stream":true}')) is None


# -- wait --------------------------------------------------------------------------------------------
def test_the_official_openai_client_waits_and_gets_the_providers_own_answer(house: House) -> None:
    house.work()
    client = openai.OpenAI(base_url=f"{house.url}/v1", api_key="a", default_headers=LATER)
    found = client.chat.completions.with_raw_response.create(**CHAT)  # type: ignore[call-overload]
    assert found.parse().choices[0].message.content
    assert found.headers["x-lanewise-request"].startswith("req_")
    (run,) = house.engine.store.runs()
    assert (run.workflow, run.source, run.asked) == ("tickets", "gateway", "8h")
    assert house.engine.store.tenant_of(run.id) == "a"


def test_the_official_anthropic_client_waits_and_gets_the_providers_own_answer(
    house: House,
) -> None:
    house.work()
    client = anthropic.Anthropic(base_url=house.url, api_key="a", default_headers=LATER)
    found = client.messages.create(
        model="claude-haiku-4-5", max_tokens=50, messages=[{"role": "user", "content": "Hello."}]
    )
    assert found.content[0].type == "text"
    assert found.usage.output_tokens > 0


def test_flex_is_a_wish_to_wait_and_its_words_do_not_reach_the_lane_it_takes(house: House) -> None:
    client = openai.OpenAI(base_url=f"{house.url}/v1", api_key="a")
    thread = threading.Thread(
        target=lambda: client.chat.completions.create(**CHAT, service_tier="flex")  # type: ignore[call-overload]
    )
    thread.start()
    house.waits(1)
    (run,) = house.engine.store.runs()
    place = house.engine.store.place(run.id, 0)
    assert place is not None
    assert b"service_tier" not in house.engine.store.line(*place)
    house.work()
    thread.join(15)
    assert run.asked == "15m"


def test_an_error_within_the_first_minute_keeps_the_providers_status_and_is_not_tried_again(
    house: House,
) -> None:
    house.work()
    client = openai.OpenAI(base_url=f"{house.url}/v1", api_key="a", default_headers=LATER)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**(CHAT | {"temperature": 99}))  # type: ignore[call-overload]
    assert house.requests() == 1


def test_white_space_keeps_a_long_wait_alive_and_the_body_is_the_answer_still(
    make_house: Callable[..., House],
) -> None:
    house = make_house(early=0.05, every=0.02)
    pieces: list[bytes] = []
    with httpx2.stream(
        "POST", f"{house.url}/v1/chat/completions", json=CHAT, headers=LATER, timeout=20.0
    ) as response:
        assert response.status_code == 200
        for piece in response.iter_raw():
            pieces.append(piece)
            if len(pieces) == 3:
                house.work()
    assert pieces[:3] == [b" ", b" ", b" "]
    assert json.loads(b"".join(pieces))["object"] == "chat.completion"


def test_what_fails_after_the_headers_is_cut_off_and_the_repeated_call_gets_the_error_at_once(
    make_house: Callable[..., House],
) -> None:
    house = make_house(early=0.05, every=0.02)
    bad = CHAT | {"temperature": 99}

    def call() -> None:
        where = f"{house.url}/v1/chat/completions"
        with httpx2.stream("POST", where, json=bad, headers=LATER, timeout=20.0) as response:
            assert response.status_code == 200
            house.work()
            response.read()

    with pytest.raises(httpx2.RemoteProtocolError):
        call()
    again = house.post(json=bad, headers={"x-stainless-retry-count": "1"})
    assert (again.status_code, again.headers["x-should-retry"]) == (400, "false")
    assert house.requests() == 1


def test_a_client_that_goes_away_leaves_nobody_waiting_and_its_request_where_it_is(
    house: House,
) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{house.url}/v1/chat/completions", json=CHAT, headers=LATER, timeout=0.5)
    house.until(lambda: not house.background._waiting._waiting)
    assert house.requests() == 1


def test_those_who_wait_when_the_gateway_leaves_call_again_and_find_their_requests(
    house: House,
) -> None:
    client = openai.OpenAI(base_url=f"{house.url}/v1", api_key="a", default_headers=LATER)
    answers: list[Any] = []
    thread = threading.Thread(
        target=lambda: answers.append(client.chat.completions.create(**CHAT))  # type: ignore[call-overload]
    )
    thread.start()
    house.waits(1)
    house.until(lambda: bool(house.background._waiting._waiting))
    house.leave()
    house.serve(int(house.url.rpartition(":")[2]))
    house.work()
    thread.join(15)
    assert answers[0].choices[0].message.content
    assert house.requests() == 1


def test_a_server_that_ends_lets_those_who_wait_go_at_once_and_takes_nobody_new(
    house: House,
) -> None:
    answers: list[httpx2.Response] = []
    thread = threading.Thread(target=lambda: answers.append(house.post()))
    thread.start()
    house.until(lambda: bool(house.background._waiting._waiting))
    house.leave()
    thread.join(15)
    assert (answers[0].status_code, answers[0].headers["retry-after"]) == (503, "1")
    assert answers[0].headers["connection"] == "close"
    assert house.requests() == 1


def asking(**headers: str) -> bytes:
    """A call as it goes over a connection."""
    body = json.dumps(CHAT).encode()
    lines = "".join(f"{k}: {v}\r\n" for k, v in ({"host": "x"} | LATER | headers).items())
    head = f"POST /v1/chat/completions HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def connect(house: House) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(house.url.rpartition(":")[2])), 20.0)


def test_the_connection_of_one_who_waited_serves_the_next_request(house: House) -> None:
    house.work()
    with connect(house) as client, client.makefile("rb") as answers:
        for _ in range(3):
            client.sendall(asking())
            lines = list(iter(answers.readline, b"\r\n"))
            assert lines[0] == b"HTTP/1.1 200 OK\r\n"
            length = dict(line.strip().split(b": ") for line in lines[1:])[b"content-length"]
            assert json.loads(answers.read(int(length)))["object"] == "chat.completion"
    assert house.requests() == 3


def test_a_connection_that_is_to_be_closed_is_closed_after_a_wait_as_well(house: House) -> None:
    house.work()
    with connect(house) as client:
        client.sendall(asking(connection="close"))
        assert b"connection: close" in b"".join(iter(lambda: client.recv(65_536), b""))


def test_two_calls_at_once_on_one_connection_are_cut_off_and_the_first_is_found_again(
    house: House,
) -> None:
    with connect(house) as client:
        client.sendall(asking() * 2)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
    assert house.requests() == 1
    house.work()
    with connect(house) as client:
        client.sendall(asking(**{"x-stainless-retry-count": "1"}))
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 OK")
    assert house.requests() == 1


@pytest.mark.parametrize("ahead", [b"GET / HTTP/1.1\r\n", b"x" * 100_000])
def test_what_is_sent_before_the_answer_is_not_served_and_ends_the_connection(
    house: House, ahead: bytes
) -> None:
    with connect(house) as client:
        client.sendall(asking())
        house.until(lambda: bool(house.background._waiting._waiting))
        client.sendall(ahead)
        if len(ahead) > 65_536:
            house.until(lambda: not house.background._waiting._waiting)
            return
        house.work()
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer


def test_whoever_comes_while_the_gateway_leaves_is_told_to_call_again_and_loses_nothing(
    house: House,
) -> None:
    house.background.let_go()
    told = house.post()
    assert (told.status_code, told.headers["retry-after"]) == (503, "1")
    assert house.requests() == 1


# -- poll --------------------------------------------------------------------------------------------
def test_a_call_that_prefers_it_is_acknowledged_and_polled(house: House) -> None:
    taken = house.post(headers={"prefer": "respond-async, wait=5"})
    assert taken.status_code == 202, taken.text
    shown = taken.json()
    assert shown["status"] == "waiting"
    assert shown["deadline"].startswith("2026-")
    assert shown["lane"]
    assert shown["why"]
    where = house.url + taken.headers["location"]
    assert httpx2.get(where).status_code == 202
    house.work()
    house.until(lambda: httpx2.get(where).status_code == 200)
    done = httpx2.get(where).json()
    assert done["status"] == "answered"
    assert done["response"]["status_code"] == 200
    assert done["response"]["body"]["object"] == "chat.completion"


@pytest.mark.parametrize(
    ("options", "real_time"),
    [({"background_options": {"completion_window": "8h"}}, False), ({}, True)],
)
def test_a_background_response_is_polled_with_the_official_client(
    house: House, options: dict[str, Any], real_time: bool
) -> None:
    client = openai.OpenAI(base_url=f"{house.url}/v1", api_key="a")
    made = client.responses.create(
        model="gpt-4o-mini", input="Which box?", background=True, extra_body=options
    )
    assert (made.status, made.model) == ("queued", "gpt-4o-mini")
    assert client.responses.retrieve(made.id).status == "queued"
    house.work()
    house.until(lambda: client.responses.retrieve(made.id).status == "completed")
    done = client.responses.retrieve(made.id)
    assert done.id == made.id
    assert done.output_text
    [entry] = house.engine.store.ledger()
    assert (entry.row.lane == "realtime") is real_time


def test_a_request_that_still_waits_is_cancelled_and_what_is_done_is_not(house: House) -> None:
    where = house.url + house.post(headers={"prefer": "respond-async"}).headers["location"]
    done = httpx2.post(f"{where}/cancel").json()
    assert (done["status"], done["response"]["status_code"]) == ("unanswered", 409)
    assert httpx2.post(f"{where}/cancel").status_code == 409
    client = openai.OpenAI(base_url=f"{house.url}/v1", api_key="a")
    options = {"background_options": {"completion_window": "8h"}}
    made = client.responses.create(
        model="gpt-4o-mini", input="Which box?", background=True, extra_body=options
    )
    assert client.responses.cancel(made.id).status == "cancelled"
    assert house.engine.store.runs()[0].state == "finished"


def test_another_tenants_request_is_one_that_is_not_there(house: House) -> None:
    taken = house.post(headers={"prefer": "respond-async", "authorization": "Bearer a"})
    name = taken.json()["id"]
    own, other = {"authorization": "Bearer a"}, {"authorization": "Bearer b"}
    routes = [
        ("GET", f"/v1/lanewise/requests/{name}"),
        ("POST", f"/v1/lanewise/requests/{name}/cancel"),
        ("GET", f"/v1/responses/{name.replace('req_', 'resp_lw_')}"),
        ("POST", f"/v1/responses/{name.replace('req_', 'resp_lw_')}/cancel"),
    ]
    for method, path in routes:
        for who in (other, {}):
            assert httpx2.request(method, house.url + path, headers=who).status_code == 404, path
        bad = {"authorization": "Bearer nobody"}
        assert httpx2.request(method, house.url + path, headers=bad).status_code == 401
    assert httpx2.get(house.url + routes[0][1], headers=own).status_code == 202
    unknown = f"{house.url}/v1/lanewise/requests/{name[:-1]}9"
    assert httpx2.get(unknown, headers=own).status_code == 404


# -- paid once ---------------------------------------------------------------------------------------
def test_two_equal_calls_are_two_requests_and_a_repeated_one_is_the_one_it_was(
    house: House,
) -> None:
    ask = {"prefer": "respond-async", "authorization": "Bearer a"}
    first, second = (house.post(headers=ask).json()["id"] for _ in range(2))
    assert first != second
    again = house.post(headers=ask | {"x-stainless-retry-count": "1"}).json()
    assert again["id"] in (first, second)
    assert again["lane"]
    elsewhere = ask | {"x-stainless-retry-count": "1", "authorization": "Bearer b"}
    assert house.post(headers=elsewhere).json()["id"] not in (first, second)
    assert house.requests() == 3


def test_an_idempotency_key_names_one_request_of_its_tenant_for_a_day(house: House) -> None:
    ask = {"prefer": "respond-async", "idempotency-key": "k1", "authorization": "Bearer a"}
    first = house.post(headers=ask).json()["id"]
    assert house.post(headers=ask).json()["id"] == first
    other = house.post(headers=ask, json=CHAT | {"model": "gpt-4o"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert house.post(headers=ask | {"authorization": "Bearer b"}).json()["id"] != first
    house.clock.at += 86_401
    assert house.post(headers=ask).json()["id"] != first


def test_calls_under_one_idempotency_key_at_once_make_one_request(house: House) -> None:
    ask = {"prefer": "respond-async", "idempotency-key": "k1"}
    names: list[str] = []
    threads = [
        threading.Thread(target=lambda: names.append(house.post(headers=ask).json()["id"]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 8
    assert len(set(names)) == 1
    assert house.requests() == 1


def test_a_call_cut_off_by_the_client_and_repeated_by_the_official_sdk_is_paid_once(
    house: House,
) -> None:
    client = openai.OpenAI(
        base_url=f"{house.url}/v1", api_key="a", default_headers=LATER, timeout=0.6, max_retries=5
    )
    timer = threading.Timer(1.0, house.work)
    timer.start()
    answer = client.chat.completions.create(**CHAT)  # type: ignore[call-overload]
    timer.join()
    assert answer.choices[0].message.content
    assert house.requests() == 1
    assert house.sandbox.books()["billed_twice"] == 0


# -- refused -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ({"x-lanewise-deadline": ""}, CHAT, "x-lanewise-deadline is empty; it takes 8h"),
        ({"x-lanewise-deadline": "soonish"}, CHAT, "x-lanewise-deadline is 'soonish'"),
        ({"x-lanewise-deadline": "8h"}, CHAT | {"stream": True}, "not streamed"),
        ({"x-lanewise-workflow": "w" * 300}, CHAT, "x-lanewise-workflow takes"),
        ({"idempotency-key": "k" * 300}, CHAT, "an idempotency key has"),
        ({}, {"model": "gpt-4o-mini"}, "missing required field `messages`"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_in_words_and_nothing_is_accepted(
    house: House, headers: dict[str, str], body: dict[str, Any], said: str
) -> None:
    refused = house.post(headers=headers, json=body)
    assert refused.status_code == 400
    assert said in refused.json()["error"]["message"]
    assert house.requests() == 0


def test_a_deadline_that_is_too_soon_is_refused_with_the_instant_that_is_then_taken(
    house: House,
) -> None:
    account = house.engine.accounts.payer("openai", chosen=None).row.id
    house.engine.store.learn(account, "gpt-4o-mini", "requests_per_minute", 60, 0.0)
    refused = house.post(json=CHAT, headers={"x-lanewise-deadline": "1m"})
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "deadline_too_soon"
    earliest = refused.headers["x-lanewise-earliest-deadline"]
    assert earliest in refused.json()["error"]["message"]
    again = {"x-lanewise-deadline": earliest, "prefer": "respond-async"}
    assert house.post(json=CHAT, headers=again).status_code == 202


def test_a_time_of_day_is_on_the_policys_clocks(house: House) -> None:
    """Where it is still to come there, that it has passed in UTC is no reason to refuse it."""
    zone = ZoneInfo("Pacific/Honolulu")
    soon = datetime.fromtimestamp(house.engine.clock.now(), zone) + timedelta(hours=1)
    policy = Path(house.environ["LANEWISE_HOME"]) / "policy.toml"
    policy.write_text('[default]\nzone = "Pacific/Honolulu"\n', encoding="utf-8")
    headers = {"x-lanewise-deadline": f"{soon:today %H:%M}", "prefer": "respond-async"}
    taken = house.post(json=CHAT, headers=headers)
    assert taken.status_code == 202, taken.text
    kept = datetime.fromisoformat(taken.json()["deadline"])
    assert kept == soon.replace(second=0, microsecond=0)


def test_no_call_leaves_the_data_terms_that_policy_says(house: House) -> None:
    """Neither one that can wait nor one that is passed on at once; other rules' calls go as before."""
    policy = Path(house.environ["LANEWISE_HOME"]) / "policy.toml"
    policy.write_text(
        '[[rule]]\nname = "free"\nworkflow = "free"\n[[rule]]\nname = "records"\nterms = "eu"\n',
        encoding="utf-8",
    )
    message = {
        "model": "claude-haiku-4-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    }
    for waits in ({"x-lanewise-deadline": "now"}, {"prefer": "respond-async"}):
        refused = house.post("/v1/messages", json=message, headers=waits)
        assert refused.status_code == 400, refused.text
        assert "eu terms" in refused.json()["error"]["message"]
        free = waits | {"x-lanewise-workflow": "free"}
        assert "terms" not in house.post("/v1/messages", json=message, headers=free).text


def test_a_deadline_that_cannot_be_meant_does_not_get_in_the_way_of_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One such call among many would have them all tried anew, in halves."""
    monkeypatch.setattr(house.engine, "accept", lambda *_, **__: pytest.fail("it was tried"))
    for said in ("soonish", "1s", "2020-01-01T00:00Z", "9999d", "06:00 Nowhere/Town"):
        refused = house.post(headers={"x-lanewise-deadline": said})
        assert refused.status_code == 400, said
        assert "x-lanewise-deadline is" in refused.json()["error"]["message"]


def test_a_body_that_imitates_a_line_of_a_batch_is_a_body_all_the_same(house: House) -> None:
    line = {"custom_id": "x", "method": "POST", "url": "/v1/embeddings", "body": {"input": "x"}}
    taken = house.post(json=CHAT | line, headers={"prefer": "respond-async"})
    assert taken.status_code == 202, taken.text
    (run,) = house.engine.store.runs()
    place = house.engine.store.place(run.id, 0)
    assert place is not None
    sent = json.loads(house.engine.store.line(*place))
    assert sent["url"] == "/v1/chat/completions"
    assert sent["body"] == CHAT | line


def test_one_bad_call_among_many_is_refused_alone(house: House) -> None:
    ask = {"prefer": "respond-async"}
    statuses: list[int] = []

    def call(body: dict[str, Any]) -> None:
        statuses.append(house.post(headers=ask, json=body).status_code)

    bodies = [CHAT] * 6 + [{"model": "m"}] * 2
    threads = [threading.Thread(target=call, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [202] * 6 + [400] * 2
    assert house.requests() == 6


def test_more_than_memory_is_meant_for_is_refused_with_when_to_come_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lanewise.gateway.accepting.MOST_QUEUED", 0)
    refused = house.post()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert house.requests() == 0


def test_the_books_are_the_providers_whatever_was_faulty(house: House) -> None:
    house.sandbox.add_fault(Fault("accept_then_reset", times=1))
    house.work()
    assert house.post(headers={"x-lanewise-deadline": "24h"}).status_code == 200
    assert house.sandbox.books()["billed_twice"] == 0
