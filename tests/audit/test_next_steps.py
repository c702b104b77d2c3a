"""Three steps at the most, of all kinds of levers, by money and by how sure it is."""

from __future__ import annotations

from lanewise.audit.levers import Found, Lever, next_steps
from lanewise.audit.money import Money
from lanewise.domain.lanes import Terms

DOLLAR = 1_000_000_000


def lever(kind: str, low: int, high: int, sure: str, group: str = "w") -> Lever:
    money = Money(low * DOLLAR, high * DOLLAR)
    return Lever(kind, group, f"do {kind}", 9, 99 * DOLLAR, money, sure, (), ())


def steps(*levers: Lever, terms: Terms | None = Terms.ANY) -> tuple[str, ...]:
    return next_steps(Found((), (), terms, 0).with_levers(levers))


def test_all_kinds_are_taken_into_account_by_money_and_certainty() -> None:
    found = steps(
        lever("route", 0, 30, "trial"),
        lever("dedupe", 5, 6, "high"),
        lever("lane", 4, 5, "high"),
        lever("prompt", 0, 18, "medium"),
        lever("cache", 1, 2, "medium"),
    )
    assert [words.split()[0] for words in found] == ["Answer", "Begin", "Change"]


def test_data_terms_are_asked_for_before_a_lane_is_recommended() -> None:
    lane, dedupe = lever("lane", 4, 5, "high"), lever("dedupe", 9, 9, "high")
    assert steps(lane, dedupe, terms=None)[0].startswith("Say which data terms hold")
    assert steps(dedupe, terms=None)[0].startswith("Answer from the first answer")


def test_what_is_not_known_is_asked_and_what_is_not_sure_is_tried() -> None:
    found = steps(lever("dedupe", 0, 50, "none"), lever("route", 0, 9, "trial"))
    assert found[0].startswith("Ask whether the first answer does")
    assert found[1].startswith("Try on a few hundred requests")


def test_caches_of_which_the_log_does_not_say_what_was_read_are_to_be_logged() -> None:
    found = steps(lever("cache", 0, 9, "none"))
    assert found[0].startswith("Log when requests of w are sent, and how many tokens they read")
    assert [lever(kind, 0, 9, "none").needs for kind in ("cache", "dedupe")] == [
        "log it first",
        "ask first",
    ]


def test_what_waits_is_not_also_to_be_cached_but_goes_where_it_saves_more() -> None:
    waits, cached = lever("lane", 9, 9, "high", "a"), lever("cache", 5, 5, "high", "b")
    found = steps(
        waits, lever("cache", 8, 8, "high", "a"), cached, lever("lane", 4, 4, "high", "b")
    )
    assert found[0].startswith("Begin with what nobody waits for: a ($9.00)")
    assert found[1].startswith("Cache the prompts of b ($5.00)")


def test_what_saves_nothing_by_itself_is_no_step() -> None:
    assert steps(lever("prompt", 0, 0, "medium")) == ()


def test_levers_of_all_kinds_are_ranked_by_the_middle_and_questions_come_last() -> None:
    parts = [
        lever("dedupe", 0, 90, "none"),
        lever("prompt", 0, 8, "medium"),
        lever("cache", 5, 5, "high"),
    ]
    ranked = Found((), (), None, 0).with_levers(parts).levers
    assert [one.kind for one in ranked] == ["cache", "prompt", "dedupe"]


def test_only_lanes_add_up() -> None:
    found = Found((), (), None, 0).with_levers(
        [lever("lane", 4, 5, "high"), lever("dedupe", 5, 6, "high")]
    )
    assert found.total == Money(4 * DOLLAR, 5 * DOLLAR)
