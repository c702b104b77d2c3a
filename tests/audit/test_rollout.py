"""A policy that an audit writes passes the check, moves nothing yet, and moves what is safe when told to."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from lanewise.app import policies
from lanewise.app.rollout import classes, proposed
from lanewise.audit.levers.finding import Found, Group
from lanewise.audit.levers.lever import Lever
from lanewise.audit.money import Money
from lanewise.audit.rollout import Classed, policy_text
from lanewise.audit.waiting import Facts, Judged, Waiting
from lanewise.cli.main import cli
from lanewise.domain.deadlines import AtOnce, By
from lanewise.domain.lanes import BATCH, Terms
from lanewise.policy.document import Document, read
from lanewise.policy.rules import Traits
from lanewise.providers.offers import offers

NOW = 1_793_577_600.0
USD = 1_000_000_000
SAFE = Classed("nightly_eval", "background", 0.95, ("no request was streamed",), (8, 10))
KNOWN = (
    SAFE,
    Classed("crm", "background", 0.9, ("arrives at night",), (USD, 3 * USD)),
    Classed("maybe", "background", 0.6, ("bursts",), (USD, 9 * USD)),
    Classed("chat", "interactive", 0.99, ("streamed",)),
    Classed("", "background", 0.99),
    Classed("star*", "background", 0.99),
)


def checked(text: str) -> Document:
    return read(text, "policy.toml", policies.world(NOW))


def test_what_is_safe_is_observed_the_dearest_first_and_all_else_is_left_alone() -> None:
    document = checked(policy_text(KNOWN))
    policy = document.sound()
    assert not document.warnings
    assert [rule.name for rule in policy.rules] == ["crm", "nightly_eval"]
    for name in ("crm", "nightly_eval", "maybe", "chat", "star*", ""):
        ruling = policy.ruling(Traits(name, "gpt-5", "/v1/chat/completions"), NOW)
        safe = name in {"crm", "nightly_eval"}
        assert isinstance(ruling.due(NOW), By if safe else AtOnce)
        assert ruling.percent == (0.0 if safe else 100.0)


def test_comments_say_on_what_each_rule_rests_and_what_it_saves() -> None:
    text = policy_text(KNOWN)
    for line in (
        "# crm: background, confidence 90%; saves $1.00 to $3.00",
        "#   - arrives at night",
        "# In all $1.00 to $3.00 over the span of the log, from 2 of 6 workflows.",
        "# maybe: background, confidence 60%; saves $1.00 to $9.00",
        "# chat: interactive, confidence 99%\n",
    ):
        assert line in text
    assert text.index("# crm:") < text.index("# nightly_eval:") < text.index("# Not moved:")


def test_long_evidence_is_told_to_its_end_in_short_lines() -> None:
    told = " ".join(f"word{n}" for n in range(60))
    lines = policy_text([replace(SAFE, evidence=(told,))]).splitlines()
    assert max(map(len, lines)) <= 110
    kept = " ".join(line.lstrip("#- ") for line in lines if line.startswith("#   "))
    assert told in kept


def test_each_step_of_the_rollout_is_a_policy_too() -> None:
    text = policy_text([SAFE])
    observed = 'rollout = "observe"\n'
    assert observed in text
    for step, percent in (("# percent = 10", 10.0), ('# rollout = "all"', 100.0)):
        assert step in text
        policy = checked(text.replace(observed, "").replace(step, step[2:])).sound()
        assert policy.rules[0].ruling.percent == percent


def test_what_only_a_key_tells_apart_is_not_taken_from_named_workflows() -> None:
    policy = checked(policy_text([replace(SAFE, workflow="", key="svc")])).sound()
    for workflow, fits in (("default", True), ("chat", False)):
        traits = Traits(workflow, "gpt-5", "/v1/chat/completions", key="svc")
        assert (policy.ruling(traits, NOW).rule == "key svc") is fits


def test_data_terms_hold_in_the_whole_file() -> None:
    policy = checked(policy_text([SAFE], Terms.ZDR)).sound()
    allowed = policy.rules[0].ruling.allowed(offers("openai"))
    assert BATCH not in {offer.lane for offer in allowed}


def test_what_no_lane_makes_cheaper_gets_no_rule_and_what_went_in_one_is_said_to_have() -> None:
    text = policy_text([replace(SAFE, saving=None)], Terms.ZDR)
    assert not checked(text).sound().rules
    assert "no lane is known in which it would cost less" in text
    elsewhere = written((Facts(name="batched", elsewhere=50), UNSURE))
    assert "# batched: not in real time\n#   - went in a cheaper lane already" in elsewhere


@given(
    st.lists(
        st.builds(
            Classed,
            st.sampled_from(["default", ""]) | st.text(max_size=20),
            st.sampled_from(["background", "interactive", "blocking step", "unknown"]),
            st.floats(0, 1),
            st.lists(st.text(max_size=300), max_size=3).map(tuple),
            st.none() | st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)),
            key=st.sampled_from(["", "a"]) | st.text(max_size=5),
        ),
        max_size=5,
        unique_by=lambda one: (one.workflow, one.key),
    )
)
def test_whatever_workflows_are_called_the_file_passes_the_check(known: list[Classed]) -> None:
    text = policy_text(known)
    tomllib.loads(text)
    document = checked(text)
    assert not document.errors
    safe = {(one.workflow or "default", one.key) for one in known if one.safe}
    assert {(rule.match.workflow, rule.match.key) for rule in document.sound().rules} == {
        (workflow, key or "*") for workflow, key in safe
    }


def test_the_file_passes_the_check(tmp_path: Path) -> None:
    path = tmp_path / "proposed.toml"
    text, policy = proposed(KNOWN, NOW)
    path.write_text(text, encoding="utf-8")
    assert len(policy.rules) == 2
    done = CliRunner().invoke(cli, ["policy", "check", str(path)])
    assert (done.exit_code, "2 rules" in done.output, "ok" in done.output) == (0, True, True)


BURSTS: Final = Judged(Waiting.BACKGROUND, 0.95, ("bursts",))
STREAMED: Final = Judged(Waiting.INTERACTIVE, 0.95, ("streamed",))
FEW: Final = Judged(Waiting.BACKGROUND, 0.85, ("bursts",))
UNSURE: Final = Judged(Waiting.UNKNOWN, 0.0, ())


def written(*found: tuple[Facts, Judged]) -> str:
    groups = tuple(Group(f"({n})", n, facts, judged, 10) for n, (facts, judged) in enumerate(found))
    lever = Lever("lane", "(0)", "batch", 90, 10, Money(4, 5), "high", (), ())
    return policy_text(classes(Found(groups, (lever,), None, len(groups))))


def under(key: str, shape: int | None, *models: str, requests: int = 90) -> Facts:
    return Facts(key=key, shape=shape, models=models, requests=requests)


def test_a_group_that_was_found_becomes_a_rule_only_where_a_policy_can_tell_it_apart() -> None:
    alone = checked(written((under("crm", 7, "gpt-5"), BURSTS))).sound()
    assert [(rule.match.workflow, rule.match.key) for rule in alone.rules] == [("default", "crm")]
    talks = (under("all", 8, "o4-mini", "gpt-4o"), STREAMED)
    by_model = checked(written((under("all", 7, "gpt-5"), BURSTS), talks)).sound()
    assert [(rule.match.key, rule.match.model) for rule in by_model.rules] == [("all", "gpt-5")]
    same = written((under("all", 7, "m"), BURSTS), (under("all", None, "m"), STREAMED))
    assert not checked(same).sound().rules
    assert "log a workflow for it, or give it a key of its own" in same
    nobodys = Facts(agent="curl", shape=7, models=("m",))
    assert not checked(written((nobodys, BURSTS))).sound().rules
    named_too = written(
        (Facts(name="chat", models=("m",)), BURSTS), (Facts(key="crm", models=("m",)), BURSTS)
    )
    policy = checked(named_too).sound()
    assert policy.ruling(Traits("chat", "m", "/v1/responses", key="crm"), NOW).rule == "chat"


def test_a_key_whose_groups_are_all_in_the_background_has_one_rule_for_them() -> None:
    """What is left of templates that are used rarely is too little to be sure of, and no other's."""
    large = (under("crm", 7, "gpt-5"), BURSTS)
    rest = (under("crm", None, "gpt-5", requests=7), FEW)
    text = written(large, rest)
    (rule,) = checked(text).sound().rules
    assert (rule.match.workflow, rule.match.key, rule.match.model) == ("default", "crm", "*")
    assert "90 requests found as (0): asks gpt-5; bursts" in text
    assert "7 requests found as (1)" in text
    assert "saves $0.000000004 to $0.000000005" in text
    assert checked(written(large, large)).sound().rules
    for more in (
        (under("crm", 8, "gpt-5"), FEW),
        (under("crm", None, "gpt-5", requests=7), UNSURE),
        (under("crm", 8, "gpt-5"), STREAMED),
    ):
        assert not checked(written(large, more)).sound().rules


@pytest.mark.parametrize(
    "name",
    [
        'a"]\n[[rule]]\nname = "x"',
        "back\\slash",
        'quo"te',
        "Ünïcode ✓",
        "\u2028",
        "a\tb",
        "'''",
        "#",
        "]",
    ],
)
def test_no_name_breaks_out_of_its_place(name: str) -> None:
    for one in (replace(SAFE, workflow=name), replace(SAFE, workflow="", key=name)):
        policy = checked(policy_text([one])).sound()
        matched = {rule.match.key if one.key else rule.match.workflow for rule in policy.rules}
        assert matched == ({name} if name.isprintable() else set())
        assert policy.default.deadline == "now"
