"""Texts as they may be shown: short, on one line, harmless, and without what looks like a secret."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

HEAD: Final = 160  # characters of the beginning
TAIL: Final = 80  # and of the end
MASK: Final = "[masked]"
_WINDOW: Final = 4_000  # characters at either end in which secrets are looked for
_SECRETS: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"  # JSON web tokens
    r"|\b(?:sk|pk|rk|lw|gh[oprsu]|github_pat|glpat|xox[a-z]|xapp|hf|gsk|npm|pypi|shpat|dop_v1|SG|ya29)[-_.][\w.-]{10,}"
    r"|\b(?:AKIA|ASIA|AIza)[\w-]{12,}"
    r"|\b(?i:bearer|basic)\s+[\w.~+/=-]{10,}"
    r"|(?i:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d|passphrase|authorization|cookie)"
    r"[\"'\\]{0,3}\s{0,3}[:=]\s{0,3}(?:[\\]?\"[^\"]{4,}|'[^']{4,}|(?i:(?:bearer|basic)\s+)?[^\s\"'\\,;]{4,})"
    r"|(?<=://)[^/\s:@]{1,100}:[^/\s@]{1,200}(?=@)"
    r"|(?<![\w+/-])(?=[\w+/-]{0,200}\d)(?=[\w+/-]{0,200}[A-Za-z])[\w+/-]{32,}={0,2}",
    re.DOTALL,
)


def quoted(text: str) -> str:
    r"""The beginning and the end of a text, at most `HEAD` and `TAIL` characters, on one line.

    Secrets are masked before the text is cut, so that no part of one is left. What has no shape of its own is
    dropped (marks that turn the direction of writing, joiners); what moves a cursor is written out.

    >>> quoted("Use sk-abcdefghijklmnop1234\nand \x1b[31mred\u202e.")
    'Use [masked] and \\x1b[31mred.'
    """
    if len(text) <= 2 * _WINDOW:
        shown = _one_line(text)
        return shown if len(shown) <= HEAD + TAIL else f"{shown[:HEAD]} ... {shown[-TAIL:]}"
    head = text[:_WINDOW].rsplit(None, 1)[0]  # without a word that the window cuts
    tail = text[-_WINDOW:].split(None, 1)[-1]
    return f"{_one_line(head)[:HEAD]} ... {_one_line(tail)[-TAIL:]}"


def _one_line(text: str) -> str:
    drawn = "".join(char for char in text if unicodedata.category(char) != "Cf")
    words = " ".join(_SECRETS.sub(MASK, drawn).split())
    return "".join(char if char.isprintable() else _written(char) for char in words)


def _written(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
