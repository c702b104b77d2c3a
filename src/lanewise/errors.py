"""What can go wrong, by who can mend it; each class knows the exit code of the command line.

An error says what was being done, what went wrong and what to do next. Raise it where it is known;
report it once, at the edge.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar


class LanewiseError(Exception):
    """The base of every error that lanewise raises on purpose."""

    exit_code: ClassVar[int] = 3


class BadInput(LanewiseError):
    """The caller handed in something that cannot be used: says what, where and what would be accepted."""

    exit_code: ClassVar[int] = 2


class BadSettings(BadInput):
    """A setting, flag or environment variable has a value that cannot be used."""


class TooSoon(BadInput):
    """A deadline that cannot be met even in real time; `earliest` (aware, UTC) can be promised instead."""

    def __init__(self, message: str, earliest: datetime) -> None:
        super().__init__(message)
        self.earliest = earliest


class NotFound(BadInput):
    """The caller named something that does not exist here."""


class StoreUnusable(LanewiseError):
    """The home cannot be read or written: full disk, read-only, made by a newer lanewise, damaged."""


class ProviderUnusable(LanewiseError):
    """A provider cannot be worked with at all: no key, a key that is refused, an unknown host."""


class LeaseLost(LanewiseError):
    """Another worker acts for this account now; whatever was being done must not be recorded."""


class Overtaken(LeaseLost):
    """What was read of one batch, or of the queue, is no longer so; the lease is still ours.

    Somebody at the command line cancelled a run, or a rescue took the batch back: only this step is void.
    """


class OverBudget(LanewiseError):
    """A budget or cap refuses this before any money is spent."""

    exit_code: ClassVar[int] = 4
