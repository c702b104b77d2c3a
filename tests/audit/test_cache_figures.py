"""What a replay of caches says of tokens and money."""

from __future__ import annotations

import random
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.audit.caching import (
    Line,
    Prompt,
    Replay,
    in_order,
    interval,
    lines,
    regrouped,
    repeated,
    replayed,
    settled,
    tokens,
    whole,
)
from lanewise.audit.caching.sampling import Placed
from lanewise.audit.money import Money
from lanewise.pricing import Rates
from lanewise.pricing.arithmetic import Vector
from lanewise.replay.blocks import of_ids

SONNET = Rates(Vector(3_000_000, 300_000, 3_750_000, 6_000_000, 3_750_000, 15_000_000))
GPT = Rates(Vector(2_000_000, 500_000, 2_000_000, 2_000_000, 2_000_000, 8_000_000))


def rates(provider: str, model: str, lane: str) -> Rates | None:
    if lane == "batch":
        found = rates(provider, model, "realtime")
        return found and found.scaled(1, 2)
    return {"claude-sonnet-5": SONNET, "gpt-4.1": GPT}.get(model)


def prompt(at: float, ids, *, model: str = "gpt-4.1", block: int = 128, **more) -> Prompt:
    """Of blocks of 128 tokens, all of them full."""
    ids = list(ids)
    tokens = len(ids) * block
    return Prompt(at, of_ids(ids), tokens, tokens, block, provider="any", model=model, **more)


def replayed_lines(prompts) -> tuple[Line, ...]:
    replay = Replay(rates)
    for one in prompts:
        replay.add(one)
    return lines(replay.sums, rates)


def test_a_prefix_below_the_least_repeats_but_cannot_be_read() -> None:
    short = [prompt(at, [1, 2, 3, at + 10]) for at in range(10)]
    (line,) = replayed_lines(short)
    assert line.repeated[300] == 9 * 3 * 128
    assert (line.usable, line.gain) == (0, Money(0, 0))


def test_reads_come_in_the_steps_of_the_provider() -> None:
    asked = [prompt(at, [*range(70), 1_000 + at], block=16) for at in (0, 1)]
    (line,) = replayed_lines(asked)
    assert line.repeated[300] == 70 * 16 == 1_120
    assert line.usable == 1_024


def test_what_reading_saves_is_the_difference_of_the_prices() -> None:
    (line,) = replayed_lines([prompt(at, range(8)) for at in (0, 1)])
    assert line.best is not None
    assert line.best.saves == Money(
        *[1_024 * (2_000 - 500)] * 2
    )  # nano-USD a token; writing costs nothing


def test_marks_in_the_right_places_write_only_what_is_read_again() -> None:
    asked = [prompt(at, [*range(8), 1_000 + at], model="claude-sonnet-5") for at in (0, 1)]
    (line,) = replayed_lines(asked)
    short = line.plans[0]
    assert (short.life, short.read) == ("5m", 1_024)
    assert (short.written_shared, short.written_whole) == (1_024, 1_152 + 128)
    assert short.saves is not None
    assert short.saves.high == 1_024 * (3_000 - 300) - 1_024 * 750
    assert short.saves.low == 1_024 * (3_000 - 300) - 1_280 * 750


def test_prompts_that_nobody_shares_are_better_left_unmarked() -> None:
    asked = [prompt(at, range(at * 100, at * 100 + 20), model="claude-sonnet-5") for at in range(9)]
    (line,) = replayed_lines(asked)
    assert line.plans[0].saves == Money(low=-9 * 20 * 128 * 750, high=0)
    assert line.best is None
    assert line.gain == Money(0, 0)


@pytest.mark.parametrize(("pause", "life"), [(60, "5m"), (1_200, "1h")])
def test_the_best_life_is_the_one_that_bridges_the_pauses(pause, life) -> None:
    asked = [prompt(at * pause, range(16), model="claude-sonnet-5") for at in range(9)]
    (line,) = replayed_lines(asked)
    assert line.best is not None
    assert line.best.life == life


def test_who_asks_before_the_first_answer_began_writes_as_well() -> None:
    together = [prompt(0, range(8), model="claude-sonnet-5", begins=2.0) for _ in range(3)]
    later = prompt(5, range(8), model="claude-sonnet-5", begins=2.0)
    (line,) = replayed_lines([*together, later])
    assert line.repeated[300] == 3 * 1_024
    assert (line.plans[0].read, line.plans[0].written_shared) == (1_024, 3 * 1_024)


def test_a_log_that_says_what_was_cached_leaves_only_the_rest_to_gain() -> None:
    asked = [prompt(at, range(8), cached=1_024 if at == 1 else 0) for at in range(3)]
    (line,) = replayed_lines(asked)
    assert (line.cached, line.saved) == (1_024, 1_024 * 1_500)
    assert line.gain == Money(*[1_024 * 1_500] * 2)


def test_where_the_log_does_not_say_the_least_gain_is_nothing() -> None:
    (line,) = replayed_lines([prompt(at, range(8)) for at in range(3)])
    assert line.cached is None
    assert line.gain == Money(0, 2 * 1_024 * 1_500)
    assert "3 of 3 requests do not say what was cached already" in line.rests_on


def test_marks_that_lose_money_are_a_gain_to_leave_out() -> None:
    asked = [
        prompt(at, range(at * 99, at * 99 + 8), model="claude-sonnet-5", cached=0, written_1h=1_024)
        for at in range(4)
    ]
    (line,) = replayed_lines(asked)
    assert line.saved == -4 * 1_024 * 3_000
    assert line.gain == Money(*[4 * 1_024 * 3_000] * 2)


def test_what_has_no_price_counts_in_tokens_only() -> None:
    (line,) = replayed_lines([prompt(at, range(8), model="llama") for at in range(2)])
    assert (line.usable, line.unpriced, line.gain) == (1_024, 2, Money(0, 0))


def test_a_lane_has_its_own_prices() -> None:
    (line,) = replayed_lines([prompt(at, range(8), lane="batch") for at in (0, 1)])
    assert line.best is not None
    assert line.best.saves == Money(*[1_024 * 750] * 2)


def test_organisations_and_models_share_no_cache() -> None:
    asked = [prompt(0, range(8), organisation="a"), prompt(1, range(8), organisation="b")]
    asked.append(prompt(2, range(8), model="gpt-4o", organisation="a"))
    found = replayed_lines(asked)
    assert whole(found).repeated[3_600] == 0
    assert len(found) == 2


ASKED = st.lists(
    st.builds(
        prompt,
        st.integers(0, 900),
        st.lists(st.integers(0, 1), min_size=6, max_size=14),
        model=st.sampled_from(["gpt-4.1", "claude-sonnet-5"]),
        workflow=st.sampled_from(["one", "two"]),
        organisation=st.sampled_from(["a", "b"]),
        begins=st.sampled_from([0.0, 4.0]),
        cached=st.sampled_from([None, 0, 128]),
    ),
    max_size=30,
)


@given(ASKED, st.randoms(use_true_random=False))
def test_the_order_of_the_lines_changes_nothing(asked, dice) -> None:
    shuffled = list(asked)
    dice.shuffle(shuffled)
    assert replayed_lines(in_order(shuffled)) == replayed_lines(in_order(asked))


@given(ASKED)
def test_streaming_in_the_order_of_time_is_the_same_as_sorting(asked) -> None:
    by_time = sorted(asked, key=lambda one: one.at)
    assert list(settled(by_time)) == in_order(asked)


@given(ASKED, st.sampled_from([30, 300, inf]))
def test_another_order_keeps_every_prompt_and_every_instant(asked, seconds) -> None:
    before = in_order(asked)
    after = list(regrouped(before, seconds, lambda one: one.workflow == "one"))
    assert [one.at for one in after] == [one.at for one in before]
    assert sorted(map(unplaced, after)) == sorted(map(unplaced, before))
    assert [one for one in after if one.workflow == "two"] == [
        one for one in before if one.workflow == "two"
    ]


def unplaced(one: Prompt) -> tuple[str, ...]:
    return tuple(map(repr, one[1:]))


def log(seed: int = 1, count: int = 4_000) -> list[Prompt]:
    """Twenty days in which some of thirty prompts are asked again, in bursts."""
    dice = random.Random(seed)
    asked, now = [], 0.0
    for _ in range(count):
        now += dice.expovariate(1 / 430)
        family = int(30 * dice.random() ** 2)
        ids = [*range(family * 100, family * 100 + 12), 10_000 + dice.randrange(10**6)]
        asked.append(prompt(now, ids, model="claude-sonnet-5", cached=0))
    return asked


def stretches(asked: list[Prompt], count: int, size: int) -> list[Placed]:
    """So many stretches of so many prompts, each warmed by the hour before it."""
    dice = random.Random(7)
    placed: list[Placed] = []
    for number in range(count):
        start = dice.randrange(len(asked) - size)
        begins = asked[start].at
        warming = [one for one in asked[:start] if one.at >= begins - 3_600]
        placed += [(number, False, one) for one in warming]
        placed += [(number, True, one) for one in asked[start : start + size]]
    return placed


def test_a_stretch_is_replayed_as_in_the_whole_log() -> None:
    asked = log()
    (mine,) = replayed(stretches(asked, 1, 500), lambda: Replay(rates))
    counted = {one.at for _, counts, one in stretches(asked, 1, 500) if counts}
    exact = Replay(rates)
    for one in asked:
        exact.add(one, counted=one.at in counted)
    (here,), (there,) = mine.values(), exact.sums.values()
    assert here.repeated == there.repeated
    assert {name: use.read for name, use in here.uses.items()} == {
        name: use.read for name, use in there.uses.items()
    }


def test_the_interval_of_a_sample_holds_the_figure_of_the_whole() -> None:
    asked = log()
    exact = Replay(rates)
    for one in asked:
        exact.add(one)
    truth = repeated(exact.sums, 3_600) / tokens(exact.sums)
    tables = replayed(stretches(asked, 20, 60), lambda: Replay(rates))
    found = interval(tables, lambda table: repeated(table, 3_600), tokens)
    assert found is not None
    assert found.low <= truth <= found.high
    assert found.high - found.low < truth / 2
    assert found == interval(tables, lambda table: repeated(table, 3_600), tokens)


def test_one_stretch_alone_has_no_interval() -> None:
    replay = Replay(rates)
    replay.add(prompt(0, range(8)))
    assert interval([replay.sums, {}], tokens, tokens) is None


def test_nothing_is_kept_of_accounts_that_were_not_heard_of_again() -> None:
    replay = Replay(rates)
    for number in range(1_000):
        one = prompt(number * 100.0, range(8), model="claude-sonnet-5", organisation=str(number))
        replay.add(one)
    asked_within_two_lifetimes = 2 * 3_600 // 100 + 4
    assert (
        replay.held <= asked_within_two_lifetimes * 8 * 2
    )  # in the caches of five minutes and an hour


def test_prompts_of_unknown_size_share_nothing() -> None:
    (line,) = replayed_lines([sizeless(prompt(at, range(8))) for at in (0, 1)])
    assert line.repeated[300] == 0


def sizeless(one: Prompt) -> Prompt:
    return one._replace(size=0)
