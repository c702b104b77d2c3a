"""`lanewise policy`: problems and their exit codes, what holds for a request, and files left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lanewise.cli.policy import policy
from lanewise.errors import BadInput

POLICY = """
[default]
zone = "Europe/Berlin"

[[rule]]
name = "night"
workflow = "tickets*"
deadline = "06:00"
lanes = ["batch", "flex", "realtime"]
percent = 50
budget = 50

[[rule]]
name = "private"
workflow = "medical"
terms = "zdr"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("LANEWISE_POLICY", "LANEWISE_CONFIG", "LANEWISE_WORKFLOW"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANEWISE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.toml").write_text(POLICY, encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(policy, list(arguments), catch_exceptions=True)


def explained(*arguments: str) -> dict[str, Any]:
    done = run("explain", *arguments, "--json")
    assert done.exit_code == 0, done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def allowed(found: dict[str, Any]) -> list[str]:
    return [item["lane"] for item in found["lanes"] if item["allowed"]]


def test_a_sound_file_is_told_so_with_its_rules_and_hash(folder: Path) -> None:
    done = run("check")
    assert (done.exit_code, done.stderr) == (0, "")
    found = json.loads(run("check", "--json").stdout)
    assert done.stdout == f"policy.toml: 2 rules, hash {found['hash']}, ok\n"
    assert (found["ok"], found["rules"], found["errors"]) == (True, ["night", "private"], [])


def test_errors_go_to_standard_error_with_exit_code_2_and_to_json_with_line_and_key(
    folder: Path,
) -> None:
    (folder / "bad.toml").write_text(POLICY.replace("= 50", "= 500"), encoding="utf-8")
    done = run("check", "bad.toml")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: bad.toml, line 10: rule 'night': percent is 500; it takes a number from 0 to 100\n"
    )
    done = run("check", "bad.toml", "--json")
    [problem] = json.loads(done.stdout)["errors"]
    assert (done.exit_code, problem["line"], problem["key"]) == (2, 10, "percent")


def test_a_request_is_held_against_the_rules_until_one_fits(folder: Path) -> None:
    found = explained(
        "--workflow", "tickets-eu", "--model", "gpt-4o-mini", "--at", "2026-12-01T23:00", "--id", "r2"
    )  # fmt: skip
    assert (found["rule"], found["budget_usd"], found["percent"]) == ("night", "50", 50.0)
    assert found["deadline"] == 1_796_187_600.0  # 06:00 in Berlin on the next day
    assert isinstance(found["acts"], bool)
    assert found["looked_at"] == [{"rule": "night", "fits": True, "why": ""}]
    other = explained("--model", "gpt-4o-mini", "--deadline", "now")
    assert (other["rule"], other["deadline"]) == ("", "now")
    assert [item["why"] for item in other["looked_at"]] == [
        "workflow 'default' is not 'tickets*'", "workflow 'default' is not 'medical'",
    ]  # fmt: skip


def test_every_lane_that_is_barred_has_its_reason(folder: Path) -> None:
    found = explained("--workflow", "tickets", "--model", "gpt-4o-mini")
    why = {item["lane"]: item["why"] for item in found["lanes"]}
    assert why == {
        "realtime": "",
        "batch": "",
        "flex": "no price of gpt-4o-mini in it is known",
        "held": "not among the lanes allowed",
        "background_2h": "not among the lanes allowed",
        "background_8h": "not among the lanes allowed",
    }
    private = explained("--workflow", "medical", "--model", "gpt-5-mini")
    assert allowed(private) == ["realtime", "flex"]
    assert "openai does not offer it under zdr terms" in [item["why"] for item in private["lanes"]]
    embeddings = explained("--model", "text-embedding-3-small", "--endpoint", "/v1/embeddings")
    assert allowed(embeddings) == ["realtime", "batch"]
    assert "not sold for /v1/embeddings" in [item["why"] for item in embeddings["lanes"]]


def test_a_line_of_an_input_file_says_what_the_request_is_like(folder: Path) -> None:
    message = {
        "model": "claude-haiku-4-5",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "x"}],
    }
    text = "\n" + json.dumps({"custom_id": "m1", "params": message}) + "\nnot JSON\n"
    (folder / "in.jsonl").write_text(text, encoding="utf-8")
    found = explained("in.jsonl:2", "--workflow", "medical")
    assert (found["request"]["id"], found["request"]["endpoint"]) == ("m1", "/v1/messages")
    assert (found["provider"], allowed(found)) == ("anthropic", ["realtime"])
    for place, said in (
        ("in.jsonl:1", "no request on line 1"),
        ("in.jsonl:3", "in.jsonl:3: "),
        ("in.jsonl", "names no line"),
        ("out.jsonl:1", "out.jsonl is not a file"),
    ):
        done = run("explain", place)
        assert isinstance(done.exception, BadInput)
        assert said in str(done.exception)


def test_a_request_on_standard_input_is_explained(folder: Path) -> None:
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "x"}]}
    line = {"custom_id": "i1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    done = CliRunner().invoke(policy, ["explain", "-", "--json"], input=json.dumps(line))
    assert json.loads(done.stdout)["request"]["id"] == "i1", done.exception
    for given, said in (("", "holds no request"), ("{", "JSON")):
        refused = CliRunner().invoke(policy, ["explain", "-"], input=given)
        assert isinstance(refused.exception, BadInput)
        assert said in str(refused.exception)


def test_of_what_is_accepted_already_it_says_who_tells(folder: Path) -> None:
    done = run("explain", "req_1")
    assert isinstance(done.exception, BadInput)
    assert "lanewise explain req_1" in str(done.exception)


def test_what_holds_is_told_in_words(folder: Path) -> None:
    told = run(
        "explain", "--workflow", "medical", "--model", "gpt-5-mini", "--tag", "team=x", "--key", "k"
    ).stdout  # fmt: skip
    assert "medical, gpt-5-mini, /v1/chat/completions, team=x, key k, accepted" in told
    assert "night    no: workflow 'medical' is not 'tickets*'" in told
    assert "private  fits" in told
    assert "what holds, by rule 'private'" in told
    assert "rollout   all: sent as decided" in told
    (folder / "policy.toml").write_text(
        '[default]\nprovider = "anthropic"\nheld = "mon 00:00-01:00"', encoding="utf-8"
    )
    told = run("explain", "--model", "gpt-5-mini", "--at", "2026-12-01T00:00").stdout
    assert "no: anthropic has no /v1/chat/completions" in told
    assert "no lane remains: such a request is refused" in told
    assert "the next time is Mon 2026-12-07 00:00 UTC" in told


def test_what_cannot_be_explained_is_refused_with_what_would_be_taken(folder: Path) -> None:
    for arguments, said in (
        ([], "FILE:LINE, or --model"),
        (["--model", "m", "--tag", "team"], "it takes KEY=VALUE"),
        (["--model", "m", "--at", "noon"], "it takes a time such as 2026-12-01T23:00"),
        (
            ["--model", "m", "--endpoint", "/v2"],
            "--endpoint is '/v2'; it takes /v1/chat/completions",
        ),
        (["--model", "m", "--deadline", "soon"], "--deadline is 'soon'; it takes 8h"),
    ):
        done = run("explain", *arguments)
        assert isinstance(done.exception, BadInput)
        assert said in str(done.exception)


def test_init_never_overwrites_a_file_unless_it_is_forced_to(folder: Path) -> None:
    done = run("init")
    assert isinstance(done.exception, BadInput)
    assert (folder / "policy.toml").read_text(encoding="utf-8") == POLICY
    assert run("init", "other.toml").exit_code == 0
    assert run("init", "--force").exit_code == 0
    assert (folder / "policy.toml").read_text() == (folder / "other.toml").read_text()
    assert run("check").stdout.startswith("policy.toml: 0 rules, hash ")


def test_without_a_file_check_says_how_to_begin_and_explain_allows_all(folder: Path) -> None:
    (folder / "policy.toml").unlink()
    assert "lanewise policy init" in str(run("check").exception)
    assert "policy: none, all is allowed" in run("explain", "--model", "gpt-5-mini").stdout


def test_the_schema_is_printed_for_editors(folder: Path) -> None:
    assert json.loads(run("schema").stdout)["properties"]["rule"]["items"]["required"] == ["name"]
