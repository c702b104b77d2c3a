"""`lanewise simulate` at a shell: from a policy file and a log to what it would have come to."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from lanewise.app.progress import Progress
from lanewise.app.simulating import Days
from lanewise.app.simulating import simulate as simulated
from lanewise.audit.logs.importing import Wishes
from lanewise.cli.main import cli
from lanewise.settings import load

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
        "requests by rule: evals 210, crm 315; no rule 1,436",
        "as it was sent $4.98; saving $",
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


def test_one_seed_claims_no_range(simulate: Any, policy: Path) -> None:
    found = json.loads(simulate("--seeds", 1, "--json", policy, SAMPLE).output)
    assert found["ranges"] == "none: one seed"
    low, middle, high = found["policies"][0]["saving_usd"]
    assert (low, high) == (None, None)
    assert middle > 0
    told = simulate("--seeds", 1, policy, SAMPLE).output
    assert "ranges: none: one seed" in told
    assert " to $" not in told
    assert "the least and the most of 3 seeds" in simulate(policy, SAMPLE).output
    assert "nine seeds in ten of 10" in simulate("--seeds", 10, policy, SAMPLE).output


def test_the_policy_in_force_is_what_a_proposed_one_is_held_against(
    simulate: Any, policy: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "policy.toml").write_text('[default]\ndeadline = "now"\n', encoding="utf-8")
    found = json.loads(simulate("--json", policy, SAMPLE).output)
    differs, proposed = found["difference"], found["policies"][0]
    assert found["policy_in_force"]["cost_usd"][1] == proposed["today_usd"]
    assert differs["instead_of"] == str(home / "policy.toml")
    assert differs["cost_usd"][1] == pytest.approx(-proposed["saving_usd"][1], abs=1e-9)
    assert set(differs["workflows"]) == set(proposed["workflows"])
    told = simulate(policy, SAMPLE).output
    assert (
        f"{policy} instead of {home / 'policy.toml'}, the policy in force, on the same days" in told
    )
    (home / "policy.toml").write_text(policy.read_text(encoding="utf-8"), encoding="utf-8")
    assert json.loads(simulate("--json", policy, SAMPLE).output)["policy_in_force"] is None
    (home / "policy.toml").write_text("[default", encoding="utf-8")
    done = simulate(policy, SAMPLE)
    assert done.exit_code == 0
    assert "not held against the policy in force: " in done.stderr
    assert "this is not TOML" in done.stderr


def test_what_is_left_out_is_told_with_its_money_so_that_no_share_is_overstated(
    simulate: Any, policy: Path, tmp_path: Path
) -> None:
    log = logged(tmp_path, [
        {"p": "openai", "m": "gpt-5", "w": "nightly_eval"},
        {"p": "bedrock", "m": "claude-sonnet-4-5", "w": "nightly_eval"},
        {"p": "azure", "m": "gpt-5", "w": "nightly_eval", "cost": 0.5},
        {"p": "openai", "m": "gpt-of-nobody", "w": "nightly_eval"},
    ])  # fmt: skip
    told = simulate(*MAPPED, policy, log).output
    for words in (
        "left out: 1 request ($0.0045 as sent) asked of bedrock, to whom lanewise does not send",
        "left out: 1 request ($0.500000 as sent) asked of azure, to whom lanewise does not send",
        "left out: 1 request ($0 as sent, 1 of unknown cost) of gpt-of-nobody, whose price is not",
    ):
        assert words in told
    found = json.loads(simulate("--json", *MAPPED, policy, log).output)["policies"][0]
    assert found["all_of_the_log_usd"] == pytest.approx(found["today_usd"] + 0.5045)
    assert found["saving_percent"][1] == 50.0
    assert found["saving_percent_of_the_log"][1] < 1.0


def test_rules_that_fit_nothing_are_named_with_what_there_is_to_fit(
    simulate: Any, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "typo"\nworkflow = "nightly-eval"\n'
        '[[rule]]\nname = "by key"\nworkflow = "default"\nkey = "k-*"\n',
        encoding="utf-8",
    )
    log = logged(tmp_path, [
        {"p": "openai", "m": "gpt-5", "w": "nightly_eval"},
        {"p": "openai", "m": "gpt-5", "k": "k-index"},
        {"p": "openai", "m": "gpt-5", "k": "web"},
    ])  # fmt: skip
    told = simulate(*MAPPED, rules, log).output
    assert "requests by rule: typo 0, by key 1; no rule 2" in told
    assert "no request fits 'typo'; workflows in the log: default, nightly_eval" in told
    assert "keys in the log, of requests without a workflow: k-index, web" in told
    found = json.loads(simulate("--json", *MAPPED, rules, log).output)["policies"][0]
    assert (found["rules"], found["fit_by_no_rule"]) == ({"typo": 0, "by key": 1}, 2)


def test_a_rule_that_fits_only_what_is_left_out_is_not_said_to_fit_nothing(
    simulate: Any, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "other"\nworkflow = "w"\nprovider = "anthropic"\n', encoding="utf-8"
    )
    log = logged(tmp_path, [{"p": "openai", "m": "gpt-5", "w": name} for name in ("w", "v")])
    told = simulate(*MAPPED, rules, log).output
    assert "to which rule 'other' leaves no lane (anthropic was chosen)" in told
    assert "all that 'other' would fit is left out" in told
    assert "no request fits" not in told


def test_who_looks_on_is_told_what_is_done_and_which_day_is_replayed(
    tmp_path: Path, policy: Path
) -> None:
    said = []

    class Noted(Progress):
        def at(self, doing: str, connection: Any = None) -> None:
            said.append(doing)

    simulated(
        [policy], (str(SAMPLE),), Days("fast", 2), wishes=Wishes(),
        settings=load({"LANEWISE_HOME": str(tmp_path / "home")}), now=1_795_000_000.0,
        watch=lambda: nullcontext(Noted()),
    )  # fmt: skip
    assert said == [
        "reading the logs",
        "holding the requests against the policy",
        "replaying day 1 of 2 under policy.toml",
        "replaying day 2 of 2 under policy.toml",
    ]


@pytest.mark.parametrize("named", ["workflow", "key"])
def test_the_rules_that_an_audit_writes_fit_the_groups_that_they_are_written_for(
    simulate: Any, tmp_path: Path, named: str
) -> None:
    """Six workers each label a ticket every ten minutes, known by workflow or by key alone."""
    letters = str.maketrans("0123456789", "abcdefghij")  # digits are left out of what prompts share
    rows = [
        {"p": "openai", "m": "gpt-5", named[0]: "labels", "at": 600.0 * round_ + one, "u": "svc-bot"}
        | {"s": False, "x": f"{round_ * 6 + one:06}".translate(letters) * 9, "y": "spam"}
        for round_ in range(300)
        for one in range(6)
    ]  # fmt: skip
    log, rules = logged(tmp_path, rows), tmp_path / "written.toml"
    done = CliRunner().invoke(
        cli, ["audit", "--write-policy", str(rules), *AUDITED, str(log)], catch_exceptions=False
    )
    assert "wrote" in done.output
    found = json.loads(simulate("--json", "--rolled-out", *AUDITED, rules, log).output)
    [(name, count)] = found["policies"][0]["rules"].items()
    assert name == ("labels" if named == "workflow" else "key labels")
    assert count == len(rows)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("", "it is empty"),
        ("[default", "this is not TOML"),
        ('[default]\nlanes = ["bach"]\n', "'bach' is no lane"),
        ('[default]\nterms = "zdr"\nlanes = ["batch"]\n', "so nothing could be sent"),
    ],
)
def test_a_policy_that_cannot_be_used_is_named_with_what_is_wrong(
    simulate: Any, tmp_path: Path, rules: str | None, told: str
) -> None:
    path = tmp_path / "broken.toml"
    if rules is not None:
        path.write_text(rules, encoding="utf-8")
    said = str(simulate(path, SAMPLE).exception)
    assert told in said
    assert "broken.toml" in said


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"p": "openai", "m": "gpt-5", "at": None}, "1 without a time"),
        ({"p": "openai", "m": "gpt-5", "i": None, "o": None}, "1 without tokens"),
        ({"p": "openai", "m": "gpt-5", "n": 3}, "3 in buckets of many"),
        ({"p": "openai", "m": "gpt-of-nobody"}, "1 of gpt-of-nobody, whose price is not known"),
        ({"p": "azure", "m": "gpt-5"}, "1 asked of azure, to whom lanewise does not send"),
        ({"p": "openai", "m": "gpt-5", "w": "eu"}, "1 to which rule 'eu' leaves no lane (anthropic"),
    ],
)  # fmt: skip
def test_a_log_of_which_nothing_can_be_replayed_says_why_and_what_could_be(
    simulate: Any, tmp_path: Path, row: dict[str, Any], told: str
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "eu"\nworkflow = "eu"\nprovider = "anthropic"\n')
    mapped = [*MAPPED[:1], MAPPED[1] + (",requests=n" if "n" in row else "")]
    said = str(simulate(*mapped, rules, logged(tmp_path, [row])).exception)
    assert f"no request in the logs can be replayed ({told}" in said
    assert "a model of openai or anthropic whose price is known" in said


def test_what_is_missing_or_wrong_is_said(simulate: Any, policy: Path, tmp_path: Path) -> None:
    assert "name the logs too" in str(simulate(policy).exception)
    assert "nothing at" in str(simulate(policy, tmp_path / "none.jsonl").exception)
    assert "give it two policy files" in str(
        simulate("--compare", policy, policy, SAMPLE).exception
    )
    assert "not in the range" in simulate("--seeds", -1, policy, SAMPLE).output
    said = str(simulate("--limit", "queue=3", policy, SAMPLE).exception)
    assert "--limit is 'queue=3'; it takes [MODEL:]NAME=NUMBER" in said
    assert "enqueued_tokens" in said
    said = str(simulate("--limit", "gpt-5:enqueued_tokens=lots", policy, SAMPLE).exception)
    assert "'lots' is no whole number of 1 or more" in said
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert "nothing to audit" in str(simulate(policy, empty).exception)


def test_two_requests_are_enough(simulate: Any, policy: Path, tmp_path: Path) -> None:
    row = {"p": "openai", "m": "gpt-5", "w": "nightly_eval"}
    done = simulate(*MAPPED, policy, logged(tmp_path, [row, row]))
    assert done.exit_code == 0, done.output
    assert "2 requests replayed" in done.output
    assert "50.0 %" in done.output


def test_stated_limits_are_shown_with_how_much_of_them_is_used(simulate: Any, policy: Path) -> None:
    told = simulate("--limit", "gpt-5:enqueued_tokens=900000", policy, SAMPLE).output
    assert "of 900,000 (stated)" in told
    assert "of 2,000 (documented)" in told


MAPPED: Final = (
    "--map",
    "at=at,provider=p,model=m,workflow=w,key=k,input_tokens=i,output_tokens=o,cost_usd=cost",
)
AUDITED: Final = (MAPPED[0], MAPPED[1] + ",user=u,stream=s,prompt=x,answer=y")


def logged(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """A log of these, each from one Monday on, with a thousand tokens in and fifty out."""
    usual = {"at": 0.0, "i": 1_000, "o": 100}
    lines = [json.dumps(_since_monday(usual | row)) for row in rows]
    path = folder / "mapped.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _since_monday(row: dict[str, Any]) -> dict[str, Any]:
    return row if row["at"] is None else row | {"at": 1_793_577_600.0 + row["at"]}
