"""`lanewise simulate` at a shell: from a policy file and a log to what it would have come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from lanewise.cli.main import cli

SAMPLE: Final = Path(__file__).parents[2] / "examples/audit"
POLICY: Final = """
[default]
deadline = "now"

[[rule]]
name = "evals"
workflow = "nightly_eval"
deadline = "24h"

[[rule]]
name = "crm"
workflow = "crm_enrich"
deadline = "4h"
percent = 50
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY, encoding="utf-8")
    return path


@pytest.fixture
def simulate(tmp_path: Path) -> Any:
    def run(*args: object) -> Result:
        base = ["simulate", "--home", str(tmp_path / "home"), "--seeds", "3"]
        return CliRunner().invoke(cli, [*base, *map(str, args)])

    return run


def test_it_tells_what_is_saved_and_what_is_late(simulate: Any, policy: Path) -> None:
    done = simulate(policy, SAMPLE)
    assert done.exit_code == 0, done.output
    for words in (
        "1,961 requests replayed",
        "left out: 35 requests ($0 as sent) not answered",
        "as it was sent $3.33; saving $",
        "nightly_eval",
        "missed 0",
        "requests were decided on and sent in real time: the rollout",
    ):
        assert words in done.output


@pytest.mark.parametrize("completion", ["fast", "bad-day", "learned"])
def test_json_is_the_same_to_the_last_digit_on_each_run(
    simulate: Any, policy: Path, completion: str
) -> None:
    first, again = (
        simulate("--completion", completion, "--json", policy, SAMPLE).output for _ in range(2)
    )
    assert first == again
    found = json.loads(first)["policies"][0]
    low, middle, high = found["cost_usd"]
    assert low <= middle <= high < found["today_usd"]
    assert sum(lane["today_requests"] for lane in found["lanes"].values()) == found["requests"]
    assert sum(hour["answered"] for hour in found["over_time"]) == found["requests"]


def test_seeds_choose_the_days(simulate: Any, policy: Path) -> None:
    def costs(*args: object) -> dict[int, float]:
        output = simulate(*args, "--completion", "bad-day", "--json", policy, SAMPLE).output
        return {
            one["seed"]: one["cost_usd"] for one in json.loads(output)["policies"][0]["by_seed"]
        }

    first, second = costs(), costs("--seed", 2)
    assert (list(first), list(second)) == ([0, 1, 2], [2, 3, 4])
    assert first[2] == second[2]
    assert len({*first.values(), *second.values()}) > 1


def test_two_policies_are_compared_and_a_rollout_can_be_taken_as_complete(
    simulate: Any, policy: Path, tmp_path: Path
) -> None:
    later = tmp_path / "later.toml"
    later.write_text(POLICY.replace("percent = 50", 'rollout = "all"'), encoding="utf-8")
    found = json.loads(simulate("--compare", policy, later, "--json", SAMPLE).output)
    assert max(found["difference"]["cost_usd"]) < 0
    same = simulate("--compare", policy, later, "--rolled-out", "--json", SAMPLE).output
    nothing = json.loads(same)["difference"]
    assert (nothing["cost_usd"], nothing["missed"]) == ([0.0] * 3, [0] * 3)
    told = simulate("--compare", policy, later, SAMPLE).output
    assert f"{later} instead of {policy}, on the same days: cost -$" in told


def test_what_is_missing_or_wrong_is_said(simulate: Any, policy: Path, tmp_path: Path) -> None:
    assert "name the logs too" in str(simulate(policy).exception)
    broken = tmp_path / "broken.toml"
    broken.write_text('[default]\nlanes = ["bach"]\n', encoding="utf-8")
    assert "'bach' is no lane" in str(simulate(broken, SAMPLE).exception)
    usage = tmp_path / "usage.jsonl"
    usage.write_text(
        '{"created_at": "2026-03-02", "model": "m-1", "tokens_in": 8, "tokens_out": 5}\n'
    )
    assert "no request in the logs can be replayed (1 of " in str(simulate(policy, usage).exception)
