"""The process: what it answers about itself, where it listens, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lanewise.app import Engine
from lanewise.errors import BadSettings
from lanewise.gateway.routes import Parts
from lanewise.gateway.serving import RunningGateway, anybody, open_parts
from lanewise.settings import load

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Where is my order?"}]}


def test_a_signal_ends_it_after_the_ledger_is_written_and_the_log_names_no_content(
    tmp_path: Path, serving: Any
) -> None:
    with serving(tmp_path / "home") as (process, url):
        got = httpx2.post(
            f"{url}/v1/chat/completions", json=CHAT, headers={"authorization": "Bearer sk-mine"}
        )
        assert got.status_code == 200
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert "POST /v1/chat/completions 200" in log
    assert "order" not in log
    assert "sk-mine" not in log
    environ = {"LANEWISE_HOME": str(tmp_path / "home")}
    with Engine(load(environ), environ=environ) as engine:
        assert engine.store.money().n == 1


def test_what_was_submitted_is_worked_on_while_it_serves(tmp_path: Path, serving: Any) -> None:
    home = tmp_path / "home"
    file = tmp_path / "requests.jsonl"
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": CHAT}
    file.write_text(json.dumps(line))
    environ = os.environ | {"LANEWISE_HOME": str(home)}
    command = [sys.executable, "-m", "lanewise", "submit", str(file), "--provider", "sandbox"]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    with serving(home) as (process, _), Engine(load(environ), environ=environ) as engine:
        for _ in range(300):
            if not engine.store.runs(open_only=True):
                break
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)
        [run] = engine.store.runs()
        assert (run.state, run.answered) == ("finished", 1)


def test_it_says_whether_it_lives_and_whether_it_can_serve(place: Any, tmp_path: Path) -> None:
    assert place.http.get("/healthz").text == "ok\n"
    assert place.http.get("/readyz").text == "ready\n"
    environ = {"LANEWISE_HOME": str(tmp_path / "bare")}
    with Engine(load(environ), environ=environ) as engine:
        running = RunningGateway(Parts(engine, anybody))
        try:
            assert httpx2.get(f"{running.url}/healthz").status_code == 200
            assert httpx2.get(f"{running.url}/readyz").status_code == 503
            got = httpx2.post(f"{running.url}/v1/chat/completions", json=CHAT)
            assert got.status_code == 403
            assert "OPENAI_API_KEY" in got.json()["error"]["message"]
        finally:
            running.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_without_keys_it_listens_where_only_this_machine_can_reach_it(
    place: Any, host: str
) -> None:
    with (
        pytest.raises(BadSettings, match="there are no keys"),
        open_parts(place.engine, host),
    ):
        pass
    for own in ("127.0.0.1", "::1", "localhost"):
        with open_parts(place.engine, own) as parts:
            assert parts.engine is place.engine
