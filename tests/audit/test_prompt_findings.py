"""What is found about how prompts are made, and what is not claimed."""

from __future__ import annotations

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from lanewise.audit.prompts import (
    Text,
    Worth,
    few_shots,
    instructions_last,
    pretty_json,
    variable_first,
)
from lanewise.audit.prompts.bulk import compact
from lanewise.replay.cache_rules import rules_of
from lanewise.tokens.encodings import by_bytes

RULES = rules_of("gpt-4.1")
STATIC = "Read the report and say in one word which team should have it.\n" * 90
WORDS = ("late", "order", "parcel", "refund", "address", "broken")


def texts(make, count: int = 10) -> list[Text]:
    """Of four characters a token."""
    return [Text(text, len(text) // 4) for text in map(make, range(count))]


def changing(number: int, words: int = 300) -> str:
    dice = random.Random(number)
    return " ".join(dice.choice(WORDS) for _ in range(words))


def test_a_time_before_the_static_part_keeps_it_from_being_read() -> None:
    asked = texts(lambda at: f"Now: 2026-11-2{at} 10:{at}3:07. {STATIC}Report {at}: {changing(at)}")
    found = variable_first(asked, RULES)
    assert found is not None
    assert (found.affected, found.worth) == (9, Worth.READ)
    assert found.tokens == 9 * 1_408  # of 1,423 in steps of 128
    assert instructions_last(asked, RULES) is None  # the same tokens are not counted twice


def test_ids_of_many_forms_are_told_from_words() -> None:
    for name in (
        "3f2b8c1e-9a4d-4e6b-8f70-1a2b3c4d5e6{}",
        "req_8f3k2m1x{}9",
        "9f86d081884c{}d",
        "ticket 10021{}",
    ):
        asked = texts(lambda at, name=name: f"Id {name.format(at)}.\n{STATIC}{changing(at)}")
        assert variable_first(asked, RULES) is not None, name


def test_a_time_behind_the_static_part_is_no_finding() -> None:
    assert variable_first(texts(lambda at: f"{STATIC}Now: 10:{at}3. {changing(at)}"), RULES) is None


def test_a_time_before_a_short_static_part_is_no_finding() -> None:
    asked = texts(lambda at: f"Now: 2026-11-2{at}. {STATIC[:2_000]}{changing(at)}")
    assert variable_first(asked, RULES) is None


def test_instructions_behind_the_document_are_found_if_a_cache_could_read_them() -> None:
    found = instructions_last(texts(lambda at: f"{changing(at)}\n{STATIC}"), RULES)
    assert found is not None
    assert found.tokens == 9 * 1_408
    assert found.trial
    assert instructions_last(texts(lambda at: f"{changing(at)}\n{STATIC[:2_000]}"), RULES) is None
    assert instructions_last(texts(lambda at: f"{STATIC}\n{changing(at)}"), RULES) is None


def test_prompts_that_are_all_the_same_are_no_finding() -> None:
    asked = texts(lambda _: f"Now: 10:33. {STATIC}")
    assert variable_first(asked, RULES) is None
    assert instructions_last(asked, RULES) is None


def test_indented_json_is_counted_by_what_its_white_space_takes() -> None:
    told = {"orders": [{"id": number, "state": "late, \n or so"} for number in range(20)]}
    asked = texts(
        lambda at: f"Summarise:\n{json.dumps(told, indent=4)}\nthanks" if at < 5 else "Hi"
    )
    found = pretty_json(asked, by_bytes)
    assert found is not None
    dense = json.dumps(told, separators=(",", ":"))
    saved = by_bytes(json.dumps(told, indent=4)) - by_bytes(dense)
    assert (found.affected, found.tokens) == (5, 5 * saved)
    assert pretty_json(texts(lambda _: f"Summarise: {dense}"), by_bytes) is None


def test_what_only_looks_like_json_is_left_alone() -> None:
    code = "void f() {\n    if (x) {\n        g();\n    }\n}\n" * 50
    assert pretty_json(texts(lambda _: code), by_bytes) is None
    assert pretty_json(texts(lambda _: "[\n" * 3_000), by_bytes) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.booleans())
def test_json_without_white_space_says_the_same(told, ascii_only) -> None:
    span = json.dumps(told, indent=2, ensure_ascii=ascii_only)
    assert compact(span) == json.dumps(told, separators=(",", ":"), ensure_ascii=ascii_only)


def test_many_examples_are_worth_a_trial_and_nothing_for_certain() -> None:
    shots = "".join(f"Q: is {n} even?\nA: let us see, {changing(n, 20)}\n\n" for n in range(8))
    found = few_shots(texts(lambda at: f"Answer.\n\n{shots}Q: {changing(at, 9)}?\nA:"))
    assert found is not None
    assert found.worth is Worth.TRIAL
    assert "up to 9 examples" in found.says
    three = shots[: shots.index("Q: is 3")]
    assert few_shots(texts(lambda at: f"Answer.\n\n{three}Q: {changing(at, 9)}?\nA:")) is None


def test_findings_hold_nothing_of_the_prompts() -> None:
    asked = texts(lambda at: f"Now: 2026-11-2{at}. Secretly {STATIC}{changing(at)}")
    assert "Secretly" not in repr(variable_first(asked, RULES))
