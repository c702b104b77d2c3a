"""How prompts could be made instead: money over what a workflow really cost, and nothing of the texts."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from lanewise.app.auditing import auditing
from lanewise.audit import samples
from lanewise.audit.levers import Lever, Prices
from lanewise.audit.levers.prompting import valued
from lanewise.audit.levers.used import Used
from lanewise.audit.logs.importing import Wishes
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.money import Money
from lanewise.audit.prompts import Finding, Worth
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook

from .conftest import write

DAY: Final = datetime(2026, 11, 20, tzinfo=UTC)
NOW: Final = DAY.timestamp()
PRICES: Final = Prices(PriceBook.load(), DAY)
FIELDS: Final = (
    "at", "model", "workflow", "session", "prompt", "answer", "input_tokens", "cached_tokens",
    "output_tokens", "output_limit",
)  # fmt: skip
MAP: Final = Wishes(mapped(",".join(f"{name}={name}" for name in FIELDS)))
STATIC: Final = "Read the report and say in one word which team should have it.\n" * 90
WORDS: Final = ("late", "order", "parcel", "refund", "address", "broken")


def changing(number: int, words: int = 300) -> str:
    dice = random.Random(number)
    return " ".join(dice.choice(WORDS) for _ in range(words))


def row(at: float, prompt: Any = None, **other: Any) -> dict[str, Any]:
    text = prompt if isinstance(prompt, str | None) else json.dumps(prompt)
    told = {
        "at": NOW + at,
        "model": "gpt-4.1",
        "workflow": "w",
        "prompt": text,
        "output_tokens": 20,
    }
    return told | ({} if text is None else {"input_tokens": len(text) // 4}) | other


def said(*turns: str) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": turns[0]},
        *({"role": "user", "content": t} for t in turns[1:]),
    ]


def levers(folder: Path, rows: Iterable[dict[str, Any]]) -> list[Lever]:
    path = str(write(folder / "log.jsonl", rows))
    with auditing((path,), MAP, PRICES.book, NOW) as audit:
        return [one for one in audit.found.levers if one.kind == "prompt"]


def stamped(at: int) -> list[dict[str, str]]:
    return said(f"Now: 2026-11-20 10:{at % 60:02}:07. {STATIC}", changing(at))


def asked_last(at: int) -> list[dict[str, str]]:
    return said("Hi.", f"{changing(at)}\n{STATIC}")


def indented(at: int) -> list[dict[str, str]]:
    orders = [{"order": n, "state": changing(at + n, 2)} for n in range(40)]
    return said("Sum up.", json.dumps(orders, indent=4))


def shown(at: int) -> list[dict[str, str]]:
    shots = "".join(f"Q: {n}?\nA: {changing(n, 9)}\n\n" for n in range(9))
    return said(shots, f"Q: {changing(at, 9)}?")


MAKERS: Final = {
    "move times and ids behind the text that does not change": (stamped, "medium"),
    "move instructions before the text that changes": (asked_last, "trial"),
    "write JSON without white space": (indented, "medium"),
    "try 3 examples": (shown, "trial"),
}


@pytest.mark.parametrize("does", MAKERS)
@pytest.mark.parametrize("messages", [True, False])
def test_each_is_found_in_messages_and_in_plain_text(
    tmp_path: Path, does: str, messages: bool
) -> None:
    make, sure = MAKERS[does]
    asked = [make(at) for at in range(40)]
    texts = asked if messages else ["\n".join(one["content"] for one in told) for told in asked]
    (found,) = levers(tmp_path, (row(at, text) for at, text in enumerate(texts)))
    assert (found.does, found.sure, found.group) == (does, sure, "w")
    assert 0 <= found.money.low < found.money.high <= found.now
    assert "of 40 prompts" in found.evidence[0]
    assert any("40 of 40 requests" in words for words in found.rests_on)


def test_money_is_the_share_of_what_the_input_really_cost() -> None:
    finding = Finding("k", "do", "says", 10, 5, input=9_000, tokens=1_000, worth=Worth.GONE)
    used = [
        Used("openai", "gpt-4.1", 0, 10, Usage(input=1_000_000, cache_read=500_000, output=70_000))
    ]
    found = valued(finding, "gpt-4.1", used, PRICES)
    assert found.now == 1_000_000 * 2_000 + 500_000 * 500
    share = 1_000 * 1_000_000 // 9_000
    read = 1_500_000 * 500
    assert found.money == Money(share * read // 1_000_000, share * found.now // 1_000_000)


def test_of_few_that_were_looked_at_the_range_takes_in_what_they_may_miss() -> None:
    finding = Finding("k", "do", "says", 40, 10, input=9_000, tokens=900, worth=Worth.GONE)
    used = [Used("openai", "gpt-4.1", 0, 40, Usage(input=1_000_000))]
    all_, few = (
        valued(finding, "gpt-4.1", [one], PRICES).money
        for one in (used[0], Used("openai", "gpt-4.1", 0, 4_000, Usage(input=1_000_000)))
    )
    assert few.low < all_.low
    assert few.high > all_.high


def test_what_is_read_from_a_cache_already_cannot_be_saved_again() -> None:
    finding = Finding("k", "do", "says", 10, 10, input=1_000, tokens=900, worth=Worth.READ)
    used = [Used("openai", "gpt-4.1", 0, 10, Usage(input=100_000, cache_read=900_000))]
    assert valued(finding, "gpt-4.1", used, PRICES).money == Money(0, 100_000 * 1_500)


def test_a_static_part_below_the_least_of_the_cache_is_no_lever(tmp_path: Path) -> None:
    short = (
        row(at, said(f"Now: 10:{at:02}:07. {STATIC[:2_000]}", changing(at))) for at in range(40)
    )
    assert levers(tmp_path, short) == []


def test_long_logs_of_many_workflows_are_sampled(tmp_path: Path) -> None:
    (found,) = levers(tmp_path, (row(at, stamped(at)) for at in range(200)))
    assert any("60 of 200 requests" in words for words in found.rests_on)
    assert found.requests > 150


@pytest.mark.parametrize(("most", "units", "rows"), [(100, 1, 60), (59, 0, 0)])
def test_of_a_very_long_log_only_whole_files_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, units: int, rows: int
) -> None:
    monkeypatch.setattr(samples, "READ", most)
    rows_of = {name: [row(at, stamped(at), workflow=name) for at in range(60)] for name in "abc"}
    paths = [str(write(tmp_path / f"{name}.jsonl", told)) for name, told in rows_of.items()]
    with auditing(tuple(paths), MAP, PRICES.book, NOW) as audit:
        assert (audit.looked.units, audit.looked.rows) == (units, rows)
        assert ("not looked at" in str(audit.looked)) is (rows == 0)


def test_which_are_drawn_does_not_depend_on_the_order_of_the_lines(tmp_path: Path) -> None:
    rows = [row(at, stamped(at)) for at in range(150)]
    first = levers(tmp_path, rows)
    random.Random(1).shuffle(rows)
    assert levers(tmp_path, rows) == first


def test_a_limit_far_above_use_is_no_money_and_says_why_it_matters(tmp_path: Path) -> None:
    rows = [
        row(n, input_tokens=9, output_tokens=40 + n % 9, output_limit=16_000) for n in range(80)
    ]
    (found,) = levers(tmp_path, rows)
    assert found.money == Money()
    assert "99 of 100 answers have at most 48" in found.evidence[0]
    assert "tokens per minute" in found.rests_on[0]
    assert levers(tmp_path, (one | {"output_limit": 900} for one in rows)) == []
    assert levers(tmp_path, rows[:20]) == []  # too few to say
    needed = [one | {"output_tokens": 15_000} for one in rows[:3]]
    assert levers(tmp_path, [*rows, *needed]) == []  # one in a hundred needs it


def session(turns: int, step: int = 100, name: str = "s", **other: Any) -> Iterator[dict[str, Any]]:
    for turn in range(turns):
        yield row(turn * 60, session=name, input_tokens=1_000 + step * turn) | other


def test_a_history_that_grows_is_counted_from_ten_turns_back(tmp_path: Path) -> None:
    (found,) = levers(tmp_path, session(16))
    assert found.requests == 5  # the turns 11 to 15
    assert found.money == Money(0, (100 + 200 + 300 + 400 + 500) * 2_000)
    assert found.sure == "trial"


@pytest.mark.parametrize(
    "rows",
    [
        list(session(14)),
        [one | {"cached_tokens": one["input_tokens"] - 200} for one in session(16)],
        list(session(40, step=0)),
        [one | {"input_tokens": 1_000 + 100 * (n % 8)} for n, one in enumerate(session(40))],
    ],
    ids=["too short", "read from a cache", "does not grow", "begun anew"],
)
def test_other_sessions_are_no_finding(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    assert levers(tmp_path, rows) == []


def test_without_tokens_a_history_is_estimated_from_texts_and_says_so(tmp_path: Path) -> None:
    turns = [changing(turn, 40) for turn in range(20)]
    rows = (row(n * 60, "\n".join(turns[: n + 1]), session="s") for n in range(20))
    bare = ({k: v for k, v in one.items() if not k.endswith("put_tokens")} for one in rows)
    (found,) = levers(tmp_path, bare)
    assert found.does.startswith("cache, cut or summarise")
    assert any("estimated from their texts" in words for words in found.rests_on)
    assert found.money.high > 0


def test_levers_hold_nothing_of_the_prompts(tmp_path: Path) -> None:
    rows = (
        row(at, said(f"Now: 10:{at:02}:07. Zanzibar {STATIC}", changing(at))) for at in range(30)
    )
    found = levers(tmp_path, rows)
    assert found
    assert "Zanzibar" not in repr(found)
    assert "parcel" not in repr(found)
