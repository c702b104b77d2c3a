"""Each fault of the script does what its description says."""

import json

import httpx2
import openai
import pytest

from lanewise.sandbox import Fault
from lanewise.sandbox.config import FAULTS

SIZE = 20


@pytest.fixture
def ended(start, openai_of, chat_lines):
    """ended(fault, ...): the client, and a batch of 20 after its planned end."""

    def run(*faults):
        sandbox = start(*faults, batch_seconds=100.0)
        client = openai_of(sandbox)
        file = client.files.create(file=("in.jsonl", chat_lines(SIZE)), purpose="batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        sandbox.advance(101)
        return sandbox, client, client.batches.retrieve(batch.id)

    return run


def content(client, file_id):
    return client.files.content(file_id).content.splitlines()


def ids_in(client, file_id):
    return [json.loads(line)["custom_id"] for line in content(client, file_id)]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("fail_validation", line=3, code="invalid_json_line"), "invalid_json_line"),
        (Fault("token_limit_exceeded", limit=90_000), "token_limit_exceeded"),
        (Fault("billing_limit"), "billing_hard_limit_reached"),
        (Fault("fail_whole"), "model_not_found"),
    ],
)
def test_a_batch_fails_and_costs_nothing(ended, fault, code):
    sandbox, _, batch = ended(fault)
    assert (batch.status, batch.errors.data[0].code) == ("failed", code)
    assert sandbox.books()["requests"] == 0


def test_expiry_keeps_and_bills_what_was_answered(ended):
    sandbox, client, batch = ended(Fault("expire", fraction=0.5))
    assert batch.status == "expired"
    answered = content(client, batch.output_file_id)
    unanswered = [json.loads(line) for line in content(client, batch.error_file_id)]
    assert 0 < len(answered) < SIZE
    assert len(answered) + len(unanswered) == SIZE
    assert {line["error"]["code"] for line in unanswered} == {"batch_expired"}
    assert sandbox.books()["requests"] == len(answered)


def test_a_batch_may_have_only_an_error_file(ended):
    sandbox, client, batch = ended(Fault("error_file_only"))
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert batch.request_counts.failed == SIZE
    first = json.loads(content(client, batch.error_file_id)[0])
    assert (first["response"]["status_code"], first["error"]) == (400, None)
    assert sandbox.books()["requests"] == 0


@pytest.mark.parametrize(("kind", "status"), [("lines_refused", 400), ("lines_failed", 503)])
def test_chosen_lines_fail(ended, kind, status):
    sandbox, client, batch = ended(Fault(kind, match="number 7.", status=status))
    (line,) = [json.loads(line) for line in content(client, batch.error_file_id)]
    assert (line["custom_id"], line["response"]["status_code"]) == ("r-7", status)
    assert sandbox.books()["requests"] == SIZE - 1


def test_missing_lines_are_nowhere_and_free(ended):
    sandbox, client, batch = ended(Fault("lines_missing", match="number 7."))
    assert "r-7" not in ids_in(client, batch.output_file_id)
    assert batch.error_file_id is None
    assert sandbox.books()["requests"] == SIZE - 1


def test_unknown_and_duplicate_ids_are_added(ended):
    _, client, batch = ended(Fault("unknown_ids"), Fault("duplicate_ids", count=2))
    ids = ids_in(client, batch.output_file_id)
    assert len(ids) == SIZE + 3
    assert len(set(ids) - {f"r-{number}" for number in range(SIZE)}) == 1


@pytest.mark.parametrize("kind", ["malformed_lines", "truncated_line"])
def test_a_line_is_not_json(ended, kind):
    _, client, batch = ended(Fault(kind))
    broken = 0
    for line in content(client, batch.output_file_id):
        try:
            json.loads(line)
        except ValueError:
            broken += 1
    assert broken == 1


def test_file_ids_may_be_empty_texts(ended):
    assert ended(Fault("empty_file_ids"))[2].error_file_id == ""


def test_finalizing_may_take_hours(ended):
    sandbox, client, batch = ended(Fault("stuck_finalizing", seconds=18_000.0))
    assert batch.status == "finalizing"
    sandbox.advance(18_000)
    assert client.batches.retrieve(batch.id).status == "completed"


def test_answers_may_hold_odd_unicode(ended):
    _, client, batch = ended(Fault("odd_unicode"))
    text = client.files.content(batch.output_file_id).content.decode()
    assert "\u2028" in text
    assert len(text.split("\n")) == SIZE + 1


def test_usage_may_not_add_up(ended):
    _, client, batch = ended(Fault("usage_mismatch"))
    lines = [json.loads(line) for line in content(client, batch.output_file_id)]
    spent = sum(line["response"]["body"]["usage"]["prompt_tokens"] for line in lines)
    assert batch.usage.input_tokens != spent


def test_results_may_be_gone(ended):
    _, client, batch = ended(Fault("results_expired"))
    with pytest.raises(openai.NotFoundError):
        client.files.content(batch.output_file_id)


@pytest.mark.parametrize(("kind", "resumed"), [("drop_download", 206), ("drop_without_range", 200)])
def test_a_download_breaks_off_and_may_be_resumed(ended, kind, resumed):
    sandbox, _, batch = ended(Fault(kind, bytes=100, times=1), Fault(kind, bytes=10**9, after=1))
    url = f"{sandbox.url}/v1/files/{batch.output_file_id}/content"
    auth = {"authorization": "Bearer sk-one"}
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.get(url, headers=auth)
    rest = httpx2.get(url, headers={**auth, "range": "bytes=100-"})
    assert rest.status_code == resumed


@pytest.mark.parametrize("kind", ["accept_then_504", "accept_then_reset", "accept_then_hang"])
def test_a_batch_is_accepted_though_the_answer_is_lost(start, openai_of, chat_lines, kind):
    sandbox = start(Fault(kind))
    client = openai_of(sandbox).with_options(timeout=0.5)
    file = client.files.create(file=("in.jsonl", chat_lines(1)), purpose="batch")
    ask = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    with pytest.raises((openai.APIConnectionError, openai.InternalServerError)):
        client.batches.create(input_file_id=file.id, **ask)
    (batch,) = client.batches.list()
    assert batch.input_file_id == file.id


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("http_error", operation="batches.create"), 500),
        (Fault("file_not_found"), 404),
        (Fault("rate_limit", operation="batches.create", seconds=7.0), 429),
        (Fault("not_found", operation="batches.create"), 404),
    ],
)
def test_a_refused_create_leaves_nothing(start, openai_of, chat_lines, fault, status):
    sandbox = start(fault)
    client = openai_of(sandbox)
    file = client.files.create(file=("in.jsonl", chat_lines(1)), purpose="batch")
    ask = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    with pytest.raises(openai.APIStatusError) as refused:
        client.batches.create(input_file_id=file.id, **ask)
    assert refused.value.status_code == status
    if status == 429:
        assert refused.value.response.headers["retry-after"] == "7"
    assert list(client.batches.list()) == []


def test_a_new_batch_is_not_listed_before_the_lag(start, openai_of, chat_lines):
    sandbox = start(listing_lag_seconds=30.0)
    client = openai_of(sandbox)
    file = client.files.create(file=("in.jsonl", chat_lines(1)), purpose="batch")
    ask = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = client.batches.create(input_file_id=file.id, **ask)
    assert list(client.batches.list()) == []
    assert client.batches.retrieve(batch.id).id == batch.id
    sandbox.advance(31)
    assert [one.id for one in client.batches.list()] == [batch.id]


def test_faults_can_be_added_shown_and_cleared_over_http(start):
    url = start().url + "/sandbox/faults"
    assert httpx2.post(url, json={"kind": "expire", "fraction": 0.2}).status_code == 200
    assert [fault["kind"] for fault in httpx2.get(url).json()] == ["expire"]
    assert httpx2.post(url, json={"kind": "nonsense"}).status_code == 400
    assert httpx2.delete(url).json() == []
    assert "expire" in FAULTS
