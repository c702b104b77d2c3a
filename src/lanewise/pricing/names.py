"""What the id of a model says: which part of it names the model, and which the day it was frozen on."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Final

_SNAPSHOT: Final = re.compile(r"([-@]20\d\d-?\d\d-?\d\d(-v\d+(:\d+)?)?|-latest|-v\d+:\d+)$")
_COMPACT: Final = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


def stem(name: str) -> str:
    """The id without the date, version or `-latest` at its end; of a fine-tuned one, its base's.

    >>> stem("gpt-4o-2024-08-06"), stem("claude-haiku-4-5-20251001"), stem("gpt-4o")
    ('gpt-4o', 'claude-haiku-4-5', 'gpt-4o')
    >>> stem("ft:gpt-4o-2024-08-06:acme::9Kx")
    'ft:gpt-4o'
    """
    if name.startswith("ft:"):
        name = ":".join(name.split(":")[:2])
    return _SNAPSHOT.sub("", name)


def dashed(name: str) -> str:
    """The id with its date written out, as some gateways do not.

    >>> dashed("gpt-4o-20240806")
    'gpt-4o-2024-08-06'
    """
    return _COMPACT.sub(r"-\1-\2-\3", name)


def closeness(wanted: str, name: str) -> int:
    """How exactly an id is meant: 3 itself, 2 as a snapshot of it, 1 by a pattern with `*`, 0 not.

    >>> [closeness(wanted, "gpt-4o-2024-08-06") for wanted in ("gpt-4o", "gpt-4*", "gpt-4")]
    [2, 1, 0]
    """
    wanted, name = wanted.lower(), name.lower()
    if wanted == name:
        return 3
    if wanted == stem(name):
        return 2
    return 1 if fnmatchcase(name, wanted) else 0
