"""Levers: each provider's own prices, never more than the data holds, and no request counted twice."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from lanewise.app.auditing import auditing
from lanewise.audit.levers import Found, Lever, next_steps
from lanewise.audit.levers.lanes import wait
from lanewise.audit.levers.routes import Answers, candidates, cheap_work, route
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.logs.importing import Wishes
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.money import Money
from lanewise.audit.waiting import Judged, Waiting
from lanewise.domain.lanes import BATCH, Terms
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook

from .conftest import write
from .workloads import START, log, wishes

DAY: Final = datetime(2026, 11, 20, tzinfo=UTC)
PRICES: Final = Prices(PriceBook.load(), DAY)
NOBODY: Final = Judged(Waiting.BACKGROUND, 0.95, ("a scheduler starts them",))
UNKNOWN: Final = Judged(Waiting.UNKNOWN, 0.0, ())


def used(
    provider: str, model: str, usage: Usage | None = None, requests: int = 1_000, above: int = 0
) -> Used:
    return Used(provider, model, above, requests, usage or Usage(input=1_000_000, output=100_000))


def lever(*parts: Used, judged: Judged = NOBODY, terms: Terms = Terms.ANY) -> Lever:
    found = wait("w", parts, judged, PRICES, terms)
    assert found is not None
    return found


def found_in(path: Path, rows: list[Any], terms: Terms | None = None) -> Found:
    written = str(write(path / "log.jsonl", rows))
    with auditing((written,), wishes(), PRICES.book, START, terms=terms) as audit:
        return audit.found


def test_half_price_where_it_is_half_and_a_tenth_less_at_the_least() -> None:
    now = 1_000_000 * 1_250 + 100_000 * 10_000
    half = lever(used("openai", "gpt-5"))
    assert (half.now, half.money, half.does) == (
        now, Money(now // 2 * 9 // 10, now // 2), "batch at openai",
    )  # fmt: skip


def test_cached_tokens_are_not_halved_where_the_provider_does_not_halve_them() -> None:
    cached = used("openai", "gpt-4o", Usage(input=100_000, cache_read=900_000, output=1_000))
    now = 100_000 * 2_500 + 900_000 * 1_250 + 1_000 * 10_000
    batch = 1_000_000 * 1_250 + 1_000 * 5_000
    assert PRICES.cost(cached, BATCH) == batch
    assert now - batch < 0.1 * now
    assert lever(cached).does == "background_8h at openai"  # what it lists for them is less


def test_a_batch_that_finds_nothing_in_the_cache_may_save_nothing() -> None:
    cached = used("anthropic", "claude-sonnet-4-5", Usage(input=50_000, cache_read=950_000))
    found = lever(cached)
    assert found.money.low == 0
    assert found.money.high == (50_000 * 3_000 + 950_000 * 300) // 2
    assert any("a batch reads nothing from a cache" in words for words in found.rests_on)
    assert any("may cost more" in words for words in found.rests_on)
    plain = lever(used("anthropic", "claude-sonnet-4-5", Usage(input=50_000)))
    assert not any("may cost more" in words for words in plain.rests_on)


def test_data_terms_take_lanes_away() -> None:
    claude, gpt = used("anthropic", "claude-sonnet-4-5"), used("openai", "gpt-5")
    assert wait("w", [claude], NOBODY, PRICES, Terms.ZDR) is None
    assert lever(gpt, terms=Terms.ZDR).does == "flex at openai"
    both = lever(claude, gpt)
    assert both.by_terms[Terms.ANY] == both.money
    assert both.by_terms[Terms.ZDR] == lever(gpt, terms=Terms.ZDR).money


def test_who_waits_is_not_moved_and_who_may_is_not_counted() -> None:
    parts = [used("openai", "gpt-5")]
    for waiting in (Waiting.INTERACTIVE, Waiting.BLOCKING):
        assert wait("w", parts, Judged(waiting, 0.9, ()), PRICES) is None
    open_ = lever(*parts, judged=UNKNOWN)
    assert open_.money.low == 0 < open_.money.high
    assert not open_.counts
    assert open_.does.startswith("if nobody waits")


def test_what_is_too_few_for_a_batch_or_has_no_price_there_is_left() -> None:
    assert wait("w", [used("bedrock", "claude-sonnet-4-5", requests=99)], NOBODY, PRICES) is None
    assert lever(used("bedrock", "claude-sonnet-4-5", requests=100)).money.high > 0
    assert wait("w", [used("openai", "nobody-knows-it")], NOBODY, PRICES) is None
    assert wait("w", [used("nobody", "gpt-5")], NOBODY, PRICES) is None


def test_a_long_request_is_moved_at_the_prices_of_its_size() -> None:
    usage = Usage(input=300_000)
    short, long = (lever(used("gemini", "gemini-2.5-pro", usage, above=n)) for n in (0, 200_000))
    assert long.money.high == 2 * short.money.high


@pytest.mark.parametrize(
    ("provider", "model", "names"),
    [
        ("openai", "gpt-5-2025-08-07", ["gpt-5-mini", "gpt-5-nano"]),
        ("openai", "gpt-4o", ["gpt-4o-mini"]),
        ("openai", "gpt-5-nano", []),
        ("anthropic", "claude-sonnet-4-5-20250929", ["claude-haiku-4-5"]),
        ("gemini", "gemini-2.5-pro", ["gemini-2.5-flash", "gemini-2.5-flash-lite"]),
        ("openai", "gpt-image-1", []),
    ],
)
def test_candidates_are_cheaper_ones_of_the_same_family(
    provider: str, model: str, names: list[str]
) -> None:
    assert [name for name, _ in candidates(used(provider, model), PRICES)] == names


def test_a_smaller_model_is_never_certain() -> None:
    labels = {("openai", "gpt-5"): Answers(500, 3, 4, 1, 500, 3, 500)}
    found = route("w", [used("openai", "gpt-5")], labels, PRICES)
    assert found is not None
    assert (found.money.low, found.counts, found.sure) == (0, False, "trial")
    assert any("verify with a trial" in words for words in found.rests_on)
    assert found.money.high == 1_000_000 * 1_200 + 100_000 * 9_600
    for model in ("gpt-5-nano", "gpt-4o"):  # there is nothing cheaper, or it does something else
        assert route("w", [used("openai", model)], labels, PRICES) is None


@pytest.mark.parametrize(
    ("answers", "cheap"),
    [
        (Answers(500, 40, 60, 12), True),
        (Answers(500, 40, 60, 300), False),  # a few are long: not all of the work is cheap
        (Answers(500, 40, 900, 90, 500, 500, 20), False),
        (Answers(500, 400, 900, 90, 500, 4, 500), True),  # labels behind much thinking
        (Answers(500, 400, 900, 90, 500, 31, 490), True),
        (Answers(500, 400, 900, 90, 500, 31, 440), False),
        (Answers(49, 3, 4, 1, 49, 3, 49), False),  # too few to say
        (Answers(60, 300, 900, 90, 60, 20, 60), False),  # twenty among sixty are no labels
    ],
)
def test_work_is_cheap_where_answers_are_few_or_short_without_exceptions(
    answers: Answers, cheap: bool
) -> None:
    assert (cheap_work(answers) is not None) is cheap


def test_each_model_of_a_workflow_is_looked_at_by_its_own_answers(tmp_path: Path) -> None:
    rows = [
        {
            "at": START + n,
            "model": model,
            "workflow": "w",
            "input_tokens": 900,
            "output_tokens": tokens,
        }
        for n in range(60)
        for model, tokens in (("gpt-5", 3), ("claude-sonnet-4-5", 400 + n))
    ]
    path = str(write(tmp_path / "log.jsonl", rows))
    names = ("at", "model", "workflow", "input_tokens", "output_tokens")
    with auditing(
        (path,), Wishes(mapped(",".join(f"{name}={name}" for name in names))), PRICES.book, START
    ) as audit:
        (found,) = (lever for lever in audit.found.levers if lever.kind == "route")
    assert found.does == "gpt-5 -> gpt-5-mini or gpt-5-nano"
    assert found.requests == 60


def test_the_total_is_that_of_what_nobody_waits_for(tmp_path: Path) -> None:
    found = found_in(tmp_path, log(1, lambda name: name))
    lanes = [lever for lever in found.levers if lever.kind == "lane"]
    waited = {"chatbot", "support_assistant", "in_app_drafting", "search_assistance", "agent_steps"}
    assert not waited & {lever.group for lever in lanes}
    assert len(lanes) == 9
    assert found.total == sum((lever.money for lever in lanes), Money())
    ranked = [lever.money.low + lever.money.high for lever in found.levers if lever.sure != "none"]
    assert ranked == sorted(ranked, reverse=True)


def test_the_terms_are_asked_for_until_they_are_said(tmp_path: Path) -> None:
    rows = log(1, lambda name: name)
    asks, said = (next_steps(found_in(tmp_path, rows, terms)) for terms in (None, Terms.EU))
    assert asks[0].startswith("Say which data terms hold")
    assert said[0].startswith("Begin with what nobody waits for")
    assert len(asks) == 3


def test_what_is_in_batch_already_is_no_lever(tmp_path: Path) -> None:
    rows = [row | {"lane": "batch"} for row in log(1, lambda name: name)]
    found = found_in(tmp_path, rows)
    assert {lever.kind for lever in found.levers} <= {"dedupe"}
    assert found.total == Money()


def test_buckets_say_what_could_be_and_ask(tmp_path: Path) -> None:
    bucket = {
        "start_time": int(START), "end_time": int(START) + 86_400, "object": "bucket",
        "results": [{
            "object": "organization.usage.completions.result", "input_tokens": 1_000_000,
            "output_tokens": 9_000, "num_model_requests": 700, "model": "gpt-5",
            "input_cached_tokens": 0, "batch": False,
        }],
    }  # fmt: skip
    written = str(write(tmp_path / "usage.jsonl", [bucket]))
    with auditing((written,), Wishes(), PRICES.book, START) as audit:
        (group,) = audit.found.groups
        (only,) = audit.found.levers
    assert group.judged.waiting is Waiting.UNKNOWN
    assert "single requests rather than buckets" in group.judged.to_log
    assert (only.money.low, only.requests, only.sure) == (0, 700, "none")
