"""Money and requests over time: nothing is lost between the sums and the charts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.app.auditing import Audit, auditing
from lanewise.audit import over_time as times
from lanewise.audit.logs.importing import Wishes
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.over_time import ELSEWHERE, WEEK, OverTime
from lanewise.pricing import PriceBook

from .conftest import write
from .workloads import DAY, HOUR, START

BOOK: Final = PriceBook.load()
FIELDS: Final = ("at", "model", "provider", "lane", "workflow", "input_tokens", "output_tokens")
ONE: Final = 2_000 * 1_000 + 8_000 * 10  # nano-USD: 1,000 and 10 tokens of gpt-4.1


@contextmanager
def audited(tmp_path: Path, *rows: Any, fields: tuple[str, ...] = FIELDS) -> Iterator[Audit]:
    log = str(write(tmp_path / "log.jsonl", rows))
    there = [name for name in fields if any(name in row for row in rows)]
    wished = Wishes(mapped(",".join(f"{name}={name}" for name in there)))
    with auditing((log,), wished, BOOK, START) as found:
        yield found


def row(at: float | None, **more: Any) -> dict[str, Any]:
    base = {"model": "gpt-4.1", "provider": "openai", "workflow": "w"}
    return base | {"at": at, "input_tokens": 1_000, "output_tokens": 10} | more


def reckoned(over: OverTime) -> int:
    spends = [*(slot.spent for slot in over.slots), over.untimed]
    return sum(one.reckoned or 0 for spent in spends for one in spent.values())


def test_slots_and_rows_without_a_time_come_to_the_total(tmp_path: Path) -> None:
    rows = [row(START + n * 5 * HOUR, input_tokens=100 + n) for n in range(60)]
    with audited(tmp_path, *rows, row(None), row(None, lane="batch")) as found:
        over = found.over_time()
    assert reckoned(over) == found.sums.total.reckoned_nano
    elsewhere, live = (over.untimed[name] for name in sorted(over.untimed, key=ELSEWHERE.__ne__))
    assert (elsewhere.rows, elsewhere.reckoned) == (1, ONE // 2)
    assert (live.rows, live.reckoned) == (1, ONE)


@pytest.mark.parametrize(
    ("days", "by", "count"),
    [
        (0, "hour", 1), (2, "hour", 49), (10, "day", 11), (300, "week", 43), (1_000, "month", 33),
        (6_000, "year", 18),
    ],
)  # fmt: skip
def test_slots_are_as_long_as_the_log_needs_and_have_no_gap(
    tmp_path: Path, days: int, by: str, count: int
) -> None:
    with audited(tmp_path, row(START), row(START + days * DAY)) as found:
        over = found.over_time()
    starts = [slot.start for slot in over.slots]
    assert (over.by, len(starts)) == (by, count)
    assert starts == sorted(set(starts))
    assert [bool(slot.spent) for slot in over.slots].count(True) == min(count, 2)


def test_what_waits_in_another_lane_is_apart_from_who_waits(tmp_path: Path) -> None:
    with audited(tmp_path, row(START), row(START + 1, lane="batch"), row(START + 2)) as found:
        (slot,) = found.over_time().slots
    assert {name: one.requests for name, one in slot.spent.items()} == {"unknown": 2, ELSEWHERE: 1}


def test_requests_stand_in_their_hour_of_the_week(tmp_path: Path) -> None:
    """From Monday at five to Tuesday of the next week at six; Monday's and Tuesday's hours are seen twice."""
    rows = [row(START + 5 * HOUR), row(START + 7 * DAY + 5 * HOUR), row(START + 8 * DAY + 6 * HOUR)]
    buckets = [row(START + 4 * HOUR, lane="batch"), row(None)]
    with audited(tmp_path, *rows, *buckets) as found:
        hours = found.over_time().hours
    (counts,) = hours.requests.values()
    assert {place: count for place, count in enumerate(counts) if count} == {5: 2, 30: 1}
    assert [hours.seen[place] for place in (4, 5, 30, 31)] == [1, 2, 2, 1]
    assert hours.untimed == 1


def test_buckets_have_money_over_time_and_no_hour_of_the_week(tmp_path: Path) -> None:
    rows = [row(START + n * DAY, requests=4) for n in range(3)]
    with audited(tmp_path, *rows, fields=(*FIELDS, "requests")) as found:
        over = found.over_time()
    assert (over.by, len(over.slots), reckoned(over)) == ("day", 3, 3 * ONE)
    assert (over.hours.requests, sum(over.hours.seen)) == ({}, 0)


@pytest.mark.parametrize("at", [-5e9, 1e13, 1e17])
def test_a_time_that_can_be_none_is_no_time(tmp_path: Path, at: float) -> None:
    with audited(tmp_path, row(START), row(at)) as found:
        over = found.over_time()
    assert reckoned(over) == found.sums.total.reckoned_nano
    assert sum(one.rows for one in over.untimed.values()) == 1
    assert len(over.slots) == 1


def test_each_group_has_the_slots_and_the_models_of_its_own(tmp_path: Path) -> None:
    rows = [row(START, workflow="a"), row(START + DAY, workflow="b", model="gpt-4.1-mini")]
    with audited(tmp_path, *rows, row(START + 4 * DAY, workflow="a")) as found:
        over = found.over_time()
        ids = {group.name: group.id for group in found.found.groups}
        slots = times.of_groups(found.connection, over, list(ids.values()))
        used = times.models(found.connection, list(ids.values()))
    assert [bool(slot.spent) for slot in slots[ids["a"]]] == [True, False, False, False, True]
    assert [bool(slot.spent) for slot in slots[ids["b"]]] == [False, True, False, False, False]
    assert [(one.model, one.requests, one.reckoned) for one in used[ids["a"]]] == [
        ("gpt-4.1", 2, 2 * ONE)
    ]
    assert [one.model for one in used[ids["b"]]] == ["gpt-4.1-mini"]


@given(first=st.integers(0, 900_000), long=st.integers(0, 1_000))
def test_each_hour_of_the_week_is_seen_as_often_as_it_lies_in_the_span(
    first: int, long: int
) -> None:
    seen = [0] * WEEK
    for hour in range(first, first + long + 1):
        seen[(hour // 24 + 3) % 7 * 24 + hour % 24] += 1
    assert times._seen(first, first + long) == tuple(seen)


def test_times_since_a_trace_began_are_in_slots_and_in_no_week(tmp_path: Path) -> None:
    with audited(tmp_path, *(row(n * HOUR) for n in range(30))) as found:
        over = found.over_time()
    assert (over.by, len(over.slots)) == ("hour", 30)
    assert (over.hours.requests, sum(over.hours.seen), over.hours.untimed) == ({}, 0, 30)
