"""SQL lives in `.sql` files beside the code, each statement under a line `-- name: its_name`."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def statements(topic: str) -> dict[str, str]:
    """The statements of one file by name."""
    pieces = _NAME.split(script(topic))[1:]
    return dict(zip(pieces[::2], (piece.strip() for piece in pieces[1::2]), strict=True))


def script(topic: str) -> str:
    """A whole file."""
    return (resources.files(__package__) / f"{topic}.sql").read_text(encoding="utf-8")


def text(value: str) -> str:
    """A text as SQL writes it.

    >>> text("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
