"""On which line each key of a TOML file stands: Python's reader does not say.

The text is known to be TOML when it comes here, so only what hides a newline, a bracket or a sign of equality
must be told apart: texts and comments.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, TypeAlias

Lines: TypeAlias = dict[tuple[str, int, str], int]  # table, which of its name, key ("": its header)

_TOKEN: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|(?P<comment>\#[^\n]*)"
    r"|[^\"'\#\n\[\]{}=]+"
    r"|.",
    re.DOTALL,
)


def lines(text: str) -> Lines:
    r"""Lines from 1 on. A key inside a value has none of its own.

    >>> lines('[default]\nlanes = [ # all\n "a=b"]\n[[rule]]\nname = "x"')
    {('default', 0, ''): 1, ('default', 0, 'lanes'): 2, ('rule', 0, ''): 4, ('rule', 0, 'name'): 5}
    """
    found: Lines = {}
    seen: Counter[str] = Counter()
    table = ("", 0)
    for line, said in _statements(text):
        if said.startswith("["):
            name = _bare(said.strip("[] \t\r"))
            table = (name, seen[name])
            seen[name] += 1
            found[*table, ""] = line
            continue
        key = said.partition("=")[0]
        outer, dot, inner = key.partition(".")
        if table == ("", 0) and dot:  # `default.deadline = ...` before any header
            found[_bare(outer), 0, _bare(inner)] = line
        else:
            found[*table, _bare(outer)] = line
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header, and each key with its value, with the line on which it begins."""
    line, began, depth, said = 1, 1, 0, ""
    for token in _TOKEN.finditer(text):
        piece = token[0]
        if piece == "\n" and depth == 0:
            if said.strip():
                yield began, said.strip()
            said = ""
        elif not token["comment"]:
            began = began if said.strip() else line
            said += piece
            depth += (piece in "[{") - (piece in "]}") if len(piece) == 1 else 0
        line += piece.count("\n")
    if said.strip():
        yield began, said.strip()


def _bare(key: str) -> str:
    return key.strip().strip("\"'")
