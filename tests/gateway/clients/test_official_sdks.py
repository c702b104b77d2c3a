"""The official SDKs of both languages work unmodified: each check of their scripts is a promise here."""

from __future__ import annotations

from typing import Any

import pytest

OF_EITHER = (
    "a call is answered",
    "the first event of a stream is there before the last is sent",
    "an aborted stream ends the call at the provider",
    "the SDK's stream helper sums it up",
    "models are listed",
    "errors are the SDK's own",
    "the SDK's own retries get over a provider's rate limit and its faults",
    "a call that can wait is answered on its connection",
    "white space before a late answer is no matter",
    "a call cut off by a restart is taken up again by the SDK and paid once",
    "what fails after the headers is told to the call that is made again",
)
OPENAI = (
    *OF_EITHER,
    "a response is answered and streamed",
    "embeddings are made",
    "texts are completed and moderated",
    "a call that timed out is taken up again by the SDK and paid once",
    "a background response is polled",
    "a file becomes a batch and its answers a file",
    "a batch is cancelled",
)
ANTHROPIC = (
    *OF_EITHER,
    "tokens are counted",
    "the beta side of the SDK works as well",
    "an answer too long for the SDK is waited for where a time limit was chosen",
    "a message batch is made and its results are read",
    "a message batch is cancelled",
)
SCRIPTS = {
    ("python", "openai_sdk.py"): OPENAI,
    ("python", "anthropic_sdk.py"): ANTHROPIC,
    ("node", "openai_sdk.mjs"): (*OPENAI, "an aborted call is the SDK's own error"),
    ("node", "anthropic_sdk.mjs"): ANTHROPIC,
}


@pytest.mark.parametrize(
    ("program", "script", "promise"),
    [(*script, promise) for script, promises in SCRIPTS.items() for promise in promises],
)
def test_an_official_sdk_works_unmodified(
    runner: Any, program: str, script: str, promise: str
) -> None:
    assert runner.report(program, script).get(promise) == "kept"
