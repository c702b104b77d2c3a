"""Reconciling: providers' reports are read exactly, and a difference has a name."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.app.reconcile import Charge, charges, reconcile
from lanewise.domain.usage import Usage
from lanewise.errors import BadInput

ONE = Usage(input=1_000, output=100)
DAY = "2026-11-20"
NEXT_NOON = 1_795_262_400.0  # of the day after


def openai_page(*amounts: object, start: int = 1_795_132_800) -> bytes:
    results = [
        {"amount": {"value": value, "currency": "usd"}, "line_item": None} for value in amounts
    ]
    return json.dumps({"data": [{"start_time": start, "results": results}]}).encode()


def test_openais_dollars_are_read_exactly():
    [charge] = charges(b'{"data": [{"start_time": 1795132800, "results": [{"amount": '
                       b'{"value": 0.1234567890123, "currency": "usd"}}]}]}', "costs.json")  # fmt: skip
    assert charge == Charge(DAY, "", Decimal("123456789.0123"))


def test_anthropics_cents_are_read_exactly():
    page = {
        "data": [
            {
                "starting_at": "2026-11-20T00:00:00Z",
                "results": [
                    {"amount": "12.3456789", "currency": "USD", "model": "claude-haiku-4-5"}
                ],
            }
        ]
    }
    [charge] = charges(json.dumps(page).encode(), "costs.json")
    assert charge == Charge(DAY, "claude-haiku-4-5", Decimal(123456789))


def test_a_csv_may_have_a_mark_and_a_model_and_dollars_as_people_write_them():
    raw = '\ufeffDate, Model ,Amount\n2026-11-20,gpt-4o-mini,"$1,234.50"\n'.encode()
    assert charges(raw, "c.csv") == [Charge(DAY, "gpt-4o-mini", Decimal(1_234_500_000_000))]


def test_several_pages_may_be_one_list():
    page = json.loads(openai_page(1))
    assert len(charges(json.dumps([page, page]).encode(), "costs.json")) == 2


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{", "costs: Expecting"),
        (b"[1]", "no list `data`"),
        (b'{"data": 3}', "no list `data`"),
        (b'{"data": [{"start_time": "x", "results": []}]}', "costs: data 1: ValueError"),
        (b'{"data": [{"start_time": 0}]}', "data 1: KeyError 'results'"),
        (
            b'{"data": [{"start_time": 0, "results": [{"amount": {"value": 1, "currency": "eur"}}]}]}',
            "the currency is 'eur', and the ledger is in USD",
        ),
        (b"day,cost\n", "the first line names no date and amount"),
        (b"date,amount\n2026-11-20,much\n", "costs, line 2: '2026-11-20', 'much'"),
        (b"date,amount\nyesterday,1\n", "costs, line 2: 'yesterday', '1'"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_refused_with_place_and_what_is_accepted(raw, says):
    with pytest.raises(BadInput) as refused:
        charges(raw, "costs")
    assert says in str(refused.value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["start_time", "starting_at", "results", "amount", "value", "currency"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def outcome(raw: bytes) -> str:
    """The error's message; empty where it was read."""
    try:
        charges(raw, "costs")
    except BadInput as error:
        return str(error)
    return ""


@given(st.binary(max_size=60))
def test_no_file_makes_anything_but_charges_or_a_clear_error(raw):
    assert outcome(raw) == "" or outcome(raw).startswith("costs")


@given(ANYTHING)
def test_no_json_makes_anything_but_charges_or_a_clear_error(value):
    raw = json.dumps({"data": [value]}).encode()
    assert outcome(raw) == "" or outcome(raw).startswith("costs: data 1")


def test_equal_days_are_even(books):
    [entry] = books.book([ONE] * 7)
    found = reconcile(books.entries, [Charge(DAY, "", Decimal(entry.row.cost_nano))], "openai")
    assert found.even
    assert found.days[0].causes == []


def test_one_nano_dollar_is_a_drift(books):
    [entry] = books.book([ONE])
    found = reconcile(books.entries, [Charge(DAY, "", Decimal(entry.row.cost_nano - 1))], "openai")
    assert not found.even
    assert found.drift == -1
    assert "in the ledger, not charged" in found.days[0].causes[0]


def test_what_the_provider_charged_beyond_the_ledger_is_called_unexplained(books):
    books.book([ONE])
    found = reconcile(books.entries, [Charge(DAY, "", Decimal(5_000_000_000))], "openai")
    assert "unexplained: charged, and not in the ledger" in found.days[0].causes[0]


def test_answers_without_a_price_are_named_as_a_cause(books):
    books.book([ONE] * 3, model="nobody-knows")
    found = reconcile(books.entries, [Charge(DAY, "", Decimal(9_000))], "openai")
    assert found.days[0].causes[0].startswith("3 answers without a known price")


def test_an_amount_that_stands_on_the_other_side_of_midnight_is_recognised(books):
    [entry] = books.book([ONE], at=NEXT_NOON)
    cost = Decimal(entry.row.cost_nano)
    theirs = [Charge(DAY, "", cost), Charge("2026-11-21", "", Decimal(0))]
    found = reconcile(books.entries, theirs, "openai")
    assert found.drift == 0
    assert not found.even
    assert all("other side of midnight" in day.causes[0] for day in found.days)


def test_upper_bounds_explain_a_ledger_that_is_higher_by_no_more(books):
    [entry] = books.book([ONE], kind="unknown_upper_bound")
    found = reconcile(books.entries, [Charge(DAY, "", Decimal(0))], "openai")
    assert found.days[0].uncertain == entry.row.cost_nano
    assert "is an upper bound for calls that were sent" in found.days[0].causes[0]


def test_other_providers_and_days_outside_the_report_are_left_out(books):
    books.book([ONE], provider="anthropic", model="claude-haiku-4-5")
    books.book([ONE], at=NEXT_NOON + 86_400)
    found = reconcile(books.entries, [Charge(DAY, "", Decimal(0))], "openai")
    assert found.even
    assert [day.day for day in found.days] == [DAY]


def test_models_are_compared_where_the_report_names_them(books):
    [one] = books.book([ONE])
    theirs = [
        Charge(DAY, "gpt-4o-mini, batch", Decimal(one.row.cost_nano)),
        Charge(DAY, "gpt-4o, batch", Decimal(70)),
    ]
    found = reconcile(books.entries, theirs, "openai")
    cost = one.row.cost_nano
    assert found.models == (("gpt-4o, batch", 70, 0), ("gpt-4o-mini", cost, cost))
