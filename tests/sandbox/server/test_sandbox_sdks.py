"""The official SDKs work against the sandbox unmodified."""

import json

import anthropic
import httpx2
import openai
import pytest

from lanewise.sandbox import Fault

ASK = [{"role": "user", "content": "Name one colour of the sky."}]
HAIKU = "claude-haiku-4-5"


def submit(client, data, **extra):
    file = client.files.create(file=("in.jsonl", data), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **extra
    )


def lines_of(client, file_id):
    return [json.loads(line) for line in client.files.content(file_id).content.splitlines()]


def test_openai_batch_from_upload_to_download(start, openai_of, chat_lines):
    sandbox = start(batch_seconds=100.0)
    client = openai_of(sandbox)
    batch = submit(client, chat_lines(5), metadata={"ours": "1"})
    assert batch.status == "validating"
    assert batch.expires_at == batch.created_at + 86_400
    sandbox.advance(50)
    assert client.batches.retrieve(batch.id).status == "in_progress"
    sandbox.advance(60)
    done = client.batches.retrieve(batch.id)
    assert (done.status, done.metadata) == ("completed", {"ours": "1"})
    assert done.error_file_id is None
    assert (done.request_counts.total, done.request_counts.completed) == (5, 5)
    results = lines_of(client, done.output_file_id)
    assert {line["custom_id"] for line in results} == {f"r-{number}" for number in range(5)}
    spent = sum(line["response"]["body"]["usage"]["total_tokens"] for line in results)
    assert done.usage.total_tokens == spent
    assert sandbox.books()["requests"] == 5


def test_bad_lines_fail_the_batch_later_not_its_creation(start, openai_of, chat_lines):
    sandbox = start(profile="instant")
    client = openai_of(sandbox)
    batch = submit(client, chat_lines(2) + b"{nonsense\n" + chat_lines(1))
    failed = client.batches.retrieve(batch.id)
    assert failed.status == "failed"
    assert {(e.code, e.line) for e in failed.errors.data} == {
        ("invalid_json_line", 3),
        ("duplicate_custom_id", 4),
    }
    assert sandbox.books()["requests"] == 0


def test_cancel_keeps_what_is_done_and_bills_only_that(start, openai_of, chat_lines):
    sandbox = start(batch_seconds=100.0)
    client = openai_of(sandbox)
    batch = submit(client, chat_lines(40))
    sandbox.advance(50)
    assert client.batches.cancel(batch.id).status == "cancelling"
    sandbox.advance(601)
    done = client.batches.retrieve(batch.id)
    assert done.status == "cancelled"
    answered = lines_of(client, done.output_file_id)
    missing = lines_of(client, done.error_file_id)
    assert 0 < len(answered) < 40
    assert len(answered) + len(missing) == 40
    assert {line["error"]["code"] for line in missing} == {"batch_cancelled"}
    assert sandbox.books()["requests"] == len(answered)


def test_batches_are_listed_newest_first_in_pages(start, openai_of, chat_lines):
    client = openai_of(start())
    made = [submit(client, chat_lines(1)).id for _ in range(5)]
    assert [batch.id for batch in client.batches.list(limit=2)] == made[::-1]


def test_accounts_do_not_see_each_other(start, openai_of, chat_lines):
    sandbox = start()
    batch = submit(openai_of(sandbox), chat_lines(1))
    stranger = openai_of(sandbox, "sk-two")
    assert list(stranger.batches.list()) == []
    with pytest.raises(openai.NotFoundError):
        stranger.batches.retrieve(batch.id)


def test_files_can_be_listed_read_in_part_and_deleted(start, openai_of, chat_lines):
    sandbox = start()
    client, data = openai_of(sandbox), chat_lines(3)
    file = client.files.create(file=("in.jsonl", data), purpose="batch")
    assert (file.bytes, file.filename) == (len(data), "in.jsonl")
    assert [one.id for one in client.files.list(purpose="batch")] == [file.id]
    auth = {"authorization": "Bearer sk-one", "range": "bytes=10-"}
    part = httpx2.get(f"{sandbox.url}/v1/files/{file.id}/content", headers=auth)
    assert (part.status_code, part.content) == (206, data[10:])
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(file.id)


def test_a_large_file_goes_up_in_parts(start, openai_of, chat_lines):
    client, data = openai_of(start()), chat_lines(3)
    upload = client.uploads.create(
        bytes=len(data), filename="in.jsonl", mime_type="application/jsonl", purpose="batch"
    )
    parts = [client.uploads.parts.create(upload.id, data=piece) for piece in (data[:99], data[99:])]
    whole = client.uploads.complete(upload.id, part_ids=[part.id for part in parts])
    assert whole.status == "completed"
    assert client.files.content(whole.file.id).content == data


def test_openai_answers_in_real_time_and_as_streams(start, openai_of):
    client = openai_of(start())
    chat = client.chat.completions.create(model="gpt-4o-mini", messages=ASK)
    assert chat.choices[0].message.content
    chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert client.responses.create(model="gpt-4o-mini", input="Why is it blue?").output_text
    events = list(client.responses.create(model="gpt-4o-mini", input="Why?", stream=True))
    assert events[-1].type == "response.completed"
    vectors = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert [len(one.embedding) for one in vectors.data] == [1536, 1536]
    assert client.moderations.create(input="hello").results[0].flagged is False
    assert "gpt-4o-mini" in {model.id for model in client.models.list()}
    assert client.models.retrieve("gpt-4o-mini").id == "gpt-4o-mini"
    text = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once")
    assert text.choices[0].text


def test_background_responses_cost_less_and_can_be_cancelled(start, openai_of):
    sandbox = start(batch_seconds=100.0)
    client = openai_of(sandbox)
    eight = {"background_options": {"completion_window": "8h"}}
    first, second = (
        client.responses.create(model="gpt-5", input="Why?", background=True, extra_body=eight)
        for _ in range(2)
    )
    assert first.status == "queued"
    assert client.responses.cancel(second.id).status == "cancelled"
    sandbox.advance(101)
    assert client.responses.retrieve(first.id).status == "completed"
    (line,) = sandbox.books()["lines"]
    assert (line["lane"], line["n"]) == ("background_8h", 1)


def test_flex_may_be_refused_and_is_then_free(start, openai_of):
    sandbox = start(flex_refusals=1.0)
    with pytest.raises(openai.RateLimitError, match="Resource Unavailable"):
        openai_of(sandbox).chat.completions.create(model="gpt-5", messages=ASK, service_tier="flex")
    assert sandbox.books()["requests"] == 0


def test_errors_are_the_providers(start, openai_of, anthropic_of):
    sandbox = start()
    with pytest.raises(openai.NotFoundError) as unknown:
        openai_of(sandbox).chat.completions.create(model="gpt-nought", messages=ASK)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(anthropic.NotFoundError):
        anthropic_of(sandbox).messages.create(model="claude-nought", max_tokens=9, messages=ASK)
    with pytest.raises(anthropic.BadRequestError):
        anthropic_of(sandbox).messages.create(model=HAIKU, max_tokens=0, messages=ASK)
    bare = httpx2.get(f"{sandbox.url}/v1/batches")
    assert (bare.status_code, bare.json()["error"]["type"]) == (401, "invalid_request_error")
    bare = httpx2.get(f"{sandbox.url}/v1/messages/batches")
    assert (bare.status_code, bare.json()["error"]["type"]) == (401, "authentication_error")
    assert httpx2.get(f"{sandbox.url}/v1/nowhere").json()["error"]["type"]


def test_anthropic_answers_in_real_time_and_as_streams(start, anthropic_of):
    client = anthropic_of(start())
    message = client.messages.create(model=HAIKU, max_tokens=99, messages=ASK)
    assert message.content[0].text
    assert client.messages.count_tokens(model=HAIKU, messages=ASK).input_tokens > 0
    with client.messages.stream(model=HAIKU, max_tokens=99, messages=ASK) as stream:
        assert stream.get_final_message().content[0].text
    assert HAIKU in {model.id for model in client.models.list()}
    assert client.models.retrieve(HAIKU).id == HAIKU


def test_anthropic_batch_from_creation_to_results(start, anthropic_of):
    sandbox = start(batch_seconds=100.0)
    client = anthropic_of(sandbox)
    good = {"model": HAIKU, "max_tokens": 50, "messages": ASK}
    batch = client.messages.batches.create(
        requests=[
            *({"custom_id": f"r-{number}", "params": good} for number in range(3)),
            {"custom_id": "bad", "params": {"model": HAIKU, "messages": ASK}},
        ]
    )
    assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 4)
    raw = client.messages.batches.with_raw_response.retrieve(batch.id)
    assert raw.headers["retry-after"] == "10"
    sandbox.advance(101)
    done = client.messages.batches.retrieve(batch.id)
    assert (done.processing_status, done.request_counts.succeeded) == ("ended", 3)
    results = {one.custom_id: one.result for one in client.messages.batches.results(batch.id)}
    assert results["bad"].type == "errored"
    assert results["bad"].error.error.type == "invalid_request_error"
    assert results["r-0"].message.usage.service_tier == "batch"
    assert sandbox.books()["requests"] == 3
    assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"


@pytest.mark.parametrize("custom_id", ["", "no spaces", "x" * 65])
def test_anthropic_refuses_a_bad_custom_id_at_once(start, anthropic_of, custom_id):
    params = {"model": HAIKU, "max_tokens": 50, "messages": ASK}
    with pytest.raises(anthropic.BadRequestError):
        anthropic_of(start()).messages.batches.create(
            requests=[{"custom_id": custom_id, "params": params}]
        )


def test_anthropic_pages_both_ways(start, anthropic_of):
    client = anthropic_of(start())
    params = {"model": HAIKU, "max_tokens": 50, "messages": ASK}
    made = [
        client.messages.batches.create(requests=[{"custom_id": "a", "params": params}]).id
        for _ in range(5)
    ]
    assert [batch.id for batch in client.messages.batches.list(limit=2)] == made[::-1]
    newer = client.messages.batches.list(limit=2, before_id=made[1])
    assert [batch.id for batch in newer.data] == [made[3], made[2]]


def test_anthropic_cancel_keeps_what_is_done(start, anthropic_of):
    sandbox = start(batch_seconds=100.0)
    client = anthropic_of(sandbox)
    params = {"model": HAIKU, "max_tokens": 50, "messages": ASK}
    batch = client.messages.batches.create(
        requests=[{"custom_id": f"r-{number}", "params": params} for number in range(40)]
    )
    sandbox.advance(50)
    assert client.messages.batches.cancel(batch.id).processing_status == "canceling"
    sandbox.advance(601)
    counts = client.messages.batches.retrieve(batch.id).request_counts
    assert counts.succeeded + counts.canceled == 40
    assert 0 < counts.succeeded < 40


def test_books_bill_a_batch_that_nobody_ever_looked_at(start, openai_of, chat_lines):
    sandbox = start(Fault("accept_then_504"), batch_seconds=100.0)
    with pytest.raises(openai.InternalServerError):
        submit(openai_of(sandbox), chat_lines(3))
    sandbox.advance(101)
    assert sandbox.books()["requests"] == 3


def test_a_batch_keeps_its_input_when_the_file_is_deleted(start, openai_of, chat_lines):
    sandbox = start(batch_seconds=100.0)
    client = openai_of(sandbox)
    batch = submit(client, chat_lines(3))
    client.files.delete(batch.input_file_id)
    sandbox.advance(101)
    assert client.batches.retrieve(batch.id).request_counts.completed == 3


def test_a_late_batch_fails_if_its_input_was_deleted_by_then(start, openai_of, chat_lines):
    sandbox = start(Fault("accept_late", seconds=30.0), batch_seconds=100.0)
    client = openai_of(sandbox)
    with pytest.raises(openai.InternalServerError):
        submit(client, chat_lines(3))
    assert list(client.batches.list()) == []
    (file,) = client.files.list(purpose="batch")
    client.files.delete(file.id)
    sandbox.advance(31)
    (late,) = client.batches.list()
    assert late.status == "failed"
    sandbox.advance(101)
    assert sandbox.books()["requests"] == 0
