"""The ledger: it can be traced, split, derived again, corrected by more rows, and capped."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from lanewise.app.budgets import caps_for
from lanewise.errors import OverBudget
from lanewise.lanes.verify import verify
from lanewise.pricing import PriceBook
from lanewise.pricing.kept import by_meter
from lanewise.providers import registry
from lanewise.settings import load
from lanewise.store.books import Entry
from lanewise.store.nouns import NewRun


def entries(world: Any) -> list[Entry]:
    return list(world.engine.store.ledger())


def tamper(world: Any, statement: str) -> None:
    """What no lanewise does: change what was written."""
    database = sqlite3.connect(world.folder / "home" / "lanewise.db")
    with database:
        assert database.execute(statement).rowcount == 1
    database.close()


def test_a_row_leads_to_the_providers_batch_the_day_it_names_and_the_tags_of_its_run(
    world, requests_of
):
    world.finish(world.submit(requests_of("openai", 3), tags={"team": "search"}))
    [entry] = entries(world)
    [batch] = world.engine.store.batches()
    assert entry.row.provider_id == batch.batch.receipt.provider_id
    assert entry.row.charged_at is not None
    assert entry.row.charged_at <= entry.at == world.clock.at
    assert entry.tags == {"team": "search"}


def test_each_row_keeps_the_prices_it_was_made_with(world, requests_of):
    world.finish(world.submit(requests_of("anthropic", 2)))
    [entry] = entries(world)
    row = entry.row
    assert row.price is not None
    assert row.baseline_price is not None
    assert (row.price.lane, row.baseline_price.lane) == ("batch", "realtime")
    assert row.price.rates.base.input * 2 == row.baseline_price.rates.base.input
    parts = by_meter(row.price.rates, row.tier, row.usage, row.cost_nano or 0)
    assert sum(part.nano for part in parts) == row.cost_nano
    assert {part.meter for part in parts} == {"input", "output"}


def test_the_ledger_is_derived_again_with_the_prices_of_then_not_of_now(
    world, requests_of, monkeypatch
):
    world.finish(world.submit([*requests_of("openai", 4), *requests_of("anthropic", 3)]))
    monkeypatch.setattr(PriceBook, "resolve", None)  # any look-up would now fail
    found = verify(world.engine.store, registry.unwrap)
    assert (found.batches, found.rows, found.differences) == (2, 2, [])


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE ledger SET cost_nano = cost_nano + 1", "cost in nano-USD"),
        ("UPDATE ledger SET baseline_nano = baseline_nano + 1", "baseline in nano-USD"),
        ("UPDATE ledger SET output = output - 1", "usage"),
        ("UPDATE ledger SET n = n + 1", "answers"),
    ],
)
def test_a_row_that_was_changed_is_found_and_made_up_for_by_another(
    world, requests_of, statement, what
):
    world.finish(world.submit(requests_of("openai", 3)))
    before = world.engine.store.money().cost_nano
    tamper(world, statement)
    found = verify(world.engine.store, registry.unwrap)
    [difference] = found.differences
    assert what in difference
    world.engine.store.correct(found.corrections, world.clock.now())
    assert verify(world.engine.store, registry.unwrap).differences == []
    assert world.engine.store.money().cost_nano == before
    kinds = [entry.row.kind for entry in entries(world)]
    assert kinds == ["answer", "correction"]


def test_a_row_that_was_deleted_is_missed(world, requests_of):
    world.finish(world.submit(requests_of("openai", 3)))
    tamper(world, "DELETE FROM ledger")
    differences = verify(world.engine.store, registry.unwrap).differences
    assert any("that no row books" in text for text in differences)


def test_stored_results_that_were_changed_are_noticed(world, requests_of):
    world.finish(world.submit(requests_of("openai", 3)))
    [batch] = world.engine.store.batches()
    path = world.folder / "home" / "batches" / batch.batch.id / "0.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"prompt_tokens":', b'"prompt_tokens":1', 1))
    differences = verify(world.engine.store, registry.unwrap).differences
    assert any("other result records" in text for text in differences)
    assert any("usage booked" in text for text in differences)


def test_rows_whose_answers_were_deleted_are_counted_as_beyond_proof(world, requests_of):
    run = world.finish(world.submit(requests_of("openai", 3)))
    world.engine.store.delete_bodies(run.id)
    found = verify(world.engine.store, registry.unwrap)
    assert (found.rows, found.beyond, found.differences) == (0, 1, [])


def test_answers_in_different_tiers_are_rows_of_their_own_each_with_one_price(world, requests_of):
    from lanewise.domain.usage import Usage
    from lanewise.lanes.booking import Booking
    from lanewise.lanes.prices import Prices

    run = world.submit(requests_of("anthropic", 1))
    world.passes()
    [batch] = world.engine.store.batches(run.id)
    contents = world.engine.store.contents(batch.batch.id)
    booking = Booking(contents, Prices(world.engine.book, contents))
    small, large = Usage(input=200_000, output=7), Usage(input=200_001, output=7)
    costs = [
        booking.add(contents.parts[0], "claude-sonnet-4-5", usage)[0]
        for usage in (small, small, large)
    ]
    rows = {row.tier: row for row in booking.rows("answer", "p", None)}
    assert set(rows) == {0, 200_000}
    assert rows[0].cost_nano == costs[0] + costs[1]
    assert rows[200_000].cost_nano == costs[2]
    for row in rows.values():
        assert row.price is not None
        parts = by_meter(row.price.rates, row.tier, row.usage, row.cost_nano or 0)
        assert all(part.nano * 1_000 == part.tokens * part.rate for part in parts)
    assert rows[200_000].price.rates.above(200_000).input > rows[0].price.rates.base.input


def test_an_unknown_price_is_no_price_and_is_booked_as_unknown(world, requests_of, monkeypatch):
    resolve = PriceBook.resolve
    monkeypatch.setattr(
        PriceBook,
        "resolve",
        lambda *args: replace(resolve(*args), rates=None, status="unknown"),
    )
    world.finish(world.submit(requests_of("openai", 2)))
    [entry] = entries(world)
    assert (entry.row.cost_nano, entry.row.baseline_nano, entry.row.price) == (None, None, None)
    assert entry.row.price_status == "unknown"
    assert entry.row.price_basis == world.engine.book.basis


# -- caps ----------------------------------------------------------------------------------------------
def new_run(world: Any, reserve: int, **settings: Any) -> NewRun:
    known = load({"LANEWISE_HOME": str(world.folder)}, **settings)
    caps = caps_for(known, "tests", world.clock.now())
    return NewRun(
        "tests", f"d{reserve}", "test", world.clock.now(), reserve_nano=reserve, caps=caps
    )


def commit(world: Any, wanted: NewRun, requests: list[dict[str, Any]]) -> Any:
    from lanewise.intake import ReadOptions, read
    from lanewise.lanes import accept
    from lanewise.lanes.shift import Rules

    received = accept.accept(
        world.engine.store,
        read([requests], ReadOptions()),
        lambda provider, model: world.engine.accounts.payer(provider, model, chosen=None),
        Rules(),
        lambda digest: replace(wanted, digest=digest + wanted.digest),
    )
    assert received.run is not None
    return received.run


def test_open_runs_hold_what_they_may_cost_and_let_go_of_it_when_they_are_settled(
    world, requests_of
):
    limits = {"daily_cap_usd": 1}
    first = commit(world, new_run(world, 700_000_000, **limits), requests_of("openai", 4))
    with pytest.raises(OverBudget, match=r"could cost \$0\.400000.* \$0\.300000 left"):
        commit(world, new_run(world, 400_000_000, **limits), requests_of("openai", 4))
    world.finish(first)
    again = commit(world, new_run(world, 400_000_000, **limits), requests_of("openai", 4))
    assert world.engine.store.run_named(again.name) is not None


def test_asking_again_is_held_to_caps_as_well(world, requests_of):
    world.fault("lines_refused", fraction=1.0)
    run = world.finish(commit(world, new_run(world, 700_000_000), requests_of("openai", 4)))
    assert run.refused == 4
    caps = caps_for(load({}, daily_cap_usd="0.5"), "tests", world.clock.now())
    with pytest.raises(OverBudget, match=r"asking again would go beyond the daily cap of \$0\.5"):
        world.engine.store.retry_run(run.id, world.clock.now(), refused=True, caps=caps)
    assert world.engine.run(run.id).state == "finished"
    assert world.engine.retry(run, refused=True) == 4


def test_what_was_spent_counts_until_the_day_is_over(world, requests_of):
    world.finish(world.submit(requests_of("openai", 4)))
    spent = world.engine.store.money().cost_nano
    [daily] = caps_for(load({}, daily_cap_usd=1), "tests", world.clock.now())
    [standing] = world.engine.store.standing([daily])
    assert (standing.spent_nano, standing.reserved_nano) == (spent, 0)
    world.clock.at += 86_400.0
    [daily] = caps_for(load({}, daily_cap_usd=1), "tests", world.clock.now())
    assert world.engine.store.standing([daily])[0].spent_nano == 0


def test_a_budget_is_its_workflows_alone_and_a_refusal_leaves_nothing_behind(world, requests_of):
    budgets = {"budgets": "tests=0.5"}
    with pytest.raises(OverBudget, match="monthly budget of workflow 'tests' of"):
        commit(world, new_run(world, 600_000_000, **budgets), requests_of("openai", 4))
    assert world.engine.store.runs() == []
    assert list((world.folder / "home/segments").iterdir()) == []
    other = {"budgets": {"others": {"monthly_usd": 0.5}}}
    assert commit(world, new_run(world, 600_000_000, **other), requests_of("openai", 4))
