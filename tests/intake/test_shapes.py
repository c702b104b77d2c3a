"""What kind of request a line is, and what no provider could accept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lanewise.errors import BadInput
from lanewise.intake import ENDPOINTS, Accepted, Dialect, ReadOptions, read

BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "m", "messages": [{}]},
    "/v1/responses": {"model": "m", "input": "x"},
    "/v1/embeddings": {"model": "m", "input": "x"},
    "/v1/completions": {"model": "m", "prompt": "x"},
    "/v1/moderations": {"model": "m", "input": "x"},
}


@pytest.mark.parametrize("url", BODIES)
def test_an_openai_line_is_known_by_its_body(lines, read_bytes, url):
    [got] = read_bytes(lines.text(lines.openai("mine", url=url, body=BODIES[url])))
    assert (got.caller_id, got.dialect, got.endpoint, got.model) == ("mine", "openai", url, "m")
    assert json.loads(got.body) == BODIES[url]
    assert (got.number, got.source, got.units) == (1, 0, 1)


def test_an_anthropic_line_is_known_by_its_params(lines, read_bytes):
    [got] = read_bytes(lines.text(lines.anthropic("mine")))
    assert (got.dialect, got.endpoint) == (Dialect.ANTHROPIC, "/v1/messages")
    assert json.loads(got.body) == lines.anthropic()["params"]


@pytest.mark.parametrize("url", ENDPOINTS)
def test_a_bare_body_goes_where_the_caller_says_and_gets_an_id(lines, read_bytes, url):
    body = BODIES.get(url, lines.anthropic()["params"])
    got = read_bytes(lines.text(body, b"", body), endpoint=url)
    assert [r.caller_id for r in got] == ["request-1", "request-2"]
    assert {r.endpoint for r in got} == {url}
    assert got[0].dialect is ENDPOINTS[url].dialect
    assert got[0].body == json.dumps(body).encode()


def test_shapes_may_be_mixed_and_lines_that_name_their_endpoint_keep_it(lines, read_bytes):
    text = lines.text(lines.openai("a"), lines.anthropic("b"), BODIES["/v1/embeddings"])
    got = read_bytes(text, endpoint="/v1/embeddings")
    assert [(r.caller_id, r.endpoint) for r in got] == [
        ("a", "/v1/chat/completions"),
        ("b", "/v1/messages"),
        ("request-3", "/v1/embeddings"),
    ]


@pytest.mark.parametrize("said", ['"now"', "null"])
def test_the_deadline_of_a_bare_body_is_ours_and_no_provider_sees_it(read_bytes, said):
    line = b'{"deadline": %b, "model": "m", "input": "a \\"deadline\\" e"}' % said.encode()
    [request] = read_bytes(line, endpoint="/v1/embeddings")
    assert request.deadline == ("now" if said == '"now"' else "")
    assert json.loads(request.body) == {"model": "m", "input": 'a "deadline" e'}


def test_a_bare_body_without_an_endpoint_says_what_to_give_and_why(lines, why):
    assert "give --endpoint" in why(lines.chat())
    assert "look alike" in why(lines.chat())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"method": "GET"}, '`method` must be "POST"'),
        ({"method": ...}, '`method` must be "POST"'),
        ({"url": ...}, "there is no `url`; accepted are /v1/chat/completions, /v1/responses"),
        ({"url": "/v1/images"}, "no batch lane; accepted are /v1/chat/completions"),
        ({"url": "https://api.openai.com/v1/embeddings"}, "without scheme and host"),
        ({"url": "/v1/messages"}, "Anthropic's lines have only"),
        ({"custom_id": ...}, "there is no `custom_id`"),
        ({"custom_id": ""}, "there is no `custom_id`"),
        ({"custom_id": 7}, "expected `str`, got `int` at `custom_id`"),
        ({"custom_id": "x" * 513}, "513 characters; up to 512"),
        ({"body": [1]}, "expected `object`, got `array` at `body`"),
        ({"body": None}, "expected `object`, got `null` at `body`"),
        ({"body": ...}, "neither `body` (OpenAI) nor `params` (Anthropic)"),
        ({"params": {}}, "both `body` (OpenAI) and `params` (Anthropic)"),
    ],
)
def test_a_wrong_envelope_says_what_is_accepted(lines, why, changed, said):
    assert said in why(lines.openai(**changed))


@pytest.mark.parametrize(
    ("url", "body", "said"),
    [
        ("/v1/chat/completions", {}, "missing required field `messages` at `body`"),
        ("/v1/chat/completions", {"messages": []}, "length >= 1 at `body.messages`"),
        ("/v1/chat/completions", {"messages": "x"}, "got `str` at `body.messages`"),
        ("/v1/chat/completions", {"messages": [{}], "stream": True}, "remove it"),
        ("/v1/chat/completions", {"messages": [{}], "model": None}, "at `body.model`"),
        ("/v1/chat/completions", {"messages": [{}], "model": ""}, "at `body.model`"),
        ("/v1/responses", {"input": None}, "no `input`"),
        ("/v1/embeddings", {}, "missing required field `input`"),
        ("/v1/embeddings", {"input": []}, "at least one text"),
        ("/v1/embeddings", {"input": None}, "`input` is null"),
        ("/v1/completions", {}, "missing required field `prompt`"),
        ("/v1/completions", {"prompt": None}, "`prompt` is null"),
        ("/v1/moderations", {}, "missing required field `input`"),
    ],
)
def test_a_body_that_no_provider_could_answer_is_broken(lines, why, url, body, said):
    assert said in why(lines.openai(url=url, body={"model": "m", **body}))


@pytest.mark.parametrize("max_tokens", [..., None, 0, -1, 1.5, "9", True])
def test_anthropic_needs_a_positive_max_tokens(lines, why, max_tokens):
    params = {**lines.chat(), "max_tokens": max_tokens}
    if max_tokens is ...:
        del params["max_tokens"]
    assert "max_tokens" in why(lines.anthropic(params=params))


@pytest.mark.parametrize("stream", [False, None])
def test_a_stream_that_is_off_is_accepted(lines, read_bytes, stream):
    [got] = read_bytes(lines.text(lines.openai(body=lines.chat(stream=stream))))
    assert isinstance(got, Accepted)


def test_a_stored_prompt_needs_no_input(lines, read_bytes):
    body = {"model": "m", "prompt": {"id": "pmpt_1"}}
    [got] = read_bytes(lines.text(lines.openai(url="/v1/responses", body=body)))
    assert isinstance(got, Accepted)


@pytest.mark.parametrize(
    ("given", "units"),
    [("text", 1), (["a"], 1), (["a", "b", "c"], 3), ([1, 2, 3], 1), ([[1, 2], [3]], 2)],
)
def test_units_count_the_inputs_of_embeddings(lines, read_bytes, given, units):
    body = {"model": "m", "input": given}
    [got] = read_bytes(lines.text(lines.openai(url="/v1/embeddings", body=body)))
    assert got.units == units


def test_units_are_one_for_a_list_elsewhere(lines, read_bytes):
    body = {"model": "m", "input": ["a", "b"]}
    [got] = read_bytes(lines.text(lines.openai(url="/v1/moderations", body=body)))
    assert got.units == 1


def test_a_missing_model_is_filled_and_the_rest_stays_as_it_was(read_bytes):
    line = b'{"custom_id":"a","params":{ "max_tokens" : 1, "messages":[ {} ] }}'
    [got] = read_bytes(line, model='m "x"')
    assert got.model == 'm "x"'
    assert got.body == b'{"model":"m \\"x\\"", "max_tokens" : 1, "messages":[ {} ] }'
    assert json.loads(got.body)["model"] == 'm "x"'


def test_a_model_is_never_overridden(lines, read_bytes):
    [got] = read_bytes(lines.text(lines.openai()), model="other")
    assert got.model == "m-1"
    assert json.loads(got.body)["model"] == "m-1"


def test_a_missing_model_without_one_to_fill_in_is_broken(lines, why):
    assert "give --model" in why(lines.openai(body=lines.chat(model=...)))


BODY = b'{ "n":1.0e2,"n": 12345678901234567890123, "messages":[{"x":"\\u00e9\xc3\xa9/\\/"}],"model":"m"}'


@pytest.mark.parametrize(
    "line",
    [
        b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":%s}',
        b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":\t %s \t}\r',
        b' {"body":%s ,"url":"/v1/chat/completions","custom_id":"a","method":"POST"} ',
        b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","\\u0062ody":%s}',
        b'{"body":1,"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":%s}',
        b'{"meta":{"body":{}},"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":%s}',
        b'{"method":"POST","url":"/v1/chat/completions","body":%s,"custom_id":"b","custom_id":"a"}',
    ],
)
def test_the_body_is_handed_on_byte_for_byte_wherever_it_stands(read_bytes, line):
    [got] = read_bytes(line.replace(b"%s", BODY))
    assert got.body == BODY
    assert got.caller_id == "a"


def test_of_repeated_members_the_last_counts(read_bytes):
    line = (
        b'{"custom_id":"a","params":{"model":"x","max_tokens":1,"messages":[{}],"model":"y"},'
        b'"custom_id":"b"}'
    )
    [got] = read_bytes(line)
    assert (got.caller_id, got.model) == ("b", "y")


@pytest.mark.parametrize(
    ("endpoint", "model"), [("/v1/images", None), ("messages", None), (None, "")]
)
def test_an_option_that_cannot_be_meant_is_refused_before_reading(endpoint, model):
    with pytest.raises(BadInput):
        read(["there-is-no-such-file"], ReadOptions(endpoint=endpoint, model=model))


def test_neither_request_nor_reason_shows_content(lines, read_bytes, why):
    secret = {"model": "m", "messages": [{"content": "hush"}]}
    [got] = read_bytes(lines.text(lines.openai(body=secret)))
    assert "hush" not in repr(got)
    for line in (b'{"hush":nope', b'{"custom_id":"hush","url":"hush"}', lines.openai(body="hush")):
        assert "hush" not in why(line)
