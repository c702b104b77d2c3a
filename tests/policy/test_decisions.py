"""The pure decisions: packing keeps every limit, waiting is bounded, looking proves enough."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.packing import Limits
from lanewise.domain.results import Verdict
from lanewise.policy import asking, packing, waiting
from lanewise.policy.packing import Stretch
from lanewise.policy.reconcile import Absent, Adopt, LookAgain, judge

LIMITS = Limits(batch_requests=10, batch_bytes=1_000, line_bytes=1_000, embedding_inputs=50)
# Many small ones too, so that each of the three limits is the one that is met first.
small = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 3)), min_size=11, max_size=80)
sizes = small | st.lists(st.tuples(st.integers(1, 1_000), st.integers(1, 50)), max_size=80)


@given(sizes)
def test_cuts_cover_everything_in_order_and_each_piece_fits_a_batch(
    items: list[tuple[int, int]],
) -> None:
    pieces = list(packing.cuts(items, LIMITS))
    assert [n for start, stop in pieces for n in range(start, stop)] == list(range(len(items)))
    for start, stop in pieces:
        inside = items[start:stop]
        assert packing.fits(
            len(inside), sum(b for b, _ in inside), sum(u for _, u in inside), LIMITS
        )


@given(
    st.lists(
        st.tuples(
            st.integers(1, 10),
            st.integers(1, 20) | st.integers(1, 1_000),
            st.integers(1, 3) | st.integers(1, 50),
        ),
        max_size=40,
    )
)
def test_batches_hold_every_stretch_once_in_order_and_keep_every_limit(
    items: list[tuple[int, int, int]],
) -> None:
    stretches = [Stretch(n, *item) for n, item in enumerate(items)]
    batches = list(packing.plan(stretches, LIMITS))
    assert [stretch.what for batch in batches for stretch in batch] == list(range(len(items)))
    for batch in batches:
        assert batch
        assert packing.fits(
            sum(s.requests for s in batch),
            sum(s.bytes for s in batch),
            sum(s.units for s in batch),
            LIMITS,
        )


@given(st.floats(0, 10**6), st.floats(0, 10**4))
def test_polls_come_between_a_second_and_a_minute_and_never_before_the_provider_wants(
    age: float, wish: float
) -> None:
    pause = waiting.next_poll(age, retry_after=wish)
    assert pause >= max(1.0, wish)
    assert pause <= max(60.0, wish)
    assert waiting.next_poll(age, fixed=0.3, retry_after=wish) == 0.3


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_backoff_grows_to_a_bound_and_is_spread(troubles: int, noise: float) -> None:
    pause = waiting.backoff(troubles, noise=noise)
    assert 0.75 <= pause <= waiting.LONGEST_BACKOFF * 1.25
    assert waiting.backoff(troubles, noise=noise, retry_after=10_000.0) == 10_000.0


def look(candidates: tuple[str, ...], **facts: object) -> object:
    defaults: dict[str, object] = {
        "certain": True, "held": frozenset(), "now": 1_000.0, "give_up_at": 60.0, "listing_lag": 600.0,
    }  # fmt: skip
    return judge(candidates, **(defaults | facts))  # type: ignore[arg-type]


def test_what_carries_our_tag_is_adopted_for_certain_and_more_of_it_is_surplus() -> None:
    found = look(("first", "second"))
    assert isinstance(found, Adopt)
    assert (found.provider_id, found.provisional, found.surplus) == ("first", False, ("second",))


def test_what_only_fits_is_adopted_until_its_results_prove_it() -> None:
    found = look(("first", "second"), certain=False)
    assert isinstance(found, Adopt)
    assert (found.provider_id, found.provisional, found.surplus) == ("first", True, ())


def test_what_a_sibling_holds_in_doubt_is_not_taken_and_forbids_the_verdict_absent() -> None:
    assert isinstance(look(("held",), certain=False, held=frozenset({"held"})), LookAgain)


@given(st.floats(0, 10_000))
def test_absent_is_said_only_after_the_attempt_was_given_up_and_the_listing_had_its_lag(
    now: float,
) -> None:
    found = look((), now=now)
    assert isinstance(found, Absent) is (now >= 660.0)
    if isinstance(found, LookAgain):
        assert now < found.at <= 660.0


def test_only_what_was_neither_answered_nor_refused_is_asked_again_and_not_for_ever() -> None:
    for verdict in Verdict:
        again = [asking.ask_again(verdict, tries=tries, max_tries=3) for tries in range(4)]
        assert again == ([False] * 4 if verdict.final else [True, True, False, False])


def test_every_reason_for_giving_up_has_a_code_and_says_how_often_it_was_asked() -> None:
    for verdict in Verdict:
        if not verdict.final:
            code, message = asking.reason(verdict, tries=2)
            assert code
            assert "3 times" in message
