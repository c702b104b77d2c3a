"""Is everything in order? Checks of the home, the settings and the credentials, each with a cure."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lanewise.app.engine import Engine
from lanewise.domain.batches import Unknown
from lanewise.domain.counts import counted
from lanewise.settings import DAY, credentials

_LITTLE_ROOM: Final = 2_000_000_000  # bytes


class Health(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: how it is, what was seen, and what to do about it."""

    health: Health
    what: str
    cure: str = ""


def examine(engine: Engine) -> list[Finding]:
    """Every check that needs no network, in the order of a reader's worries."""
    checks: tuple[Callable[[Engine], Iterator[Finding]], ...] = (
        _home,
        _database,
        _credentials,
        _work,
        _doubts,
    )
    return [finding for check in checks for finding in check(engine)]


def _home(engine: Engine) -> Iterator[Finding]:
    home = engine.settings.home
    mode = home.stat().st_mode & 0o777
    if mode & 0o077:
        yield Finding(Health.FAIL, f"{home} is open to others (mode {mode:o})", f"chmod 700 {home}")
    else:
        yield Finding(Health.OK, f"home {home}, private")
    free = shutil.disk_usage(home).free
    health = Health.OK if free > _LITTLE_ROOM else Health.WARN
    yield Finding(
        health, f"{free / 1e9:.1f} GB free on its disk", "free some space: lanewise clean"
    )
    if not os.access(home, os.W_OK):
        yield Finding(Health.FAIL, f"{home} cannot be written", "choose another with LANEWISE_HOME")


def _database(engine: Engine) -> Iterator[Finding]:
    problem = engine.store.check_integrity()
    if problem:
        yield Finding(Health.FAIL, f"the database: {problem}", "restore a backup")
    else:
        yield Finding(Health.OK, "the database is sound")


def _credentials(engine: Engine) -> Iterator[Finding]:
    named = engine.accounts.named
    for one in named:
        if one.key_env and not engine.accounts.environ.get(one.key_env):
            text = f"upstream {one.name!r}: no credential"
            yield Finding(Health.FAIL, text, f"set {one.key_env}")
        else:
            yield Finding(Health.OK, f"upstream {one.name!r}: {one.api} at {one.base_url}")
    for provider in sorted({"openai", "anthropic"} - {one.api for one in named}, reverse=True):
        found = credentials(provider, engine.accounts.environ)
        variable = f"{provider.upper()}_API_KEY"
        where = f" at {found.base_url}" if found.base_url else ""
        if found.key or found.base_url:
            yield Finding(Health.OK, f"{provider}: a credential is set{where}")
        else:
            yield Finding(Health.WARN, f"{provider}: no credential", f"set {variable} to use it")
    for row in engine.cannot_act_for():
        cure = f"start a worker with the {row.provider.upper()}_API_KEY it was submitted with"
        yield Finding(Health.WARN, f"{row.id} has open work, and its credential is not here", cure)


def _work(engine: Engine) -> Iterator[Finding]:
    now = engine.clock.now()
    still_open = engine.store.runs(limit=1_000, open_only=True)
    workers = engine.store.workers(now)
    for scope in sorted(engine.store.paused()):
        yield Finding(Health.WARN, f"{scope} is paused", "lanewise resume")
    if still_open and not workers:
        text = f"{counted(len(still_open), 'open run')} and no worker that is alive"
        yield Finding(Health.WARN, text, "lanewise worker")
    else:
        yield Finding(
            Health.OK,
            f"{counted(len(still_open), 'run')} open, {counted(len(workers), 'worker')} alive",
        )
    old = [run.name for run in still_open if now - run.created_at > 2 * DAY]
    if old:
        yield Finding(
            Health.WARN, f"open for over two days: {', '.join(old[:5])}", "lanewise status"
        )


def _doubts(engine: Engine) -> Iterator[Finding]:
    doubts = [row for row in engine.store.batches(live_only=True) if isinstance(row.batch, Unknown)]
    for row in doubts:
        text = f"batch {row.batch.id} was sent and its outcome is not known yet"
        yield Finding(
            Health.WARN, text, "a worker settles it by looking; do not submit it elsewhere"
        )
