"""A command that reads logs and is told to end: at once, and nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from lanewise.audit.database import put_away

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ending() -> Iterator[None]:
    """SIGINT and SIGTERM delete the temporary database and end the process, with 128 and the signal's number.

    DuckDB finishes a long query before it lets an exception through, so that none is raised.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: signal.signal(name, _end) for name in _ENDING}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _end(number: int, _: object) -> NoReturn:
    from rich.console import Console

    put_away()
    console = Console(stderr=True)
    console.show_cursor(True)  # a line of progress hides it
    console.print("interrupted")
    os._exit(128 + number)
