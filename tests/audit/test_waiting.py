"""Who waits: what everybody agrees on is found from the traffic alone, and no more is said than it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from lanewise.app.auditing import auditing
from lanewise.audit.database import database
from lanewise.audit.logs.importing import Wishes, load
from lanewise.audit.waiting import Judged, Kind, Waiting, facts, gather, groups_found, judge
from lanewise.pricing import PriceBook

from .conftest import write
from .workloads import BACKGROUND, START, WAITED_FOR, Row, log, wishes

NAMES: Final = {work.__name__: work in WAITED_FOR for work in (*WAITED_FOR, *BACKGROUND)}
NUMBERS: Final = {name: f"wf-{n * 7919 % 1000}" for n, name in enumerate(NAMES)}


def judged(path: Path, rows: list[Any], wished: Wishes) -> dict[str, Judged]:
    """What is said of each workflow."""
    with database() as connection:
        load(connection, (str(write(path / "log.jsonl", rows)),), wished)
        return {found.name: judge(found) for found in gather(connection).values()}


def waited(one: Judged) -> bool:
    return one.waiting in (Waiting.INTERACTIVE, Waiting.BLOCKING)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("named", ["by what it is", "by a number"])
def test_the_classes_that_everybody_agrees_on(tmp_path: Path, seed: int, named: str) -> None:
    called = NUMBERS if named == "by a number" else {name: name for name in NAMES}
    found = judged(tmp_path, log(seed, called.__getitem__), wishes())
    unsure = {
        name: found[called[name]]
        for name in NAMES
        if found[called[name]].waiting is Waiting.UNKNOWN
    }
    wrong = {
        name: found[called[name]]
        for name, waits in NAMES.items()
        if name not in unsure and waited(found[called[name]]) != waits
    }
    assert not wrong
    # a service that summarises as tickets are closed looks like one that answers people, but for its name
    assert unsure.keys() <= ({"ticket_summaries"} if named == "by a number" else set())
    assert found[called["agent_steps"]].waiting is Waiting.BLOCKING
    for name in ("chatbot", "in_app_drafting", "search_assistance"):
        assert found[called[name]].waiting is Waiting.INTERACTIVE


@pytest.mark.parametrize(
    "without",
    [
        ("user",),
        ("stream",),
        ("session",),
        ("prompt", "answer"),
        ("user", "session", "stream"),
        ("user", "session", "stream", "prompt", "answer", "seconds"),
        ("at",),
    ],
    ids=" ".join,
)
def test_with_less_in_the_log_less_is_said_and_nothing_wrong(
    tmp_path: Path, without: tuple[str, ...]
) -> None:
    found = judged(tmp_path, log(4, NUMBERS.__getitem__), wishes(*without))
    wrong = {
        name: found[number]
        for name, number in NUMBERS.items()
        if found[number].waiting is not Waiting.UNKNOWN and waited(found[number]) != NAMES[name]
    }
    assert not wrong
    assert all(one.to_log for one in found.values() if one.waiting is Waiting.UNKNOWN)


def test_without_any_signal_it_is_unknown_whatever_it_is_called(tmp_path: Path) -> None:
    rows = [{"model": "gpt-5", "input_tokens": 900, "workflow": "nightly_batch_enrichment"}] * 200
    (only,) = judged(
        tmp_path, rows, wishes("at", "provider", "output_tokens", "seconds", "stream", "lane", "user",
                               "session", "prompt", "answer"),
    ).values()  # fmt: skip
    assert only.waiting is Waiting.UNKNOWN
    assert "whether answers are streamed" in only.to_log


def test_a_streamed_job_of_the_night_is_background_all_the_same(tmp_path: Path) -> None:
    rows = [row | {"stream": True} for row in log(5, NUMBERS.__getitem__)]
    found = judged(tmp_path, rows, wishes())
    assert found[NUMBERS["enrichment"]].waiting is Waiting.BACKGROUND
    assert any("streamed" in words for words in found[NUMBERS["enrichment"]].against)


def test_ids_of_single_requests_in_place_of_sessions_do_not_hide_a_dialogue(tmp_path: Path) -> None:
    rows = [row | {"session": f"trace-{n}"} for n, row in enumerate(log(8, NUMBERS.__getitem__))]
    found = judged(tmp_path, rows, wishes("stream"))
    assert found[NUMBERS["support_assistant"]].waiting is Waiting.INTERACTIVE
    assert any("carry on" in words for words in found[NUMBERS["support_assistant"]].evidence)


def test_groups_are_found_where_no_workflow_is_logged(tmp_path: Path) -> None:
    def alike(row: Row, name: str) -> Row:
        return row | {"prompt": f"{name}: {'always the same ' * 8}{row['prompt']}"}

    rows = [
        alike(row, row["workflow"])
        for row in log(6, lambda name: name)
        if row["workflow"] in ("enrichment", "in_app_drafting")
    ]
    with database() as connection:
        load(connection, (str(write(tmp_path / "log.jsonl", rows)),), wishes("workflow"))
        found = gather(connection).values()
    classes = {one.requests: judge(one).waiting for one in found}
    counts = [
        sum(row["workflow"] == name for row in rows) for name in ("enrichment", "in_app_drafting")
    ]
    assert classes == dict(zip(counts, (Waiting.BACKGROUND, Waiting.INTERACTIVE), strict=True))


def test_what_went_in_batch_already_is_counted_and_not_judged(tmp_path: Path) -> None:
    rows = [{"at": START + n, "model": "gpt-5", "workflow": "w", "lane": "batch"} for n in range(9)]
    with database() as connection:
        load(connection, (str(write(tmp_path / "log.jsonl", rows)),), wishes())
        (found,) = gather(connection).values()
    assert (found.requests, found.elsewhere) == (0, 9)


def test_a_backfill_on_behalf_of_many_users_is_not_taken_for_people(tmp_path: Path) -> None:
    rows = [row | {"user": f"u{n % 500}"} for n, row in enumerate(log(7, NUMBERS.__getitem__))]
    found = judged(tmp_path, rows, wishes())
    assert not waited(found[NUMBERS["backfill"]])


def test_of_a_very_long_log_the_latest_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "MOST", 1_000)
    rows = [{"at": START + n, "model": "gpt-5", "workflow": "w"} for n in range(4_000)]
    with database() as connection:
        load(connection, (str(write(tmp_path / "log.jsonl", rows)),), wishes())
        (found,) = gather(connection).values()
    assert found.live == 4_000
    assert 900 <= found.requests <= 1_100
    assert found.last == START + 3_999


def test_where_each_request_has_a_name_of_its_own_only_the_largest_groups_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "GROUPS", 2)
    rows = [{"model": "gpt-5", "workflow": f"w{n // 3}"} for n in range(10)] + [
        {"model": "gpt-5", "workflow": "w1"}
    ]
    with database() as connection:
        load(connection, (str(write(tmp_path / "log.jsonl", rows)),), wishes())
        found = gather(connection)
        assert groups_found(connection) == 4
    assert len(found) == 2
    assert {one.name: one.rows for one in found.values()}["w1"] == 4


def test_the_documentation_has_the_signs_and_weights_of_the_code() -> None:
    text = (Path(__file__).parents[2] / "docs/explanation/who-waits.md").read_text(encoding="utf-8")
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    signs = [(kind.value.about, str(kind.value.towards), f"{kind.value.weight:g}") for kind in Kind]
    assert rows == [("sign", "speaks for", "weight"), *signs]


def test_of_a_workflow_that_is_in_batch_in_part_the_rest_is_judged_and_moved(
    tmp_path: Path,
) -> None:
    rows = [
        row | {"lane": "batch"} if row["workflow"] == "enrichment" and n % 3 else row
        for n, row in enumerate(log(2, lambda name: name))
    ]
    rows += [row | {"lane": "flex", "workflow": "moved"} for row in rows[:50]]
    live = sum(row["workflow"] == "enrichment" and row.get("lane") != "batch" for row in rows)
    path = str(write(tmp_path / "log.jsonl", rows))
    with auditing((path,), wishes(), PriceBook.load(), START) as audit:
        found = audit.found
    groups = {group.name: group for group in found.groups}
    assert groups["enrichment"].judged.waiting is Waiting.BACKGROUND
    facts = groups["enrichment"].facts
    assert (facts.live, facts.elsewhere) == (live, 1_680 - live)
    (lever,) = (one for one in found.levers if one.kind == "lane" and one.group == "enrichment")
    assert lever.requests == live
    assert (groups["moved"].facts.requests, groups["moved"].facts.elsewhere) == (0, 50)
    assert not [one for one in found.levers if one.group == "moved"]
