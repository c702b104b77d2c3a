"""A mark is added once, where it belongs, and nothing else of the body changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanewise.domain.caching import Breakpoint, Marks, Ttl
from lanewise.providers.marking import mark

BODY = (
    b'{"zeta":1e400,"model":"m","system":[{"text":"a","type":"text","citations":1.50},'
    b'{"type":"text","text":"b\\u00e9"}],"tools":[{"name":"x"},{"name":"y","input_schema":{"b":0.10,"a":1}}],'
    b'"messages":[{"content":[{"type":"text","text":"long"},{"type":"text","text":"q"}],"role":"user"}]}'
)
ONE_HOUR = b'"cache_control":{"type":"ephemeral","ttl":"1h"}'

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
blocks = st.fixed_dictionaries(
    {"type": st.just("text"), "text": st.text(min_size=1)}, optional={"citations": values}
)
tools = st.fixed_dictionaries({"name": st.text()}, optional={"input_schema": values})
messages = st.fixed_dictionaries(
    {"role": st.just("user"), "content": st.text() | st.lists(blocks, min_size=1)}
)
bodies = st.fixed_dictionaries(
    {"messages": st.lists(messages, min_size=1, max_size=3)},
    optional={
        "system": st.text() | st.lists(blocks, min_size=1),
        "tools": st.lists(tools, min_size=1),
        "metadata": values,
        "max_tokens": st.integers(),
    },
)
markses = st.builds(
    Marks, st.sampled_from([b for b in Breakpoint if b.marked]), st.sampled_from(("5m", "1h"))
) | st.builds(Marks, st.just(Breakpoint.KEY), key=st.text())


def without(value: Any) -> Any:
    """The value with what marking adds taken out, a system prompt of one plain block as its text."""
    if isinstance(value, list):
        return [without(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {
        k: without(v) for k, v in value.items() if k not in ("cache_control", "prompt_cache_key")
    }
    match kept.get("system"):
        case [{"type": "text", "text": text, **rest}] if not rest:
            kept["system"] = text
    return kept


@given(bodies, markses)
def test_taking_the_mark_out_gives_the_same_request(body: dict[str, Any], marks: Marks) -> None:
    raw = json.dumps(body).encode()
    marked = mark(raw, marks)
    assert without(json.loads(marked)) == without(body)
    assert list(json.loads(marked))[: len(body)] == list(body)
    assert marked.count(b'"cache_control":{"type":"ephemeral"') <= 1 + raw.count(b'"cache_control"')
    assert mark(marked, marks) == marked


@pytest.mark.parametrize(
    ("at", "before"),
    [
        (Breakpoint.SYSTEM, b'"text":"b\\u00e9"'),
        (Breakpoint.TOOLS, b'"input_schema":{"b":0.10,"a":1}'),
        (Breakpoint.BLOCK, b'"type":"text","text":"long"'),
    ],
)
def test_a_breakpoint_stands_at_the_end_of_the_shared_part_and_every_other_byte_stays(
    at: Breakpoint, before: bytes
) -> None:
    marked = mark(BODY, Marks(at, ttl="1h"))
    assert marked == BODY.replace(before, before + b"," + ONE_HOUR)


@pytest.mark.parametrize(
    ("ttl", "control"),
    [("5m", {"type": "ephemeral"}), ("1h", {"type": "ephemeral", "ttl": "1h"})],
)
def test_a_system_text_becomes_one_block(ttl: Ttl, control: dict[str, str]) -> None:
    body = json.loads(mark(b'{"system":"Be \\"brief\\"."}', Marks(Breakpoint.SYSTEM, ttl=ttl)))
    assert body == {"system": [{"type": "text", "text": 'Be "brief".', "cache_control": control}]}


@pytest.mark.parametrize(
    "body",
    [
        b'{"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}',
        b'{"system":"a","cache_control":{"type":"ephemeral"}}',
        b'{"input":"a","prompt_cache_key":"mine"}',
        b'{"input":"a","prompt_cache_options":{"mode":"explicit"}}',
    ],
)
def test_a_body_that_sets_its_own_caching_is_returned_as_it_is(body: bytes) -> None:
    for marks in (Marks(Breakpoint.SYSTEM, ttl="1h"), Marks(Breakpoint.KEY, key="ours")):
        assert mark(body, marks) is body


@pytest.mark.parametrize("at", Breakpoint)
@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[1]",
        b"no json",
        b'{"system":"","tools":[],"messages":[]}',
        b'{"system":7,"tools":{},"messages":[{"content":"x"}]}',
        b'{"system":[8],"tools":[8],"messages":[8]}',
    ],
)
def test_where_no_breakpoint_fits_the_body_is_returned_as_it_is(
    body: bytes, at: Breakpoint
) -> None:
    assert mark(body, Marks(at, ttl="1h")) is body
