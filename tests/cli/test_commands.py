"""Every command with good input and with bad: what it does, what it says, how it exits."""

from __future__ import annotations

import gzip
import json
import signal
import sqlite3
from typing import Any

import pytest


def accepted(shell: Any) -> int:
    return int(shell.sandbox.state.first("SELECT count(*) FROM batches")[0])


# -- run --------------------------------------------------------------------------------------------
def test_run_writes_every_answer_in_order_and_prints_the_fields_programs_rely_on(
    shell: Any, chats: Any
) -> None:
    name = shell.write("in.jsonl", chats(5))
    done = shell("run", name, "-o", "out.jsonl", "--workflow", "tickets", "--json")
    assert done.returncode == 0, done.stderr
    assert [line["custom_id"] for line in shell.read("out.jsonl")] == [f"r{n}" for n in range(5)]
    figures = json.loads(done.stdout)
    wanted = {"run", "requests", "answered", "refused", "unanswered", "cost_usd", "baseline_usd",
              "saving_usd", "saving_percent", "waste_usd", "batches"}  # fmt: skip
    assert wanted <= set(figures)
    assert (figures["requests"], figures["answered"], figures["saving_percent"]) == (5, 5, 50.0)


def test_the_same_command_again_pays_nothing_says_when_it_finished_and_writes_the_results_again(
    shell: Any, chats: Any
) -> None:
    name = shell.write("in.jsonl", chats(3))
    shell("run", name, "-o", "out.jsonl")
    first = (shell.folder / "out.jsonl").read_bytes()
    (shell.folder / "out.jsonl").unlink()
    again = shell("run", name, "-o", "out.jsonl")
    assert again.returncode == 0
    assert "finished 2" in again.stderr
    assert (shell.folder / "out.jsonl").read_bytes() == first
    assert accepted(shell) == 1


def test_again_and_a_new_name_ask_anew(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", chats(2))
    for number, more in enumerate(([], ["--again"], ["--run", "other"])):
        assert shell("run", name, "-o", f"out-{number}.jsonl", *more).returncode == 0
    assert accepted(shell) == 3


def test_five_equal_prompts_get_five_answers(shell: Any) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "same"}]}
    name = shell.write("in.jsonl", [body] * 5)
    done = shell("run", name, "-o", "out.jsonl", "--endpoint", "/v1/chat/completions")
    assert done.returncode == 0
    assert len({line["id"] for line in shell.read("out.jsonl")}) == 5


def test_a_name_is_not_given_to_other_content(shell: Any, chats: Any) -> None:
    shell("run", shell.write("a.jsonl", chats(2)), "-o", "o.jsonl", "--run", "nightly")
    done = shell("run", shell.write("b.jsonl", chats(3)), "-o", "o.jsonl", "--run", "nightly")
    assert done.returncode == 2
    assert "nightly" in done.stderr
    assert accepted(shell) == 1


@pytest.mark.parametrize("kind", ["gz", "zst", "stdin"])
def test_compressed_files_and_standard_input_are_read(shell: Any, chats: Any, kind: str) -> None:
    data = "".join(json.dumps(line) + "\n" for line in chats(2)).encode()
    stdin = None
    source = "-"
    if kind == "stdin":
        stdin = data
    else:
        source = f"in.{kind}"
        if kind == "zst":
            from backports import zstd

            data = zstd.compress(data)
        else:
            data = gzip.compress(data)
        (shell.folder / source).write_bytes(data)
    done = shell("run", source, "-o", "out.jsonl", stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert len(shell.read("out.jsonl")) == 2


def test_results_go_to_standard_output_where_that_is_no_terminal(shell: Any, chats: Any) -> None:
    done = shell("run", shell.write("in.jsonl", chats(2)))
    assert [json.loads(line)["custom_id"] for line in done.stdout.splitlines()] == ["r0", "r1"]


def test_refused_requests_are_exit_code_one_and_say_why(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", [*chats(1), *chats(1, model="gpt-nonsense")[:0]])
    shell.write("in.jsonl", [chats(1)[0], chats(2, model="gpt-nonsense")[1]])
    done = shell("run", name, "-o", "out.jsonl", "--yes")
    assert done.returncode == 1
    assert "gpt-nonsense" in json.dumps(shell.read("out.jsonl")[1])


# -- bad input --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("lines", "arguments", "says"),
    [
        (["{"], [], "in.jsonl:1:"),
        (['{"model":"m"}'], [], "--endpoint"),
        (["", "  "], [], "no request"),
        (
            ['{"custom_id":"a","method":"POST","url":"/v1/nope","body":{}}'],
            [],
            "/v1/chat/completions",
        ),
        (['{"a":1}'], ["--endpoint", "/v1/other"], "/v1/chat/completions"),
    ],
)
def test_bad_input_is_exit_code_two_names_the_place_and_accepts_nothing(
    shell: Any, lines: list[str], arguments: list[str], says: str
) -> None:
    name = shell.write("in.jsonl", lines, raw=True)
    done = shell("run", name, "-o", "out.jsonl", *arguments)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(shell("status", "--json").stdout)["runs"] == []


def test_broken_lines_can_be_left_out(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", [json.dumps(chats(1)[0]), "nonsense"], raw=True)
    assert shell("run", name, "-o", "out.jsonl").returncode == 2
    done = shell("run", name, "-o", "out.jsonl", "--skip-bad")
    assert done.returncode == 0
    assert "in.jsonl:2:" in done.stderr


def test_a_line_whose_own_deadline_cannot_be_meant_is_a_bad_line_like_others(
    shell: Any, chats: Any
) -> None:
    good, vague, past = chats(3)
    vague["deadline"], past["deadline"] = "soonish", "2020-01-01T06:00Z"
    name = shell.write("in.jsonl", [good, vague, past])
    refused = shell("run", name, "-o", "out.jsonl")
    assert refused.returncode == 2
    assert "2 lines are no requests:\nin.jsonl:2: its deadline is 'soonish'; it takes 8h" in (
        refused.stderr
    )
    assert (
        "in.jsonl:3: its deadline is '2020-01-01T06:00Z', which was 2020-01-01 06:00 UTC"
        in refused.stderr
    )
    done = shell("run", name, "-o", "out.jsonl", "--skip-bad")
    assert (done.returncode, "in.jsonl:2: its deadline" in done.stderr) == (0, True)
    assert [line["custom_id"] for line in shell.read("out.jsonl")] == ["r0"]
    good["deadline"], vague["deadline"], past["deadline"] = "8h", "8h", "8h"
    mended = shell("run", shell.write("in.jsonl", [good, vague, past]), "-o", "all.jsonl")
    assert (mended.returncode, len(shell.read("all.jsonl"))) == (0, 3), (
        "what was left out is not known"
    )


def test_repeated_ids_are_an_error_or_renumbered(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", [chats(1)[0]] * 3)
    done = shell("run", name, "-o", "out.jsonl")
    assert done.returncode == 2
    assert "--renumber" in done.stderr
    assert shell("run", name, "-o", "out.jsonl", "--renumber").returncode == 0
    assert [line["custom_id"] for line in shell.read("out.jsonl")] == ["r0", "r0~2", "r0~3"]


def test_a_streaming_request_is_refused_with_the_cure(shell: Any, chats: Any) -> None:
    done = shell("run", shell.write("in.jsonl", chats(1, stream=True)), "-o", "out.jsonl")
    assert done.returncode == 2
    assert "stream" in done.stderr


def test_a_missing_file_and_an_unknown_command_are_exit_code_two(shell: Any) -> None:
    missing = shell("run", "nowhere.jsonl", "-o", "out.jsonl")
    assert (missing.returncode, "nowhere.jsonl" in missing.stderr) == (2, True)
    assert shell("explode").returncode == 2
    assert shell("results", "no-such-run").returncode == 2
    assert shell("run").returncode == 2


def test_the_form_of_one_provider_is_not_sent_to_another(shell: Any, chats: Any) -> None:
    done = shell("run", shell.write("in.jsonl", chats(1)), "--provider", "anthropic")
    assert done.returncode == 2
    assert "openai" in done.stderr


def test_without_a_credential_the_error_says_how_to_set_one_and_offers_the_sandbox(
    shell: Any, chats: Any
) -> None:
    name = shell.write("in.jsonl", chats(1))
    done = shell("run", name, OPENAI_API_KEY="", OPENAI_BASE_URL="")
    assert done.returncode == 3
    assert "OPENAI_API_KEY" in done.stderr
    assert "--provider sandbox" in done.stderr


def test_a_refused_credential_is_exit_code_three_and_loses_nothing(shell: Any, chats: Any) -> None:
    from lanewise.sandbox import Fault

    shell.sandbox.add_fault(Fault("http_error", operation="files.create", status=401, times=-1))
    name = shell.write("in.jsonl", chats(2))
    done = shell("run", name, "-o", "out.jsonl")
    assert done.returncode == 3
    assert "Nothing is lost" in done.stderr
    shell.sandbox.state.clear_faults()
    assert shell("run", name, "-o", "out.jsonl").returncode == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LANEWISE_POLL_SECONDS", "soon"),
        ("LANEWISE_MAX_TRIES", "0"),
        ("LANEWISE_LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_setting_names_itself_and_what_it_takes(
    shell: Any, variable: str, value: str
) -> None:
    done = shell("status", **{variable: value})
    assert done.returncode == 2
    assert variable in done.stderr
    assert "takes" in done.stderr


def test_an_unknown_key_in_the_settings_file_is_refused(shell: Any) -> None:
    (shell.folder / "lanewise.toml").write_text("pol_seconds = 3\n", encoding="utf-8")
    done = shell("status")
    assert done.returncode == 2
    assert "pol_seconds" in done.stderr


# -- the home ---------------------------------------------------------------------------------------
def test_a_home_of_a_newer_lanewise_is_refused_with_the_cure(shell: Any) -> None:
    shell("status")
    database = sqlite3.connect(shell.folder / "home/lanewise.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    done = shell("status")
    assert done.returncode == 3
    assert "pip install -U lanewise" in done.stderr


def test_a_home_that_cannot_be_is_exit_code_three(shell: Any) -> None:
    (shell.folder / "file").write_text("")
    done = shell("status", LANEWISE_HOME=str(shell.folder / "file/home"))
    assert done.returncode == 3
    assert "LANEWISE_HOME" in done.stderr or "Not a directory" in done.stderr


def test_a_full_disk_while_accepting_is_said_and_leaves_nothing(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", chats(600))
    done = shell("submit", name, LANEWISE_FAILPOINTS="ingest.append=full")
    assert done.returncode == 3
    assert "No space left" in done.stderr or "no space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((shell.folder / "home/segments").iterdir()) == []
    assert shell("run", name, "-o", "out.jsonl").returncode == 0


# -- leaving and coming back ------------------------------------------------------------------------
def test_results_are_not_wanted_from_a_run_that_returns_before_there_are_any(
    shell: Any, chats: Any
) -> None:
    done = shell("run", shell.write("in.jsonl", chats(3)), "--detach", "-o", "out.jsonl")
    assert done.returncode == 2
    assert "lanewise results RUN -o FILE" in " ".join(done.stderr.split())
    assert "nothing was submitted" in shell("status").stdout


def test_detaching_without_a_worker_warns_and_a_worker_finishes_it(shell: Any, chats: Any) -> None:
    done = shell("run", shell.write("in.jsonl", chats(3)), "--detach", "--run", "later")
    assert done.returncode == 0
    assert "lanewise worker" in done.stderr
    assert "lanewise worker" in shell("status").stderr
    assert shell("results", "later").returncode == 1
    assert shell("worker", "--idle-exit").returncode == 0
    done = shell("results", "later", "-o", "out.jsonl")
    assert done.returncode == 0
    assert len(shell.read("out.jsonl")) == 3


def test_leaving_with_ctrl_c_warns_and_the_same_command_goes_on_from_there(
    changes: Any, slow_shell: Any, chats: Any
) -> None:
    shell = slow_shell
    name = shell.write("in.jsonl", chats(2))
    process = shell.start("run", name, "-o", "out.jsonl")
    changes.until(lambda: accepted(shell) == 1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert b"lanewise worker" in stderr
    shell.sandbox.advance(4_000.0)
    done = shell("run", name, "-o", "out.jsonl")
    assert done.returncode == 0
    assert "resuming" in done.stderr
    assert accepted(shell) == 1


def test_killing_it_and_running_it_again_pays_once(
    changes: Any, slow_shell: Any, chats: Any
) -> None:
    shell = slow_shell
    name = shell.write("in.jsonl", chats(2))
    process = shell.start("run", name, "-o", "out.jsonl")
    changes.until(lambda: accepted(shell) == 1)
    process.kill()
    process.communicate()
    shell.sandbox.advance(4_000.0)
    assert shell("run", name, "-o", "out.jsonl").returncode == 0
    assert accepted(shell) == 1


def test_passes_of_worker_once_may_overlap(shell: Any, chats: Any) -> None:
    shell("submit", shell.write("in.jsonl", chats(4)), "--run", "cron")
    for _ in range(2):
        passes = [shell.start("worker", "--once") for _ in range(2)]
        assert [process.communicate()[1] and process.returncode for process in passes] == [0, 0]
    assert shell("worker", "--idle-exit").returncode == 0
    assert shell("results", "cron", "-o", "out.jsonl").returncode == 0
    assert accepted(shell) == 1


def test_nothing_is_sent_while_everything_is_paused(shell: Any, chats: Any) -> None:
    shell("submit", shell.write("in.jsonl", chats(2)), "--run", "held")
    assert shell("pause", "--all").returncode == 0
    shell("worker", "--once")
    assert accepted(shell) == 0
    assert "paused" in shell("status").stdout
    assert shell("resume").returncode == 0
    assert shell("worker", "--idle-exit").returncode == 0
    assert accepted(shell) == 1


def test_cancelling_ends_a_run_and_retrying_asks_again(shell: Any, chats: Any) -> None:
    shell("submit", shell.write("in.jsonl", chats(3)), "--run", "gone")
    assert shell("cancel", "gone").returncode == 0
    done = shell("results", "gone")
    assert done.returncode == 1
    assert done.stdout.count("cancelled") >= 3
    assert shell("retry", "gone").returncode == 0
    assert shell("worker", "--idle-exit").returncode == 0
    assert shell("results", "gone").returncode == 0


# -- looking ----------------------------------------------------------------------------------------
def test_explain_tells_what_happened_by_every_id_of_a_request(shell: Any, chats: Any) -> None:
    shell("run", shell.write("in.jsonl", chats(2)), "-o", "out.jsonl")
    done = shell("explain", "r1")
    assert done.returncode == 0
    assert "answered" in done.stdout
    assert "cost $" in done.stdout
    ours = next(word for word in done.stdout.split() if word.startswith("lw-"))
    [run] = json.loads(shell("status", "--json").stdout)["runs"]
    for name in (ours, f"req_{run['id']}_1", f"resp_lw_{run['id']}_1"):
        assert shell("explain", name).stdout == done.stdout, name
    shell("run", shell.write("other.jsonl", chats(1)), "-o", "out.jsonl", "--run", "other")
    assert shell("explain", f"req_{run['id']}_1", "--run", "other").returncode == 2
    for name in ("nobody", f"req_{run['id']}_9"):
        unknown = shell("explain", name)
        assert unknown.returncode == 2
        assert "known are the custom_id of the input" in unknown.stderr


def test_status_and_receipt_for_people_and_programs(shell: Any, chats: Any) -> None:
    assert "nothing was submitted yet" in shell("status").stdout
    shell(
        "run",
        shell.write("in.jsonl", chats(2)),
        "-o",
        "out.jsonl",
        "--workflow",
        "w",
        "--run",
        "one",
    )
    assert "one  finished" in shell("status").stdout
    assert "batch.settled" in shell("status", "--events").stdout
    events = [
        json.loads(line)
        for line in shell("status", "one", "--events", "--json").stdout.splitlines()
    ]
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    [figures] = json.loads(shell("receipt", "--workflow", "w", "--json").stdout)
    assert figures["answered"] == 2
    assert "saving" in shell("receipt", "one").stdout
    assert shell("receipt", "--workflow", "none").returncode == 2


def test_opening_a_home_closes_it_to_others_and_doctor_finds_nothing_wrong(shell: Any) -> None:
    assert shell("doctor").returncode == 0
    (shell.folder / "home").chmod(0o755)
    done = shell("doctor", "--json")
    assert done.returncode == 0, "opening the home closes it to others"
    assert (shell.folder / "home").stat().st_mode & 0o777 == 0o700


def test_doctor_live_checks_assumptions_within_a_budget(slow_shell: Any) -> None:
    done = slow_shell("doctor", "--live")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("assumption") >= 12
    assert slow_shell.sandbox.books()["nano_usd"] == 0
    before = accepted(slow_shell)
    dear = slow_shell("doctor", "--live", "--max-usd", "0.0000001")
    assert dear.returncode == 4
    assert accepted(slow_shell) == before


def test_doctor_live_without_a_credential_fails_because_it_checked_nothing(shell: Any) -> None:
    nobody = dict.fromkeys(
        ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"), ""
    )
    done = shell("doctor", "--live", **nobody)
    assert done.returncode == 3
    assert "no assumption was checked" in done.stdout
    assert "OPENAI_API_KEY" in done.stdout


def test_doctor_live_reports_an_assumption_that_does_not_hold(slow_shell: Any) -> None:
    from lanewise.sandbox import Fault

    slow_shell.sandbox.add_fault(Fault("not_found", operation="batches.get", times=1))
    done = slow_shell("doctor", "--live")
    assert done.returncode == 1
    assert "fail  assumption, openai: a new batch can be retrieved at once" in done.stdout


def test_providers_shows_every_limit(shell: Any) -> None:
    text = shell("providers").stdout
    for figure in ("50,000", "200,000,000", "2,000", "100,000"):
        assert figure in text
    assert {item["provider"] for item in json.loads(shell("providers", "--json").stdout)} == {
        "openai",
        "anthropic",
    }


# -- keeping ----------------------------------------------------------------------------------------
def test_forgetting_a_workflow_removes_bodies_and_answers_and_keeps_the_books(
    shell: Any, chats: Any
) -> None:
    shell(
        "run",
        shell.write("in.jsonl", chats(2, text="secretive")),
        "-o",
        "out.jsonl",
        "--workflow",
        "w",
    )
    assert shell("forget", "w", "--yes").returncode == 0
    assert not any(
        b"secretive" in path.read_bytes()
        for path in (shell.folder / "home").rglob("*")
        if path.is_file()
    )
    assert json.loads(shell("receipt", "--workflow", "w", "--json").stdout)[0]["answered"] == 2
    assert shell("forget", "nobody", "--yes").returncode == 2


def test_clean_keeps_what_is_young_and_removes_what_is_old(shell: Any, chats: Any) -> None:
    shell("run", shell.write("in.jsonl", chats(2)), "-o", "out.jsonl", "--run", "r")
    assert "deleted: 0;" in shell("clean").stderr
    assert "deleted: 1;" in shell("clean", "--older-than", "0").stderr
    assert list((shell.folder / "home").rglob("*.jsonl")) == []


def test_a_backup_is_a_home(shell: Any, chats: Any) -> None:
    shell("run", shell.write("in.jsonl", chats(2)), "-o", "out.jsonl", "--run", "r")
    assert shell("backup", "copy").returncode == 0
    done = shell("results", "r", LANEWISE_HOME=str(shell.folder / "copy"))
    assert done.stdout.encode() == (shell.folder / "out.jsonl").read_bytes()
    assert shell("backup", "copy").returncode == 2


def test_neither_key_nor_prompt_is_in_logs_rows_or_messages(shell: Any, chats: Any) -> None:
    from lanewise.sandbox import Fault

    shell.sandbox.add_fault(Fault("accept_then_504"))
    shell.sandbox.add_fault(Fault("lines_refused", fraction=0.5))
    name = shell.write("in.jsonl", chats(4, text="canary-prompt"))
    done = shell(
        "run", name, "-o", "out.jsonl", LANEWISE_LOG_LEVEL="debug", LANEWISE_LOG_FORMAT="json",
        LANEWISE_LISTING_LAG_SECONDS="1",
    )  # fmt: skip
    shown = (
        done.stdout
        + done.stderr
        + shell("status", "--events").stdout
        + shell("explain", "r0").stdout
    )
    rows = "".join(
        path.read_bytes().decode("latin-1") for path in (shell.folder / "home").glob("lanewise.db*")
    )
    for secret in ("canary-prompt", "sk-canary-key-7f3a"):
        assert secret not in shown
        assert secret not in rows
    assert any('"state"' in line for line in done.stderr.splitlines() if line.startswith("{"))


def test_a_run_that_is_known_keeps_its_deadline_and_another_one_is_checked_and_answered(
    shell: Any, chats: Any
) -> None:
    name = shell.write("in.jsonl", chats(3))
    first = shell("run", name, "-o", "out.jsonl", "--deadline", "8h")
    assert first.returncode == 0, first.stderr
    same = shell("run", name, "-o", "out.jsonl", "--deadline", "8h")
    assert "changes nothing" not in same.stderr
    other = shell("run", name, "-o", "out.jsonl", "--deadline", "2h")
    assert other.returncode == 0
    assert "--deadline 2h changes nothing: default-" in other.stderr
    assert 'keeps "8h" (--again asks anew)' in other.stderr
    broken = shell("run", name, "-o", "out.jsonl", "--deadline", "soonish")
    assert broken.returncode == 2
    assert "--deadline is 'soonish'; it takes" in broken.stderr
