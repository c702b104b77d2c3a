"""A policy file is read whole: what is wrong is named with line and key, and what would be accepted."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.lanes import BATCH, HELD, REALTIME, Terms
from lanewise.policy import globs
from lanewise.policy.document import Document, read
from lanewise.policy.keys import RULE, World, schema
from lanewise.policy.lines import lines
from lanewise.policy.rules import ALL_LANES, Policy, Traits
from lanewise.providers.offers import OFFERS

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC).timestamp()
ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")
ZONES: dict[str, tzinfo] = {"UTC": UTC, "Europe/Berlin": ZoneInfo("Europe/Berlin")}
WORLD = World(NOW, OFFERS, ENDPOINTS, ZONES.get)
FENCED = re.compile(r"<!-- file: (\S+\.toml) -->\n```toml\n(.*?)```", re.DOTALL)
SCHEMA = Path(__file__).parents[2] / "src/lanewise/policy/policy.schema.json"

FULL = """
[default]
deadline = "24h"   # a day
lanes = ["flex", "batch", "realtime"]
zone = "Europe/Berlin"

[[rule]]
name = "tickets overnight"
workflow = "tickets*"
model = "gpt-*"
endpoint = "/v1/chat/*"
tag = "team=search"
key = "night"
hour = ["mon-fri 22:00-06:00", "sat"]
deadline = "06:00"
lanes = ["batch", "held"]
terms = "eu"
percent = 12.5
budget = 49.99
provider = "openai"
use_model = "gpt-5-mini"
held = "00:30-04:00 UTC"
cache = "off"
dedupe = true

[[rule]]
name = "chat"
workflow = "chat*"
pin = "realtime"
rollout = "observe"
"""


def read_here(text: str) -> Document:
    return read(text, "policy.toml", WORLD)


def good(text: str) -> Policy:
    document = read_here(text)
    assert document.errors == ()
    return document.sound()


def errors(text: str) -> list[str]:
    return [str(problem) for problem in read_here(text).errors]


def _toml(value: Any) -> str:
    return json.dumps(value).replace("Infinity", "inf")


def rule(**keys: Any) -> str:
    """A rule as TOML; JSON's texts, numbers and lists are TOML's as well."""
    said = {"name": "r"} | keys
    return "[[rule]]\n" + "\n".join(f"{key} = {_toml(value)}" for key, value in said.items())


# -- what it says


def test_every_key_reaches_the_ruling() -> None:
    policy = good(FULL)
    ruling = policy.rules[0].ruling
    assert (ruling.rule, ruling.policy, ruling.deadline) == (
        "tickets overnight", policy.hash, "06:00",
    )  # fmt: skip
    assert (ruling.lanes, ruling.terms, ruling.percent) == ((HELD, BATCH), Terms.EU, 12.5)
    assert (ruling.budget_nano, ruling.provider, ruling.model) == (
        49_990_000_000, "openai", "gpt-5-mini",
    )  # fmt: skip
    assert (ruling.cache, ruling.dedupe, str(ruling.zone)) == ("off", True, "Europe/Berlin")
    assert ruling.held is not None
    assert ruling.held.zone is UTC
    fit = Traits("tickets-eu", "gpt-4o", "/v1/chat/completions", ("team=search",), "night")
    saturday = datetime(2026, 12, 5, 12, tzinfo=UTC).timestamp()
    assert policy.ruling(fit, saturday).rule == "tickets overnight"
    assert policy.ruling(fit, NOW).rule == ""  # a Tuesday's noon


def test_what_a_rule_leaves_out_the_defaults_say() -> None:
    policy = good(FULL)
    chat = policy.rules[1].ruling
    assert (chat.deadline, chat.pin, chat.percent) == ("24h", REALTIME, 0.0)
    assert chat.lanes == tuple(lane for lane in ALL_LANES if lane in ("realtime", "flex", "batch"))
    assert policy.default.percent == 100.0


def test_no_rules_and_an_empty_default_allow_everything() -> None:
    policy = good("[default]")
    assert policy.default.lanes == ALL_LANES
    assert policy.default.deadline == "none"
    assert policy.hash


# -- the hash


def test_comments_order_of_keys_and_lanes_and_written_defaults_do_not_change_the_hash() -> None:
    one = '[[rule]]\nname = "a"\nworkflow = "x"\nlanes = ["batch", "realtime"]\n'
    other = (
        '[[rule]] # first\nlanes = ["realtime",\n "batch"]\nworkflow = "x"\nname = "a"\n'
        '[default]\nterms = "any"\npercent = 100.0\n'
    )
    assert good(one).hash == good(other).hash


@pytest.mark.parametrize(
    ("old", "new"),
    [('"06:00"', '"07:00"'), ("12.5", "12"), ('"tickets*"', '"ticket*"'), ("Europe/Berlin", "UTC"),
     ('"sat"', '"sun"'), ("00:30", "00:31"), ("tickets overnight", "tickets by night")],
)  # fmt: skip
def test_what_a_policy_says_changes_its_hash(old: str, new: str) -> None:
    assert good(FULL).hash != good(FULL.replace(old, new)).hash


def test_the_order_of_rules_changes_the_hash() -> None:
    first, second = rule(name="a", workflow="a"), rule(name="b", workflow="b")
    assert good(f"{first}\n{second}").hash != good(f"{second}\n{first}").hash


# -- what is wrong


@pytest.mark.parametrize(
    ("keys", "line", "said"),
    [
        ({"workflw": "x"}, 3, "unknown key 'workflw'; accepted are name, workflow,"),
        ({"workflw": "x"}, 3, "did you mean 'workflow'?"),
        ({"zone": "UTC"}, 3, "unknown key 'zone'; only [default] takes it"),
        ({"lanes": ["bach"]}, 3, "lanes: 'bach' is no lane; accepted are realtime, flex, held,"),
        ({"lanes": ["bach"]}, 3, "did you mean 'batch'?"),
        ({"lanes": "batch"}, 3, "lanes is 'batch'; it takes a list of realtime,"),
        ({"lanes": []}, 3, "lanes is empty, so nothing could ever be sent"),
        ({"pin": "turbo"}, 3, "pin: 'turbo' is no lane"),
        ({"pin": "flex", "lanes": ["batch"]}, 3, "pin is 'flex', which is not among the lanes: batch"),
        ({"lanes": ["held"]}, 3, "the lane held is allowed, but no hours are named"),
        ({"lanes": ["batch"], "held": "mon"}, 4, "held names hours, but the lane held is not among"),
        ({"deadline": "soonish"}, 3, "deadline is 'soonish'; it takes 8h, 30m"),
        ({"deadline": "2026-11-30T06:00Z"}, 3, "which was 2026-11-30 06:00 UTC; it takes a time that is"),
        ({"deadline": "Now", "lanes": ["batch"]}, 3, "deadline is 'now', but the lanes allowed are batch;"),
        ({"pin": "batch", "deadline": "now"}, 4, "deadline is 'now', but the lanes allowed are batch;"),
        ({"deadline": 8}, 3, "deadline is 8; it takes a text: 8h"),
        ({"hour": "26:00-27:00"}, 3, "hour: '26:00-27:00' has the time 26:00; it takes 00:00 to 24:00"),
        ({"hour": "22:00-22:00"}, 3, "begins when it ends, so it holds at no time"),
        ({"hour": "mon Mars/Base"}, 3, "names no time zone that is known"),
        ({"hour": []}, 3, "hour: it names no hours; it takes 22:00-06:00"),
        ({"percent": 101}, 3, "percent is 101; it takes a number from 0 to 100"),
        ({"percent": -0.5}, 3, "percent is -0.5; it takes a number from 0 to 100"),
        ({"percent": True}, 3, "percent is True; it takes a number from 0 to 100"),
        ({"percent": 20, "rollout": "all"}, 3, "rollout and percent were both given"),
        ({"rollout": "20%"}, 3, "rollout: '20%' is unknown; accepted are observe, all"),
        ({"budget": -5}, 3, "budget is -5; it takes dollars such as 50 or 0.25"),
        ({"budget": 0.0000000001}, 3, "budget is '1E-10'; it takes dollars such as 50 or 0.25"),
        ({"budget": float("inf")}, 3, "budget is Infinity; it takes dollars such as 50 or 0.25"),
        ({"budget": "50"}, 3, "budget is '50'; it takes dollars such as 50 or 0.25"),
        ({"terms": "zrd"}, 3, "terms: 'zrd' is unknown; accepted are any, zdr, eu; did you mean 'zdr'?"),
        ({"provider": "opnai"}, 3, "did you mean 'openai'?"),
        ({"endpoint": "/v1/chat/completion"}, 3, "did you mean '/v1/chat/completions'?"),
        ({"tag": "search"}, 3, "tag is 'search'; it takes a text such as team=search"),
        ({"cache": "on"}, 3, "cache: 'on' is unknown; accepted are auto, off"),
        ({"dedupe": "yes"}, 3, "dedupe is 'yes'; it takes true or false"),
        ({"workflow": ""}, 3, "workflow is ''; it takes a text"),
        ({"name": " "}, 2, "name is ' '; it takes a text"),
        ({"lanes": ["batch"], "terms": "zdr", "provider": "openai"}, 4,
         "openai offers none of the lanes allowed (batch), so nothing could be sent; what is offered: rea"),
        ({"lanes": ["batch"], "terms": "zdr"}, 4, "under the terms zdr, no provider offers any"),
        ({"provider": "anthropic", "pin": "flex"}, 4, "anthropic offers none of the lanes allowed (flex)"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_its_line_key_and_what_would_be_accepted(
    keys: dict[str, Any], line: int, said: str
) -> None:
    found = read_here(rule(**keys))
    assert [problem.line for problem in found.errors] == [line]
    [text] = map(str, found.errors)
    assert text.startswith(f"policy.toml, line {line}: rule ")
    assert said in text
    assert found.policy is None


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    text = f'[defaults]\ndeadline = "8h"\n{rule(lanes=["bach"], percent=200)}\n{rule(name="s", budget=-1)}'
    assert [problem.line for problem in read_here(text).errors] == [1, 5, 6, 9]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('x = 1\n[default]\ndeadline = 8h"', "policy.toml, line 3: this is not TOML: "),
        ('[default]\nterms = "any"\nterms = "eu"', "policy.toml, line 3: this is not TOML: "),
        ("[default", "policy.toml, line 1: this is not TOML: "),
        ("colour = 1", "policy.toml, line 1: unknown key or table 'colour'; accepted are [default]"),
        ("[rules]", "did you mean 'rule'?"),
        ('[rule]\nname = "x"', "policy.toml, line 1: rule is not a list of rules; write [[rule]]"),
        ("default = 1", "default is not a table; write [default]"),
        ('[default]\nworkflow = "x"', "line 2: [default]: unknown key 'workflow'; only a [[rule]] takes it"),
        ('[default]\nzone = "Mars"', "line 2: [default]: zone is 'Mars'; it takes the name of a time zone"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_policy_is_told_so(text: str, said: str) -> None:
    [found] = errors(text)
    assert said in found


def test_what_no_reader_should_be_given_is_told_so_as_well() -> None:
    assert "this is not TOML" in errors("x = " + "[" * 5_000)[0]
    assert "this is not TOML" in errors("x = " + "1" * 5_000)[0]


@given(st.text())
def test_any_text_is_read_or_told_what_is_wrong(text: str) -> None:
    document = read_here(text)
    assert (document.policy is None) == bool(document.errors)


# -- rules beside each other


def test_a_rule_that_an_earlier_one_hides_can_never_match() -> None:
    [found] = errors(
        rule(name="all", workflow="t*") + "\n" + rule(name="some", workflow="tick*", model="x")
    )
    assert found == (
        "policy.toml, line 4: rule 'some': it can never match: rule 'all' (line 1) comes first and fits all "
        "that it fits; put it before that one, or narrow that one"
    )


@pytest.mark.parametrize(
    ("first", "second", "hidden"),
    [
        ({"hour": "mon-fri"}, {"hour": "sat,sun"}, True),
        ({"hour": "mon-fri"}, {"hour": "sat"}, False),
        ({"hour": "06:00-18:00"}, {"hour": "18:00-06:00"}, True),
        ({"hour": "06:00-18:00"}, {"hour": "18:00-06:00 Europe/Berlin"}, False),  # clocks change
        ({"hour": "mon-fri", "workflow": "t*"}, {"hour": "sat,sun", "workflow": "tick*"}, True),
        ({"hour": "mon-fri"}, {"hour": "sat,sun", "workflow": "x*"}, False),
        ({"hour": "mon-fri"}, {"hour": "sat,sun", "tag": "a=b"}, False),
        ({"endpoint": "/v1/m*"}, {"endpoint": "/v1/chat/*"}, False),
        ({"workflow": "x*"}, {"workflow": "*y"}, False),
    ],
)
def test_a_rule_that_two_earlier_ones_hide_together_can_never_match(
    first: dict[str, Any], second: dict[str, Any], hidden: bool
) -> None:
    """Counted are hours and endpoints; of other texts two patterns never hold more than one of them."""
    text = "\n".join(
        [rule(name="a", **first), rule(name="b", **second), rule(name="c", workflow="tickets")]
    )
    found = read_here(text).errors
    if hidden:
        [problem] = found
        assert problem.place == "rule 'c'"
        assert "it can never match: earlier rules together fit all that it fits" in problem.what
    else:
        assert not found


def test_rules_for_every_endpoint_hide_one_for_all() -> None:
    rules = [rule(name=path, endpoint=path) for path in ENDPOINTS]
    assert not errors("\n".join([*rules[1:], rule()]))
    [found] = errors("\n".join([*rules, rule()]))
    assert "rule 'r': it can never match: earlier rules together" in found


def test_two_rules_of_one_name_are_refused() -> None:
    [found] = errors(rule(workflow="a") + "\n" + rule(workflow="b"))
    assert "line 5: rule 'r': name is that of rule 'r' (line 1) too; make it unique" in found


def test_rules_that_cross_and_differ_are_warned_of_and_the_one_that_wins_is_named() -> None:
    document = read_here(
        rule(name="a", workflow="t*", deadline="8h")
        + "\n"
        + rule(name="b", model="gpt-*", percent=20)
    )
    assert document.policy is not None
    [warning] = document.warnings
    assert str(warning) == (
        "policy.toml, line 5: rule 'b': some requests fit it and rule 'a' (line 1), which comes first and "
        "wins; they differ in deadline, rollout"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            {"workflow": "tickets", "deadline": "8h"},
            {"workflow": "t*"},
        ),  # an exception, then the rule
        ({"workflow": "a*", "deadline": "8h"}, {"workflow": "b*"}),
        ({"tag": "team=a", "deadline": "8h"}, {"tag": "team=b"}),
        ({"hour": "mon", "deadline": "8h"}, {"hour": "tue"}),
        (
            {"workflow": "a*", "deadline": "8h"},
            {"model": "m", "deadline": "8h"},
        ),  # they say the same
    ],
)
def test_rules_that_nobody_could_mistake_are_not_warned_of(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    document = read_here(rule(name="a", **first) + "\n" + rule(name="b", **second))
    assert (document.errors, document.warnings) == ((), ())


# -- lines


def test_lines_are_found_around_comments_texts_and_values_of_many_lines() -> None:
    text = '''# [[rule]] is a comment
default.deadline = "8h" # = [
[[ rule ]]
name = """
[[rule]]
lanes = "x"
"""
lanes = [
  "a#]", # ] comment
  'b"',
]
[[rule]] # second
"quoted" = {a = 1, b = [2]}
'single' = \'\'\'
x = 1\'\'\'
last = "\\"="
'''
    tomllib.loads(text)
    assert lines(text) == {
        ("default", 0, "deadline"): 2,
        ("rule", 0, ""): 3,
        ("rule", 0, "name"): 4,
        ("rule", 0, "lanes"): 8,
        ("rule", 1, ""): 12,
        ("rule", 1, "quoted"): 13,
        ("rule", 1, "single"): 14,
        ("rule", 1, "last"): 16,
    }


# -- the schema


def test_the_schema_that_is_shipped_is_that_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema()


CHECK = jsonschema.Draft7Validator(schema())
DOCS = Path(__file__).parents[2] / "docs"
POLICIES = [
    text
    for page in sorted(DOCS.rglob("*.md"))
    for name, text in FENCED.findall(page.read_text(encoding="utf-8"))
    if name not in ("lanewise.toml", "prices.toml")
]
# Broken files, of which each is refused with the line and the key of what is wrong (line 1 is [[rule]]).
BOTH_KNOW: list[tuple[dict[str, Any], str]] = [
    ({"workflw": "x"}, "workflw"), ({"zone": "UTC"}, "zone"), ({"name": 5}, "name"),
    ({"name": " "}, "name"), ({"workflow": ""}, "workflow"), ({"workflow": 1}, "workflow"),
    ({"workflow": ["a"]}, "workflow"), ({"model": False}, "model"), ({"model": " "}, "model"),
    ({"endpoint": []}, "endpoint"), ({"key": 1.5}, "key"), ({"tag": "search"}, "tag"),
    ({"tag": "=x"}, "tag"), ({"tag": "x="}, "tag"), ({"tag": "x= "}, "tag"), ({"tag": "a*=x"}, "tag"),
    ({"hour": []}, "hour"), ({"hour": 22}, "hour"), ({"hour": [""]}, "hour"), ({"held": [1]}, "held"),
    ({"deadline": 8}, "deadline"), ({"deadline": ""}, "deadline"), ({"lanes": "batch"}, "lanes"),
    ({"lanes": []}, "lanes"), ({"lanes": ["bach"]}, "lanes"), ({"lanes": [1]}, "lanes"),
    ({"pin": "turbo"}, "pin"), ({"pin": ["batch"]}, "pin"), ({"terms": "zrd"}, "terms"),
    ({"terms": True}, "terms"), ({"rollout": "20%"}, "rollout"), ({"rollout": 1}, "rollout"),
    ({"percent": 101}, "percent"), ({"percent": -0.5}, "percent"), ({"percent": True}, "percent"),
    ({"percent": "20"}, "percent"), ({"rollout": "all", "percent": 20}, "percent"),
    ({"budget": -5}, "budget"), ({"budget": "50"}, "budget"), ({"budget": 10**10}, "budget"),
    ({"budget": float("inf")}, "budget"), ({"provider": 1}, "provider"), ({"use_model": []}, "use_model"),
    ({"cache": "on"}, "cache"), ({"cache": True}, "cache"), ({"dedupe": "yes"}, "dedupe"),
    ({"dedupe": 1}, "dedupe"),
]  # fmt: skip
# What a schema cannot know: times, zones, what providers sell, and what one key means for another.
READER_KNOWS: list[tuple[dict[str, Any], str]] = [
    ({"deadline": "soonish"}, "deadline"), ({"deadline": "2020-01-01T06:00Z"}, "deadline"),
    ({"hour": "26:00-27:00"}, "hour"), ({"hour": "mon Mars/Base"}, "hour"),
    ({"provider": "opnai"}, "provider"), ({"endpoint": "/v2"}, "endpoint"),
    ({"budget": 1e-10}, "budget"), ({"lanes": ["batch"], "pin": "flex"}, "pin"),
    ({"lanes": ["held"]}, "lanes"), ({"lanes": ["batch"], "held": "mon"}, "held"),
    ({"lanes": ["batch"], "deadline": "now"}, "deadline"), ({"terms": "zdr", "pin": "batch"}, "terms"),
    ({"provider": "anthropic", "pin": "flex"}, "pin"),
]  # fmt: skip


def test_what_the_schema_says_is_what_json_schema_is() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("text", [FULL, "[default]", *POLICIES])
def test_the_schema_takes_what_is_read(text: str) -> None:
    """Of every example in the docs that is no broken one."""
    if not errors(text):
        assert [str(wrong) for wrong in CHECK.iter_errors(tomllib.loads(text))] == []


def test_there_are_examples_in_the_docs_to_be_read() -> None:
    assert sum(not errors(text) for text in POLICIES) >= 8


@pytest.mark.parametrize(("keys", "key"), [*BOTH_KNOW, *READER_KNOWS])
def test_a_broken_rule_is_refused_with_its_line_and_key(keys: dict[str, Any], key: str) -> None:
    text = rule(**keys)
    [problem] = read_here(text).errors
    line = next(n for n, one in enumerate(text.split("\n"), 1) if one.startswith(f"{key} ="))
    assert (problem.key, problem.line) == (key, line)
    assert key in problem.what


@pytest.mark.parametrize("keys", [keys for keys, _ in BOTH_KNOW])
def test_the_schema_refuses_what_it_can_know(keys: dict[str, Any]) -> None:
    assert not CHECK.is_valid(tomllib.loads(rule(**keys)))


@pytest.mark.parametrize(
    "text", ["[[rule]]", "[defaults]", "x = 1", '[rule]\nname = "x"', "default = 1"]
)
def test_the_schema_refuses_a_file_of_another_form(text: str) -> None:
    assert errors(text)
    assert not CHECK.is_valid(tomllib.loads(text))


@pytest.mark.parametrize("keys", [keys for keys, _ in READER_KNOWS])
def test_what_the_schema_cannot_know_only_the_reader_refuses(keys: dict[str, Any]) -> None:
    assert CHECK.is_valid(tomllib.loads(rule(**keys)))


@pytest.mark.parametrize(
    ("text", "line"),
    [("\nrule = [1]", 2), ("\n\ndefault = []", 3), ('\nrule = [{name = "a", pin = "x"}]', 2)],
)
def test_what_is_said_without_a_table_has_a_line_too(text: str, line: int) -> None:
    assert [problem.line for problem in read_here(text).errors] == [line]


def test_a_pattern_of_a_long_policy_is_compiled_once() -> None:
    """Each meets all the others: where fewer are remembered, 2,000 rules take a minute to read."""
    globs._compiled.cache_clear()
    for _ in range(3):
        assert not any(globs.fits(f"w{n}-*", "x") for n in range(10_000))
    assert globs._compiled.cache_info().misses == 10_000


def test_every_key_has_words_for_people() -> None:
    for key in RULE.values():
        assert key.help.endswith(".")
        assert key.takes
