"""`explain`, `status` and the live view, as a stranger runs them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import Any


def test_status_says_slack_and_finish_and_explain_the_story_for_people_and_programs(
    slow_shell: Any, chats: Any
) -> None:
    shell, name = slow_shell, slow_shell.write("in.jsonl", chats(3))
    shell("submit", name, "--run", "night", "--deadline", "8h", "--yes")
    shell("worker", "--once")
    said = shell("status", "night").stdout
    for part in ("night  open", '(said "8h")', "slack 7 h", "expected to be done", "basis: "):
        assert part in said, said
    [run] = json.loads(shell("status", "--json").stdout)["runs"]
    assert 7 * 3_600 < run["slack_seconds"] < run["seconds_left"] <= 8 * 3_600
    assert run["finish"]["rescued"] is True
    assert [batch["state"] for batch in run["batches"]] == ["submitted"]
    told = shell("explain", "r1", "--run", "night")
    assert "under way: no result yet" in told.stdout
    [story] = json.loads(shell("explain", "r1", "--json").stdout)
    assert (story["state"], story["run"], story["asked"]) == ("sent", "night", "8h")
    assert story["decision"]["why"]


def test_explain_names_the_older_runs_that_have_a_request_of_that_id_too(
    shell: Any, chats: Any
) -> None:
    name = shell.write("in.jsonl", chats(1))
    for run in ("one", "two", "three"):
        shell("run", name, "-o", f"{run}.jsonl", "--run", run, "--again")
    told = shell("explain", "r0").stdout
    assert "run three, workflow" in told
    assert "older runs have a request 'r0', too: two, one; --run tells of one" in told
    only = shell("explain", "r0", "--run", "one").stdout
    assert "run one, workflow" in only
    assert "older runs" not in only


def test_watching_a_run_where_there_is_no_terminal_ends_with_it(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", chats(2))
    shell("run", name, "-o", "out.jsonl", "--run", "one")
    done = shell("status", "one", "--watch")
    assert done.returncode == 0
    assert "one: finished, 2 of 2 answered" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    refused = shell("status", "--watch", "--json")
    assert refused.returncode == 2
    assert "--watch is for people" in refused.stderr


def test_watching_on_a_terminal_redraws_and_ends_with_ctrl_c(slow_shell: Any, chats: Any) -> None:
    shell, name = slow_shell, slow_shell.write("in.jsonl", chats(2))
    shell("submit", name, "--run", "night", "--deadline", "8h", "--yes")
    leader, follower = pty.openpty()
    watching = subprocess.Popen(
        [sys.executable, "-m", "lanewise", "status", "--watch"],
        env=shell.env | {"COLUMNS": "80", "LINES": "24", "TERM": "xterm"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    os.close(follower)
    try:
        seen = read_until(leader, ["slack 7 h", "Ctrl-C ends this"])
        assert "night  open" in seen
        watching.send_signal(signal.SIGINT)
        drain(leader)
        assert watching.wait(timeout=20) == 0
    finally:
        watching.kill()
        os.close(leader)


def test_run_says_slack_and_finish_as_it_goes(slow_shell: Any, chats: Any) -> None:
    shell, name = slow_shell, slow_shell.write("in.jsonl", chats(2))
    running = shell.start("run", name, "-o", "out.jsonl", "--deadline", "8h")
    assert running.stderr is not None
    lines: list[str] = []
    until = time.monotonic() + 20.0
    while not any("submitted" in line for line in lines) and time.monotonic() < until:
        lines.append(running.stderr.readline().decode())
    running.send_signal(signal.SIGINT)
    rest = running.communicate(timeout=20)[1].decode()
    shown = "".join(lines) + rest
    assert "slack 7 h" in shown, shown
    assert "done about" in shown, shown


def read_until(fd: int, wanted: list[str], *, longest: float = 20.0) -> str:
    """What a terminal was sent, until all of it came."""
    seen, until = "", time.monotonic() + longest
    while not all(part in seen for part in wanted):
        assert time.monotonic() < until, seen
        if select.select([fd], [], [], 0.2)[0]:
            seen += os.read(fd, 65_536).decode(errors="replace")
    return seen


def drain(fd: int) -> None:
    """Let it write what it still has to say."""
    while select.select([fd], [], [], 1.0)[0]:
        try:
            if not os.read(fd, 65_536):
                return
        except OSError:  # the other end is closed
            return


def test_runs_that_are_not_shown_are_not_kept_back(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", chats(1))
    for run in ("one", "two", "three"):
        shell("submit", name, "--run", run, "--again")
    assert "left out" not in shell("status", "--limit", "3").stdout
    told = shell("status", "--limit", "2").stdout
    assert ("three  open" in told, "two  open" in told, "one  open" in told) == (True, True, False)
    assert "older runs are left out: --limit 4 shows more" in told


def test_what_is_no_request_is_said_with_what_to_do_instead(shell: Any, chats: Any) -> None:
    name = shell.write("in.jsonl", chats(1))
    shell("run", name, "-o", "out.jsonl", "--run", "night")
    for arguments, says in (
        (
            ["night"],
            "'night' is a run, and this tells of one request: lanewise explain CUSTOM_ID --run night",
        ),
        (["nobody"], "there is no request 'nobody' in any run whose bodies are kept; known are"),
        (["nobody", "--run", "night"], "there is no request 'nobody' in night; known are"),
        (["r0", "--run", "day"], "there is no run 'day'; the newest are: night"),
    ):
        done = shell("explain", *arguments)
        assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert shell("forget", "default", "--yes").returncode == 0
    for command in (
        ["explain", "r0", "--run", "night"],
        ["explain", "night"],
        ["results", "night"],
    ):
        done = shell(*command)
        assert done.returncode == 2
        assert (
            "of night were deleted (past their retention, or with lanewise forget)" in done.stderr
        )
        assert "lanewise receipt night" in done.stderr
    again = shell("run", name, "-o", "new.jsonl", "--run", "night")
    assert (again.returncode, "with --again" in again.stderr) == (2, True), again.stderr


def test_one_of_a_thing_is_said_as_one(shell: Any, chats: Any) -> None:
    """No output that people meet says `1 requests`."""
    name = shell.write("one.jsonl", chats(1))
    told = [
        shell("submit", name, "--run", "one", "--deadline", "8h"),
        shell("status"),
        shell("quotas"),
    ]
    told += [shell("run", name, "-o", "one.out"), shell("results", "one", "-o", "again.out")]
    told += [shell("status", "one"), shell("explain", "r0"), shell("receipt"), shell("doctor")]
    told += [shell("forecast", "--provider", "openai", "--model", "gpt-4o-mini")]
    told += [shell("ledger", "verify"), shell("estimate", name), shell("status", "--events")]
    told += [
        shell("submit", name, "--again", "--run", "two"),
        shell("cancel", "two"),
        shell("status"),
    ]
    told += [shell("export", "focus", "--month", "2026-11", "-o", "focus.csv")]
    said = "\n".join(done.stdout + done.stderr for done in told)
    assert "1 request" in said
    wrong = re.findall(
        r"(?<![\d.,])1 [a-z]+ ?(?:requests|batches|results|rows|runs|workers|lines)\b", said
    )
    wrong += re.findall(r"(?<![\d.,])1 (?:\w+s)\b", said)
    assert not [words for words in wrong if words not in ("1 is", "1 has")], wrong
