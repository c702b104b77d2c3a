"""`--dedupe` on the command line, and a process that dies while it writes copies down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "same"}]}


def billed(shell: Any) -> int:
    return int(shell.sandbox.state.first("SELECT sum(n) FROM bills")[0])


def test_dedupe_asks_the_same_once_says_so_and_explains_whose_answer_a_copy_gets(
    shell: Any,
) -> None:
    name = shell.write("in.jsonl", [BODY] * 5)
    options = ("--endpoint", "/v1/chat/completions", "--dedupe", "-o", "out.jsonl")
    done = shell("run", name, *options)
    assert done.returncode == 0, done.stderr
    lines = shell.read("out.jsonl")
    assert [line["custom_id"] for line in lines] == [f"request-{n}" for n in range(1, 6)]
    assert len({line["id"] for line in lines}) == 5, "as in any output of the provider"
    assert len({line["response"]["body"]["id"] for line in lines}) == 1
    assert "accepted 5 requests as default-" in done.stderr
    assert ", 4 of them copies" in done.stderr
    assert "4 get the answer of another request of the same content" in " ".join(
        done.stderr.split()
    )
    told = shell("explain", "request-4").stdout
    assert "line 4" in told
    assert "same content as 'request-1'" in told
    assert "this one costs nothing more" in told
    assert (
        "4 other requests of the same content get its answer"
        in shell("explain", "request-1").stdout
    )
    figures = json.loads(shell("run", name, *options, "--json").stdout)
    assert (figures["requests"], figures["answered"], figures["copies"]) == (5, 5, 4)


@pytest.mark.parametrize("point", ["ingest.append", "ingest.commit"])
def test_a_process_killed_while_it_writes_copies_leaves_nothing_and_the_same_command_does_all(
    shell: Any, chats: Any, point: str
) -> None:
    requests = [
        item | {"custom_id": f"{item['custom_id']}-{number}"}
        for number in range(3)
        for item in chats(100)
    ]
    name = shell.write("in.jsonl", requests)
    options = ("--dedupe", "-o", "out.jsonl", "--yes")
    killed = shell("run", name, *options, LANEWISE_FAILPOINTS=f"{point}=kill")
    assert killed.returncode == -9
    home = Path(shell.env["LANEWISE_HOME"])
    assert json.loads(shell("status", "--json").stdout)["runs"] == []
    left = [folder.name for folder in (home / "segments").iterdir()]
    assert len(left) == 1
    done = shell("run", name, *options)
    assert done.returncode == 0, done.stderr
    assert [line["custom_id"] for line in shell.read("out.jsonl")] == [
        item["custom_id"] for item in requests
    ]
    assert billed(shell) == 100
    assert shell("clean").returncode == 0
    assert left[0] not in {folder.name for folder in (home / "segments").iterdir()}
