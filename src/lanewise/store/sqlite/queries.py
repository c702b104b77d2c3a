"""Statements live in `queries/*.sql`, each under a line `-- name: its_name`."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def queries(topic: str) -> dict[str, str]:
    """The statements of one file by name."""
    text = (resources.files(__package__) / "queries" / f"{topic}.sql").read_text(encoding="utf-8")
    pieces = _NAME.split(text)[1:]
    return dict(zip(pieces[::2], (piece.strip() for piece in pieces[1::2]), strict=True))
