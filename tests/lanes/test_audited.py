"""From a log to a policy to what the lanes do: nothing moves, then a share, then all, and the rest never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lanewise.app import RunRequest
from lanewise.cli.main import cli
from lanewise.domain.lanes import BATCH, FLEX, REALTIME
from lanewise.intake import ReadOptions, read

from .conftest import openai_requests

SAMPLE = Path(__file__).parents[2] / "examples/audit"
CHEAPER = {BATCH, FLEX}
OBSERVE = 'rollout = "observe"'


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The policy that an audit of the example writes."""
    path = tmp_path_factory.mktemp("audit") / "policy.toml"
    for arguments in (["audit", str(SAMPLE), "--write-policy"], ["policy", "check"]):
        done = CliRunner().invoke(cli, [*arguments, str(path)])
        assert done.exit_code == 0, done.output
    return path.read_text(encoding="utf-8")


def finished(world: Any, workflow: str, count: int) -> dict[str, int]:
    """Answers to requests of that workflow by the lane that delivered them."""
    requests = openai_requests(count, "gpt-5")
    received = world.engine.accept(read([requests], ReadOptions()), RunRequest(workflow, "test"))
    assert received.run is not None, received.broken
    return dict(world.engine.store.money(world.finish(received.run).id).lanes)


def stepped(text: str, workflow: str, step: str) -> str:
    """The file after its owner edited one rule."""
    before, found, after = text.partition(f'workflow = "{workflow}"')
    assert found
    return before + found + after.replace(OBSERVE, step, 1)


def test_the_lanes_do_what_the_written_policy_says_at_each_step_of_its_rollout(
    world: Any, proposed: str
) -> None:
    policy = world.folder / "home/policy.toml"
    policy.write_text(proposed, encoding="utf-8")
    assert finished(world, "crm_enrich", 6) == {REALTIME: 6}
    (decision,) = {row.decision for row in world.engine.store.batches()}
    assert decision.lane == REALTIME
    assert decision.wanted in CHEAPER
    assert "only observed" in decision.why

    policy.write_text(stepped(proposed, "crm_enrich", "percent = 20"), encoding="utf-8")
    shared = finished(world, "crm_enrich", 150)
    assert 12 <= 150 - shared[REALTIME] <= 50, shared

    policy.write_text(stepped(proposed, "crm_enrich", 'rollout = "all"'), encoding="utf-8")
    assert set(finished(world, "crm_enrich", 20)) <= CHEAPER
    for other in ("support_chat", "code_agent", "nightly_eval", "not in the log"):
        assert finished(world, other, 3) == {REALTIME: 3}, other
    world.check_books()
