"""Our count is the provider's own, where a real log has both and nothing hidden was sent."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lanewise.tokens import TokenCounter
from lanewise.tokens.history import NOTHING
from lanewise.tokens.measuring import Subject, measure
from lanewise.tokens.models import family

TRACES = Path(__file__).parents[2] / "../shared/data/logformats/langfuse_traces_real.jsonl.zst"


def decompressed(path: Path) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return bytes(zstd.decompress(path.read_bytes()))


def plain_chats() -> list[tuple[str, list[dict[str, Any]], int]]:
    """Model, messages and billed input tokens of chats that are nothing but texts."""
    found = []
    for line in decompressed(TRACES).splitlines():
        for item in json.loads(line).get("observations", []):
            billed = (item.get("usageDetails") or {}).get("input")
            messages = messages_of(item.get("input"))
            if billed and messages:
                found.append((item["model"], messages, billed))
    return found


def messages_of(asked: object) -> list[dict[str, Any]] | None:
    """The messages, if they are texts alone and no tools were given."""
    if isinstance(asked, str):
        try:
            asked = json.loads(asked)
        except ValueError:
            return None
    if isinstance(asked, dict):
        asked = asked.get("messages") if "tools" not in asked else None
    if not isinstance(asked, list):
        return None
    plain = all(isinstance(m, dict) and isinstance(m.get("content"), str) for m in asked)
    return asked if plain else None


@pytest.mark.skipif(not TRACES.exists(), reason="../shared/data is not there")
def test_plain_chats_have_exactly_the_tokens_that_openai_billed() -> None:
    counter, seen = TokenCounter(), 0
    for model, messages, billed in plain_chats():
        subject = Subject(
            "/v1/chat/completions", model, counter.gauge(model), family(model), NOTHING
        )
        counted = measure(subject, json.dumps({"messages": messages}).encode())
        assert counted.input.likely == billed, model
        seen += 1
    assert seen >= 3
