"""What `lanewise simulate` promises is what the lanes do: the same requests through both, on one clock."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from lanewise.app import RunRequest, policies
from lanewise.app.routing import Way
from lanewise.app.simulating import Days, Simulations, simulate
from lanewise.audit.logs.importing import Wishes
from lanewise.audit.logs.mapping import mapped
from lanewise.audit.whatif import NOTHING_KNOWN, Limit, Logged, Plan, planned
from lanewise.audit.whatif.first import FirstLanes
from lanewise.audit.whatif.lanes import Costs, way
from lanewise.audit.whatif.replaying import belief
from lanewise.domain.lanes import BATCH, FLEX, REALTIME, LaneName
from lanewise.intake import ReadOptions, read
from lanewise.policy.document import read as read_policy
from lanewise.policy.rules import Policy, Traits
from lanewise.replay.engine import Replay
from lanewise.replay.nouns import Sold
from lanewise.replay.worlds import Timing

from .conftest import START

HOUR: Final = 3_600.0
DEADLINES: Final = ("now", "2m", "10m", "20m", "1h", "2h", "8h", "20h", "24h", "3d", "none")
MODELS: Final = ("gpt-4o-mini", "gpt-5-mini", "claude-haiku-4-5")
LIMITED: Final = '[[rule]]\nname = "{0}"\nworkflow = "{0}"\ndeadline = "{1}"\nlanes = {2}\n'
LANES: Final = {"no-flex": ["batch", "realtime"], "no-batch": ["flex", "realtime"]}


@dataclass(frozen=True)
class Same:
    """The sandbox's times: each batch takes so long, and flex takes everything."""

    seconds: float
    validation: float = 5.0

    def timing(self, sold: Sold, label: str) -> Timing:
        return Timing(self.validation, self.seconds, self.seconds, 1.0, cancels_in=30.0)

    def accepts(self, now: float, requests: int, dice: float) -> int:
        return requests


def rules() -> str:
    """A rule for each deadline, and for fewer lanes."""
    every = '[[rule]]\nname = "{0}"\nworkflow = "{0}"\ndeadline = "{0}"\n'
    text = "".join(every.format(due) for due in DEADLINES)
    return text + "".join(
        LIMITED.format(f"{name} {due}", due, lanes)
        for name, lanes in LANES.items()
        for due in DEADLINES
    )


def workflows() -> list[str]:
    return [*DEADLINES, *(f"{name} {due}" for name in LANES for due in DEADLINES)]


def asking(model: str, count: int) -> list[dict[str, Any]]:
    """Requests in the model's own form."""
    body = {"model": model, "messages": [{"role": "user", "content": "Summarise: it is late."}]}
    if model.startswith("claude"):
        return [{"custom_id": f"a-{n}", "params": {"max_tokens": 40, **body}} for n in range(count)]
    url = "/v1/chat/completions"
    return [
        {"custom_id": f"o-{n}", "method": "POST", "url": url, "body": body} for n in range(count)
    ]


def accept(world: Any, workflow: str, model: str, count: int = 1) -> tuple[Any, list[Way]]:
    """A run, and which way each of its requests goes."""
    ways: list[Way] = []
    lines = read([asking(model, count)], ReadOptions())
    found = world.engine.accept(lines, RunRequest(workflow, "test", again=True), ways=ways)
    return found.run, ways


def logged(at: float, workflow: str, model: str, used: tuple[int, int] = (20, 10)) -> Logged:
    """As a gateway would have logged it, sent in real time."""
    provider = "anthropic" if model.startswith("claude") else "openai"
    return Logged(at, provider, model, REALTIME, workflow, "", (), used[0], 0, 0, 0, used[1], 1, "")


def policy(world: Any, text: str) -> Policy:
    """The policy of the world's home."""
    (world.folder / "home" / "policy.toml").write_text(text, encoding="utf-8")
    return read_policy(text, "policy.toml", policies.world(world.clock.now())).sound()


def simulated(plan: Plan, conditions: Same) -> tuple[Counter[tuple[str, LaneName]], Counter[str]]:
    """Answers by workflow and lane, and what each workflow cost."""
    lanes: Counter[tuple[str, LaneName]] = Counter()
    costs = Counter(plan.at_once.workflows)
    for work in plan.work:
        replay = Replay(
            work.arrivals,
            work.menu,
            conditions,
            belief(work.stream, plan.known),
            allowed=work.allowed,
        )
        replay.run()
        for one, place in enumerate(replay.books.lane):
            lane = replay.books.lanes[place]
            workflow = work.arrivals.workflows[work.arrivals.workflow[one]]
            lanes[workflow, lane] += 1
            costs[workflow] += work.arrivals.costs[lane][one]
    waited = Counter(workflow for workflow, _ in lanes.elements())
    for workflow, count in (plan.workflow_requests - waited).items():
        lanes[workflow, REALTIME] += count  # they went at once
    return lanes, costs


def tokens(lines: list[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    """What the provider says that each used."""
    for line in lines:
        body = line["response"]["body"] if "response" in line else line["result"]["message"]
        usage = body["usage"]
        yield (
            usage.get("prompt_tokens", usage.get("input_tokens")),
            usage.get("completion_tokens", usage.get("output_tokens")),
        )


def test_each_request_is_sent_first_where_the_lanes_send_it(world: Any) -> None:
    rules_ = policy(world, rules())
    costs = Costs(world.engine.book)
    first, now = FirstLanes(costs, NOTHING_KNOWN), world.clock.now()
    seen: set[LaneName] = set()
    for workflow in workflows():
        for model in MODELS:
            request = logged(now, workflow, model)
            endpoint = "/v1/messages" if model.startswith("claude") else "/v1/chat/completions"
            ruling = rules_.ruling(Traits(workflow, model, endpoint), now)
            found = way(ruling, request, costs)
            _, [live] = accept(world, workflow, model)
            decided = live.route.decision.lane
            assert first.of(found, ruling.due(now), now) == decided, (workflow, model)
            seen.add(decided)
    assert seen == {REALTIME, FLEX, BATCH}


@pytest.mark.parametrize("model", MODELS)
def test_lanes_and_cost_are_those_of_the_same_requests_through_the_lanes(
    make_world: Any, model: str
) -> None:
    world = make_world(batch_seconds=120.0, validation_seconds=5.0)
    world.reopen(poll_seconds=60.0)
    rules_ = policy(world, rules())
    now, runs = world.clock.now(), {}
    for workflow in ("now", "10m", "1h", "8h", "24h", "none", "no-flex 2h", "no-batch 1h"):
        runs[workflow], _ = accept(world, workflow, model, count=5)
    log, lived = [], Counter[tuple[str, str]]()
    for workflow, run in runs.items():
        done = world.finish(run)
        assert done.answered == 5, world.story()
        for lane, count in world.engine.store.money(run.id).lanes.items():
            lived[workflow, lane] += count
        log += [logged(now, workflow, model, used) for used in tokens(world.results(run))]
    plan = planned(sorted(log), rules_, world.engine.book, policies.zone_named)
    lanes, costs = simulated(plan, Same(120.0))
    assert lanes == lived
    assert costs == {
        workflow: world.engine.store.money(run.id).cost_nano for workflow, run in runs.items()
    }


def test_a_late_batch_is_called_back_by_both_and_about_as_much_of_it_kept(make_world: Any) -> None:
    """Which requests the sandbox has answered by then is drawn for each: of 400, an eighth is four sigma."""
    world = make_world(batch_seconds=2 * HOUR, validation_seconds=0.0)
    world.reopen(poll_seconds=60.0)
    rules_ = policy(world, LIMITED.format("tests", "1h", LANES["no-flex"]))
    now = world.clock.now()
    run, _ = accept(world, "tests", "gpt-4o-mini", count=400)
    done = world.finish(run)
    assert (done.answered, done.late) == (400, 0), world.story()
    live = world.engine.store.money(run.id)
    log = [logged(now, "tests", "gpt-4o-mini", used) for used in tokens(world.results(run))]
    plan = planned(sorted(log), rules_, world.engine.book, policies.zone_named)
    lanes, costs = simulated(plan, Same(2 * HOUR, validation=0.0))
    assert lanes["tests", BATCH] == pytest.approx(live.lanes[BATCH], abs=50)
    assert costs["tests"] == pytest.approx(live.cost_nano, rel=0.1)


# -- what a home has learned ----------------------------------------------------------------------
def lived_in(make_world: Any, batches: int) -> Any:
    """A home that has seen so many batches, each done in about twenty minutes."""
    world = make_world(batch_seconds=1_200.0)
    world.reopen(poll_seconds=240.0)
    for _ in range(batches):
        world.finish(accept(world, "none", "gpt-4o-mini", count=2)[0])
        world.clock.at += HOUR
    return world


def what_if(world: Any, now: float) -> Simulations:
    """Five hundred requests of that model, due in two hours, on days as the home has seen them."""
    folder = world.folder
    (folder / "rules.toml").write_text('[default]\ndeadline = "2h"\n', encoding="utf-8")
    rows = [{"at": START + 20 * n, "m": "gpt-4o-mini", "i": 900, "o": 90} for n in range(500)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "log.jsonl").write_text(text, encoding="utf-8")
    return simulate(
        (folder / "rules.toml",),
        (str(folder / "log.jsonl"),),
        Days("learned", seeds=2),
        wishes=Wishes(mapped("at=at,model=m,input_tokens=i,output_tokens=o")),
        settings=world.engine.settings,
        now=now,
    )


def test_days_as_a_home_has_seen_them_say_what_they_rest_on(make_world: Any) -> None:
    world = lived_in(make_world, 13)
    found = what_if(world, world.clock.now())
    [said] = found.batches
    assert re.fullmatch(
        r"gpt-4o-mini at openai: 13 own batches of gpt-4o-mini done; "
        r"the prior \(assumed\) weighs \d\d %",
        said,
    )
    plan = found.of[0].summary.plan
    seen, assumed = (
        known.curves("openai", "gpt-4o-mini", BATCH) for known in (plan.known, NOTHING_KNOWN)
    )
    assert seen.done_within(1_500.0) > assumed.done_within(1_500.0) + 0.1
    assert all(seed.late.total() == 0 for seed in found.of[0].summary.seeds)


def test_the_same_home_says_the_same_a_week_later(make_world: Any) -> None:
    world = lived_in(make_world, 3)
    now = world.clock.now()
    first, again = (what_if(world, now + passed) for passed in (0.0, 7 * 24 * HOUR))
    assert first.of[0].summary.seeds == again.of[0].summary.seeds
    assert first.batches == again.batches


def test_too_few_batches_are_said_to_be_too_few(make_world: Any) -> None:
    world = lived_in(make_world, 2)
    [said] = what_if(world, world.clock.now()).batches
    assert said.endswith("too few for a curve of their own")
    empty = make_world()
    [said] = what_if(empty, empty.clock.now()).batches
    assert said == "gpt-4o-mini: no own batch, so only the prior (assumed)"


def test_limits_that_the_lanes_have_learned_hold_in_a_what_if(make_world: Any) -> None:
    world = lived_in(make_world, 1)
    [account] = world.engine.store.accounts()
    world.engine.store.learn(account.id, "gpt-4o-mini", "enqueued_tokens", 20_000, START)
    [quota] = what_if(world, world.clock.now()).of[0].summary.quotas
    assert Limit("enqueued_tokens", 20_000, "learned") in quota.limits
    assert 0 < quota.tokens.high <= 20_000
