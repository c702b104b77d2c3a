"""A script of checks prints one JSON line for each promise: "kept", or what went wrong."""

from __future__ import annotations

import json
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

import httpx2


def stage(verb: str) -> None:
    """Ask something of the stage that the gateway stands on: see conftest.py."""
    httpx2.post(f"{os.environ['STAGE_URL']}/stage/{verb}", timeout=40).raise_for_status()


def billed() -> int:
    """How many requests the provider has billed."""
    return int(httpx2.get(f"{os.environ['SANDBOX_URL']}/sandbox/books").json()["requests"])


def fault(kind: str, **rule: Any) -> None:
    """The next real-time call meets this at the provider."""
    rule = {"kind": kind, "operation": "live", "times": 1} | rule
    httpx2.post(f"{os.environ['SANDBOX_URL']}/sandbox/faults", json=rule).raise_for_status()


def until(look: Callable[[], Any]) -> Any:
    """Look until it is there; whoever runs the script has an end to their patience."""
    while not (found := look()):
        threading.Event().wait(0.05)
    return found


def raises(kind: type[Exception], call: Callable[[], Any]) -> Any:
    """The error of a kind that a call raises; another one, or none, breaks the promise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"there was no {kind.__name__}")


def check(promise: str, body: Callable[[], None]) -> None:
    said = "kept"
    try:
        body()
    except Exception:
        said = traceback.format_exc()
    finally:
        stage("release")
    print(json.dumps({"promise": promise, "said": said}), flush=True)
