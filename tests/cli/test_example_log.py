"""`--example`: the audit and the simulation can be tried with nothing at hand but the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from lanewise.app.example import example_log
from lanewise.cli.main import cli

SHOWN: Final = Path(__file__).parents[2] / "examples/audit/litellm-week.jsonl.gz"


def run(*args: object) -> Any:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_the_example_is_in_the_package_and_is_what_the_repository_shows() -> None:
    assert Path(example_log()).read_bytes() == SHOWN.read_bytes()
    assert Path(example_log()).is_relative_to(Path(__file__).parents[2] / "src/lanewise")


def test_one_command_leads_from_the_package_to_a_report_and_a_policy(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    done = run("audit", "--example", "--home", tmp_path / "home", "--write-policy", policy)
    assert done.exit_code == 0, done.output
    assert "support_chat" in done.output
    tried = run("simulate", policy, "--example", "--rolled-out", "--seeds", 1)
    assert tried.exit_code == 0, tried.output
    assert "saving $" in tried.output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("audit",), "name the logs to read (PATH...), or try it with --example"),
        (("audit", "--example", "mine.jsonl"), "leave it out to read mine.jsonl"),
        (("simulate",), "name a policy file and logs"),
        (("simulate", "policy.toml"), "policy.toml is taken as the policy; name the logs too"),
        (("simulate", "policy.toml", "mine.jsonl", "--example"), "leave it out to read mine.jsonl"),
    ],
)
def test_logs_or_the_example_are_asked_for_and_not_both(args: tuple[str, ...], said: str) -> None:
    done = run(*args)
    assert done.exit_code != 0
    assert said in str(done.exception)
