"""curl works unmodified: answers, streams, errors with their status, uploads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SAID = [{"role": "user", "content": "Where is my order?"}]
CHAT = {"model": "gpt-4o-mini", "messages": SAID}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 60, "messages": SAID}
JSON = "content-type: application/json"
VERSION = "anthropic-version: 2023-06-01"


@pytest.fixture(scope="module")
def curl(runner: Any) -> str:
    """The program."""
    return str(runner.program("curl"))


@pytest.fixture(scope="module")
def openai(runner: Any, curl: str) -> list[str]:
    """A call in OpenAI's dialect, to which its path and more are added."""
    return [curl, "-sS", "-H", f"authorization: Bearer {runner.stage.environ['OPENAI_API_KEY']}"]


@pytest.fixture(scope="module")
def anthropic(runner: Any, curl: str) -> list[str]:
    """A call in Anthropic's dialect."""
    key = runner.stage.environ["ANTHROPIC_API_KEY"]
    return [curl, "-sS", "-H", f"x-api-key: {key}", "-H", VERSION]


@pytest.fixture
def held(runner: Any) -> Iterator[Any]:
    """The stage: no batch ends, and answers on the connection begin at once."""
    runner.stage.impatient()
    runner.stage.hold()
    yield runner.stage
    runner.stage.release()


def body(document: Any) -> list[str]:
    return ["-H", JSON, "-d", json.dumps(document)]


def versioned(path: str) -> list[str]:
    return ["-H", VERSION] if path == "/v1/messages" else []


def called(runner: Any, *command: str) -> Any:
    done = runner.run(*command)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_a_call_of_either_api_is_answered(
    runner: Any, openai: list[str], anthropic: list[str]
) -> None:
    url = runner.stage.running.url
    chat = called(runner, *openai, f"{url}/v1/chat/completions", *body(CHAT))
    assert chat["choices"][0]["message"]["content"]
    message = called(runner, *anthropic, f"{url}/v1/messages", *body(MESSAGE))
    assert message["content"][0]["text"]
    assert called(runner, *openai, f"{url}/v1/models")["object"] == "list"
    assert "has_more" in called(runner, *anthropic, f"{url}/v1/models")


@pytest.mark.parametrize(
    ("path", "asked", "end"),
    [
        ("/v1/chat/completions", CHAT, "data: [DONE]"),
        ("/v1/messages", MESSAGE, 'data: {"type":"message_stop"}'),
    ],
)
def test_events_are_shown_before_the_last_is_sent(
    runner: Any, openai: list[str], path: str, asked: dict[str, Any], end: str
) -> None:
    url = runner.stage.stopping.url + path
    before, whole = runner.half(
        *openai, "-N", url, *versioned(path), *body(asked | {"stream": True})
    )
    assert before
    assert whole.rstrip().replace(": ", ":").endswith(end.replace(": ", ":"))


WRONG: dict[int, tuple[dict[str, Any], str]] = {  # by status: what is changed, and where the key is
    404: ({"model": "no-such-model"}, "OPENAI_API_KEY"),
    400: ({"temperature": 99}, "OPENAI_API_KEY"),
    401: ({}, "HOME"),
    429: ({}, "POOR_KEY"),
}


@pytest.mark.parametrize("status", WRONG)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_an_error_has_its_status_and_the_error_object_of_its_api(
    runner: Any, curl: str, path: str, status: int
) -> None:
    changed, key = WRONG[status]
    asked = (MESSAGE if path == "/v1/messages" else CHAT) | changed
    done = runner.run(
        curl, "-sS", "--fail-with-body", "-w", "\n%{http_code}",
        "-H", f"x-api-key: {runner.environ()[key]}",
        runner.stage.running.url + path, *versioned(path), *body(asked),
    )  # fmt: skip
    shown, _, code = done.stdout.rpartition("\n")
    assert (done.returncode, int(code)) == (22, status)
    error = json.loads(shown)
    assert error["error"]["message"]
    assert (error.get("type") == "error") is (path == "/v1/messages")


def test_a_call_that_can_wait_is_answered_on_its_connection_or_at_an_address(
    runner: Any, openai: list[str]
) -> None:
    url = f"{runner.stage.running.url}/v1/chat/completions"
    later = ["-H", "x-lanewise-deadline: 8h"]
    assert called(runner, *openai, *later, url, *body(CHAT))["choices"]
    taken = called(runner, *openai, *later, "-H", "prefer: respond-async", url, *body(CHAT))
    where = f"{runner.stage.running.url}/v1/lanewise/requests/{taken['id']}"
    shown = taken
    while shown["status"] in ("waiting", "sent"):
        shown = called(runner, *openai, where)
    assert shown["response"]["body"]["choices"]


def test_a_call_whose_connection_was_cut_is_made_again_by_curl_and_is_the_same_request(
    held: Any, openai: list[str]
) -> None:
    before = held.sandbox.books()["requests"]
    command = [
        *openai, "-N", "--fail", "--retry", "5", "--retry-all-errors", "-H", "x-lanewise-deadline: 8h",
        "-H", "idempotency-key: curl-1", f"{held.running.url}/v1/chat/completions", *body(CHAT),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == " "  # it has begun: only a cut can tell now
        held.let_go()
        held.release()
        shown = process.stdout.read()
    assert json.loads(shown)["choices"][0]["message"]["content"]
    assert held.sandbox.books()["requests"] == before + 1


def test_a_file_that_curl_asks_leave_for_is_taken_and_ordered(
    runner: Any, openai: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "requests.jsonl"
    asked = CHAT | {"messages": [{"role": "user", "content": "word " * 2_000}]}
    lines = [
        {"custom_id": str(at), "method": "POST", "url": "/v1/chat/completions", "body": asked}
        for at in range(150)  # above 1 MB curl says `expect: 100-continue`
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    url = runner.stage.running.url
    form = ["-F", "purpose=batch", "-F", f"file=@{path}"]
    file = called(runner, *openai, f"{url}/v1/files", *form)
    assert file["bytes"] == path.stat().st_size
    order = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions"}
    order["completion_window"] = "24h"
    batch = called(runner, *openai, f"{url}/v1/batches", *body(order))
    while batch["status"] in ("validating", "in_progress"):
        batch = called(runner, *openai, f"{url}/v1/batches/{batch['id']}")
    done = runner.run(*openai, f"{url}/v1/files/{batch['output_file_id']}/content")
    assert len(done.stdout.splitlines()) == 150
