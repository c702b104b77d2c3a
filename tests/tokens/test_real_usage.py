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
            asked = item.get("input")
            asked = json.loads(asked) if isinstance(asked, str) and asked[:1] in "[{" else asked
            messages = asked.get("messages") if isinstance(asked, dict) else asked
            if (
                not billed
                or not isinstance(messages, list)
                or (isinstance(asked, dict) and "tools" in asked)
            ):
                continue
            if all(isinstance(m, dict) and isinstance(m.get("content"), str) for m in messages):
                found.append((item["model"], messages, billed))
    return found


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
