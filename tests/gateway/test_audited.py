"""From a log to a policy to what the gateway does with calls: nothing moves, then a share, then all."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from lanewise.cli.main import cli

SAMPLE = Path(__file__).parents[2] / "examples/audit"
OBSERVE = 'rollout = "observe"'
PATH = "/v1/chat/completions"
CHAT = {"model": "gpt-5", "messages": [{"role": "user", "content": "Which box?"}]}
CHEAPER = {"batch", "flex"}


class Client:
    """A program that names its workflow, and polls where it is told to."""

    def __init__(self, process: Any, url: str, headers: dict[str, str]) -> None:
        self._process, self._url, self._headers = process, url, headers

    def _post(self, body: dict[str, Any], headers: dict[str, str]) -> httpx2.Response:
        return httpx2.post(self._url + PATH, json=body, headers=headers, timeout=60)

    def ask(self, **more: Any) -> httpx2.Response:
        """As it always did: on its connection."""
        return self._post(CHAT | more, self._headers)

    def leave(self) -> dict[str, Any]:
        """To be asked for later; what was decided."""
        got = self._post(CHAT, self._headers | {"prefer": "respond-async"})
        assert got.status_code == 202, got.text
        return dict(got.json())

    def until(self, decided: Callable[[dict[str, Any]], bool]) -> None:
        """The gateway looks at its policy once a second."""
        for _ in range(300):
            if decided(self.leave()):
                return
            with pytest.raises(subprocess.TimeoutExpired):
                self._process.wait(0.1)
        raise AssertionError("the policy never came into force")


def moves(found: dict[str, Any]) -> bool:
    return found["lane"] in CHEAPER


def test_the_gateway_does_what_the_written_policy_says_at_each_step_of_its_rollout(
    tmp_path: Path, serving: Any
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    policy = home / "policy.toml"
    done = CliRunner().invoke(cli, ["audit", str(SAMPLE), "--write-policy", str(policy)])
    assert done.exit_code == 0, done.output
    before, found, after = policy.read_text(encoding="utf-8").partition('workflow = "crm_enrich"')

    def step(words: str) -> None:
        policy.write_text(before + found + after.replace(OBSERVE, words, 1), encoding="utf-8")

    with serving(home) as (process, url):
        client = Client(process, url, {"x-lanewise-workflow": "crm_enrich"})
        answered = client.ask()
        assert (answered.status_code, answered.json()["object"]) == (200, "chat.completion")
        observed = client.leave()
        assert observed["lane"] == "realtime"
        assert "only observed" in observed["why"]
        assert "flex" in observed["why"]

        step("percent = 20")
        client.until(lambda found: moves(found) or "20 %" in found["why"])
        shared = Counter(moves(client.leave()) for _ in range(60))
        assert 2 <= shared[True] <= 28, shared

        step('rollout = "all"')
        client.until(moves)
        assert all(moves(client.leave()) for _ in range(8))
        watched = client.ask(stream=True)
        assert (watched.status_code, "x-lanewise-request" in watched.headers) == (200, False)

        for other in ("support_chat", "not in the log"):
            passed = Client(process, url, {"x-lanewise-workflow": other}).ask()
            assert (passed.status_code, "x-lanewise-request" in passed.headers) == (200, False)
