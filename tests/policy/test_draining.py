"""What is reckoned of real time is what its pace then does: slow calls, limits, places that others hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count as counting

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanewise.domain import allowances
from lanewise.domain.allowances import NOTHING_SAID, Allowance, Measure, Rate
from lanewise.policy.draining import (
    ANSWER_TOKENS,
    CALL_MEAN,
    CALL_SECONDS,
    CALL_SLOW,
    PLACES,
    SHARE,
    drain,
    is_measured,
    largest_request,
    stated_a_second,
)
from lanewise.policy.pacing import MOST_IN_FLIGHT, Pace
from lanewise.policy.rescuing import Load, latest_starts

MODEL, OTHER = "m", "n"


@dataclass(frozen=True)
class Lane:
    """Real time of one model, as it is."""

    limits: dict[Measure, int]
    call_seconds: float
    tokens: int  # a request
    answer: int  # tokens that are written

    def learned(self) -> dict[tuple[str, str], int]:
        known = {f"{measure}_per_minute": limit for measure, limit in self.limits.items()}
        took = round(self.call_seconds * 1_000)
        known |= {CALL_MEAN: took, CALL_SLOW: took, ANSWER_TOKENS: self.answer}
        return {(MODEL, name): value for name, value in known.items()}

    def load(self) -> allowances.Load:
        return allowances.Load(input=self.tokens, output=self.answer if self.apart else 0)

    @property
    def apart(self) -> bool:
        return Measure.OUTPUT_TOKENS in self.limits


@dataclass
class Sending:
    """Calls go through a pace, the earliest due first, in time that is reckoned."""

    lane: Lane
    held: int  # places that slow calls of another lane hold all the time
    now: float = 0.0
    pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        known = tuple(Rate(measure, limit) for measure, limit in self.lane.limits.items())
        self.pace = Pace(Allowance(known))
        self.pace.in_flight = self.held

    def last_ends(self, work: list[Load], starts: dict[str, float]) -> dict[str, float]:
        """When the last call of each load is answered, if none is begun before its start."""
        self.now = min(starts.values())
        turns = counting()
        waiting = [(load.deadline, load.id, load.requests) for load in sorted(work, key=_due)]
        flying: list[tuple[float, int, str]] = []
        ended: dict[str, float] = {}
        while waiting or flying:
            ready = [entry for entry in waiting if starts[entry[1]] <= self.now]
            pause = self.pace.reserve(self.lane.load(), self.now) if ready else float("inf")
            if ready and pause == 0.0:
                due, name, left = ready[0]
                waiting.remove(ready[0])
                if left > 1:
                    waiting.insert(0, (due, name, left - 1))
                    waiting.sort()
                heappush(flying, (self.now + self.lane.call_seconds, next(turns), name))
                continue
            moments = [self.now + pause] + [starts[name] for _, name, _ in waiting]
            moments += [flying[0][0]] if flying else []
            self.now = min(moment for moment in moments if moment > self.now)
            while flying and flying[0][0] <= self.now:
                ended[heappop(flying)[2]] = self.now
                self.pace.ended(NOTHING_SAID, self.now, took=self.lane.call_seconds)
        return ended


def _due(load: Load) -> tuple[float, str]:
    return load.deadline, load.id


openai = st.fixed_dictionaries(
    {Measure.REQUESTS: st.integers(30, 5_000), Measure.TOKENS: st.integers(20_000, 2_000_000)}
)
anthropic = st.fixed_dictionaries(
    {
        Measure.REQUESTS: st.integers(30, 5_000),
        Measure.INPUT_TOKENS: st.integers(20_000, 2_000_000),
        Measure.OUTPUT_TOKENS: st.integers(4_000, 400_000),
    }
)
lanes = st.builds(
    Lane,
    limits=openai | anthropic,
    call_seconds=st.sampled_from([0.5, 5.0, 30.0, 60.0, 240.0]),
    tokens=st.sampled_from([50, 400, 2_000, 8_000]),
    answer=st.sampled_from([5, 300, 2_000]),
)
counts = st.lists(st.tuples(st.integers(1, 1_000), st.integers(0, 1_200)), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(lane=lanes, counts=counts, held=st.sampled_from([0, MOST_IN_FLIGHT - PLACES]))
def test_what_is_begun_at_its_latest_start_is_answered_in_time_however_slow_calls_are(
    lane: Lane, counts: list[tuple[int, int]], held: int
) -> None:
    work = [
        Load(str(n), 10_000.0 + later, requests, requests * lane.tokens)
        for n, (requests, later) in enumerate(counts)
    ]
    starts = latest_starts(work, drain(lane.learned(), MODEL))
    ended = Sending(lane, held).last_ends(work, starts)
    assert ended.keys() == {load.id for load in work}
    for load in work:
        assert ended[load.id] <= load.deadline, (load, starts)


def test_slow_calls_drain_no_more_than_their_places_carry() -> None:
    able = drain({(MODEL, CALL_MEAN): 64_000, (MODEL, CALL_SLOW): 90_000}, MODEL)
    assert able.requests_per_second == PLACES / 64.0
    assert able.call_seconds == 90.0


def test_refusals_lower_what_is_reckoned_with_and_their_absence_does_not_raise_it() -> None:
    learned = {(MODEL, "requests_per_minute"): 60, (MODEL, CALL_MEAN): 1}
    rates = [drain(learned, MODEL, share=share).requests_per_second for share in (0.3, 1.0)]
    assert rates == pytest.approx([0.3, SHARE])


def test_where_what_is_written_is_limited_long_answers_drain_less() -> None:
    learned = {(MODEL, "output_tokens_per_minute"): 8_000, (MODEL, ANSWER_TOKENS): 400}
    assert stated_a_second(learned, MODEL) * 60.0 == pytest.approx(8_000 / 400 * SHARE)
    assert is_measured({(MODEL, "output_tokens_per_minute"): 1}, MODEL)


def test_a_batch_of_several_models_is_reckoned_by_the_tightest_limits_and_the_slowest_calls() -> (
    None
):
    learned = {
        (MODEL, "requests_per_minute"): 50,
        (OTHER, "requests_per_minute"): 4_000,
        (MODEL, "input_tokens_per_minute"): 400_000,
        (OTHER, "input_tokens_per_minute"): 30_000,
        (MODEL, CALL_MEAN): 2_000,
        (OTHER, CALL_MEAN): 9_000,
        (MODEL, CALL_SLOW): 70_000,
        (OTHER, CALL_SLOW): 20_000,
    }
    able = drain(learned, "")
    assert able.requests_per_second * 60.0 == pytest.approx(50 * SHARE)
    assert able.tokens_per_second * 60.0 == pytest.approx(30_000 * SHARE)
    assert able.call_seconds == 70.0
    assert largest_request(learned, "") == 400_000, "some model takes it"
    assert drain(learned, OTHER).requests_per_second == PLACES / 9.0


def test_where_no_call_was_timed_long_ones_are_reckoned_with() -> None:
    able, timed = drain({}, MODEL), drain({(MODEL, CALL_MEAN): 900, (MODEL, CALL_SLOW): 2}, MODEL)
    assert able.call_seconds > timed.call_seconds == CALL_SECONDS
    assert able.requests_per_second < timed.requests_per_second
