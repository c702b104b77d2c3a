"""Deadlines as people say them, through time zones and the days on which clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.deadlines import AtOnce, By, Whenever, deadline
from lanewise.errors import BadInput

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC).timestamp()  # a Tuesday, 11:00 in Berlin


def zones(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError):
        return None


def said(text: str, now: float = NOW) -> str:
    found = deadline(text, now, BERLIN, zones=zones)
    assert isinstance(found, By)
    return found.instant().strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("8h", "2026-11-24T18:00"),
        ("30m", "2026-11-24T10:30"),
        ("1d12h", "2026-11-25T22:00"),
        ("2w", "2026-12-08T10:00"),
        ("8 h", "2026-11-24T18:00"),
        ("in 8 hours", "2026-11-24T18:00"),
        ("90 min", "2026-11-24T11:30"),
        ("1 day 2 hours", "2026-11-25T12:00"),
        ("6am", "2026-11-25T05:00"),
        ("12 am", "2026-11-24T23:00"),
        ("tomorrow 6:30 pm Europe/Berlin", "2026-11-25T17:30"),
        ("06:00", "2026-11-25T05:00"),
        ("11:01", "2026-11-24T10:01"),
        ("11:00", "2026-11-25T10:00"),
        ("today 23:59", "2026-11-24T22:59"),
        ("tomorrow 06:00", "2026-11-25T05:00"),
        ("Tuesday 12:00", "2026-11-24T11:00"),
        ("tuesday 10:00", "2026-12-01T09:00"),
        ("friday  06:00", "2026-11-27T05:00"),
        ("06:00 America/New_York", "2026-11-24T11:00"),
        ("tomorrow 06:00 UTC", "2026-11-25T06:00"),
        ("06:00 EST", "2026-11-24T11:00"),
        ("06:00 +01:00", "2026-11-25T05:00"),
        ("06:00+0100", "2026-11-25T05:00"),
        ("12:00Z", "2026-11-24T12:00"),
        ("tomorrow 6 am -05:30", "2026-11-25T11:30"),
        ("2026-12-01 06:00 -05:00", "2026-12-01T11:00"),
        ("24:00", "2026-11-24T23:00"),
        ("today 24:00", "2026-11-24T23:00"),
        ("tomorrow 24:00", "2026-11-25T23:00"),
        ("tuesday 24:00", "2026-11-24T23:00"),
        ("2026-12-01T06:00+01:00", "2026-12-01T05:00"),
        ("2026-12-01 06:00", "2026-12-01T05:00"),
        ("2026-12-01T06:00Z", "2026-12-01T06:00"),
    ],
)
def test_what_people_say_is_one_instant(text, utc):
    assert said(text) == utc


def test_whenever_and_at_once_are_no_instants():
    assert deadline("none", NOW, BERLIN) == Whenever()
    assert deadline(" NOW ", NOW, BERLIN) == AtOnce()


def test_a_time_that_comes_twice_is_the_first_and_one_that_does_not_come_is_not_skipped():
    """Berlin, 2026: clocks go back on 25 October at 03:00, and forward on 29 March at 02:00."""
    autumn = datetime(2026, 10, 24, 12, tzinfo=UTC).timestamp()
    assert said("02:30", autumn) == "2026-10-25T00:30"
    spring = datetime(2026, 3, 28, 12, tzinfo=UTC).timestamp()
    assert said("02:30", spring) == "2026-03-29T01:30"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "8",
        "8y",
        "25:00",
        "24:01",
        "tonight",
        "06:00 +24:00",
        "06:00 +1",
        "8h +01:00",
        "in",
        "monday 6",
        "13pm",
        "0am",
        "1796000000",
        "06:60",
        "yesterday 06:00",
        "2026-12-01",
        "06:00 Mars/Base",
        "h",
        "-8h",
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_is_accepted(text):
    with pytest.raises(BadInput) as refused:
        deadline(text, NOW, BERLIN, zones=zones)
    assert str(refused.value).startswith(f"--deadline is {text!r}; it takes 8h")


@pytest.mark.parametrize("text", ["today 06:00", "2026-11-24T10:59+01:00", "2020-01-01T00:00"])
def test_what_has_passed_is_refused_with_when_it_was(text):
    with pytest.raises(BadInput, match="it takes a time that is still to come"):
        deadline(text, NOW, BERLIN)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_an_instant_at_the_end_of_the_calendar_is_refused_like_any_other(text):
    with pytest.raises(BadInput, match=text[:10]):
        deadline(text, NOW, BERLIN)


def test_a_deadline_in_years_is_refused():
    with pytest.raises(BadInput, match="more than a year away"):
        deadline("2030-01-01T00:00Z", NOW, BERLIN)


@given(
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(1_767_225_600, 1_830_297_600),
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]
    ),
)
def test_a_time_of_day_is_within_the_next_day_on_any_clock(hour, minute, at, name):
    found = deadline(f"{hour}:{minute:02d}", at, ZoneInfo(name))
    assert 0 < found.at - at <= 25 * 3_600


@given(st.text(max_size=30))
def test_no_text_makes_anything_but_a_deadline_or_a_clear_error(text):
    try:
        deadline(text, NOW, BERLIN, zones=zones)
    except BadInput as error:
        told = str(error)
    else:
        return
    assert told.startswith("--deadline is ")
