"""Prompts as one text in the order of the cache, and texts in blocks."""

from __future__ import annotations

from typing import Final

import pytest

from lanewise.audit.caching import Prompt, Replay, lines, whole
from lanewise.audit.caching.texts import Cutter
from lanewise.audit.prompts.bodies import text_of
from lanewise.tokens import Method

MODEL: Final = "gpt-4o"


def unpriced(provider: str, model: str, lane: str) -> None:
    return None


def replayed(prompts: list[Prompt]) -> tuple[float, float]:
    """Percent that repeats within five minutes, and that can be read."""
    replay = Replay(unpriced)
    for prompt in prompts:
        replay.add(prompt)
    summed = whole(lines(replay.sums, unpriced))
    return 100 * summed.repeated[300] / summed.input, 100 * summed.usable / summed.input


def cut(cutter: Cutter, asked: object, workflow: str, at: float = 0.0) -> Prompt:
    got = cutter.cut(text_of(asked))
    return Prompt(at, got.blocks, got.tokens, got.size, got.block, workflow, "openai", MODEL)


@pytest.fixture(params=["tokens", "bytes"])
def cutter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Cutter:
    if request.param == "bytes":  # as where the model's tokens cannot be had
        monkeypatch.setattr("lanewise.audit.caching.texts.encoder", lambda _: None)
    made = Cutter(MODEL)
    assert (made.cut("a").method is Method.BYTES) is (request.param == "bytes")
    return made


def test_texts_that_begin_alike_share_blocks(cutter: Cutter) -> None:
    static = "Answer in one word, and only from the text. " * 150
    asked = [cut(cutter, f"{static}{number} apples", "w", float(number)) for number in range(3)]
    repeats, usable = replayed(asked)
    assert 60 < repeats < 67  # two of three, the last words aside
    assert usable > 50


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [{"name": "find"}], "system": "Be kind.", "messages": [{"content": "Hi"}]},
        {"messages": [{"content": "Hi"}], "system": "Be kind.", "tools": [{"name": "find"}]},
        {
            "messages": [{"content": [{"type": "text", "text": "Hi"}]}],
            "system": [
                {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}
            ],
            "tools": [{"name": "find"}],
        },
    ],
)
def test_a_body_is_read_in_the_order_of_the_cache(asked: object) -> None:
    assert text_of(asked) == '[{"name":"find"}]\n\nBe kind.\n\nHi'


def test_what_is_no_text_still_tells_prompts_apart() -> None:
    def image(data: str) -> object:
        return [{"role": "user", "content": [{"type": "image", "source": {"data": data}}]}]

    assert text_of(image("one")) != text_of(image("two"))
    assert text_of(["plain", None, 7]) == "plain\n\n7"


def test_any_text_can_be_cut(cutter: Cutter) -> None:
    for text in ("half a pair \ud800", "", "two\u2028lines\x85", "<|endoftext|>"):
        assert cutter.cut(text).tokens >= len(text) // 8
