"""`lanewise audit` at a shell: one command from a log to its sums."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from lanewise.cli.main import cli

ROOT: Final = Path(__file__).parents[2]
SAMPLE: Final = ROOT / "examples/audit"


@pytest.fixture
def audit(tmp_path: Path) -> Any:
    def run(*args: object) -> Result:
        return CliRunner().invoke(cli, ["audit", "--home", str(tmp_path / "home"), *map(str, args)])

    return run


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """What is printed of the sample; each once for all tests, since it does not change."""
    home = str(tmp_path_factory.mktemp("home"))

    @cache
    def printed(*flags: str) -> str:
        done = CliRunner().invoke(cli, ["audit", "--home", home, str(SAMPLE), *flags])
        assert done.exit_code == 0, done.output
        return done.stdout

    return printed


def test_the_sample_is_audited_with_one_command(sampled: Any) -> None:
    for word in (
        "1,996 requests",
        "by the log $4.98; by the price book $4.98",
        "nightly_eval",
        "support_chat",
    ):
        assert word in sampled()


def test_json_has_all_that_programs_need_and_no_text_of_a_prompt(sampled: Any) -> None:
    printed = sampled("--json")
    found = json.loads(printed)
    assert found["rows"] == sum(group["rows"] for group in found["groups"]) == 1996
    assert found["total"]["reckoned_usd"] == pytest.approx(found["total"]["logged_usd"], abs=1e-6)
    assert {group["workflow"] for group in found["groups"]} >= {"crm_enrich", "doc_indexing"}
    assert found["coverage"]["workflow"] == 1
    assert "support assistant" not in printed


def test_it_says_who_waits_and_what_would_cost_less(sampled: Any) -> None:
    found = json.loads(sampled("--json"))
    waits = {one["workflow"]: one["who_waits"] for one in found["who_waits"]}
    assert waits == {
        "support_chat": "interactive",
        "search_assist": "interactive",
        "code_agent": "blocking step",
        **dict.fromkeys(
            ("crm_enrich", "nightly_eval", "ticket_summaries", "lead_scoring", "doc_indexing"),
            "background",
        ),
    }
    assert all(one["evidence"] for one in found["who_waits"])
    moved = sum(one["now_usd"] for one in found["levers"] if one["lever"] == "lane")
    half = {"low": moved / 2 * 0.9, "high": moved / 2}
    assert found["lever_total_usd"] == pytest.approx(half, rel=1e-3)
    told = sampled()
    assert "7 bursts of 45 requests" in told
    assert "verify with a trial" in told
    assert "do not add up" in told
    assert {one["lever"] for one in found["levers"]} >= {"lane", "dedupe", "route", "prompt"}
    assert [line[:3] for line in told.splitlines() if line[:2] in ("1.", "2.", "3.", "4.")] == [
        "1. ", "2. ", "3. ",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [100, 140])
def test_the_table_of_levers_fits_the_terminal(
    audit: Any, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")  # as at a terminal
    told = audit(SAMPLE).stdout.partition("what would cost less")[2].partition("each by itself")[0]
    rows = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in told.splitlines()]
    assert max(map(len, rows)) <= width
    assert any(line.startswith("dedupe │ lead_scoring") for line in rows)


def test_levers_are_replayed_together_over_the_texts_of_the_log(sampled: Any) -> None:
    found = json.loads(sampled("--json"))
    together = found["together"]
    alone = together["saves_alone_usd"]
    assert together["requests_replayed"] == together["of_requests"] == 1996
    assert together["texts_read"]
    assert alone["lane"] == pytest.approx(found["lever_total_usd"], abs=1e-6)
    assert alone["cache"]["high"] > 0
    levers = [one for one in found["levers"] if one["lever"] == "dedupe"]
    (sure,) = (one["saves_usd"] for one in levers if one["confidence"] != "none")
    assert alone["dedupe"] == pytest.approx(sure, abs=1e-6)
    lines = [one["saves_more_usd"] for one in found["caches"]["lines"]]
    for end in ("low", "high"):
        assert alone["cache"][end] == pytest.approx(sum(one[end] for one in lines), abs=1e-6)
    highs = [one["high"] for one in alone.values()]
    assert max(highs) < together["saves_together_usd"]["high"] < sum(highs)


def test_data_terms_leave_out_the_lanes_that_are_not_offered_under_them(audit: Any) -> None:
    levers = json.loads(audit(SAMPLE, "--terms", "zdr", "--json").output)["levers"]
    does = {lever["workflow"]: lever["does"] for lever in levers if lever["lever"] == "lane"}
    assert does == {"crm_enrich": "flex at openai", "lead_scoring": "flex at openai"}


def test_names_are_shown_as_they_are(audit: Any, tmp_path: Path) -> None:
    line = {"at": 1, "model": "gpt-5", "workflow": "[/red] :smile:", "input_tokens": 9}
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(line) + "\n", encoding="utf-8")
    done = audit(log, "--map", "at=at,model=model,workflow=workflow,input_tokens=input_tokens")
    assert done.exit_code == 0, done.exception
    assert done.stdout.count("[/red] :smile:") >= 3


def test_broken_lines_and_strange_files_are_told_on_the_side(audit: Any, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    line = json.dumps(
        {"created_at": "2026-03-02", "model": "gpt-5", "tokens_in": 8, "tokens_out": 5}
    )
    (logs / "a.jsonl").write_text(f"{line}\n{{cut\n", encoding="utf-8")
    (logs / "b.jsonl").write_text('{"mood": 1}\n', encoding="utf-8")
    done = audit(logs)
    assert done.exit_code == 0
    assert "a.jsonl: 1 line could not be read\n  line 2: no JSON" in done.stderr
    assert "not read: " in done.stderr
    assert "1 request, 8 input tokens" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere"], "nothing at 'nowhere'"),
        ([str(SAMPLE), "--format", "litelm"], "accepted are aider"),
        ([str(SAMPLE), "--format", "litellm", "--map", "model=m"], "exclude each other"),
        ([str(SAMPLE), "--map", "model"], "NAME=FIELD"),
        ([str(SAMPLE), "--format", "cloudflare"], "choose another --format"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_can(
    audit: Any, args: list[str], said: str
) -> None:
    done = audit(*args)
    assert done.exit_code != 0
    assert said in str(done.exception)


def test_the_sample_is_what_its_script_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip
    import importlib.util
    import sys

    spec = importlib.util.spec_from_file_location("audit_sample", ROOT / "scripts/audit_sample.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "audit_sample", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TARGET", tmp_path / "audit/week.jsonl.gz")
    module.main()
    (kept,) = SAMPLE.glob("*.gz")
    assert gzip.decompress((tmp_path / "audit/week.jsonl.gz").read_bytes()) == gzip.decompress(
        kept.read_bytes()
    )


def test_a_policy_is_written_that_only_observes_what_may_surely_wait(
    audit: Any, tmp_path: Path
) -> None:
    path = tmp_path / "proposed.toml"
    done = audit(SAMPLE, "--write-policy", path)
    assert done.exit_code == 0, done.output
    assert f"wrote {path}: 4 rules" in done.stderr
    assert "4 rules" in CliRunner().invoke(cli, ["policy", "check", str(path)]).output
    text = path.read_text(encoding="utf-8")
    assert text.index('name = "crm_enrich"') < text.index('name = "nightly_eval"')
    assert text.index("# Not moved:") < text.index("# support_chat: interactive")
    assert 'workflow = "support_chat"' not in text
    assert text.index("# Not moved:") < text.index("# ticket_summaries: background, confidence 85%")
    assert "#   - against it: it rests as people do" in text
    assert "--force overwrites it" in str(audit(SAMPLE, "--write-policy", path).exception)
    path.write_text("in use")
    assert audit(SAMPLE, "--write-policy", path, "--force", "--terms", "eu").exit_code == 0
    assert 'terms = "eu"' in path.read_text(encoding="utf-8")


def test_a_report_and_json_are_made_in_one_go(audit: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    done = audit(SAMPLE, "--html", path, "--json")
    assert json.loads(done.stdout)["rows"] == 1996
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_report_is_one_file_and_the_terminal_is_left_alone(audit: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    done = audit(SAMPLE, "--html", path)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert f"wrote {path}" in done.stderr
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "support assistant" not in text


def test_what_could_not_be_read_is_told_beside_the_report(audit: Any, tmp_path: Path) -> None:
    line = json.dumps(
        {"created_at": "2026-03-02", "model": "gpt-5", "tokens_in": 8, "tokens_out": 5}
    )
    log = tmp_path / "a.jsonl"
    log.write_text(f"{line}\n{{cut\n", encoding="utf-8")
    done = audit(log, "--html", tmp_path / "report.html")
    assert done.exit_code == 0, done.output
    assert "1 line could not be read" in done.stderr


def test_json_has_what_the_charts_of_the_report_show(sampled: Any) -> None:
    found = json.loads(sampled("--json"))
    over, hours = found["spend_over_time"], found["hour_of_week"]
    assert (over["by"], len(over["slots"]), over["rows_without_time"]) == ("day", 7, {})
    spent = sum(one["reckoned_usd"] for slot in over["slots"] for one in slot["classes"].values())
    assert spent == pytest.approx(found["total"]["reckoned_usd"], abs=1e-8)
    assert sum(map(sum, hours["requests"].values())) == found["total"]["requests"]
    assert hours["times_in_span"] == [1] * 168
    steps = found["together"]["saves_step_by_step_usd"].values()
    for end in ("low", "high"):
        joint = found["together"]["saves_together_usd"][end]
        assert sum(step[end] for step in steps) == pytest.approx(joint, abs=1e-9)


def test_a_report_in_no_folder_is_refused_before_anything_is_read(
    audit: Any, tmp_path: Path
) -> None:
    done = audit("nowhere", "--html", tmp_path / "absent/report.html")
    assert done.exit_code != 0
    assert "absent is no folder" in str(done.exception)
