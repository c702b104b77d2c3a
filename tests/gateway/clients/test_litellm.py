"""litellm works unmodified: each check of its script is a promise here."""

from __future__ import annotations

from typing import Any

import pytest

OF_EITHER = (
    "a call is answered",
    "the first event of a stream is there before the last is sent",
    "errors are litellm's own",
    "a call that can wait is answered on its connection",
    "a call cut off by a restart is taken up again and paid once",
    "models are listed",
)
PROMISES = (
    *(f"{promise} ({name})" for name in ("openai", "anthropic") for promise in OF_EITHER),
    "embeddings are made",
    "a response is answered",
)


@pytest.mark.parametrize("promise", PROMISES)
def test_litellm_works_unmodified(runner: Any, promise: str) -> None:
    assert runner.report("litellm", "litellm_library.py").get(promise) == "kept"
