"""Simon Willison's `llm` works unmodified: by its environment, and by the file of models it documents."""

from __future__ import annotations

from typing import Any

import pytest

MODEL = "gpt-4o-mini"
MODELS = """\
- model_id: tickets
  model_name: {model}
  api_base: {url}
  can_stream: false
  headers:
    x-lanewise-deadline: 8h
    x-lanewise-workflow: tickets
  api_key_name: lanewise
- model_id: nothing
  model_name: no-such-model
  api_base: {url}
  api_key_name: lanewise
"""


@pytest.fixture(scope="module")
def llm(runner: Any) -> str:
    """The program, with models of its own at the gateway and the key kept in its own way."""
    program = str(runner.program("llm"))
    folder = runner.home / "llm"
    folder.mkdir(exist_ok=True)
    url = runner.stage.environ["OPENAI_BASE_URL"]
    text = MODELS.format(model=MODEL, url=url)
    (folder / "extra-openai-models.yaml").write_text(text, encoding="utf-8")
    key = runner.stage.environ["OPENAI_API_KEY"]
    assert runner.run(program, "keys", "set", "lanewise", "--value", key).returncode == 0
    return program


def test_a_prompt_is_answered_by_the_environment_alone(runner: Any, llm: str) -> None:
    done = runner.run(llm, "-m", MODEL, "Where is my order?")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_what_is_streamed_is_shown_before_the_last_event_is_sent(runner: Any, llm: str) -> None:
    stopping = f"{runner.stage.environ['STOPPING_URL']}/v1"
    before, whole = runner.half(llm, "-m", MODEL, "Where is my order?", OPENAI_BASE_URL=stopping)
    assert before
    assert len(whole.strip()) > 1


def test_a_model_of_its_file_waits_for_the_cheapest_lane(runner: Any, llm: str) -> None:
    done = runner.run(llm, "-m", "tickets", "Where is my order?", OPENAI_API_KEY="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    assert runner.stage.engine.store.runs()[0].workflow == "tickets"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("-m", "nothing"), 404),
        (("-m", MODEL, "-o", "max_tokens", "0"), 400),
        (("-m", MODEL, "--key", "lw-nobody"), 401),
    ],
)
def test_an_error_is_told_in_the_gateways_words(
    runner: Any, llm: str, words: tuple[str, ...], status: int
) -> None:
    done = runner.run(llm, *words, "Where is my order?")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Error code: {status}" in done.stderr


def test_a_spent_budget_is_told_with_the_budget(runner: Any, llm: str) -> None:
    done = runner.run(llm, "-m", MODEL, "--key", runner.stage.environ["POOR_KEY"], "Hello")
    assert done.returncode == 1
    assert "Error code: 429 - the monthly budget of this key is" in done.stderr


def test_texts_are_embedded(runner: Any, llm: str) -> None:
    done = runner.run(llm, "embed", "-m", "3-small", "-c", "Hello", "-f", "json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[")
