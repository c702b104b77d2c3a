"""An estimate adds up to what the requests would cost, holds caps, and never takes unknown for nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanewise.app.estimating import estimator
from lanewise.domain.lanes import BACKGROUND_8H, BATCH, FLEX, REALTIME
from lanewise.domain.packing import Limits
from lanewise.domain.usage import Usage
from lanewise.errors import OverBudget
from lanewise.intake import Accepted, ReadOptions, read
from lanewise.lanes.shift import Rules
from lanewise.pricing import PriceBook
from lanewise.tokens import Estimate, History, TokenCounter, history_of
from lanewise.tokens.models import Method
from lanewise.tokens.packs import Filling

AT = datetime(2026, 11, 24, tzinfo=UTC)
BOOK = PriceBook.load()
CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"


def line(url: str = CHAT, **body: Any) -> dict[str, Any]:
    return {"custom_id": "", "method": "POST", "url": url, "body": body}


def chat(text: str, model: str = "gpt-4o-mini", **body: Any) -> dict[str, Any]:
    return line(model=model, messages=[{"role": "user", "content": text}], **body)


def claude(text: str, model: str = "claude-sonnet-4-6", **body: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {
        "custom_id": "",
        "params": {"model": model, "max_tokens": 100, "messages": messages} | body,
    }


def accepted(lines: Sequence[dict[str, Any]]) -> list[Accepted]:
    named = [item | {"custom_id": f"r{n}"} for n, item in enumerate(lines)]
    found = [item for item in read([named], ReadOptions()) if isinstance(item, Accepted)]
    assert len(found) == len(lines)
    return found


def estimated(*lines: dict[str, Any], **options: Any) -> Estimate:
    taking = estimator(BOOK, AT, **options)
    for request in accepted(lines):
        taking.add(request)
    return taking.finish()


# -- money ------------------------------------------------------------------------------------------
def test_requests_without_output_cost_exactly_what_their_tokens_cost() -> None:
    texts = ["printer jam on the third floor", "charged twice for one month"]
    found = estimated(line(EMBED, model="text-embedding-3-small", input=texts))
    tokens = sum(TokenCounter().count(text, "text-embedding-3-small").tokens for text in texts)
    for lane in (REALTIME, BATCH):
        pricer = BOOK.pricer("openai", "text-embedding-3-small", AT, lane)
        assert pricer is not None
        assert set(found.total(lane)) == {pricer.cost(Usage(input=tokens))}
    assert found.groups[0].method is Method.EXACT


def test_every_lane_of_the_endpoint_that_has_a_price_is_offered_and_the_cheapest_named() -> None:
    [chats] = estimated(chat("hi", "gpt-5-mini")).groups
    assert [offer.lane for offer in chats.offers] == [REALTIME, FLEX, BATCH]
    assert chats.cheapest == BATCH
    response = line("/v1/responses", model="gpt-5-mini", input="hi")
    [responses] = estimated(response).groups
    assert {FLEX, BACKGROUND_8H} < {offer.lane for offer in responses.offers}
    assert {(offer.status, offer.basis) for offer in responses.offers} == {
        ("listed", BOOK.basis),
        ("rule", BOOK.basis),
    }


def test_long_context_prices_apply_to_each_request_and_never_to_sums() -> None:
    short, long = "word " * 40_000, "word " * 120_000
    model = "claude-haiku-5-5"  # dearer above 100,000 tokens
    many = estimated(*[claude(short, model, max_tokens=1)] * 4)
    one = estimated(claude(short, model, max_tokens=1))
    assert many.total(BATCH).likely == 4 * one.total(BATCH).likely
    dear = estimated(claude(long, model, max_tokens=1))
    assert dear.groups[0].input.likely > 100_000 > one.groups[0].input.likely
    assert dear.total(BATCH).likely > 3 * 4 * one.total(BATCH).likely


def test_a_cap_is_held_against_the_upper_figure_of_the_batch_lane() -> None:
    found = estimated(chat("hi", max_tokens=10_000))
    found.hold(found.high_nano, "--max-usd")
    with pytest.raises(OverBudget, match=r"may cost \$0\.003.* more than --max-usd") as refused:
        found.hold(found.high_nano - 1, "--max-usd")
    assert refused.value.exit_code == 4
    assert found.likely_nano < found.high_nano < found.total(REALTIME).high


def test_an_unknown_price_is_never_nothing() -> None:
    found = estimated(chat("hi", "gpt-nonsense"), chat("hi", "gpt-4o-realtime-preview"), chat("hi"))
    assert (found.unpriced, found.requests) == (2, 3)
    assert found.unpriced_models == ("openai gpt-nonsense", "openai gpt-4o-realtime-preview")
    assert [group.cost(BATCH) for group in found.groups[:2]] == [None, None]
    assert found.groups[1].cost(REALTIME) is not None
    assert found.total(BATCH) == estimated(chat("hi")).total(BATCH)
    with pytest.raises(OverBudget, match=r"gpt-nonsense.*prices\.toml"):
        found.hold(10**18, "--max-usd")


def test_caching_that_is_asked_for_widens_the_range() -> None:
    text = "word " * 5_000
    plain = estimated(claude(text)).total(BATCH)
    asks = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
    cached = estimated(claude("", system=asks)).total(BATCH)
    assert cached.low < plain.low / 4
    assert cached.high > plain.high * 11 // 10


def test_a_model_that_charges_for_unasked_caching_has_it_in_its_upper_figure() -> None:
    cost = estimated(chat("word " * 5_000, "gpt-5.6-sol", max_completion_tokens=1)).total(BATCH)
    assert cost.high * 100 // cost.likely in range(120, 126)


asked = st.builds(
    lambda text, model, limit, copies: (chat if "gpt" in model else claude)(
        text * copies, model, max_tokens=limit
    ),
    st.text(max_size=40),
    st.sampled_from(
        ["gpt-4o-mini", "gpt-5.6-sol", "gpt-4.1", "claude-haiku-5-5", "claude-opus-4-8"]
    ),
    st.integers(1, 5_000),
    st.integers(1, 2_000),
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(lines=st.lists(asked, min_size=1, max_size=12))
def test_figures_are_ordered_batches_are_not_dearer_and_the_order_of_lines_does_not_matter(
    lines: list[dict[str, Any]],
) -> None:
    found = estimated(*lines)
    for group in found.groups:
        for offer in group.offers:
            assert offer.cost is not None
            assert 0 <= offer.cost.low <= offer.cost.likely <= offer.cost.high
        assert group.cost(BATCH) <= group.cost(REALTIME)  # type: ignore[operator]
    backwards = estimated(*lines[::-1])
    for lane in (REALTIME, BATCH):
        assert backwards.total(lane) == found.total(lane)


# -- output -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "output"),
    [
        (chat("hi"), (1, 300, 1_024)),
        (chat("hi", n=3), (3, 900, 3_072)),
        (chat("hi", max_tokens=50), (1, 50, 50)),
        (chat("hi", max_tokens=4_000, n=2), (2, 600, 8_000)),
        (chat("hi", "o3"), (1, 300, 8_192)),
        (chat("hi", "gpt-5-mini"), (1, 300, 8_192)),
        (claude("hi"), (1, 100, 100)),
        (line(EMBED, model="text-embedding-3-small", input="hi"), (0, 0, 0)),
        (line("/v1/moderations", model="omni-moderation-latest", input="hi"), (0, 0, 0)),
    ],
)
def test_the_output_is_within_what_the_body_allows(
    body: dict[str, Any], output: tuple[int, int, int]
) -> None:
    assert tuple(estimated(body).groups[0].output) == output


# -- history ----------------------------------------------------------------------------------------
def test_thirty_answers_teach_the_ratio_and_the_length_and_fewer_do_not() -> None:
    request = claude("word " * 1_000, max_tokens=5_000)
    taking = estimator(BOOK, AT)
    own = taking.add(accepted([request])[0])
    answers = [("claude-sonnet-4-6-20260101", own, Usage(input=own * 2, output=40))] * 29
    answers.append(("claude-sonnet-4-6", own, Usage(input=own * 3, output=400)))
    learned = estimated(request, history=history_of(answers)).groups[0]
    assert (learned.method, learned.counting) == (Method.CALIBRATED, "30 answers")
    assert tuple(learned.input) == (own * 2, own * 2, own * 2)
    assert tuple(learned.output) == (40, 40, 40)
    unlearned = estimated(request, history=history_of(answers[1:])).groups[0]
    assert "o200k_base" in unlearned.counting
    assert unlearned.output.high == 5_000


def test_what_is_added_is_counted_without_the_history_that_it_will_teach() -> None:
    request = accepted([chat("word " * 100)])[0]
    history = history_of([("gpt-4o-mini", 100, Usage(input=500, output=1))] * 30)
    assert estimator(BOOK, AT, history=history).add(request) == estimator(BOOK, AT).add(request)


def test_cached_input_counts_as_input_and_uncounted_requests_teach_only_lengths() -> None:
    usage = Usage(input=10, cache_read=80, cache_write_5m=10, output=5)
    known = history_of([("m", 50, usage)] * 30 + [("n", 0, usage)] * 30)
    assert known.of("m").ratio == (2_000, 2_000, 2_000)
    assert (known.of("n").ratio, known.of("n").output) == (None, (5, 5, 5))
    assert History().of("m").output is None


def test_a_learned_length_keeps_to_the_limit_of_the_body() -> None:
    known = history_of([("gpt-4o-mini", 0, Usage(input=1, output=900))] * 30)
    assert tuple(estimated(chat("hi", max_tokens=20), history=known).groups[0].output) == (
        20,
        20,
        20,
    )


# -- sampling ---------------------------------------------------------------------------------------
def varied(count: int) -> list[dict[str, Any]]:
    """The second half is longer and in another script; every seventh is long."""
    texts = ("the order was late ", "注文した商品がまだ届いていません。")
    return [
        chat(texts[n * 2 // count] * (1 + n % 5 + 60 * (n % 7 == 0)), max_tokens=100 + n % 50)
        for n in range(count)
    ]


def test_a_sample_tells_nearly_what_counting_all_does_and_says_that_it_is_one() -> None:
    requests = varied(6_000)
    whole, sampled = estimated(*requests), estimated(*requests, sample=500)
    assert (whole.sampled, sampled.sampled) == (False, True)
    assert 500 < sampled.groups[0].counted < 800
    for lane in (REALTIME, BATCH):
        exact, near = whole.total(lane).high, sampled.total(lane).high
        assert abs(near - exact) * 100 < exact * 5
    difference = sampled.groups[0].input.likely - whole.groups[0].input.likely
    assert abs(difference) * 100 < whole.groups[0].input.likely * 5
    assert sampled == estimated(*requests, sample=500)


def test_an_input_smaller_than_the_sample_is_counted_whole() -> None:
    requests = varied(50)
    assert estimated(*requests, sample=500) == estimated(*requests)


def test_a_request_that_was_not_counted_returns_nothing() -> None:
    taking = estimator(BOOK, AT, sample=10)
    counts = [taking.add(request) for request in accepted(varied(200))]
    assert all(counts[:10])
    assert 0 < sum(count > 0 for count in counts[10:]) < 20


def test_a_long_request_that_was_not_counted_still_has_its_own_tier() -> None:
    model = "claude-haiku-5-5"
    short, long = claude("word " * 50, model), claude("word " * 120_000, model)
    requests = [short] * 30 + [long] + [short] * 30
    whole, sampled = estimated(*requests), estimated(*requests, sample=30)
    assert sampled.groups[0].counted < 40
    assert abs(sampled.likely_nano - whole.likely_nano) * 4 < whole.likely_nano


# -- packing and warnings -----------------------------------------------------------------------------
def test_batches_are_counted_with_the_limit_that_ended_them() -> None:
    found = estimated(*[chat("hi")] * 7, claude("hi"), claude("hi", "claude-opus-4-8"),
                      rules=Rules(batch_requests=3))  # fmt: skip
    assert [(pack.provider, pack.model, pack.batches, pack.full) for pack in found.packs] == [
        ("openai", "gpt-4o-mini", 3, {"requests": 2}),
        ("anthropic", "", 1, {}),
    ]
    by_bytes = estimated(*[chat("x" * 1_000)] * 4, rules=Rules(batch_bytes=3_000))
    assert (by_bytes.batches, by_bytes.packs[0].full) == (2, {"bytes": 1})
    inputs = line(EMBED, model="text-embedding-3-small", input=["x"] * 2_000)
    by_inputs = estimated(*[inputs] * 26)
    assert (by_inputs.batches, by_inputs.packs[0].full) == (2, {"embedding inputs": 1})


@settings(deadline=None)
@given(sizes=st.lists(st.tuples(st.integers(0, 120), st.integers(1, 9)), max_size=60))
def test_no_batch_holds_more_than_it_may_and_none_is_begun_too_early(
    sizes: list[tuple[int, int]],
) -> None:
    limits = Limits(batch_requests=5, batch_bytes=300, line_bytes=130, embedding_inputs=20)
    filling = Filling(limits, around=20)
    fit = [size for size in sizes if filling.add(*size) is None]
    assert all(20 + 9 + length <= 130 for length, _ in fit)
    assert filling.requests == len(fit)
    assert sum(filling.full.values()) == max(filling.batches - 1, 0)
    least = max(-(-len(fit) // 5), -(-sum(units for _, units in fit) // 20))
    assert least <= filling.batches <= len(fit)


def test_what_a_provider_would_refuse_is_named_with_its_line() -> None:
    found = estimated(
        chat("hi"),
        chat("hi", "o3", max_tokens=5),
        line(EMBED, model="text-embedding-3-small", input=["word " * 9_000]),
        line(EMBED, model="text-embedding-3-small", input=["x"] * 2_049),
        chat("x" * 70_000),
        rules=Rules(batch_bytes=65_000),
    )
    assert [(warned.what, warned.requests, warned.line) for warned in found.warnings] == [
        ("o3 refuses `max_tokens`: use `max_completion_tokens`", 1, 2),
        ("an input of more than 8,192 tokens", 1, 3),
        ("more than 2,048 inputs in one request", 1, 4),
        ("larger than 65,000 bytes, the most for one request", 1, 5),
    ]


def test_parts_that_cannot_be_counted_widen_the_range_and_are_named() -> None:
    parts = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "x"}}]
    body = line(model="gpt-4o", messages=[{"role": "user", "content": parts}])
    [group] = estimated(body).groups
    assert group.parts == {"image": 1}
    assert tuple(group.input) == (78, 1_008, 4_808)


def test_tools_count_as_their_json_and_at_the_least_as_half_of_it() -> None:
    tools = [{"type": "function", "function": {"name": "f" * n}} for n in (1, 2, 3)]
    [without], [with_tools] = (
        estimated(chat("hi")).groups,
        estimated(chat("hi", tools=tools)).groups,
    )
    assert with_tools.schemas == 1
    tokens = TokenCounter().count(json.dumps(tools, separators=(",", ":")), "gpt-4o-mini").tokens
    assert with_tools.input.high == without.input.high + tokens
    assert without.input.low < with_tools.input.low < with_tools.input.likely
