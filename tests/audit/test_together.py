"""Levers that are pulled together: what one takes is not there for the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from lanewise.audit.caching import Prompt, Replay, lines
from lanewise.audit.levers.asked import Asked
from lanewise.audit.levers.lanes import wait
from lanewise.audit.levers.together import Lanes, Together, together
from lanewise.audit.levers.used import Prices, Used
from lanewise.audit.money import Money
from lanewise.audit.waiting import Judged, Waiting
from lanewise.domain.lanes import BATCH, LaneName
from lanewise.domain.usage import Usage
from lanewise.pricing import PriceBook, Rates
from lanewise.replay.blocks import of_ids

DAY: Final = datetime(2026, 11, 20, tzinfo=UTC)
PRICES: Final = Prices(PriceBook.load(), DAY)
INPUT: Final = 2_048  # tokens, in blocks of 64, of which all but the last are the same for all
READ: Final = 1_920  # 31 blocks in steps of 128 from 1,024 on
OUTPUT: Final = 100
CLAUDE: Final = "claude-sonnet-4-5"


def asked(
    at: float, content: int, *, group: int = 1, model: str = "gpt-4.1", answer: int = 0
) -> Asked:
    usage = Usage(input=INPUT, output=OUTPUT)
    blocks = of_ids([*range(31), 1_000 + content])
    prompt = Prompt(at, blocks, INPUT, INPUT, 64, provider="openai", model=model, cached=0)
    return Asked(group, Used("openai", model, 0, 1, usage), prompt, content, answer or content)


def told(rows: list[Asked], lanes: Lanes, prices: Prices) -> Together:
    return together(lambda: rows, lanes, range(9), prices)


ONE: Final = INPUT * 2_000 + OUTPUT * 8_000  # gpt-4.1, nano-USD
TO_BATCH: Final = {(1, "openai", "gpt-4.1"): BATCH}


def test_each_lever_alone_saves_what_its_rules_say() -> None:
    rows = [asked(n, n) for n in range(10)] + [asked(10, 0)]
    found = told(rows, TO_BATCH, PRICES)
    assert found.now == 11 * ONE
    assert found.lanes == Money(11 * (ONE // 2 * 9 // 10), 11 * ONE // 2)
    read = (9 * READ + INPUT) * 1_500  # the same prompt again is read to its end
    assert found.cache == Money(read, read)
    assert found.dedupe == Money(ONE, ONE)


def test_together_they_save_less_than_their_sum_and_no_less_than_the_best() -> None:
    rows = [asked(n, n % 6) for n in range(24)]
    found = told(rows, TO_BATCH, PRICES)
    assert found.dedupe.high == 18 * ONE
    # what is left is read from a cache, which here saves more for sure than half of it all
    assert found.joint.high == 18 * ONE + 5 * READ * 1_500
    assert found.joint.high < found.lanes.high + found.cache.high + found.dedupe.high
    assert sum(found.steps.values(), Money()) == found.joint
    assert found.joint.high <= found.now


def test_what_saves_more_by_reading_from_a_cache_stays_in_real_time() -> None:
    rows = [asked(n, n)._replace(used=asked(0, 0).used) for n in range(40)]
    rows = [
        one._replace(used=replace(one.used, usage=Usage(input=INPUT, output=1))) for one in rows
    ]
    found = told(rows, TO_BATCH, PRICES)
    assert found.lanes.high < found.cache.high == found.joint.high


def test_each_workflow_goes_where_it_saves_more() -> None:
    """One has long prompts and says little: it stays. The other writes at length: it waits."""
    short, long = (
        replace(asked(0, 0).used, usage=Usage(input=INPUT, output=output)) for output in (1, 4_000)
    )
    rows = [asked(n, n, group=1 + n % 2)._replace(used=short if n % 2 else long) for n in range(40)]
    both = {(group, "openai", "gpt-4.1"): BATCH for group in (1, 2)}
    found = told(rows, both, PRICES)
    assert found.joint.high > max(found.lanes.high, found.cache.high)


def test_what_waits_warms_no_cache_for_those_who_do_not() -> None:
    """One request of each kind in turn, 200 s apart: without those that wait the entry is gone."""
    wordy = replace(asked(0, 0, model="gpt-4o").used, usage=Usage(input=INPUT, output=4_000))
    rows = [
        asked(n * 200.0, n, group=n % 2, model="gpt-4o")._replace(used=wordy) for n in range(10)
    ]
    found = told(rows, {(1, "openai", "gpt-4o"): BATCH}, PRICES)
    assert found.cache.high == 9 * READ * 1_250
    assert found.joint == found.lanes


def test_a_repeat_with_another_answer_saves_nothing_at_the_least() -> None:
    rows = [asked(0, 7, answer=1), asked(1, 7, answer=2)]
    assert told(rows, {}, PRICES).dedupe == Money(0, ONE)
    failed = rows[0]._replace(ok=False)
    assert told([failed, rows[1]], {}, PRICES).dedupe == Money()


def test_without_texts_nothing_is_said_of_caches_or_repeats() -> None:
    bare = Prompt(0, b"", INPUT, 0, 64, provider="openai", model="gpt-4.1", cached=0)
    rows = [asked(n, 1)._replace(prompt=bare._replace(at=n), content=None) for n in range(5)]
    found = told(rows, TO_BATCH, PRICES)
    assert (found.cache, found.dedupe) == (Money(), Money())
    assert found.joint == found.lanes


def test_where_the_log_does_not_say_what_was_cached_nothing_is_saved_for_sure() -> None:
    rows = [asked(n, n) for n in range(10)]
    unsaid = [one._replace(prompt=one.prompt._replace(cached=None)) for one in rows]
    assert told(unsaid, {}, PRICES).cache == Money(0, told(rows, {}, PRICES).cache.high)


def test_each_stretch_begins_with_nothing_and_what_warms_it_is_not_counted() -> None:
    """Two stretches of one request, each after one that only warms: both find the prefix."""
    rows = [
        asked(at, at)._replace(stretch=number, counted=counted)
        for number, (warms, counts) in enumerate([(0, 1), (2, 3)])
        for at, counted in ((warms, False), (counts, True))
    ]
    found = told(rows, {}, PRICES)
    assert (found.requests, found.now) == (2, 2 * ONE)
    assert found.cache == Money(*[2 * READ * 1_500] * 2)
    assert found.stretches == ((ONE, Money(*[READ * 1_500] * 2)),) * 2
    assert found.of(10 * ONE) == Money(*[10 * READ * 1_500] * 2)
    cold = [one._replace(stretch=number) for number, one in enumerate(rows)]
    assert told(cold, {}, PRICES).cache == Money()


def claude(at: float, *ids: int, group: int = 1, cached: int = 0) -> Asked:
    """Blocks of 64 tokens, asked of a model whose cache is written at a premium."""
    tokens = 64 * len(ids)
    usage = Usage(tokens - cached, cached, output=OUTPUT)
    prompt = Prompt(
        at, of_ids(ids), tokens, tokens, 64, f"w{group}", "anthropic", CLAUDE, cached=cached
    )
    return Asked(group, Used("anthropic", CLAUDE, 0, 1, usage), prompt)


def test_caches_alone_save_what_their_table_says_whatever_lives_workflows_take() -> None:
    """One comes every 40 seconds, the other every 20 minutes: an entry of an hour pays for that alone."""
    often = [claude(n * 40.0, *range(20), 1_000 + n) for n in range(30)]
    seldom = [claude(n * 1_200.0, *range(50, 70), 2_000 + n, group=2) for n in range(9)]
    rows = sorted(often + seldom, key=lambda one: one.prompt.at)

    def rates(provider: str, model: str, lane: str) -> Rates | None:
        return PRICES.book.resolve(provider, model, DAY, LaneName(lane)).rates

    replay = Replay(rates)
    for one in rows:
        replay.add(one.prompt)
    found = lines(replay.sums, rates)
    assert {line.best.life for line in found if line.best} == {"5m", "1h"}
    assert told(rows, {}, PRICES).cache == sum((line.gain for line in found), Money())


def test_lanes_alone_save_what_their_lever_says_where_half_was_read_from_a_cache() -> None:
    rows = [claude(float(n), *range(30), cached=n % 2 * 1_920) for n in range(40)]
    usages = [one.used.usage for one in rows]
    whole = Used("anthropic", CLAUDE, 0, 40, sum(usages, Usage()))
    lever = wait("w", [whole], Judged(Waiting.BACKGROUND, 0.9, ()), PRICES)
    assert lever is not None
    assert told(rows, {(1, "anthropic", CLAUDE): BATCH}, PRICES).lanes == lever.money


def test_repeats_of_which_it_is_to_be_asked_first_are_not_counted() -> None:
    rows = [asked(0, 7, group=group, answer=group + at) for group in (1, 2) for at in (0, 1)]
    assert together(lambda: rows, {}, {1}, PRICES).dedupe == Money(0, ONE)


def test_an_answer_that_comes_later_is_the_one_to_compare_with() -> None:
    rows = [asked(n, 7)._replace(answer=answer) for n, answer in enumerate((None, 5, 5))]
    assert told(rows, {}, PRICES).dedupe == Money(ONE, 2 * ONE)
