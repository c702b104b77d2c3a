"""One gateway for all clients, what their scripts may ask of the stage it stands on, and what they report."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lanewise.app import Engine, keys
from lanewise.app.keys import NewKey
from lanewise.gateway.background import Background
from lanewise.gateway.serving import RunningGateway, open_parts, working
from lanewise.gateway.waiting import Patience
from lanewise.sandbox import SandboxConfig, start_in_thread
from lanewise.settings import load

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
VENV = ROOT / ".venv-clients"
KEYS = (
    NewKey(name="ann", workflow="clients"),
    NewKey(name="poor", monthly_usd="0.000001"),  # too little for any call
)
_PATIENCE_SECONDS = 30.0


class HeldClock:
    """Hours pass in moments while somebody sleeps by it, and none while it is held."""

    def __init__(self) -> None:
        self.at = 1_790_000_000.0
        self.going = threading.Event()
        self.going.set()

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        until = self.at + seconds
        await asyncio.sleep(min(seconds, 1.0) / 100.0)
        await asyncio.to_thread(self.going.wait)
        self.at = max(self.at, until)


class Stage:
    """A gateway with keys and a worker before the sandbox, and one whose streams stop half-way."""

    def __init__(self, folder: Path) -> None:
        self.clock = HeldClock()
        config = SandboxConfig(batch_seconds=30.0, validation_seconds=5.0)
        self.sandbox = start_in_thread(folder / "provider", config=config, now=self.clock.now)
        self.front = Front(self)
        self.engine = self._engine(folder / "home", self.sandbox.url)
        made = {
            new.name: keys.create(self.engine.store, new, self.clock.now()).reveal() for new in KEYS
        }
        self._opened = open_parts(self.engine, "0.0.0.0")
        self.running = RunningGateway(self._opened.__enter__())
        self._working = working(self.engine)
        self._working.__enter__()
        self.other_engine = self._engine(folder / "other", self.front.url)
        self._other_opened = open_parts(self.other_engine, "127.0.0.1")
        self.stopping = RunningGateway(self._other_opened.__enter__())
        self.environ = {
            "OPENAI_BASE_URL": f"{self.running.url}/v1",
            "OPENAI_API_KEY": made["ann"],
            "ANTHROPIC_BASE_URL": self.running.url,
            "ANTHROPIC_API_KEY": made["ann"],
            "POOR_KEY": made["poor"],
            "STOPPING_URL": self.stopping.url,  # a gateway whose streams stop until /stage/go
            "STAGE_URL": self.front.url,
            "SANDBOX_URL": self.sandbox.url,
        }

    def _engine(self, home: Path, url: str) -> Engine:
        environ = {
            "LANEWISE_HOME": str(home),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": f"{url}/v1",
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": url,
        }
        settings = load(environ, poll_seconds=10.0, listing_lag_seconds=60.0, ledger_flush_ms=1.0)
        return Engine(settings, clock=self.clock, environ=environ)

    @property
    def _background(self) -> Background:
        return self.running.gateway.passing.background

    # -- what scripts ask for -------------------------------------------------------------------------
    def hold(self) -> None:
        """No time passes: no batch ends."""
        self.clock.going.clear()

    def release(self) -> None:
        """Time passes, and answers on the connection keep their minute."""
        self._background._waiting._patience = Patience()
        self.clock.going.set()

    def impatient(self) -> None:
        """The first minute is over in a moment."""
        self._background._waiting._patience = Patience(early=0.05, every=0.02)

    def let_go(self) -> None:
        """When somebody waits: end their wait as a gateway does that ends."""
        waiting = self._background._waiting
        for _ in range(int(_PATIENCE_SECONDS / 0.02)):
            watching = waiting._watching
            if waiting.clients and watching is not None:
                watching.get_loop().call_soon_threadsafe(waiting.let_go)
                return
            threading.Event().wait(0.02)
        raise AssertionError("nobody waits")

    def close(self) -> None:
        self.release()
        self.stopping.close()
        self._other_opened.__exit__(None, None, None)
        self.other_engine.close()
        self._working.__exit__(None, None, None)
        self.running.close()
        self._opened.__exit__(None, None, None)
        self.engine.close()
        self.front.close()
        self.sandbox.close()


class Front(ThreadingHTTPServer):
    """Before the sandbox: half of a stream, and the rest when somebody says go. Scripts steer it too."""

    daemon_threads = True

    def __init__(self, stage: Stage) -> None:
        super().__init__(("127.0.0.1", 0), _Half)
        self.stage = stage
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.going, self.gone = threading.Event(), threading.Event()
        self.verbs: dict[str, Callable[[], Any]] = {
            "go": self.going.set,
            "gone": self._gone,
            "hold": stage.hold,
            "release": stage.release,
            "impatient": stage.impatient,
            "let_go": stage.let_go,
        }
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def _gone(self) -> None:
        """Return when a stream was given up; fail where none is."""
        assert self.gone.wait(_PATIENCE_SECONDS), "the stream went on"
        self.gone.clear()

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Half(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.startswith("/stage/"):
            self._obey(self.path.removeprefix("/stage/"))
            return
        sent = {name: self.headers[name] for name in _PASSED if name in self.headers}
        url = self.server.stage.sandbox.url + self.path
        got = httpx2.post(url, content=body, headers=sent, timeout=_PATIENCE_SECONDS)
        events = got.content.split(b"\n\n")
        half = len(events) // 2
        assert half, "only streams come this way"
        self.server.going.clear()  # what a failed test before this one left
        self.server.gone.clear()
        self.send_response(got.status_code)
        self.send_header("content-type", got.headers["content-type"])
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._send(b"\n\n".join(events[:half]) + b"\n\n")
        if self._told_to_go():
            self._send(b"\n\n".join(events[half:]))
            self._send(b"")

    def _obey(self, verb: str) -> None:
        self.server.verbs[verb]()
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def _send(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _told_to_go(self) -> bool:
        """False where the other side went away first."""
        for _ in range(int(_PATIENCE_SECONDS / 0.02)):
            if self.server.going.wait(0.02):
                self.server.going.clear()
                return True
            if select.select([self.connection], [], [], 0)[0] and not self.connection.recv(1):
                self.server.gone.set()
                self.close_connection = True
                return False
        raise AssertionError("nobody said go: the first half did not arrive")

    def log_message(self, *_: Any) -> None:
        pass


_PASSED = ("authorization", "x-api-key", "anthropic-version", "content-type")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The gateway that all clients call."""
    made = Stage(tmp_path_factory.mktemp("clients"))
    yield made
    made.close()


class Runner:
    """Runs clients as programs of their own, with an address and a key in their environment."""

    def __init__(self, stage: Stage, home: Path) -> None:
        self.stage, self.home = stage, home
        self._reports: dict[str, dict[str, str]] = {}

    def program(self, name: str) -> str:
        """The path of a client or, of a library, the path of the Python that has it."""
        if name == "python":
            return sys.executable
        own = (
            None if name == "curl" else str(VENV / "bin")
        )  # none but those of the versions named there
        found = shutil.which({"litellm": "python"}.get(name, name), path=own)
        if found and (name != "node" or (HERE / "node_modules/openai").exists()):
            return found
        missing = f"there is no {name} here: `make clients` installs all but curl"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)

    def path(self) -> str:
        """Where programs are looked for."""
        return f"{VENV / 'bin'}:{os.environ['PATH']}"

    def environ(self, **more: str) -> dict[str, str]:
        """What a client finds in its environment, and nothing of this machine's settings."""
        own = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONWARNINGS": "ignore"}
        # litellm would fetch its list of prices; llm keeps its settings in a folder
        own |= {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LLM_USER_PATH": str(self.home / "llm"),
        }
        return own | self.stage.environ | more

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A client, run to its end."""
        return subprocess.run(
            command, cwd=self.home, env=self.environ(**more), capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip

    def half(self, *command: str, **more: str) -> tuple[str, str]:
        """What a client shows of a stream before its last event is sent, and all that it shows in the end."""
        process = subprocess.Popen(
            command, cwd=self.home, env=self.environ(**more), stdout=subprocess.PIPE, text=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        with process:
            assert process.stdout is not None
            before = process.stdout.read(1)
            self.stage.front.going.set()
            whole = before + process.stdout.read()
        assert process.returncode == 0
        return before, whole

    def report(self, program: str, script: str) -> dict[str, str]:
        """What a script of checks, run once, says: each promise with "kept", or what went wrong."""
        if script not in self._reports:
            done = self.run(self.program(program), str(HERE / script))
            said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            assert done.returncode == 0, done.stdout + done.stderr
            self._reports[script] = {each["promise"]: each["said"] for each in said}
        return self._reports[script]


@pytest.fixture(scope="session")
def runner(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Runs clients."""
    return Runner(stage, tmp_path_factory.mktemp("user"))
