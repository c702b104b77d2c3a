"""The official OpenAI SDK for Python, unmodified: the address and the key come from the environment."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable
from typing import Any

import httpx2
import openai
from checks import billed, check, fault, raises, stage, until

MODEL = "gpt-4o-mini"
SAID: Any = [{"role": "user", "content": "Where is my order?"}]
LATER = {"x-lanewise-deadline": "8h", "x-lanewise-workflow": "tickets"}
client = openai.OpenAI()
stopping = openai.OpenAI(base_url=f"{os.environ['STOPPING_URL']}/v1")


def ask(of: openai.OpenAI = client, **more: Any) -> Any:
    return of.chat.completions.create(**({"model": MODEL, "messages": SAID} | more))


def noticing(notice: Callable[[], None], **options: Any) -> openai.OpenAI:
    """A client that does something when the headers of an answer are there."""
    hooks: Any = {"response": [lambda _: notice()]}
    return openai.OpenAI(http_client=openai.DefaultHttpxClient(event_hooks=hooks), **options)


def answers() -> None:
    answer = ask()
    assert answer.choices[0].message.content
    assert answer._request_id


def streams() -> None:
    text = before = ""
    for chunk in ask(stopping, stream=True):
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        if text and not before:
            before = text
            stage("go")
    assert before
    assert len(text) > len(before)


def aborts() -> None:
    with ask(stopping, stream=True) as stream:
        next(iter(stream))
    stage("gone")


def responds() -> None:
    assert client.responses.create(model=MODEL, input="Hello").output_text
    with client.responses.stream(model=MODEL, input="Hello") as stream:
        assert stream.get_final_response().output_text
    seen = []
    for event in stopping.responses.create(model=MODEL, input="Hello", stream=True):
        if not seen:
            stage("go")
        seen.append(event.type)
    assert seen[-1] == "response.completed"


def sums_up() -> None:
    options: Any = {"include_usage": True}
    with client.chat.completions.stream(
        model=MODEL, messages=SAID, stream_options=options
    ) as stream:
        whole = stream.get_final_completion()
    assert whole.choices[0].message.content
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 0


def embeds() -> None:
    vectors = client.embeddings.create(model="text-embedding-3-small", input=["Hello", "world"])
    assert [len(each.embedding) for each in vectors.data] == [1536, 1536]


def completes() -> None:
    parts = client.completions.create(
        model="gpt-3.5-turbo-instruct", prompt="Once upon", stream=True
    )
    assert "".join(part.choices[0].text for part in parts if part.choices)
    assert len(client.moderations.create(input="Hello").results) == 1


def lists_models() -> None:
    assert MODEL in {model.id for model in client.models.list()}
    assert client.models.retrieve(MODEL).id == MODEL


def fails() -> None:
    none = raises(openai.NotFoundError, lambda: ask(model="no-such-model"))
    assert none.code == "model_not_found"
    assert raises(openai.BadRequestError, lambda: ask(temperature=99)).param == "temperature"
    stranger = openai.OpenAI(api_key="lw-nobody")
    raises(openai.AuthenticationError, lambda: ask(stranger))
    raises(openai.AuthenticationError, stranger.models.list)
    poor = openai.OpenAI(api_key=os.environ["POOR_KEY"])
    raises(openai.RateLimitError, lambda: ask(poor))


def retries() -> None:
    fault("rate_limit", seconds=1)
    assert ask().choices
    fault("http_error", status=500)
    assert ask().choices


def waits() -> None:
    before = billed()
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=SAID, extra_headers=LATER
    )
    assert raw.parse().choices[0].message.content
    assert raw.headers["x-lanewise-request"].startswith("req_")
    vectors = client.embeddings.create(
        model="text-embedding-3-small", input="Hello", extra_headers=LATER
    )
    assert vectors.data
    assert client.responses.create(model=MODEL, input="Hello", extra_headers=LATER).output_text
    assert billed() == before + 3


def waits_long() -> None:
    stage("impatient")
    stage("hold")
    late = noticing(lambda: stage("release"))
    assert ask(late, extra_headers=LATER).choices[0].message.content


def is_taken_up_again() -> None:
    before = billed()
    stage("hold")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(ask(extra_headers=LATER)))
    thread.start()
    stage("let_go")
    stage("release")
    thread.join()
    assert found[0].choices[0].message.content
    assert billed() == before + 1


def times_out() -> None:
    before = billed()
    stage("impatient")
    stage("hold")
    tries: list[int] = []  # the headers of the first are there, so it is written down

    def notice() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise httpx2.ReadTimeout("as at the end of the client's patience")
        stage("release")

    answer = ask(noticing(notice), extra_headers=LATER)
    assert answer.choices[0].message.content
    assert len(tries) == 2
    assert billed() == before + 1


def fails_late() -> None:
    stage("impatient")
    stage("hold")
    late = noticing(lambda: stage("release"))
    raises(openai.BadRequestError, lambda: ask(late, temperature=99, extra_headers=LATER))


def polls() -> None:
    asked: dict[str, Any] = {"model": MODEL, "input": "Which box?", "background": True}
    made = client.responses.create(**asked, extra_headers=LATER)
    assert made.status == "queued"
    until(lambda: client.responses.retrieve(made.id).status == "completed")
    assert client.responses.retrieve(made.id).output_text
    stage("hold")
    other = client.responses.create(**asked, extra_headers=LATER)
    status = client.responses.cancel(other.id).status
    assert status in ("cancelled", "queued", "in_progress"), status


def ordered() -> Any:
    asked = {"model": MODEL, "messages": SAID}
    line = {"method": "POST", "url": "/v1/chat/completions", "body": asked}
    lines = "\n".join(json.dumps({"custom_id": f"line-{at}"} | line) for at in range(3))
    file = client.files.create(file=io.BytesIO(lines.encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"of": "python"},
    )


def batches() -> None:
    made = ordered()
    until(lambda: client.batches.retrieve(made.id).status == "completed")
    done = client.batches.retrieve(made.id)
    assert done.metadata == {"of": "python"}
    assert done.request_counts is not None
    assert done.request_counts.completed == 3
    assert done.output_file_id is not None
    lines = client.files.content(done.output_file_id).text.splitlines()
    found = [json.loads(line) for line in lines]
    assert [line["custom_id"] for line in found] == ["line-0", "line-1", "line-2"]
    assert found[0]["response"]["body"]["choices"][0]["message"]["content"]
    assert made.id in {batch.id for batch in client.batches.list(limit=1)}
    assert made.input_file_id in {file.id for file in client.files.list()}
    assert client.files.retrieve(made.input_file_id).purpose == "batch"
    assert client.files.delete(made.input_file_id).deleted
    raises(openai.NotFoundError, lambda: client.files.retrieve(made.input_file_id))


def cancels() -> None:
    stage("hold")
    made = ordered()
    status = client.batches.cancel(made.id).status
    assert status in ("cancelling", "cancelled"), status  # at once, where nothing was sent yet
    stage("release")
    until(lambda: client.batches.retrieve(made.id).status == "cancelled")


check("a call is answered", answers)
check("the first event of a stream is there before the last is sent", streams)
check("an aborted stream ends the call at the provider", aborts)
check("a response is answered and streamed", responds)
check("the SDK's stream helper sums it up", sums_up)
check("embeddings are made", embeds)
check("texts are completed and moderated", completes)
check("models are listed", lists_models)
check("errors are the SDK's own", fails)
check("the SDK's own retries get over a provider's rate limit and its faults", retries)
check("a call that can wait is answered on its connection", waits)
check("white space before a late answer is no matter", waits_long)
check("a call cut off by a restart is taken up again by the SDK and paid once", is_taken_up_again)
check("a call that timed out is taken up again by the SDK and paid once", times_out)
check("what fails after the headers is told to the call that is made again", fails_late)
check("a background response is polled", polls)
check("a file becomes a batch and its answers a file", batches)
check("a batch is cancelled", cancels)
