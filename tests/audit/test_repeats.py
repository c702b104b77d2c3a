"""Which requests were asked again, in all of a log, and what asking once would save."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from lanewise.app.auditing import auditing
from lanewise.audit.levers import Lever, repeats
from lanewise.audit.levers.repeats import Repeated, Times
from lanewise.audit.logs.importing import Wishes
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.money import Money
from lanewise.pricing import PriceBook

from .conftest import write

NOW: Final = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
FIELDS: Final = {
    "at": "at", "model": "model", "provider": "provider", "workflow": "workflow", "prompt": "prompt",
    "answer": "answer", "ok": "ok", "input_tokens": "input", "output_tokens": "output", "lane": "lane",
}  # fmt: skip
MAP: Final = Wishes(mapped(",".join(f"{name}={field}" for name, field in FIELDS.items())))
ASKED: Final[dict[str, Any]] = {
    "at": NOW, "model": "gpt-5", "provider": "openai", "workflow": "w", "prompt": "What is late?",
    "answer": "The train.", "ok": True, "input": 1_000, "output": 100,
}  # fmt: skip
COST: Final = 1_000 * 1_250 + 100 * 10_000  # nano-USD of one


def asked(after: float = 0.0, **other: Any) -> dict[str, Any]:
    return ASKED | {"at": NOW + after} | other


def looked(folder: Path, *rows: dict[str, Any]) -> tuple[dict[int, Repeated], list[Lever]]:
    path = str(write(folder / "log.jsonl", rows))
    with auditing((path,), MAP, PriceBook.load(), NOW) as audit:
        found = repeats.gather(audit.connection)
        return found, [one for one in audit.found.levers if one.kind == "dedupe"]


def only(folder: Path, *rows: dict[str, Any]) -> Repeated:
    (found,) = looked(folder, *rows)[0].values()
    return found


def test_the_first_of_a_kind_is_no_repeat(tmp_path: Path) -> None:
    assert looked(tmp_path, asked()) == ({}, [])
    found = only(tmp_path, asked(), asked(30), asked(90))
    assert found == Repeated(3, 2, 0, 0, 0, 0, Times(45, pytest.approx(59, abs=1)))


@pytest.mark.parametrize(
    "other", [{"model": "gpt-5-mini"}, {"prompt": "Why?"}, {"provider": "azure"}, {"workflow": "v"}]
)
def test_another_model_text_or_workflow_makes_another_request(
    tmp_path: Path, other: dict[str, str]
) -> None:
    assert looked(tmp_path, asked(), asked(5, **other)) == ({}, [])


def test_the_least_is_what_was_answered_alike(tmp_path: Path) -> None:
    rows = asked(), asked(9), asked(20, answer="The bus."), asked(40, answer=None)
    found, (lever,) = looked(tmp_path, *rows)
    (repeated,) = found.values()
    assert (repeated.alike, repeated.other, repeated.untold) == (1, 2, 1)
    assert lever.money == Money(COST, 3 * COST)
    assert (lever.requests, lever.sure) == (3, "medium")
    assert "3 of 4 ask what was answered before" in lever.evidence[0]
    assert any("not compared" in words for words in lever.rests_on)


def test_without_answers_it_is_asked_whether_the_first_would_do(tmp_path: Path) -> None:
    _, (lever,) = looked(tmp_path, asked(answer=None), asked(9, answer=None))
    assert (lever.money, lever.sure, lever.counts) == (Money(0, COST), "none", False)


def test_again_within_a_minute_of_a_failure_is_a_retry(tmp_path: Path) -> None:
    failed = {"ok": False, "answer": None, "output": 0}
    rows = asked(**failed), asked(5, **failed), asked(64), asked(900)
    found = only(tmp_path, *rows)
    assert (found.failed, found.repeats) == (2, 1)
    late = looked(tmp_path, asked(**failed), asked(61))
    assert late == ({}, [])


def test_a_failure_does_not_undo_an_answer_that_is_known(tmp_path: Path) -> None:
    found = only(tmp_path, asked(), asked(1, ok=False, answer=None), asked(500))
    assert (found.alike, found.other, found.failed) == (1, 1, 0)


def test_empty_prompts_are_neither_repeats_nor_retries(tmp_path: Path) -> None:
    empty = json.dumps([{"role": "system", "content": "Sum up."}, {"role": "user", "content": " "}])
    _, (lever,) = looked(tmp_path, *(asked(n, prompt=empty) for n in range(3)), asked(9))
    assert lever.does == "ask once: 3 empty"
    assert lever.money == Money(0, 3 * COST)


def test_a_gateways_own_cache_hits_are_no_repeats(tmp_path: Path) -> None:
    assert looked(tmp_path, asked(), asked(5, lane="cache")) == ({}, [])


def test_repeats_in_a_batch_cost_what_a_batch_costs(tmp_path: Path) -> None:
    _, (lever,) = looked(tmp_path, asked(lane="batch"), asked(5, lane="batch"))
    assert lever.money == Money(COST // 2, COST // 2)


def test_vectors_of_the_same_text_are_the_same(tmp_path: Path) -> None:
    rows = (asked(n, model="text-embedding-3-small", output=0, answer=None) for n in range(2))
    _, (lever,) = looked(tmp_path, *rows)
    assert lever.money.low == lever.money.high > 0
    path = str(tmp_path / "log.jsonl")
    with auditing((path,), MAP, PriceBook.load(), NOW) as audit:
        assert audit.replayed is not None
        assert audit.replayed.together.dedupe == lever.money


def test_what_is_asked_a_day_later_may_be_meant_so(tmp_path: Path) -> None:
    _, (lever,) = looked(tmp_path, *(asked(86_400 * day) for day in range(5)))
    assert lever.sure == "medium"
    assert any("on purpose" in words for words in lever.rests_on)


def test_without_text_nothing_is_said(tmp_path: Path) -> None:
    assert looked(tmp_path, asked(prompt=None), asked(5, prompt=None)) == ({}, [])


def test_the_order_of_the_lines_changes_nothing(tmp_path: Path) -> None:
    dice = random.Random(5)
    rows = [
        asked(dice.randint(0, 90), prompt=dice.choice("ab"), answer=dice.choice("xy"), ok=dice.random() < 0.7)
        for _ in range(60)
    ]  # fmt: skip
    first = looked(tmp_path, *rows)
    dice.shuffle(rows)
    assert looked(tmp_path, *rows) == first
