"""Other gateways before the same upstream, started from where they are installed; one process each.

    python3 -m venv litellm && litellm/bin/pip install 'litellm[proxy]==1.106.2'
    python3 -m venv ferrogw && ferrogw/bin/pip install ferrogw==1.5.10
    mkdir portkey && cd portkey && npm i @portkey-ai/gateway@1.15.2

LiteLLM has a key to check and no database, ferrogw a key, Portkey none.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from load import Side

_PATIENCE: Final = 120.0  # seconds until one of them has to listen
_MODEL: Final = """\
model_list:
  - model_name: gpt-4o-mini
    litellm_params: {{model: openai/gpt-4o-mini, api_base: {upstream}/v1, api_key: sk-fake}}
litellm_settings: {{telemetry: false}}
general_settings: {{master_key: {key}}}
"""


@contextmanager
def litellm(folder: Path, upstream: str, scratch: Path) -> Iterator[Side]:
    """LiteLLM's proxy, of a virtual environment."""
    port, key = _free_port(), f"sk-{secrets.token_hex(16)}"
    config = scratch / "litellm.yaml"
    config.write_text(_MODEL.format(upstream=upstream, key=key))
    command = [str(folder / "bin/litellm"), "--config", str(config), "--host", "127.0.0.1"]
    own = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with _running([*command, "--port", str(port)], own, port, scratch) as pid:
        yield Side("LiteLLM proxy", f"http://127.0.0.1:{port}", pid, key, share=0.02)


@contextmanager
def ferrogw(folder: Path, upstream: str, scratch: Path) -> Iterator[Side]:
    """ferrogw, of a virtual environment; its own rate limit would refuse most of the calls."""
    port, key = _free_port(), f"fgw_{secrets.token_hex(16)}"
    config = scratch / "ferro.yaml"
    config.write_text("strategy: {mode: single}\ntargets:\n  - virtual_key: openai\n")
    own = {
        "OPENAI_API_KEY": "sk-fake",
        "OPENAI_BASE_URL": upstream,
        "MASTER_KEY": key,
        "PORT": str(port),
        "GATEWAY_CONFIG": str(config),
        "LOG_LEVEL": "error",
        "RATE_LIMIT_RPS": "1000000",
        "RATE_LIMIT_BURST": "1000000",
    }
    with _running([str(folder / "bin/ferrogw"), "serve"], own, port, scratch) as pid:
        yield Side("ferrogw", f"http://127.0.0.1:{port}", pid, key)


@contextmanager
def portkey(folder: Path, upstream: str, scratch: Path) -> Iterator[Side]:
    """Portkey's gateway, of a folder with node_modules."""
    port = _free_port()
    script = folder / "node_modules/@portkey-ai/gateway/build/start-server.js"
    lines = f"x-portkey-provider: openai\r\nx-portkey-custom-host: {upstream}/v1\r\n"
    with _running(["node", str(script), f"--port={port}", "--headless"], {}, port, scratch) as pid:
        yield Side("Portkey", f"http://127.0.0.1:{port}", pid, "sk-fake", lines, share=0.15)


@contextmanager
def _running(
    command: list[str], environ: Mapping[str, str], port: int, scratch: Path
) -> Iterator[int]:
    """A process that listens on a port; its id."""
    with (scratch / "rival.log").open("ab") as log:
        running = subprocess.Popen(
            command, env=os.environ | dict(environ), cwd=scratch, stdout=log, stderr=log
        )
    try:
        _await(port, running)
        yield running.pid
    finally:
        running.terminate()
        running.wait(60)


def _await(port: int, running: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and running.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit(f"{running.args} does not listen on {port}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port
