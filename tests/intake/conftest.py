"""Lines as callers write them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from lanewise.intake import Accepted, Broken, ReadOptions, read

CHAT = {"model": "m-1", "messages": [{"role": "user", "content": "hello"}]}


class Lines:
    """Makes lines; each takes the members to change, and drops those set to `...`."""

    def openai(self, caller_id: str = "a", **changed: Any) -> dict[str, Any]:
        line = {"custom_id": caller_id, "method": "POST", "url": "/v1/chat/completions"}
        return _changed({**line, "body": dict(CHAT)}, changed)

    def anthropic(self, caller_id: str = "a", **changed: Any) -> dict[str, Any]:
        return _changed({"custom_id": caller_id, "params": {**CHAT, "max_tokens": 9}}, changed)

    def chat(self, **changed: Any) -> dict[str, Any]:
        return _changed(dict(CHAT), changed)

    def text(self, *lines: dict[str, Any] | bytes) -> bytes:
        return b"".join(
            (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
            for line in lines
        )


def _changed(line: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**line, **changed}.items() if value is not ...}


@pytest.fixture(scope="session")
def lines() -> Lines:
    return Lines()


@pytest.fixture(scope="session")
def read_bytes() -> Callable[..., list[Accepted | Broken]]:
    """Read text as one stream, with options given by name."""

    def reading(text: bytes, **options: Any) -> list[Accepted | Broken]:
        return list(read([io.BytesIO(text)], ReadOptions(**options)))

    return reading


@pytest.fixture(scope="session")
def why(lines: Lines, read_bytes: Callable[..., list[Accepted | Broken]]) -> Callable[..., str]:
    """Why a single line is broken."""

    def asking(line: dict[str, Any] | bytes, **options: Any) -> str:
        [broken] = read_bytes(lines.text(line), **options)
        assert isinstance(broken, Broken), broken
        return broken.why

    return asking
