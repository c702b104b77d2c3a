"""Free-text answers are drawn from the prompt, and say that they are the sandbox's."""

from collections.abc import Callable

import pytest

from lanewise.sandbox.answers import Answer
from lanewise.sandbox.answers.labels import how_many, labels_in
from lanewise.sandbox.answers.prompt import read, sentences_wanted
from lanewise.sandbox.answers.text import sentences, stem

MARK = " [sandbox]"


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("Summarize the text in one sentence.", 1),
        ("Write a two-sentence summary.", 2),
        ("Give a summary in 3 short sentences.", 3),
        ("Summarise this.", 2),
    ],
)
def test_a_summary_has_the_sentences_asked_for_in_their_order(
    chat: Callable[..., str], document: str, asked: str, count: int
) -> None:
    made = chat(asked, document)
    assert made.endswith(MARK)
    picked = sentences(made.removesuffix(MARK))
    places = [sentences(document).index(one) for one in picked]
    assert len(picked) == count
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love this phone, it is great.", "positive"),
        ("Terrible. It is broken and I want a refund.", "negative"),
    ],
)
def test_a_classification_is_a_bare_label_that_fits(
    chat: Callable[..., str], text: str, label: str
) -> None:
    assert chat("Classify the sentiment as positive, negative or neutral.", text) == label


def test_without_evidence_the_catch_all_label_is_chosen(chat: Callable[..., str]) -> None:
    assert chat("Answer with one of these labels: sports, other, politics.", "Qwxyz.") == "other"


def test_several_labels_are_given_when_asked_for(chat: Callable[..., str], document: str) -> None:
    system = "Give up to two tags from this list: cooking, concurrency, networking, poetry"
    assert set(chat(system, document).split(", ")) == {"concurrency", "networking"}


def test_a_question_is_answered_with_the_sentence_nearest_to_it(
    chat: Callable[..., str], document: str
) -> None:
    made = chat("", f"What do queues and locks do?\n\n{document}")
    assert made == f"Queues, locks and events synchronise tasks that run concurrently.{MARK}"


def test_a_rating_is_a_number_on_the_scale(chat: Callable[..., str], document: str) -> None:
    assert chat("Rate the text on a scale from 1 to 5.", document) in set("12345")


def test_the_same_request_has_the_same_answer(chat: Callable[..., str], document: str) -> None:
    assert chat("Summarise.", document) == chat("Summarise.", document)


def test_choices_differ_where_the_text_allows(ask: Callable[..., Answer], document: str) -> None:
    messages = [{"role": "user", "content": f"Summarise in one sentence:\n\n{document}"}]
    made = ask("/v1/chat/completions", {"model": "gpt-4o", "messages": messages, "n": 3})
    assert len({choice["message"]["content"] for choice in made.body["choices"]}) == 3


@pytest.mark.parametrize(
    ("system", "user", "document"),
    [
        ("Summarise.", "A text.", "A text."),
        ("", "Summarise the following in one sentence: One two three four.", "One two three four."),
        ("", "Summarise this.\n\nOne.\n\nTwo.", "One.\n\nTwo."),
        (
            "",
            "One is here.\n\nTwo is here.\n\nSummarise the above.",
            "One is here.\n\nTwo is here.",
        ),
        ("", "Classify this.\n<text>Inside.</text>", "Inside."),
        ("", "Label it.\nText: Inside.", "Inside."),
    ],
)
def test_the_document_is_told_from_the_instruction(system: str, user: str, document: str) -> None:
    assert read(system, user).document == document


def test_a_snippet_in_a_long_text_is_not_the_document() -> None:
    text = "word " * 400
    assert "word" in read("Summarise.", f"{text}\n```py\nx = 1\n```\n{text}").document


@pytest.mark.parametrize(
    ("instructions", "labels"),
    [
        ("Choose one of: red, green, blue.", ("red", "green", "blue")),
        ("Categories:\n- red\n- dark green: like leaves\n- blue\n", ("red", "dark green", "blue")),
        ('Labels: ["red", "green"]', ("red", "green")),
        ("Classify it as spam or ham", ("spam", "ham")),
        ("Summarise the text.", ()),
    ],
)
def test_labels_are_found_in_instructions(instructions: str, labels: tuple[str, ...]) -> None:
    assert labels_in(instructions) == labels


def test_counts_in_words_and_figures_are_understood() -> None:
    assert how_many("Give up to three tags") == 3
    assert how_many("Choose at most 5 labels") == 5
    assert how_many("Choose one of the labels") == 1
    assert sentences_wanted("in two clear sentences") == 2
    assert sentences_wanted("briefly") is None


def test_sentences_end_where_a_reader_would_say() -> None:
    text = (
        "Use it, e.g. here. asyncio runs.\n\nA heading\n\nVersion 3.11 is out! 次の文。もう一つ。"
    )
    assert sentences(text) == [
        "Use it, e.g. here.",
        "asyncio runs.",
        "A heading",
        "Version 3.11 is out!",
        "次の文。",
        "もう一つ。",
    ]


def test_forms_of_a_word_share_a_stem() -> None:
    assert len({stem(one) for one in ("parse", "parser", "parsers", "parsing", "parsed")}) == 1
    assert stem("category") == stem("categories")


@pytest.mark.parametrize(
    "text",
    [
        "<text>" * 20_000 + "</",
        "labels: " + "a " * 5_000,
        '"' * 9_000 + "keys " * 900,
        "a. " * 50_000,
    ],
    ids=["tags", "labels", "keys", "stops"],
)
def test_a_text_made_to_be_slow_is_read_in_linear_time(chat: Callable[..., str], text: str) -> None:
    # quadratic reading of these takes tens of seconds; the suite would be seen to hang
    assert chat("", text)
