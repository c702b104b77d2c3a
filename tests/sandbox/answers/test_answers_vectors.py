"""Embeddings are deterministic unit vectors whose neighbours make sense; moderation by keyword."""

import base64
import math
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.sandbox.answers import Answer, Invalid
from lanewise.sandbox.answers.embeddings import vector

EMBEDDINGS = "/v1/embeddings"
MODEL = "text-embedding-3-small"
TRIOS = [  # the first two are near each other, the third is not
    ("How do I reset my password?", "I forgot my password and need to reset it", "Fresh pasta with basil"),
    ("parse a JSON document", "JSON document parser", "open a network socket"),
    ("The cat sat on the mat", "A cat is sitting on a mat", "Stock markets fell sharply on Monday"),
    ("concurrent threads and locks", "locking between threads", "colour of the evening sky"),
]  # fmt: skip


def cosine(one: str, other: str) -> float:
    pairs = zip(vector(one, 1536), vector(other, 1536), strict=True)
    return sum(a * b for a, b in pairs)


@pytest.mark.parametrize(("one", "near", "far"), TRIOS)
def test_similar_texts_are_nearer_than_unrelated_ones(one: str, near: str, far: str) -> None:
    assert cosine(one, near) > cosine(one, far) + 0.2


@given(st.text(min_size=1, max_size=80), st.sampled_from([8, 256, 1536]))
def test_every_text_has_a_unit_vector(text: str, size: int) -> None:
    made = vector(text, size)
    assert len(made) == size
    assert math.isclose(math.hypot(*made), 1.0, abs_tol=1e-6)
    assert made == vector(text, size)


def test_base64_holds_the_same_floats(ask: Callable[..., Answer]) -> None:
    body = {"model": MODEL, "input": "some text", "dimensions": 64}
    plain = ask(EMBEDDINGS, body).body["data"][0]["embedding"]
    coded = ask(EMBEDDINGS, body | {"encoding_format": "base64"}).body["data"][0]["embedding"]
    assert array("f", base64.b64decode(coded)).tolist() == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize(
    ("given_input", "count"), [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2)]
)
def test_texts_and_token_arrays_are_embedded(
    ask: Callable[..., Answer], given_input: Any, count: int
) -> None:
    made = ask(EMBEDDINGS, {"model": MODEL, "input": given_input})
    assert [one["index"] for one in made.body["data"]] == list(range(count))
    assert made.tokens.input == made.body["usage"]["total_tokens"] > 0
    assert made.tokens.output == 0


@pytest.mark.parametrize(
    ("model", "size"),
    [(MODEL, 1536), ("text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536)],
)
def test_each_model_has_its_own_size(ask: Callable[..., Answer], model: str, size: int) -> None:
    made = ask(EMBEDDINGS, {"model": model, "input": "x"})
    assert len(made.body["data"][0]["embedding"]) == size


@pytest.mark.parametrize(
    "body",
    [
        {"model": MODEL},
        {"model": MODEL, "input": ""},
        {"model": MODEL, "input": []},
        {"model": MODEL, "input": ["a", ""]},
        {"model": MODEL, "input": {"a": 1}},
        {"model": MODEL, "input": ["a"] * 2049},
        {"model": MODEL, "input": "word " * 9000},
        {"model": MODEL, "input": "a", "dimensions": 2000},
        {"model": MODEL, "input": "a", "dimensions": 0},
        {"model": MODEL, "input": "a", "encoding_format": "hex"},
        {"input": "a"},
    ],
)
def test_what_cannot_be_embedded_is_refused(ask: Callable[..., Answer], body: Any) -> None:
    with pytest.raises(Invalid) as caught:
        ask(EMBEDDINGS, body)
    assert caught.value.status == 400


def test_moderation_flags_by_keyword(ask: Callable[..., Answer]) -> None:
    body = {"input": ["What a lovely day", "I will kill and murder"]}
    calm, violent = ask("/v1/moderations", body).body["results"]
    assert not calm["flagged"]
    assert violent["flagged"]
    assert violent["categories"]["violence"]
    assert violent["category_scores"]["violence"] > 0.5 > calm["category_scores"]["violence"]


def test_moderation_of_parts_is_one_result(ask: Callable[..., Answer]) -> None:
    parts = [{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": {"url": "x"}}]
    assert len(ask("/v1/moderations", {"input": parts}).body["results"]) == 1
