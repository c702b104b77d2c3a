"""Usage is read from streams however they are cut, and nothing that a client asked for is held back."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.usage import Usage
from lanewise.gateway.usage import StreamReader, Told, WholeReader, told


def events(*documents: dict[str, Any], end: str = "\n\n") -> bytes:
    return "".join(f"data: {json.dumps(each)}{end}" for each in documents).encode()


CHAT = [
    {"model": "gpt-4o-mini", "choices": [{"delta": {"content": 'say "usage":{'}}], "usage": None},
    {"model": "gpt-4o-mini", "choices": [{"delta": {}, "finish_reason": "stop"}], "usage": None},
]
LAST = {
    "model": "gpt-4o-mini",
    "choices": [],
    "service_tier": "flex",
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 3},
    },
}
DONE = b"data: [DONE]\n\n"
FLEX = Told("gpt-4o-mini", Usage(input=6, cache_read=3, output=4), "flex")
MESSAGE = [
    {
        "type": "message_start",
        "message": {
            "model": "claude-haiku-4-5",
            "usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1},
        },
    },
    {"type": "content_block_delta", "delta": {"text": '{"usage":{"output_tokens":99}}'}},
    {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 42, "input_tokens": None}},
    {"type": "message_stop"},
]
RESPONSE = [
    {"type": "response.created", "response": {"model": "gpt-5", "usage": None}},
    {
        "type": "response.completed",
        "response": {"model": "gpt-5", "usage": {"input_tokens": 5, "output_tokens": 6}},
    },
]
cuts = st.lists(st.integers(0, 2_000), max_size=12)


def through(reader: StreamReader, data: bytes, places: list[int]) -> bytes:
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    shown = b"".join(reader.feed(data[a:b]) for a, b in itertools.pairwise(ends))
    return shown + reader.rest()


@given(cuts, st.sampled_from(["\n\n", "\r\n\r\n"]))
def test_the_event_that_lanewise_asked_for_is_read_and_not_shown(
    places: list[int], end: str
) -> None:
    reader = StreamReader("openai", ours=True)
    shown = through(reader, events(*CHAT, LAST, end=end) + DONE, places)
    assert (shown, reader.told()) == (events(*CHAT, end=end) + DONE, FLEX)


@given(cuts)
def test_a_stream_whose_usage_the_client_asked_for_passes_byte_for_byte(places: list[int]) -> None:
    for provider, data, usage in (
        ("openai", events(*CHAT, LAST) + DONE, FLEX.usage),
        ("openai", events(*RESPONSE), Usage(input=5, output=6)),
        ("anthropic", events(*MESSAGE), Usage(input=5, cache_read=7, output=42)),
    ):
        reader = StreamReader(provider)
        assert (through(reader, data, places), reader.told().usage) == (data, usage)


@given(st.lists(st.binary(max_size=50), max_size=10), st.booleans())
def test_nonsense_passes_whole_and_says_nothing(parts: list[bytes], ours: bool) -> None:
    reader = StreamReader("openai", ours=ours)
    assert b"".join(map(reader.feed, parts)) + reader.rest() == b"".join(parts)
    assert reader.told() == Told()


@given(st.binary(max_size=200))
def test_an_answer_of_any_bytes_is_read_without_raising(body: bytes) -> None:
    for provider in ("openai", "anthropic"):
        told(provider, body)
        for line in (b'data: {"usage":{' + body, b'data: {"message":{"usage":{}},"usage":{' + body):
            reader = StreamReader(provider)
            reader.feed(line + b"\n\n")
            reader.told()


def test_an_event_without_end_is_let_go_of_and_memory_is_bounded() -> None:
    reader = StreamReader("openai", ours=True)
    shown = b"".join(reader.feed(b"x" * 65_536) for _ in range(400))
    assert len(shown + reader.rest()) == 65_536 * 400
    assert sum(map(len, reader._held)) <= 16 * 1024 * 1024
    whole = WholeReader("openai")
    for _ in range(400):
        whole.feed(b"x" * 65_536)
    assert whole.told() == Told()
    assert sum(map(len, whole._parts)) <= 16 * 1024 * 1024


def test_counts_that_no_provider_means_are_no_usage() -> None:
    for number in (-1, 1 << 63, 1 << 80):
        body = {"model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": number}}
        assert told("openai", json.dumps(body).encode()).usage is None
