"""Limits that a provider tells people are known to the work that waits beside them."""

from __future__ import annotations

from typing import Any

import pytest

HELLO = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}


def learned(place: Any, provider: str, model: str) -> dict[str, int]:
    """What is known of a model, when the gateway has ended."""
    place.running.close()
    account = place.engine.accounts.payer(provider, chosen=None).row.id
    known = place.engine.store.learned(account)
    return {name: value for (subject, name), value in known.items() if subject == model}


@pytest.mark.parametrize(
    ("provider", "path", "model", "known"),
    [
        (
            "openai",
            "/v1/chat/completions",
            "gpt-4o-mini",
            {"requests_per_minute": 70, "tokens_per_minute": 9_000},
        ),
        (
            "anthropic",
            "/v1/messages",
            "claude-haiku-4-5",
            {
                "requests_per_minute": 70,
                "input_tokens_per_minute": 9_000,
                "output_tokens_per_minute": 800,
            },
        ),
    ],
)
def test_limits_in_the_headers_of_calls_that_pass_through_are_kept(
    make_place: Any, provider: str, path: str, model: str, known: dict[str, int]
) -> None:
    place = make_place(
        requests_per_minute=70, tokens_per_minute=9_000, output_tokens_per_minute=800
    )
    headers = {"anthropic-version": "2023-06-01"} if provider == "anthropic" else {}
    for _ in range(2):
        answer = place.http.post(path, json=HELLO | {"model": model}, headers=headers)
        assert answer.status_code == 200
    assert learned(place, provider, model) == known
