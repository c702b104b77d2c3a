"""Request lines of a batch: read, decoded, cut out of Anthropic's one JSON object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_PIECE: Final = 1024 * 1024


class Request(msgspec.Struct):
    """A line of either provider's batch input."""

    custom_id: str = ""
    method: str = "POST"
    url: str = ""
    body: dict[str, Any] = {}
    params: dict[str, Any] = {}


decode = msgspec.json.Decoder(Request).decode


def of(path: Path) -> Iterator[bytes]:
    """The lines of a file that are not blank."""
    with path.open("rb", _PIECE) as file:
        for line in file:
            if not line.isspace():
                yield line


class NotABatch(ValueError):
    """The body is not a JSON object with a list of requests."""


def cut(source: Path) -> Iterator[bytes]:
    """Each element of `requests` in a JSON object, in memory for one element and a piece of file."""
    with source.open("rb") as file:
        held = file.read(_PIECE)
        begin = re.match(rb'\s*\{\s*"requests"\s*:\s*\[', held)
        if begin is None:
            raise NotABatch("requests: Field required")
        held = held[begin.end() :]
        while True:
            used, elements, ended = _elements(held)
            yield from elements
            if ended:
                return
            more = file.read(_PIECE)
            if not more:
                raise NotABatch("the body ends in the middle of the list of requests")
            held = held[used:] + more


def _elements(held: bytes) -> tuple[int, list[bytes], bool]:
    """Whole objects at the start of `held`, how many bytes they took, and whether the list ended."""
    elements: list[bytes] = []
    depth = start = used = 0
    for match in _TOKEN.finditer(held):
        token = held[match.start()]
        if token == 0x22:  # a text: whatever is in it does not count
            continue
        if token in b"{[":
            if depth == 0:
                start = match.start()
            depth += 1
        else:
            depth -= 1
            if depth < 0:
                return match.end(), elements, True
            if depth == 0:
                elements.append(held[start : match.end()])
                used = match.end()
    return used, elements, False
