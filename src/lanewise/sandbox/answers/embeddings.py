"""Deterministic embeddings: texts that share words and word parts point the same way.

Each stem and each four-letter part of a word adds to a few coordinates that its hash chooses
(feature hashing), so vectors are sparse and cheap; the length is 1.
"""

import base64
import math
from array import array
from functools import lru_cache
from sys import byteorder
from typing import Any
from zlib import crc32

from lanewise.sandbox.answers import checks, counting
from lanewise.sandbox.answers.kinds import Answer, Tokens
from lanewise.sandbox.answers.text import LONGEST_READ, STOPWORDS, stem, words

DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
_INVALID_INPUT = (
    "'$.input' is invalid. Please check the API reference: "
    "https://platform.openai.com/docs/api-reference."
)
MOST_INPUTS = 2048  # [documented]
MOST_TOKENS = 8192  # an input [documented]


def answer(body: dict[str, Any]) -> Answer:
    """An embedding for each input, as floats or base64."""
    model = checks.model(body)
    inputs = _inputs(body.get("input"))
    size = _dimensions(body, model)
    encoded = body.get("encoding_format", "float")
    if encoded not in ("float", "base64"):
        why = f"Invalid value: '{encoded}'. Supported values are: 'base64' and 'float'."
        checks.openai(why, "encoding_format", "invalid_value")
    total = sum(map(_tokens, inputs))
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _encoded(vector(_text(one), size), encoded),
        }
        for index, one in enumerate(inputs)
    ]
    usage = {"prompt_tokens": total, "total_tokens": total}
    return Answer(
        {"object": "list", "data": data, "model": model, "usage": usage}, Tokens(input=total), model
    )


def vector(text: str, size: int) -> list[float]:
    """The unit vector of a text."""
    made = [0.0] * size
    counts: dict[str, int] = {}
    for word in words(text[:LONGEST_READ]):
        counts[word] = counts.get(word, 0) + 1
    for word, count in counts.items():
        strength = 1.0 if count == 1 else 1.0 + math.log(count)
        for code, weight in _features(word):
            made[code % size] += strength * weight
    return _unit(made, text, size)


@lru_cache(maxsize=65_536)
def _features(word: str) -> tuple[tuple[int, float], ...]:
    """Coordinates (before the modulus) and signed weights of a word."""
    if word in STOPWORDS:
        return ((crc32(word.encode("utf-8", "replace")), 0.1),)
    root = stem(word)
    padded = f"<{root}>"
    parts = [padded[at : at + 4] for at in range(max(len(padded) - 3, 1))]
    share = 0.6 / math.sqrt(len(parts))
    named = [(f"{root}{copy}", 0.7) for copy in "ab"] + [(part, share) for part in parts]
    return tuple(_placed(name, weight) for name, weight in named)


def _placed(name: str, weight: float) -> tuple[int, float]:
    code = crc32(name.encode("utf-8", "replace"))
    return code >> 1, weight if code & 1 else -weight


def _unit(made: list[float], text: str, size: int) -> list[float]:
    length = math.hypot(*(one for one in made if one))
    if length < 1e-9:  # no words at all: symbols and emoji count as one feature
        made[crc32(text.encode("utf-8", "replace")) % size] = length = 1.0
    return [round(one / length, 8) if one else 0.0 for one in made]


def _encoded(values: list[float], encoding: str) -> list[float] | str:
    if encoding == "float":
        return values
    packed = array("f", values)
    if byteorder == "big":
        packed.byteswap()
    return base64.b64encode(packed.tobytes()).decode()


def _dimensions(body: dict[str, Any], model: str) -> int:
    natural = DIMENSIONS.get(model, 1536)
    asked = checks.whole(body, "dimensions", 1, natural)
    if asked is not None and model.endswith("ada-002"):
        checks.openai("This model does not support specifying dimensions.")
    return asked or natural


def _inputs(given: Any) -> list[Any]:
    if given is None:
        checks.missing("input")
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list) or not given:
        checks.openai(_INVALID_INPUT)
    inputs = [given] if all(type(one) is int for one in given) else given
    if len(inputs) > MOST_INPUTS:
        checks.openai(
            f"'$.input' is invalid: at most {MOST_INPUTS} inputs are allowed, got {len(inputs)}."
        )
    for one in inputs:
        _check(one)
    return inputs


def _check(one: Any) -> None:
    tokens = isinstance(one, list) and one and all(type(code) is int for code in one)
    if not tokens and not (isinstance(one, str) and one):
        checks.openai(_INVALID_INPUT)
    if _tokens(one) > MOST_TOKENS:
        checks.openai(
            f"This model's maximum context length is {MOST_TOKENS} tokens, however you requested "
            f"{_tokens(one)} tokens ({_tokens(one)} in your prompt; 0 for the completion). Please "
            "reduce your prompt; or completion length."
        )


def _tokens(one: Any) -> int:
    return counting.text_tokens(one) if isinstance(one, str) else len(one)


def _text(one: Any) -> str:
    return one if isinstance(one, str) else " ".join(f"t{code}" for code in one)
