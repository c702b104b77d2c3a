"""The official Anthropic SDK for Python, unmodified: the address and the key come from the environment."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import anthropic
from checks import billed, check, fault, raises, stage, until

MODEL = "claude-haiku-4-5"
SAID: Any = [{"role": "user", "content": "Where is my order?"}]
ASKED: dict[str, Any] = {"model": MODEL, "max_tokens": 60, "messages": SAID}
LATER = {"x-lanewise-deadline": "8h", "x-lanewise-workflow": "tickets"}
client = anthropic.Anthropic()
TOO_WARM = {"temperature": 99}  # the SDK has no such parameter, the API does
stopping = anthropic.Anthropic(base_url=os.environ["STOPPING_URL"])


def ask(of: anthropic.Anthropic = client, **more: Any) -> Any:
    return of.messages.create(**(ASKED | more))


def noticing(notice: Callable[[], None]) -> anthropic.Anthropic:
    """A client that does something when the headers of an answer are there."""
    hooks: Any = {"response": [lambda _: notice()]}
    return anthropic.Anthropic(http_client=anthropic.DefaultHttpxClient(event_hooks=hooks))


def answers() -> None:
    answer = ask()
    assert answer.content[0].text
    assert answer.usage.output_tokens > 0
    assert answer._request_id


def streams() -> None:
    text = before = ""
    for event in ask(stopping, stream=True):
        text += getattr(getattr(event, "delta", None), "text", None) or ""
        if text and not before:
            before = text
            stage("go")
    assert before
    assert len(text) > len(before)


def aborts() -> None:
    with stopping.messages.stream(**ASKED) as stream:
        next(iter(stream.text_stream))
    stage("gone")


def sums_up() -> None:
    with client.messages.stream(**ASKED) as stream:
        whole: Any = stream.get_final_message()
    assert whole.content[0].text
    assert whole.usage.output_tokens > 0


def counts() -> None:
    assert client.messages.count_tokens(model=MODEL, messages=SAID).input_tokens > 0


def is_beta() -> None:
    asked = ASKED | {"betas": ["token-efficient-tools-2025-02-19"]}
    beta: Any = client.beta.messages
    assert beta.create(**asked).content[0].text
    assert beta.create(**asked, extra_headers=LATER).content[0].text
    assert beta.count_tokens(model=MODEL, messages=SAID).input_tokens > 0
    made = beta.batches.create(requests=[{"custom_id": "a", "params": ASKED}])
    assert beta.batches.retrieve(made.id).id == made.id


def lists_models() -> None:
    assert MODEL in {model.id for model in client.models.list()}
    assert client.models.retrieve(MODEL).id == MODEL


def fails() -> None:
    none = raises(anthropic.NotFoundError, lambda: ask(model="no-such-model"))
    assert none.body["error"]["type"] == "not_found_error"
    raises(anthropic.BadRequestError, lambda: ask(extra_body=TOO_WARM))
    stranger = anthropic.Anthropic(api_key="lw-nobody")
    raises(anthropic.AuthenticationError, lambda: ask(stranger))
    raises(anthropic.AuthenticationError, stranger.models.list)
    poor = anthropic.Anthropic(api_key=os.environ["POOR_KEY"])
    raises(anthropic.RateLimitError, lambda: ask(poor))


def retries() -> None:
    fault("rate_limit", seconds=1)
    assert ask().content
    fault("overloaded")
    assert ask().content


def waits() -> None:
    before = billed()
    raw = client.messages.with_raw_response.create(**ASKED, extra_headers=LATER)
    assert raw.parse().content[0].text
    assert raw.headers["x-lanewise-request"].startswith("req_")
    assert billed() == before + 1


def waits_for_much() -> None:
    asked: dict[str, Any] = {"max_tokens": 60_000, "extra_headers": LATER}
    assert "Streaming is required" in str(raises(ValueError, lambda: ask(**asked)))
    assert ask(**asked, timeout=600).content[0].text


def waits_long() -> None:
    stage("impatient")
    stage("hold")
    late = noticing(lambda: stage("release"))
    assert ask(late, extra_headers=LATER).content[0].text


def is_taken_up_again() -> None:
    before = billed()
    stage("hold")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(ask(extra_headers=LATER)))
    thread.start()
    stage("let_go")
    stage("release")
    thread.join()
    assert found[0].content[0].text
    assert billed() == before + 1


def fails_late() -> None:
    stage("impatient")
    stage("hold")
    late = noticing(lambda: stage("release"))
    raises(anthropic.BadRequestError, lambda: ask(late, extra_body=TOO_WARM, extra_headers=LATER))


def ordered() -> Any:
    return client.messages.batches.create(
        requests=[{"custom_id": name, "params": ASKED} for name in ("a", "b")]  # type: ignore[typeddict-item]
    )


def batches() -> None:
    made = ordered()
    assert made.processing_status == "in_progress"
    until(lambda: client.messages.batches.retrieve(made.id).processing_status == "ended")
    assert client.messages.batches.retrieve(made.id).request_counts.succeeded == 2
    found: list[Any] = list(client.messages.batches.results(made.id))
    assert sorted(line.custom_id for line in found) == ["a", "b"]
    assert found[0].result.message.content[0].text
    assert made.id in {batch.id for batch in client.messages.batches.list(limit=1)}


def cancels() -> None:
    stage("hold")
    made = ordered()
    status = client.messages.batches.cancel(made.id).processing_status
    assert status in ("canceling", "ended"), status  # at once, where nothing was sent yet
    stage("release")
    until(lambda: client.messages.batches.retrieve(made.id).processing_status == "ended")


check("a call is answered", answers)
check("the first event of a stream is there before the last is sent", streams)
check("an aborted stream ends the call at the provider", aborts)
check("the SDK's stream helper sums it up", sums_up)
check("tokens are counted", counts)
check("the beta side of the SDK works as well", is_beta)
check("models are listed", lists_models)
check("errors are the SDK's own", fails)
check("the SDK's own retries get over a provider's rate limit and its faults", retries)
check("a call that can wait is answered on its connection", waits)
check("an answer too long for the SDK is waited for where a time limit was chosen", waits_for_much)
check("white space before a late answer is no matter", waits_long)
check("a call cut off by a restart is taken up again by the SDK and paid once", is_taken_up_again)
check("what fails after the headers is told to the call that is made again", fails_late)
check("a message batch is made and its results are read", batches)
check("a message batch is cancelled", cancels)
