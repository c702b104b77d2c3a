"""A rule's budget is its own: of all that is asked under it, whoever asks, and of nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lanewise.app import RunRequest
from lanewise.app.budgets import rule_cap
from lanewise.errors import OverBudget
from lanewise.intake import ReadOptions, read
from lanewise.store.books import Standing

TAGGED = '[[rule]]\nname = "search"\ntag = "team=search"\nlanes = ["batch"]\nbudget = {budget}\n'
SEARCH = {"team": "search"}


def chats(count: int, model: str = "gpt-4o-mini", *, since: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "custom_id": f"r{n}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": model,
                "messages": [{"role": "user", "content": f"Say {n}."}],
                "max_tokens": 1_000,
            },
        }
        for n in range(since, since + count)
    ]


def follow(world: Any, text: str) -> None:
    """From now on this policy holds."""
    (world.folder / "home" / "policy.toml").write_text(text, encoding="utf-8")


def submit(world: Any, workflow: str, requests: list[dict[str, Any]], **wanted: Any) -> Any:
    lines = read([requests], ReadOptions())
    received = world.engine.accept(lines, RunRequest(workflow, "test", **wanted))
    assert received.run is not None
    return received.run


def stands(world: Any, rule: str = "search") -> Standing:
    [found] = world.engine.store.standing([rule_cap(rule, 10**9, world.clock.now())])
    return found


def reserve_of(world: Any, requests: list[dict[str, Any]]) -> int:
    """What so many may cost, as a rule's budget counts it."""
    before = stands(world).reserved_nano
    run = submit(world, "trial", requests, tags=SEARCH, name=f"trial-{len(requests)}")
    reserved = stands(world).reserved_nano - before
    world.engine.store.cancel_run(run.id, world.clock.now())
    assert stands(world).reserved_nano == before
    return reserved


def usd(nano: int) -> str:
    return f"{nano / 10**9:.9f}"


def test_workflows_under_one_rule_share_its_budget(world: Any) -> None:
    follow(world, TAGGED.format(budget=1))
    of_four = reserve_of(world, chats(4))
    follow(world, TAGGED.format(budget=usd(of_four * 3 // 2)))
    submit(world, "one", chats(4, since=10), tags=SEARCH)
    with pytest.raises(OverBudget, match=r"the monthly budget of rule 'search'"):
        submit(world, "two", chats(4, since=20), tags=SEARCH)


def test_what_the_workflow_asks_under_other_rules_is_not_counted(world: Any) -> None:
    follow(world, TAGGED.format(budget=1))
    of_four = reserve_of(world, chats(4))
    follow(world, TAGGED.format(budget=usd(of_four * 3 // 2)))
    world.finish(submit(world, "one", chats(40, since=10)))
    assert stands(world).spent_nano == 0
    world.finish(submit(world, "one", chats(4, since=100), tags=SEARCH))
    assert 0 < stands(world).spent_nano < world.engine.store.money().cost_nano


def test_of_runs_at_the_same_moment_no_more_are_accepted_than_fit(world: Any) -> None:
    follow(world, TAGGED.format(budget=1))
    of_four = reserve_of(world, chats(4))
    follow(world, TAGGED.format(budget=usd(of_four * 7 // 2)))
    world.engine.menus()

    def accepted(n: int) -> bool:
        engine = world.open()  # as another process has it
        try:
            lines = read([chats(4, since=100 * n)], ReadOptions())
            engine.accept(lines, RunRequest(f"w{n}", "test", tags=SEARCH))
        except OverBudget:
            return False
        finally:
            engine.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(accepted, range(1, 9))) == 3


def test_of_a_run_under_two_rules_each_counts_its_part(world: Any) -> None:
    follow(
        world,
        '[[rule]]\nname = "dear"\nmodel = "gpt-4o"\nbudget = 1\n'
        '[[rule]]\nname = "cheap"\nmodel = "gpt-4o-mini"\nbudget = 1\n',
    )
    run = submit(world, "mixed", [*chats(3, "gpt-4o"), *chats(3, since=10)])
    dear, cheap = stands(world, "dear"), stands(world, "cheap")
    assert dear.reserved_nano > 10 * cheap.reserved_nano > 0
    world.finish(run)
    dear, cheap = stands(world, "dear"), stands(world, "cheap")
    assert (dear.reserved_nano, cheap.reserved_nano) == (0, 0)
    assert dear.spent_nano > 10 * cheap.spent_nano > 0
    assert dear.spent_nano + cheap.spent_nano == world.engine.store.money(run.id).cost_nano


def test_two_rules_that_ask_one_model_are_told_apart_in_one_batch(world: Any) -> None:
    follow(
        world,
        '[[rule]]\nname = "moved"\nmodel = "gpt-4o"\nuse_model = "gpt-4o-mini"\nlanes = ["batch"]\n'
        'budget = 1\n[[rule]]\nname = "was there"\nmodel = "gpt-4o-mini"\nlanes = ["batch"]\n',
    )
    run = submit(world, "mixed", [*chats(3, "gpt-4o"), *chats(3, since=10)])
    world.finish(run)
    spent = stands(world, "moved").spent_nano, stands(world, "was there").spent_nano
    assert min(spent) > 0
    assert sum(spent) == world.engine.store.money(run.id).cost_nano


def test_what_was_spent_is_known_by_the_name_of_the_rule(world: Any) -> None:
    """An edit, even a budget that was not there before, forgets nothing; another name is another rule."""
    follow(world, '[[rule]]\nname = "search"\ntag = "team=search"\n')
    run = submit(world, "one", chats(4), tags=SEARCH)
    open_part = stands(world).reserved_nano
    assert open_part > 0
    world.finish(run)
    spent = stands(world).spent_nano
    assert spent == world.engine.store.money().cost_nano
    follow(world, TAGGED.format(budget=usd(spent)))
    with pytest.raises(OverBudget, match=rf"\${usd(spent)[:8]}.* spent"):
        submit(world, "two", chats(1, since=50), tags=SEARCH)
    follow(world, TAGGED.format(budget=usd(open_part)).replace('"search"', '"other"', 1))
    submit(world, "two", chats(1, since=50), tags=SEARCH)


def test_the_default_budget_is_each_rules_own_and_that_of_what_no_rule_fits(world: Any) -> None:
    follow(world, '[default]\nbudget = 0\n[[rule]]\nname = "free"\nworkflow = "free"\nbudget = 1\n')
    with pytest.raises(OverBudget, match=r"the monthly budget of \[default\]"):
        submit(world, "any", chats(1))
    submit(world, "free", chats(1))
    follow(world, '[default]\nbudget = 0\n[[rule]]\nname = "none"\nworkflow = "free"\n')
    with pytest.raises(OverBudget, match=r"the monthly budget of rule 'none'"):
        submit(world, "free", chats(1, since=5))


def test_asking_again_is_held_to_the_budget_of_the_rule(world: Any) -> None:
    world.fault("lines_refused", fraction=1.0)
    follow(world, TAGGED.format(budget=1))
    run = world.finish(submit(world, "one", chats(4), tags=SEARCH))
    assert run.refused == 4
    follow(world, TAGGED.format(budget=usd(1)))
    with pytest.raises(OverBudget, match=r"asking again would go beyond .* rule 'search'"):
        world.engine.retry(run, refused=True)
    assert world.engine.run(run.id).state == "finished"
    follow(world, TAGGED.format(budget=1))
    assert world.engine.retry(run, refused=True) == 4


def test_what_has_no_price_is_not_asked_under_a_budget(world: Any) -> None:
    follow(world, TAGGED.format(budget=50))
    with pytest.raises(OverBudget, match=r"the monthly budget of rule 'search'"):
        submit(world, "one", chats(1, "gpt-nobody-knows"), tags=SEARCH)


def test_the_budget_is_new_with_the_month(world: Any) -> None:
    follow(world, TAGGED.format(budget=1))
    world.finish(submit(world, "one", chats(4), tags=SEARCH))
    assert stands(world).spent_nano > 0
    world.clock.at += 31 * 86_400.0
    assert stands(world).spent_nano == 0


def test_a_refused_run_leaves_no_more_than_a_decision_that_the_next_one_uses(world: Any) -> None:
    follow(world, TAGGED.format(budget=0))
    for _ in range(2):
        with pytest.raises(OverBudget):
            submit(world, "one", chats(4), tags=SEARCH)
    assert len(world.engine.store.decisions()) == 1
    assert world.engine.store.runs() == []
    assert (stands(world).spent_nano, stands(world).reserved_nano) == (0, 0)


def test_a_run_is_refused_for_what_of_it_comes_under_the_rule_and_not_for_the_rest(
    world: Any,
) -> None:
    mixed = [*chats(3, "gpt-4o"), *chats(3, since=10)]
    rules = '[[rule]]\nname = "dear"\nmodel = "gpt-4o"\n[[rule]]\nname = "cheap"\nmodel = "*mini"\n'
    follow(world, f"{rules}budget = 1\n")
    run = submit(world, "mixed", mixed)
    cheap, dear = stands(world, "cheap").reserved_nano, stands(world, "dear").reserved_nano
    assert 5 * cheap < dear
    world.engine.store.cancel_run(run.id, world.clock.now())
    follow(world, f"{rules}budget = {usd(cheap)}\n")
    submit(world, "other", mixed)
    with pytest.raises(OverBudget, match="rule 'cheap'"):
        submit(world, "more", chats(1, since=50))


def test_of_a_run_that_had_no_budgets_each_rule_holds_the_share_of_its_requests(world: Any) -> None:
    follow(
        world,
        '[[rule]]\nname = "dear"\nmodel = "gpt-4o"\n[[rule]]\nname = "cheap"\nmodel = "*mini"\n',
    )
    submit(world, "mixed", [*chats(1, "gpt-4o"), *chats(3, since=10)])
    dear, cheap = stands(world, "dear").reserved_nano, stands(world, "cheap").reserved_nano
    assert abs(cheap - 3 * dear) <= 3
