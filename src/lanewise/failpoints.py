"""Places where a crash test may stop the process. Without LANEWISE_FAILPOINTS they do nothing.

The variable holds a comma-separated list of ``NAME=ACTION[:PROBABILITY]``; an action is ``kill``
(SIGKILL to itself), ``stop`` (SIGSTOP to itself) or ``full`` (raise "no space left on device").
"""

from __future__ import annotations

import errno
import os
import random
import signal
from typing import Final

NAMES: Final = (
    "ingest.append",
    "ingest.commit",
    "pack.commit",
    "upload.sent",
    "create.intent",
    "create.sent",
    "create.answered",
    "call.sent",
    "call.answered",
    "collect.chunk",
    "collect.done",
    "rescue.withdrawn",
    "rescue.raced",
    "settle.read",
    "settle.commit",
)


def _armed(text: str | None) -> dict[str, tuple[str, float]]:
    armed: dict[str, tuple[str, float]] = {}
    for item in filter(None, (text or "").split(",")):
        name, _, action = item.partition("=")
        action, _, probability = action.partition(":")
        if name not in NAMES or action not in ("kill", "stop", "full"):
            raise ValueError(f"LANEWISE_FAILPOINTS: unknown {item!r}; names are {', '.join(NAMES)}")
        armed[name] = (action, float(probability or 1))
    return armed


_ARMED: Final = _armed(os.environ.get("LANEWISE_FAILPOINTS"))


def reach(name: str) -> None:
    """Pass the place called `name`; a crash test may have armed it."""
    if not _ARMED or name not in _ARMED:
        return
    action, probability = _ARMED[name]
    if random.random() >= probability:
        return
    if action == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    del _ARMED[name]  # a process that is thawed goes on
    os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)
