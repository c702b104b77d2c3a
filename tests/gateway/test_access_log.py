"""The log of calls: who called what, and how it went; never what was said."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lanewise.app import Engine, keys
from lanewise.app.keys import NewKey
from lanewise.cli.options import _JsonLines
from lanewise.gateway.access import Line
from lanewise.gateway.serving import working
from lanewise.settings import load

PATH = "/v1/chat/completions"
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "canary-prompt"}]}


class Kept(logging.Handler):
    """Keeps lines as the JSON log writes them."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_JsonLines())
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def kept() -> Iterator[Kept]:
    """The log of calls in this process."""
    handler, logger = Kept(), logging.getLogger("lanewise.access")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_each_call_is_one_json_object_and_nothing_secret_is_in_the_log(
    tmp_path: Path, serving: Any
) -> None:
    environ = os.environ | {"LANEWISE_HOME": str(tmp_path / "home")}
    with Engine(load(environ), environ=environ) as engine:
        new = NewKey(name="search", workflow="tickets")
        key = keys.create(engine.store, new, engine.clock.now()).reveal()
    secrets = [key, "canary-"]
    with serving(tmp_path / "home", LANEWISE_LOG_FORMAT="json") as (process, url):
        with httpx2.Client(base_url=url, timeout=20) as http:
            http.headers = {"authorization": f"Bearer {key}"}
            answer = http.post(f"{PATH}?canary-query=1", json=CHAT)
            secrets.append(answer.json()["choices"][0]["message"]["content"])
            streamed = http.post(PATH, json={**CHAT, "stream": True})
            assert streamed.status_code == 200
            later = {"x-lanewise-deadline": "8h", "prefer": "respond-async"}
            names = {"idempotency-key": "canary-name"}
            taken = http.post(PATH, json=CHAT, headers=later | names)
            assert http.get(taken.headers["location"]).status_code in (200, 202)
            assert http.post(PATH, content=b'{"canary-broken').status_code == 400
            file = {"file": ("canary-file", json.dumps({"canary-line": 1}).encode())}
            made = http.post("/v1/files", data={"purpose": "batch"}, files=file).json()["id"]
            assert http.get(f"/v1/files/{made}").status_code == 200
            assert http.get("/v1/canary-path").status_code == 404
            http.headers = {"authorization": "Bearer lw-canary-wrong"}
            assert http.post(PATH, json=CHAT).status_code == 401
            http.get("/healthz")
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    for secret in secrets:
        assert secret not in log
    lines = [line for line in map(json.loads, log.splitlines()) if "ms" in line]
    told = [(line["method"], line["path"], line["status"], line["lane"]) for line in lines]
    assert told[:2] == [("POST", PATH, 200, "realtime")] * 2
    assert told[2] == ("POST", PATH, 202, "waits")
    assert told[3][:2] == ("GET", "/v1/lanewise/requests/{name}")
    assert [line["path"] for line in lines[4:]] == [
        PATH, "/v1/files", "/v1/files/{name}", "other", PATH,
    ]  # fmt: skip
    whole = lines[0]
    assert whole["key"] == whole["tenant"] == "search"
    assert (whole["workflow"], whole["model"], whole["gone"]) == ("tickets", "gpt-4o-mini", False)
    assert whole["tokens_in"] == answer.json()["usage"]["prompt_tokens"]
    assert whole["tokens_out"] == answer.json()["usage"]["completion_tokens"]
    assert 0 < whole["ms_to_first_byte"] <= whole["ms"]
    assert whole["request"] == answer.headers["x-request-id"]
    assert whole["upstream"].startswith("openai")
    assert lines[1]["tokens_out"]
    assert lines[2]["request"] == taken.json()["id"]
    assert (lines[-1]["status"], lines[-1]["key"], lines[-1]["tokens_in"]) == (401, "", None)


def test_a_client_that_goes_away_is_told_of(
    make_place: Callable[..., Any], upstream: Callable[..., Any], kept: Kept
) -> None:
    begun = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n"
    server = upstream(begun, hang=True)
    place = make_place(server.url)
    with place.http.stream("POST", PATH, json=CHAT) as got:
        next(got.iter_raw())
    assert server.gone.wait(10)
    place.running.close()
    [line] = kept.lines
    assert (line["status"], line["gone"]) == (200, True)
    assert line["message"].endswith("(the client went away)")


def test_the_text_of_a_line_is_for_people(place: Any, kept: Kept) -> None:
    assert place.http.post(PATH, json=CHAT).status_code == 200
    place.running.close()
    message = kept.lines[0]["message"]
    assert re.fullmatch(rf"POST {PATH} 200 [\d.]+ ms key='' model='gpt-4o-mini'", message)


def test_the_page_lists_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/observe.md").read_text(encoding="utf-8")
    table = page.partition("| field | |")[2].partition("\n\n")[0]
    listed = re.findall(
        r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines() if "|" in row)
    )
    assert set(listed) == {*Line.__dataclass_fields__, "at", "level", "logger", "message"}


LATER = {"x-lanewise-deadline": "8h", "x-lanewise-workflow": "tickets"}


def counted(place: Any, status: str) -> bool:
    page = place.http.get("/metrics").text
    return (
        re.search(rf'lanewise_calls_total{{.*lane="waits".*status="{status}"}} 1', page) is not None
    )


def test_a_call_that_waits_is_told_of_once_at_its_end_with_what_it_was_told(
    changes: Any, make_place: Callable[..., Any], kept: Kept
) -> None:
    place = make_place()
    with working(place.engine):
        answer = place.http.post(PATH, json=CHAT, headers=LATER)
    assert answer.status_code == 200
    changes.until(lambda: counted(place, "2xx"))
    [line] = kept.lines
    assert (line["status"], line["lane"], line["workflow"]) == (200, "waits", "tickets")
    assert (line["request"], line["gone"]) == (answer.headers["x-lanewise-request"], False)
    assert line["ms"] > 0.0


def test_a_client_that_waits_no_more_is_told_of(place: Any, kept: Kept) -> None:
    waiting = place.running.gateway.passing.background._waiting
    told = threading.Event()
    gone = waiting.gone
    waiting.gone = lambda held: (gone(held), told.set())
    with socket.create_connection(("127.0.0.1", int(place.url.rpartition(":")[2]))) as client:
        lines = "".join(f"{name}: {value}\r\n" for name, value in ({"host": "x"} | LATER).items())
        body = json.dumps(CHAT).encode()
        head = f"POST {PATH} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        held = threading.Event()
        add = waiting.add
        waiting.add = lambda *wait: (add(*wait), held.set())[0]
        client.sendall(head.encode() + body)
        assert held.wait(20)
    assert told.wait(20)
    assert counted(place, "none")
    assert [(line["status"], line["gone"]) for line in kept.lines] == [(None, True)]
