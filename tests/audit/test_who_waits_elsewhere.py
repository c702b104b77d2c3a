"""Who waits, on logs of other tools and teams: with less in them, and other names.

Half of the kinds (`kept`) were looked at only after signs and weights were first chosen; some led to changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

import pytest

from lanewise.audit.database import database
from lanewise.audit.logs.importing import load
from lanewise.audit.waiting import Facts, Judged, Waiting, gather, judge

from .conftest import write
from .wild.calls import START, Kind, awake, call, pool
from .wild.logs import FORMATS, Format, Record, calls, log
from .wild.people import WAITED_FOR, fanned
from .wild.programs import BACKGROUND

KINDS: Final = (*WAITED_FOR, *BACKGROUND)
NUMBERS: Final = {kind.name: f"wf-{n * 7_919 % 1_000}" for n, kind in enumerate(KINDS)}
ORDINARY: Final = (
    "gateway",
    "litellm",
    "helicone",
)
SOME: Final = tuple(
    kind for kind in KINDS
    if kind.name in {
        "support_chat", "assistant", "draft_email", "compose", "coding_agent", "research_agent_step",
        "crm_enrichment", "ticket-summary", "telemetry_labels", "nightly_eval", "index_refresh", "moderation",
    }
)  # fmt: skip
Found = dict[str, Judged]


def gathered(path: Path, rows: Iterable[Record], form: Format) -> list[Facts]:
    with database() as connection:
        load(connection, (str(write(path / f"log.{form.suffix}", rows)),), form.wished)
        return list(gather(connection).values())


def judged(path: Path, rows: Iterable[Record], form: Format) -> Found:
    return {found.name: judge(found) for found in gathered(path, rows, form)}


def by_name(kind: Kind) -> str:
    return kind.name


def by_number(kind: Kind) -> str:
    return NUMBERS[kind.name]


def waited(one: Judged) -> bool | None:
    """None where nobody knows."""
    if one.waiting is Waiting.UNKNOWN:
        return None
    return one.waiting is not Waiting.BACKGROUND


def wrong(found: Found, kinds: Iterable[Kind], called: Callable[[Kind], str]) -> dict[str, Judged]:
    return {
        kind.name: found[called(kind)]
        for kind in kinds
        if waited(found[called(kind)]) not in (kind.waits, None)
    }


@pytest.mark.parametrize("name", ["gateway", "litellm", "langfuse", "helicone", "otlp"])
def test_with_their_names_none_is_taken_for_the_other_kind_and_few_are_unknown(
    name: str, tmp_path: Path
) -> None:
    found = judged(tmp_path, log(KINDS, 1, FORMATS[name], by_name), FORMATS[name])
    assert not wrong(found, KINDS, by_name)
    unknown = {kind.name for kind in KINDS if waited(found[kind.name]) is None}
    assert len(unknown) <= (6 if name in ORDINARY else 10), unknown


@pytest.mark.parametrize("name", ["gateway", "langfuse"])
def test_with_numbers_for_names_nothing_that_somebody_waits_for_is_called_background(
    name: str, tmp_path: Path
) -> None:
    found = judged(tmp_path, log(KINDS, 2, FORMATS[name], by_number), FORMATS[name])
    missed = wrong(found, KINDS, by_number)
    assert not [kind.name for kind in WAITED_FOR if kind.name in missed]
    assert len(missed) <= 1, missed  # summaries under the ids of those who close tickets
    known = [kind for kind in KINDS if waited(found[by_number(kind)]) is not None]
    assert len(known) >= 30
    for agent in ("report_agent", "triage_agent", "research_agent_step", "coding_agent"):
        assert found[NUMBERS[agent]].waiting is Waiting.BLOCKING  # whoever or whatever starts it


def test_where_only_texts_and_times_are_kept_little_is_said_and_nothing_wrong(
    tmp_path: Path,
) -> None:
    form = FORMATS["dashboard"]
    counts = Counter(len(calls(kind, 3)) for kind in KINDS)
    sizes = {len(calls(kind, 3)): kind.waits for kind in KINDS if counts[len(calls(kind, 3))] == 1}
    found = gathered(tmp_path, log(KINDS, 3, form, by_name), form)
    told = {one.requests: waited(judge(one)) for one in found if one.requests in sizes}
    assert len(told) >= 40  # templates alone tell them apart
    assert {size: told[size] for size in told if told[size] not in (sizes[size], None)} == {}
    assert True in told.values()


def test_the_order_of_lines_changes_nothing(tmp_path: Path) -> None:
    form = FORMATS["gateway"]
    rows = log(SOME, 4, form, by_name)
    found = judged(tmp_path, rows, form)
    assert (
        judged(tmp_path, sorted(rows, key=lambda row: str(row["at"])), form) == found
    )  # else shuffled


def test_what_users_and_sessions_are_called_changes_nothing(tmp_path: Path) -> None:
    form = FORMATS["gateway"]
    rows = log(SOME, 5, form, by_name)

    def other(name: str | None) -> str | None:
        human = name is not None and name.startswith(("u-", "dev", "run", "s0"))
        return f"{name.encode().hex()}@example.org" if name and human else name

    renamed = [row | {"user": other(row["user"]), "session": other(row["session"])} for row in rows]
    assert judged(tmp_path, renamed, form) == judged(tmp_path, rows, form)


@pytest.mark.parametrize(
    "without",
    [
        ("stream",), ("user",), ("seconds", "session"), ("input_tokens", "output_tokens"),
        ("user", "session", "key", "stream", "seconds", "agent", "output_tokens"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_left_out_is_never_made_up(without: tuple[str, ...], tmp_path: Path) -> None:
    form = FORMATS["gateway"]
    whole = log(SOME, 6, form, by_number)
    rows = [{name: None if name in without else row[name] for name in row} for row in whole]
    found = judged(tmp_path, rows, form)
    missed = wrong(found, SOME, by_number)
    assert not [kind.name for kind in WAITED_FOR if kind.name in missed]
    assert not [name for name, one in missed.items() if one.level == "high"]
    told = {"stream": "are streamed", "user": "users ask", "session": "sessions with"}
    said = " ".join(words for one in found.values() for words in (*one.evidence, *one.against))
    assert not [words for name, words in told.items() if name in without and words in said]
    assert all(one.to_log for one in found.values() if one.waiting is Waiting.UNKNOWN)


def test_without_times_nothing_is_background(tmp_path: Path) -> None:
    form = FORMATS["gateway"]
    rows = [row | {"at": None} for row in log(SOME, 7, form, by_name)]
    assert Waiting.BACKGROUND not in {one.waiting for one in judged(tmp_path, rows, form).values()}


def test_fewer_than_twenty_requests_are_never_sure_and_fewer_than_five_unknown(
    tmp_path: Path,
) -> None:
    form = FORMATS["gateway"]
    for many, levels in ((19, {"none", "medium"}), (4, {"none"})):
        rows = [
            form.record(one, kind.name, "")
            for kind in KINDS
            for one in sorted(calls(kind, 8), key=lambda one: one.at)[:many]
        ]
        assert {one.level for one in judged(tmp_path, rows, form).values()} <= levels


def test_a_name_alone_is_unknown_and_a_name_with_weak_signs_is_not_sure() -> None:
    for kind in KINDS:
        assert judge(Facts(name=kind.name, requests=500, timed=500)).waiting is Waiting.UNKNOWN
        weak = Facts(name=kind.name, requests=500, timed=500, stream_told=500, output=200.0)
        assert judge(weak).level != "high"


def test_a_busy_service_is_not_taken_for_a_crowd(tmp_path: Path) -> None:
    """Thirty at a time all day long are what a backend with many users looks like."""
    form = FORMATS["gateway"]
    (kind,) = (kind for kind in KINDS if kind.name == "rewrite_draft")
    rows = [
        form.record(replace(one, at=one.at + n, seconds=90.0), "wf-1", "")
        for one in calls(kind, 10)
        for n in range(0, 300, 30)
    ]
    (found,) = judged(tmp_path, rows, form).values()
    assert waited(found) is None


@pytest.mark.parametrize("service", ["chat-bot", None])
def test_what_a_click_sets_off_at_once_is_no_crowd_that_is_worked_off(
    service: str | None, tmp_path: Path
) -> None:
    """Twelve at once, by people who use it two hours a day, so that clicks come close together."""
    dice = Random(12)
    times = list(awake(dice, 40, peak=9, width=0.5))
    form = FORMATS["gateway"]
    rows = [form.record(one, "wf-2", "") for one in fanned(dice, times, 12, user=service)]
    (found,) = judged(tmp_path, rows, form).values()
    assert waited(found) is not False


def test_a_run_that_is_worked_off_is_background_with_high_confidence(tmp_path: Path) -> None:
    dice = Random(13)
    form = FORMATS["gateway"]
    calls_ = pool(dice, START, 400, 8, lambda at: call(dice, at, 900, 80, user="svc-x"))
    rows = [form.record(one, "wf-3", "") for one in calls_]
    rows += [form.record(call(dice, START + 86_400 * n, 50, 5), "other", "") for n in range(6)]
    found = judged(tmp_path, rows, form)["wf-3"]
    assert (found.waiting, found.level) == (Waiting.BACKGROUND, "high")
    assert any("worked off in runs, up to 8 at once" in words for words in found.evidence)
