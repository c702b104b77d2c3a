"""Prompt caches bill what a provider's would: hits, writes, expiry, least prefixes."""

from collections.abc import Callable
from typing import Any

import pytest

from lanewise.sandbox.answers import Answer, Invalid, PromptCache, count_tokens

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
LONG = "A prefix that many requests share, word for word. " * 120  # 6,000 bytes, 1,500 tokens


def said(tail: str, system: str = LONG) -> dict[str, Any]:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": tail}]
    return {"model": "gpt-4.1", "messages": messages}


def marked(tail: str, ttl: str | None = None, model: str = "claude-sonnet-4-6") -> dict[str, Any]:
    control = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
    system = [{"type": "text", "text": LONG, "cache_control": control}]
    messages = [{"role": "user", "content": tail}]
    return {"model": model, "max_tokens": 50, "system": system, "messages": messages}


def test_openai_reads_a_repeated_long_prefix_in_steps(ask: Callable[..., Answer]) -> None:
    cache = PromptCache()
    first = ask(CHAT, said("one"), cache=cache).tokens
    second = ask(CHAT, said("two"), cache=cache).tokens
    assert first.cache_read == 0
    assert second.cache_read >= 1024
    assert second.cache_read % 128 == 0
    assert first.prompt == second.prompt


def test_openai_reports_what_it_bills(ask: Callable[..., Answer]) -> None:
    cache = PromptCache()
    ask(CHAT, said("one"), cache=cache)
    made = ask(CHAT, said("two"), cache=cache)
    usage = made.body["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == made.tokens.cache_read
    assert usage["prompt_tokens"] == made.tokens.input + made.tokens.cache_read


def test_openai_forgets_after_ten_idle_minutes(ask: Callable[..., Answer]) -> None:
    cache = PromptCache()
    ask(CHAT, said("one"), cache=cache, created=0)
    assert ask(CHAT, said("two"), cache=cache, created=599).tokens.cache_read
    assert ask(CHAT, said("three"), cache=cache, created=1198).tokens.cache_read
    assert not ask(CHAT, said("four"), cache=cache, created=1798).tokens.cache_read


def test_short_prompts_and_other_models_are_not_read_from_cache(
    ask: Callable[..., Answer],
) -> None:
    cache = PromptCache()
    for _ in range(2):
        assert not ask(CHAT, said("one", system="short"), cache=cache).tokens.cache_read
    ask(CHAT, said("one"), cache=cache)
    assert not ask(CHAT, said("one") | {"model": "gpt-4o"}, cache=cache).tokens.cache_read


@pytest.mark.parametrize(("ttl", "part"), [(None, "cache_write_5m"), ("1h", "cache_write_1h")])
def test_anthropic_writes_once_then_reads(
    ask: Callable[..., Answer], ttl: str | None, part: str
) -> None:
    cache = PromptCache()
    first = ask(MESSAGES, marked("one", ttl), cache=cache).tokens
    second = ask(MESSAGES, marked("two", ttl), cache=cache).tokens
    assert getattr(first, part) == second.cache_read == 1500
    assert (first.cache_read, getattr(second, part)) == (0, 0)
    assert first.input == second.input < 20


@pytest.mark.parametrize(("ttl", "seconds"), [("5m", 300), ("1h", 3600)])
def test_anthropic_entries_live_from_their_last_use(
    ask: Callable[..., Answer], ttl: str, seconds: int
) -> None:
    cache = PromptCache()
    ask(MESSAGES, marked("one", ttl), cache=cache, created=0)
    assert ask(MESSAGES, marked("two", ttl), cache=cache, created=seconds - 1).tokens.cache_read
    later = 2 * seconds - 2
    assert ask(MESSAGES, marked("three", ttl), cache=cache, created=later).tokens.cache_read
    assert not ask(
        MESSAGES, marked("four", ttl), cache=cache, created=later + seconds
    ).tokens.cache_read


def test_a_prefix_below_the_models_least_is_silently_not_cached(
    ask: Callable[..., Answer],
) -> None:
    cache = PromptCache()
    for _ in range(2):
        tokens = ask(MESSAGES, marked("x", model="claude-haiku-4-5"), cache=cache).tokens
        assert (tokens.cache_read, tokens.cache_write_5m) == (0, 0)


def test_a_longer_prefix_reads_the_old_and_writes_the_new(ask: Callable[..., Answer]) -> None:
    cache = PromptCache()
    ask(MESSAGES, marked("one"), cache=cache)
    longer = marked("two")
    block = {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}
    longer["messages"] = [{"role": "user", "content": [block]}]
    tokens = ask(MESSAGES, longer, cache=cache).tokens
    assert tokens.cache_read == 1500
    assert 1500 <= tokens.cache_write_5m < 1510


@pytest.mark.parametrize(("hits", "least", "most"), [(1.0, 200, 200), (0.8, 130, 190), (0.0, 0, 0)])
def test_the_share_of_a_batch_that_finds_what_is_cached_can_be_set(
    ask: Callable[..., Answer], hits: float, least: int, most: int
) -> None:
    cache = PromptCache(hits=hits)
    ask(MESSAGES, marked("warm"), cache=cache)
    seeds = (f"request-{number}" for number in range(200))
    made = [ask(MESSAGES, marked("x"), cache=cache, lane="batch", id_seed=one) for one in seeds]
    assert least <= sum(1 for one in made if one.tokens.cache_read) <= most


def test_four_in_five_of_an_openai_batch_find_what_was_asked_before(
    ask: Callable[..., Answer],
) -> None:
    cache = PromptCache()
    seeds = (f"request-{number}" for number in range(200))
    made = [ask(CHAT, said("x"), cache=cache, lane="batch", id_seed=one) for one in seeds]
    assert 130 < sum(1 for one in made if one.tokens.cache_read) < 190


def test_usage_and_count_agree(ask: Callable[..., Answer]) -> None:
    body = marked("one", "1h")
    made = ask(MESSAGES, body, cache=PromptCache(), lane="batch")
    usage = made.body["usage"]
    assert made.tokens.prompt == count_tokens(body)
    assert (
        usage["cache_creation"]["ephemeral_1h_input_tokens"] == usage["cache_creation_input_tokens"]
    )
    assert usage["service_tier"] == "batch"


@pytest.mark.parametrize(
    "controls",
    [["5m"] * 5, ["5m", "1h"], ["2h"]],
)
def test_markers_anthropic_does_not_allow_are_refused(
    ask: Callable[..., Answer], controls: list[str]
) -> None:
    parts = [
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": ttl}}
        for ttl in controls
    ]
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": parts}]}
    with pytest.raises(Invalid, match="cache_control"):
        ask(MESSAGES, body)
