"""Traces whose answers are known, from ../shared/data where it is there; small ones of their forms."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

import pytest

from lanewise.audit.caching import Line, Prompt, Replay, in_order, lines, regrouped, whole
from lanewise.audit.caching.texts import Cutter, text_of
from lanewise.audit.caching.traces import is_trace, paced, read_trace
from lanewise.errors import BadInput
from lanewise.replay.blocks import of_ids

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA = Path(__file__).parents[2] / "../shared/data"
shared = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")
MODEL = "gpt-4o"


def records(name: str) -> list[dict[str, Any]]:
    """JSONL, split at line feeds only: some texts hold other characters that end lines."""
    with zstd.open(DATA / f"{name}.jsonl.zst") as file:
        return [json.loads(line) for line in file]


def unpriced(provider: str, model: str, lane: str) -> None:
    return None


def found(prompts: list[Prompt]) -> tuple[Line, ...]:
    replay = Replay(unpriced)
    for prompt in prompts:
        replay.add(prompt)
    return lines(replay.sums, unpriced)


def percent(prompts: list[Prompt], window: float) -> float:
    summed = whole(found(prompts))
    return round(100 * summed.repeated[window] / summed.input, 1)


def usable(prompts: list[Prompt]) -> float:
    summed = whole(found(prompts))
    return round(100 * summed.usable / summed.input, 1)


def cut(cutter: Cutter, asked: object, workflow: str, at: float = 0.0) -> Prompt:
    got = cutter.cut(text_of(asked))
    return Prompt(at, got.blocks, got.tokens, got.size, got.block, workflow, "openai", MODEL)


@cache
def wiki_hop() -> tuple[Prompt, ...]:
    cutter = Cutter(MODEL)
    rows = [row for row in records("t0_templates_dev") if "wiki_hop" in row["template"]]
    return tuple(cut(cutter, row["prompt"], row["template"]) for row in rows)


@cache
def bbh() -> tuple[Prompt, ...]:
    cutter = Cutter(MODEL)
    rows = [row for row in records("bbh_fewshot_dev") if "prompt" in row]
    return tuple(cut(cutter, row["prompt"], row["workflow"]) for row in rows)


@shared
def test_mooncake_repeats_29_percent_in_five_minutes_and_37_in_an_hour() -> None:
    trace = read_trace(records("mooncake_conversation"), model=MODEL)
    assert (trace.block, trace.per_second) == (512, 1_000)
    assert percent(trace.prompts, 300) == 29.3
    assert percent(trace.prompts, 3_600) == 37.4


@shared
def test_claude_code_repeats_what_its_own_columns_say() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(DATA / "claude_code_requests_dev.parquet")
    columns = table.select(["in", "prefix_5m", "prefix_1h"]).to_pydict()
    trace = read_trace(records("claude_code_traces_dev"))
    assert trace.block == 64
    summed = whole(found([prompt._replace(model="claude") for prompt in trace.prompts]))
    assert summed.input == sum(columns["in"])
    assert summed.repeated == {
        300.0: sum(columns["prefix_5m"]),
        3_600.0: sum(columns["prefix_1h"]),
    }
    assert [round(tokens / summed.input, 3) for tokens in summed.repeated.values()] == [
        0.916,
        0.959,
    ]


@shared
def test_wiki_hop_hits_nothing_by_template_and_67_6_percent_sorted() -> None:
    by_template = paced(wiki_hop(), 0.5)
    assert usable(by_template) == 0.0
    assert usable(list(regrouped(by_template, inf, lambda _: True))) == 67.6


@shared
def test_of_what_bbh_repeats_only_long_beginnings_can_be_read() -> None:
    asked = [prompt for prompt in paced(bbh(), 1) if ".cot." in prompt.workflow]
    assert 85 <= percent(asked, 300) <= 92
    readable = {line.workflow for line in found(asked) if line.usable}
    assert readable == {
        "bbh.cot.geometric_shapes",
        "bbh.cot.salient_translation_error_detection",
    }
    assert usable(asked) == 26.4


@shared
def test_lines_out_of_the_order_of_time_are_sorted_first() -> None:
    cutter = Cutter(MODEL, quick=True)
    asked = [
        cut(cutter, row["input"], row["session_id"], row["timestamp"] / 1e6)
        for row in records("lmcache_miniswe")
    ]
    assert [one.at for one in asked] != sorted(one.at for one in asked)
    with pytest.raises(ValueError, match="sort the requests by time first"):
        found(asked)
    assert percent(in_order(asked), 300) > 90


# -- small ones of the same forms -----------------------------------------------------------------------
def made(count: int = 60) -> list[dict[str, Any]]:
    dice = random.Random(3)
    rows = []
    for number in range(count):
        length = dice.randrange(100, 4_000)
        ids = [*range(min(3, -(-length // 512))), *(10_000 * (number + 1) + i for i in range(9))]
        rows.append(
            {
                "timestamp": number * 700,
                "input_length": length,
                "hash_ids": ids[: -(-length // 512)],
            }
        )
    return rows


def test_a_trace_tells_the_size_of_its_blocks_and_its_unit_of_time() -> None:
    trace = read_trace(made())
    assert (trace.block, trace.per_second, trace.prompts[-1].at) == (512, 1_000, 59 * 0.7)
    seconds = [row | {"timestamp": row["timestamp"] / 1_000} for row in made()]
    assert read_trace(seconds).prompts == trace.prompts


def test_the_order_of_a_trace_s_lines_changes_nothing() -> None:
    rows = made()
    random.Random(9).shuffle(rows)
    assert found(read_trace(rows).prompts) == found(read_trace(made()).prompts)


def test_runs_of_ids_are_read_and_belong_to_their_trace() -> None:
    rows = [
        {"trace": trace, "t": at, "in": 700, "hash_runs": [[1, 10]], "model": "claude-opus-5"}
        for trace, at in (("a", 0.0), ("b", 1.0), ("a", 2.0))
    ]
    assert is_trace(rows[0])
    trace = read_trace([*rows, {"trace": "c", "t": 9.0, "in": 130, "hash_runs": [[1, 2]]}])
    assert trace.block == 64
    assert trace.prompts[0].blocks == of_ids(range(1, 11))
    assert whole(found(trace.prompts)).repeated[300] == 640


def test_ids_may_be_words() -> None:
    rows = [{"time": 0.5, "input_tokens": 40, "hash_ids": ["a1", "b2", other]} for other in "xy"]
    trace = read_trace(rows)
    assert trace.block == 16
    assert whole(found(trace.prompts)).repeated[300] == 32


def test_what_is_no_trace_is_refused_by_what_it_lacks() -> None:
    with pytest.raises(BadInput, match="none of input_length, in, input_tokens, prompt_tokens"):
        read_trace([{"timestamp": 1, "hash_ids": [1]}])
    with pytest.raises(BadInput, match="blocks are of no known size"):
        read_trace([{"timestamp": 1, "input_length": 100, "hash_ids": list(range(99))}])


@pytest.mark.parametrize("quick", [False, True])
def test_texts_that_begin_alike_share_blocks(quick) -> None:
    cutter = Cutter(MODEL, quick=quick)
    static = "Answer in one word, and only from the text. " * 150
    asked = [cut(cutter, f"{static}{number} apples", "w", float(number)) for number in range(3)]
    share = percent(asked, 300)
    assert 60 < share < 67  # two of three, the last words aside
    assert usable(asked) > 50


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [{"name": "find"}], "system": "Be kind.", "messages": [{"content": "Hi"}]},
        {"messages": [{"content": "Hi"}], "system": "Be kind.", "tools": [{"name": "find"}]},
        {
            "messages": [{"content": [{"type": "text", "text": "Hi"}]}],
            "system": [
                {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}
            ],
            "tools": [{"name": "find"}],
        },
    ],
)
def test_a_body_is_read_in_the_order_of_the_cache(asked) -> None:
    assert text_of(asked) == '[{"name":"find"}]\n\nBe kind.\n\nHi'


def test_what_is_no_text_still_tells_prompts_apart() -> None:
    image: Callable[[str], object] = lambda data: [  # noqa: E731
        {"role": "user", "content": [{"type": "image", "source": {"data": data}}]}
    ]
    assert text_of(image("one")) != text_of(image("two"))
    assert text_of(["plain", None, 7]) == "plain\n\n7"


def test_any_text_can_be_cut() -> None:
    for text in ("half a pair \ud800", "", "two\u2028lines\x85", "<|endoftext|>"):
        for quick in (False, True):
            assert Cutter(MODEL, quick=quick).cut(text).tokens >= len(text) // 8
