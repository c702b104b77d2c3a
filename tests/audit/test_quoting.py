"""Prompts that are shown are short, harmless to a terminal, and without what looks like a secret."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.audit.prompts.quoting import HEAD, MASK, TAIL, quoted


@given(st.text(st.characters(), max_size=2_000))
def test_nothing_is_shown_that_a_terminal_would_act_on(text: str) -> None:
    shown = quoted(text)
    assert len(shown) <= HEAD + TAIL + 5
    assert shown.isprintable()
    assert not any(unicodedata.category(char) == "Cf" for char in shown)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnopqrstuv",
        "sk-ant-api03-Zm9vYmFy_x-1234567890",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "xoxb-123456789012-abcdefGHIJ",
        "AIzaSyA-1234567890abcdefghijklmnopqrs",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def_ghi",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIB\nAAAA\n-----END RSA PRIVATE KEY-----",
    ],
)
@pytest.mark.parametrize(
    "around", ["Use {}, please", "{}", 'key = "{}"', "x" * 4_500 + " {} " + "y" * 4_500]
)
def test_what_looks_like_a_secret_is_masked(secret: str, around: str) -> None:
    assert secret.rsplit(maxsplit=1)[-1][:12] not in quoted(around.format(secret))


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef.ghijkl",
        "api_key=hunter2hunter2",
        '{"password": "correct horse"}',
        "postgres://admin:hunter22@db/orders",
    ],
)
def test_what_is_named_a_secret_is_masked(text: str) -> None:
    shown = quoted(text)
    assert MASK in shown
    assert not any(word in shown for word in ("hunter2", "correct", "horse", "ghijkl"))


@given(st.integers(0, 8_200))
def test_no_part_of_a_secret_is_left_wherever_the_text_is_cut(place: int) -> None:
    text = "word " * 4_000
    hidden = f"{text[:place]} sk-abcdefghijklmnop1234567 {text[place:]}"
    assert "abcdef" not in quoted(hidden)


def test_words_and_code_are_shown_as_they_are() -> None:
    text = "Translate into German: the internationalisation of src/lanewise/audit/levers is done."
    assert quoted(text) == text
