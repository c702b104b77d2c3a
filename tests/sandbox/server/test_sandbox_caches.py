"""An account's prompt cache: cold batches read nothing, primed ones read all, every process sees the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import openai
import pytest

from lanewise.domain.caching import Marks
from lanewise.domain.lanes import BATCH as BATCH_LANE
from lanewise.domain.usage import Usage
from lanewise.policy.caching import Ahead, Group, Tally, plan_group
from lanewise.pricing import PriceBook
from lanewise.providers.marking import mark
from lanewise.sandbox import Fault, RunningSandbox, SandboxConfig, start_in_thread
from lanewise.sandbox.caches import AccountCache
from lanewise.tokens.prefixes import prefix_of

Start = Callable[..., RunningSandbox]
ClaudeOf = Callable[..., anthropic.Anthropic]
LONG = "A prefix that many requests share, word for word. " * 120  # 1,500 tokens
BATCH = 600.0


def params(number: int, ttl: str = "1h") -> dict[str, Any]:
    control = {"type": "ephemeral", "ttl": ttl}
    return {
        "model": "claude-sonnet-4-6",
        "max_tokens": 20,
        "system": [{"type": "text", "text": LONG, "cache_control": control}],
        "messages": [{"role": "user", "content": f"Number {number}"}],
    }


def submit(client: anthropic.Anthropic, count: int, ttl: str = "1h") -> str:
    requests: Any = [{"custom_id": f"r{n}", "params": params(n, ttl)} for n in range(count)]
    return client.messages.batches.create(requests=requests).id


def reads_and_writes(client: anthropic.Anthropic, batch: str) -> tuple[int, int]:
    """How many requests of an ended batch read the prefix, and how many wrote it."""
    used = [line.result.message.usage for line in client.messages.batches.results(batch)]  # type: ignore[union-attr]
    reads = sum(1 for usage in used if usage.cache_read_input_tokens == 1_500)
    return reads, sum(1 for usage in used if usage.cache_creation_input_tokens == 1_500)


def test_cold_batches_read_nothing_and_every_marked_request_pays_for_writing(
    start: Start, anthropic_of: ClaudeOf
) -> None:
    sandbox = start(batch_seconds=BATCH)
    client = anthropic_of(sandbox)
    batches = [submit(client, 10) for _ in range(5)]
    sandbox.advance(BATCH + 1)
    assert [reads_and_writes(client, batch) for batch in batches] == [(0, 10)] * 5


def test_all_of_a_batch_read_what_a_batch_of_one_wrote_before(
    start: Start, anthropic_of: ClaudeOf
) -> None:
    sandbox = start(batch_seconds=BATCH)
    client = anthropic_of(sandbox)
    primer = submit(client, 1)
    sandbox.advance(BATCH + 1)
    rest = submit(client, 40)
    sandbox.advance(BATCH + 1)
    # the later one is looked at first: what it read does not depend on who looks when
    assert reads_and_writes(client, rest) == (40, 0)
    assert reads_and_writes(client, primer) == (0, 1)


def test_an_entry_is_gone_after_its_life(start: Start, anthropic_of: ClaudeOf) -> None:
    sandbox = start(batch_seconds=BATCH)
    client = anthropic_of(sandbox)
    cases = (("5m", 250, True), ("5m", 301, False), ("1h", 3_550, True), ("1h", 3_601, False))
    for ttl, pause, found in cases:
        submit(client, 1, ttl)
        sandbox.advance(BATCH + pause)
        rest = submit(client, 3, ttl)
        sandbox.advance(BATCH + 1)
        assert reads_and_writes(client, rest) == ((3, 0) if found else (0, 3))
        sandbox.advance(4_000)


def test_a_batch_that_began_before_the_entry_was_there_does_not_read_it(
    start: Start, anthropic_of: ClaudeOf
) -> None:
    sandbox = start(batch_seconds=BATCH)
    client = anthropic_of(sandbox)
    primer = submit(client, 1)
    sandbox.advance(BATCH / 2)
    rest = submit(client, 3)
    sandbox.advance(BATCH)
    assert reads_and_writes(client, primer) == (0, 1)
    assert reads_and_writes(client, rest) == (0, 3)


def test_calls_and_batches_share_an_accounts_cache_and_other_accounts_do_not(
    start: Start, anthropic_of: ClaudeOf
) -> None:
    sandbox = start(batch_seconds=BATCH)
    client, other = anthropic_of(sandbox), anthropic_of(sandbox, "sk-ant-two")
    assert client.messages.create(**params(0)).usage.cache_creation_input_tokens == 1_500
    assert client.messages.create(**params(1)).usage.cache_read_input_tokens == 1_500
    assert other.messages.create(**params(2)).usage.cache_read_input_tokens == 0
    batch, others = submit(client, 5), submit(other, 5)
    sandbox.advance(BATCH + 1)
    assert reads_and_writes(client, batch) == (5, 0)
    assert reads_and_writes(other, others) == (5, 0)


def test_the_cache_is_the_same_for_every_process_of_a_directory(tmp_path: Path) -> None:
    config = SandboxConfig(batch_seconds=BATCH, speed=0.0)
    for number, read in ((1, 0), (2, 1_500)):
        with start_in_thread(tmp_path, config=config) as sandbox:
            client = anthropic.Anthropic(base_url=sandbox.anthropic_base_url, api_key="k")
            usage = client.messages.create(**params(number)).usage
            assert usage.cache_read_input_tokens == read
            client.close()


def test_a_group_sent_as_planned_saves_what_the_plan_says_and_marked_cold_it_costs_more(
    start: Start, anthropic_of: ClaudeOf
) -> None:
    model, size = "claude-sonnet-4-6", 60
    bodies = [params(n) | {"system": LONG} for n in range(size)]
    raw = [msgspec.json.encode(body) for body in bodies]
    found = {prefix_of("anthropic", "/v1/messages", model, body) for body in raw}
    assert len(found) == 1
    prefix = found.pop()
    assert prefix is not None
    at = datetime(2026, 11, 26, tzinfo=UTC)
    rates = PriceBook.load().resolve("anthropic", model, at, BATCH_LANE).rates
    assert rates is not None
    ahead = Ahead(landing=BATCH, alive={"5m": 0.1, "1h": 1.0})
    seen = Tally(10_000, 0, Usage(cache_read=1_500 * 10_000))  # that all read
    plan = plan_group(Group(prefix, size, rates, slack=2 * BATCH), ahead, learned=seen)
    assert plan.mark
    assert plan.prime
    marks = Marks(plan.at, ttl=plan.ttl)

    def charged(sizes: tuple[int, ...], sent: list[bytes]) -> int:
        sandbox = start(batch_seconds=BATCH)
        client, left = anthropic_of(sandbox), list(sent)
        for count in sizes:
            group, left = left[:count], left[count:]
            lines: Any = [
                {"custom_id": f"r{n}", "params": msgspec.json.decode(one)}
                for n, one in enumerate(group)
            ]
            client.messages.batches.create(requests=lines)
            sandbox.advance(BATCH + 1)
        return int(sandbox.books()["nano_usd"])

    marked = [mark(body, marks) for body in raw]
    plain, primed = charged((size,), raw), charged((1, size - 1), marked)
    assert charged((size,), marked) > plain
    assert plain - primed == pytest.approx(plan.saving, rel=0.01)


def test_batches_of_one_instant_do_not_wait_for_each_other(
    start: Start, anthropic_of: ClaudeOf
) -> None:
    sandbox = start(batch_seconds=0.0)
    client = anthropic_of(sandbox)
    first, second = submit(client, 2), submit(client, 2)
    assert reads_and_writes(client, second) == (2, 0)
    assert reads_and_writes(client, first) == (0, 2)


def test_batches_of_one_instant_that_nobody_has_looked_at_are_made_one_after_the_other(
    start: Start, anthropic_of: ClaudeOf
) -> None:
    sandbox = start(Fault("accept_late", times=2, seconds=60.0), batch_seconds=0.0)
    client = anthropic_of(sandbox)
    for _ in range(2):
        with pytest.raises(anthropic.InternalServerError):
            submit(client, 2)
    sandbox.advance(61.0)
    assert sandbox.books()["requests"] == 4


def test_openai_calls_find_what_was_asked_before(
    start: Start, openai_of: Callable[..., openai.OpenAI]
) -> None:
    sandbox = start()
    client = openai_of(sandbox)
    messages: Any = [{"role": "system", "content": LONG}, {"role": "user", "content": "x"}]
    made = [client.chat.completions.create(model="gpt-4o-mini", messages=messages) for _ in "12"]
    details = [one.usage.prompt_tokens_details for one in made if one.usage]
    assert [one.cached_tokens for one in details if one] == [0, 1_408]


def test_what_expired_long_ago_is_forgotten(start: Start, anthropic_of: ClaudeOf) -> None:
    sandbox = start(batch_seconds=BATCH)
    client = anthropic_of(sandbox)
    AccountCache(sandbox.state, "someone").remember(["old"], sandbox.state.now(), 60.0)
    sandbox.advance(3 * 86_400.0)
    batch = submit(client, 1)
    sandbox.advance(BATCH + 1)
    assert reads_and_writes(client, batch) == (0, 1)
    assert sandbox.state.first("SELECT count(*) FROM cache WHERE key = 'old'")[0] == 0  # type: ignore[index]
