"""Waiting for what other threads do, without looking again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lanewise.sandbox.state import State
from lanewise.store.sqlite.connection import Database

LONGEST = 60.0  # seconds, on a machine with much else to do


class Changes:
    """Wakes whoever waits, whenever something was written to a home or a sandbox of this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._changed = threading.Condition()
        self._count = 0
        for owner, name in ((Database, "_writing"), (State, "transaction")):
            monkeypatch.setattr(owner, name, self._transaction(getattr(owner, name)))

    def _transaction(self, begin: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def told(*args: Any) -> Iterator[Any]:
            try:
                with begin(*args) as begun:
                    yield begun
            finally:
                self._tell()

        return told

    def after(self, owner: Any, name: str) -> None:
        """Wake as well when this function of `owner` returns."""
        function = getattr(owner, name)

        def told(*args: Any) -> Any:
            try:
                return function(*args)
            finally:
                self._tell()

        self._monkeypatch.setattr(owner, name, told)

    def _tell(self) -> None:
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def until(self, done: Callable[[], Any]) -> Any:
        """What `done` says as soon as that is true; looked at after every change."""
        while True:
            with self._changed:
                seen = self._count
            if found := done():
                return found
            with self._changed:
                changed = self._changed.wait_for(lambda seen=seen: self._count != seen, LONGEST)
            assert changed, "it did not come true"


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> Changes:
    """To be asked for before what is to be waited for is opened."""
    return Changes(monkeypatch)
