"""Rules: the first that fits rules, rollouts are sticky and nested, barred lanes stay barred."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.deadlines import AtOnce, By, Whenever
from lanewise.domain.lanes import BATCH, FLEX, HELD, REALTIME, Terms
from lanewise.errors import BadInput
from lanewise.policy import globs
from lanewise.policy.hours import EVERY_HOUR, Hours, hours
from lanewise.policy.rules import ALL_LANES, NO_POLICY, Match, Policy, Rule, Ruling, Traits
from lanewise.providers.offers import OFFERS, offer, offers

BERLIN = ZoneInfo("Europe/Berlin")
TRAITS = Traits("tickets", "gpt-5-mini", "/v1/responses", ("team=search", "who=me"), "night")
patterns = st.text("ab*", max_size=5)
spans = st.tuples(st.sampled_from(["", "mon ", "sat-mon ", "tue,fri "]), *[st.integers(0, 23)] * 2)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def week(text: str, zone: ZoneInfo | None = None) -> Hours:
    return hours((text,), zone or UTC)


# -- which rule


def test_the_first_rule_that_fits_says_it_all() -> None:
    narrow = Rule(Match(workflow="tick*"), Ruling(rule="narrow"))
    wide = Rule(Match(), Ruling(rule="wide", lanes=(BATCH,)))
    assert Policy([narrow, wide]).ruling(TRAITS, 0).rule == "narrow"
    assert Policy([wide, narrow]).ruling(TRAITS, 0).rule == "wide"
    assert Policy([narrow]).ruling(TRAITS._replace(workflow="other"), 0).rule == ""


@pytest.mark.parametrize(
    ("match", "why"),
    [
        (Match(workflow="ticket"), "workflow 'tickets' is not 'ticket'"),
        (Match(model="gpt-4*"), "model 'gpt-5-mini' is not 'gpt-4*'"),
        (Match(endpoint="/v1/chat*"), "endpoint '/v1/responses' is not '/v1/chat*'"),
        (Match(key="day"), "key 'night' is not 'day'"),
        (Match(tag="team=ads"), "no tag is 'team=ads'"),
        (Match(tag="who=*"), ""),
        (Match(workflow="tickets", model="*-mini", tag="team=s*", key="*"), ""),
    ],
)
def test_all_that_a_rule_names_must_hold_and_what_does_not_is_said(match: Match, why: str) -> None:
    assert match.misses(TRAITS, 0) == why


def test_a_rule_for_an_hour_fits_in_it_although_answers_are_remembered() -> None:
    night = Rule(Match(hour=week("22:00-06:00")), Ruling(rule="night"))
    policy = Policy([night])
    moments = [at("2026-12-01T21:59+00:00"), at("2026-12-01T22:00+00:00")]
    assert [policy.ruling(TRAITS, moment).rule for moment in moments * 2] == ["", "night"] * 2


def test_a_million_requests_under_a_rule_share_one_ruling() -> None:
    policy = Policy([Rule(Match(), Ruling(rule="all"))])
    assert policy.ruling(TRAITS, 0) is policy.ruling(TRAITS, 9e9)


def test_without_a_file_all_is_allowed() -> None:
    ruling = NO_POLICY.ruling(TRAITS, 0)
    assert ruling == Ruling()
    assert {item.lane for item in ruling.allowed(offers("openai"))} == set(ALL_LANES) - {HELD}
    assert ruling.acts("any")


# -- what overlaps and what hides what


@given(patterns, patterns, st.text("ab", max_size=6))
def test_patterns_hold_and_meet_as_their_texts_do(one: str, other: str, text: str) -> None:
    fit = [re.fullmatch(pattern.replace("*", ".*"), text) is not None for pattern in (one, other)]
    assert [globs.fits(one, text), globs.fits(other, text)] == fit
    if fit[1] and globs.holds(one, other):
        assert fit[0]
    if all(fit):
        assert globs.meet(one, other)
        assert globs.meet(other, one)


TEXTS = ["".join(letters) for n in range(6) for letters in product("ab", repeat=n)]


@given(st.text("ab*", max_size=3), st.text("ab*", max_size=3))
def test_patterns_that_meet_have_a_text_in_common(one: str, other: str) -> None:
    common = any(globs.fits(one, text) and globs.fits(other, text) for text in TEXTS)
    assert globs.meet(one, other) == common


def test_a_rule_holds_another_only_if_it_asks_for_no_more() -> None:
    wide, narrow = Match(workflow="t*", tag="team=*"), Match(workflow="tick*", tag="team=ads")
    assert wide.holds(narrow)
    assert not narrow.holds(wide)
    assert not wide.holds(Match(workflow="tick*"))
    assert not Match(hour=week("22:00-06:00")).holds(Match())
    assert Match(hour=week("22:00-06:00")).holds(Match(hour=week("mon 23:00-24:00")))
    assert Match(hour=EVERY_HOUR).holds(Match(hour=week("mon 23:00-24:00")))


def test_rules_for_other_values_of_a_tag_do_not_meet_and_for_other_tags_may() -> None:
    ads = Match(tag="team=ads")
    assert not ads.meets(Match(tag="team=search"))
    assert ads.meets(Match(tag="who=me"))
    assert not Match(hour=week("mon")).meets(Match(hour=week("tue")))
    assert Match(hour=week("mon")).meets(Match(hour=hours(("tue",), BERLIN)))


# -- rollout


@given(st.text(), st.floats(0, 100), st.floats(0, 100))
def test_a_request_that_acts_at_a_share_acts_at_every_larger_one(
    request_id: str, one: float, other: float
) -> None:
    small, large = sorted((one, other))
    acts = Ruling(percent=small).acts(request_id)
    assert acts == Ruling(percent=small, rule="another", policy="later").acts(request_id)
    assert Ruling(percent=large).acts(request_id) or not acts


def test_a_share_is_about_that_share_of_requests() -> None:
    ruling = Ruling(percent=20)
    assert 0.19 < sum(ruling.acts(f"request-{n}") for n in range(20_000)) / 20_000 < 0.21


def test_observing_never_acts_and_all_always_does() -> None:
    ids = [f"r{n}" for n in range(1_000)]
    assert not any(Ruling(percent=0).acts(name) for name in ids)
    assert all(Ruling(percent=100).acts(name) for name in ids)


# -- lanes


@given(
    st.sets(st.sampled_from(ALL_LANES), min_size=1),
    st.sampled_from(Terms),
    st.sampled_from([None, *ALL_LANES]),
    st.sampled_from([None, "openai", "anthropic"]),
)
def test_a_lane_that_terms_pin_or_provider_bar_is_never_allowed(
    lanes: set[str], terms: Terms, pin: str | None, provider: str | None
) -> None:
    ruling = Ruling(
        lanes=tuple(lane for lane in ALL_LANES if lane in lanes),
        terms=terms,
        pin=pin,  # type: ignore[arg-type]
        provider=provider,
        held=EVERY_HOUR,
    )
    fit = [
        item
        for item in OFFERS
        if item.lane in lanes and terms in item.terms and pin in (None, item.lane)
        and provider in (None, item.provider)
    ]  # fmt: skip
    if fit:
        assert ruling.allowed(OFFERS) == tuple(fit)
    else:
        with pytest.raises(BadInput, match="leaves no lane"):
            ruling.allowed(OFFERS)


def test_batch_is_never_zero_data_retention_and_in_the_eu_neither_background_nor_anthropic() -> (
    None
):
    zdr = Ruling(terms=Terms.ZDR).allowed(offers("openai"))
    eu = Ruling(terms=Terms.EU).allowed(offers("openai"))
    assert [item.lane for item in zdr] == [REALTIME, FLEX]
    assert [item.lane for item in eu] == [REALTIME, FLEX, BATCH]
    with pytest.raises(BadInput, match="anthropic realtime: anthropic does not offer it under eu"):
        Ruling(terms=Terms.EU, held=EVERY_HOUR).allowed(offers("anthropic"))
    with pytest.raises(BadInput, match="anthropic does not offer it under zdr terms"):
        Ruling(rule="x", terms=Terms.ZDR, lanes=(BATCH,)).allowed(offers("anthropic"))


def test_held_is_barred_until_hours_are_named() -> None:
    held = offer("openai", HELD)
    assert held is not None
    assert Ruling().bars(held) == "no hours are named to hold it for"
    assert not Ruling(held=EVERY_HOUR).bars(held)


# -- deadlines


def test_what_is_said_of_a_request_goes_before_its_rules_deadline() -> None:
    ruling = Ruling(rule="night", deadline="06:00", zone=BERLIN)
    now = at("2026-12-01T23:00+01:00")
    assert ruling.due(now) == By(at("2026-12-02T06:00+01:00"))
    assert ruling.due(now, "1h") == By(now + 3_600)
    assert ruling.due(now, "now") == AtOnce()
    assert Ruling().due(now) == Whenever()


def test_a_rules_deadline_that_has_passed_is_refused_by_its_name() -> None:
    ruling = Ruling(rule="launch", deadline="2026-12-01T06:00+01:00")
    with pytest.raises(BadInput, match=r"deadline of rule 'launch' is .* still to come"):
        ruling.due(at("2026-12-01T06:00+01:00"))


# -- hours


@given(spans, st.integers(0, 7 * 1_440 - 1))
def test_hours_cover_the_minutes_from_their_beginning_to_their_end(
    span: tuple[str, int, int], minute: int
) -> None:
    days, start, end = span
    text = f"{days}{start:02}:00-{end:02}:00"
    if start == end:
        with pytest.raises(BadInput, match="begins when it ends"):
            week(text)
        return
    moment = datetime(2026, 11, 30, tzinfo=UTC) + timedelta(minutes=minute)  # a Monday
    meant = {"": range(7), "mon ": [0], "sat-mon ": [5, 6, 0], "tue,fri ": [1, 4]}[days]
    length = (end - start) % 24 * 60
    inside = any((minute - day * 1_440 - start * 60) % (7 * 1_440) < length for day in meant)
    assert week(text).covers(moment.timestamp()) == inside


@given(spans, st.integers(0, 500 * 24 * 60), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_hours_open_at_the_first_instant_that_they_cover(
    span: tuple[str, int, int], minute: int, zone: str
) -> None:
    days, start, end = span
    if start == end:
        return
    found = hours((f"{days}{start:02}:00-{end:02}:00",), ZoneInfo(zone))
    now = at("2026-01-01T00:00+00:00") + minute * 60
    opens = found.opens(now)
    assert found.covers(opens)
    assert opens == now or not found.covers(opens - 60)
    before = range(int(now) // 60, int(opens) // 60, 30)
    assert not any(found.covers(moment * 60.0) for moment in before)


def test_hours_follow_the_clocks_of_their_zone() -> None:
    night = hours(("22:00-06:00",), BERLIN)
    assert night.covers(at("2026-07-01T20:00+00:00"))
    assert not night.covers(at("2026-12-01T20:00+00:00"))
    assert night.covers(at("2026-12-01T21:00+00:00"))


def test_several_ranges_are_taken_together_in_one_zone() -> None:
    cheap = hours(("mon-fri 10:00-01:00", "mon-fri 04:00-06:00", "sat,sun"), UTC)
    assert [cheap.covers(at(f"2026-12-01T{hour}:30+00:00")) for hour in ("00", "03", "05", "09")] == [
        True, False, True, False,
    ]  # fmt: skip
    assert cheap.covers(at("2026-12-05T03:00+00:00"))
    with pytest.raises(BadInput, match="two time zones"):
        hours(("mon UTC", "tue Europe/Berlin"), UTC, {"UTC": UTC, "Europe/Berlin": BERLIN}.get)


@pytest.mark.parametrize(
    "text", ["", "night", "25:00-26:00", "10:61-11:00", "22:00", "mon-", "22:00-06:00 Nowhere"]
)
def test_what_is_no_hours_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(BadInput, match=r"it takes"):
        week(text)
